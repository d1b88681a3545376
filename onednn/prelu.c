/* prelu.c: y = x > 0 ? x : w x, with one slope or one per channel, as oneDNN's prelu primitive.
 *
 * Its JIT code runs plane by plane, a plane being what shares a slope. With one slope the planes
 * are ours to choose (as n x c x h x w oneDNN would run reference code): one per thread, or one
 * for all where a second thread does not pay.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <string.h>

/* Measured: from here on two threads beat one (oneDNN 2.6 and 3.7). */
static const int64_t parallel_from = 32768;

/* The divisor of count from threads to 64 threads that divides evenest over the threads. */
static int64_t planes_of(int64_t count, int threads)
{
    int64_t best = 1, best_rounds = threads; /* rounds / planes: time relative to one plane */
    if (threads == 1 || count < parallel_from)
        return 1;
    for (int64_t planes = threads; planes <= 64 * (int64_t)threads; planes++) {
        const int64_t rounds = (planes + threads - 1) / threads * threads;
        if (count % planes == 0 && rounds * best < best_rounds * planes) {
            best = planes;
            best_rounds = rounds;
        }
    }
    return best;
}

static dnnl_status_t describe_tensors(const plan *p, const km_args *args, desc *x, desc *w)
{
    const int64_t count = args->slot[KM_X].count, slopes = args->slot[KM_WEIGHT].count;
    const int64_t planes = slopes > 1 ? args->slot[KM_X].dim[0] : planes_of(count, p->threads);
    dnnl_status_t status =
        desc_create(x, 3, (const dnnl_dims_t){planes, slopes, count / planes / slopes});
    return status ? status : desc_create(w, 3, (const dnnl_dims_t){1, slopes, 1});
}

static const char *build_forward(plan *p, const km_args *args, const void *recipe)
{
    (void)recipe;
    desc x = {0}, w = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no prelu for these shapes";
    if (!describe_tensors(p, args, &x, &w) && !prelu_forward(&pd, p->engine, &x, &w)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &x, KM_X, 0)},
            {DNNL_ARG_WEIGHTS, km_onednn_memory(p, &w, KM_WEIGHT, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &x, KM_Y, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 3);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&w);
    desc_destroy(&x);
    return reason;
}

static const char *build_backward(plan *p, const km_args *args, const void *recipe)
{
    (void)recipe;
    desc x = {0}, w = {0};
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    const char *reason = "oneDNN has no prelu for these shapes";
    if (!describe_tensors(p, args, &x, &w) && !prelu_forward(&hint, p->engine, &x, &w) &&
        !prelu_backward(&pd, p->engine, &x, &w, hint)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &x, KM_X, 0)},
            {DNNL_ARG_WEIGHTS, km_onednn_memory(p, &w, KM_WEIGHT, 0)},
            {DNNL_ARG_DIFF_DST, km_onednn_memory(p, &x, KM_GRAD_Y, 0)},
            {DNNL_ARG_DIFF_SRC, km_onednn_memory(p, &x, KM_GRAD_X, 0)},
            {DNNL_ARG_DIFF_WEIGHTS, km_onednn_memory(p, &w, KM_GRAD_WEIGHT, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 5);
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(hint);
    desc_destroy(&w);
    desc_destroy(&x);
    return reason;
}

static const char *open_forward(const km_args *args, void **out)
{
    return km_onednn_open(args, build_forward, NULL, out);
}

static const char *open_backward(const km_args *args, void **out)
{
    return km_onednn_open(args, build_backward, NULL, out);
}

static void run_backward(const km_args *args)
{
    const km_tensor *grad_weight = &args->slot[KM_GRAD_WEIGHT];
    if (args->slot[KM_X].count)
        km_onednn_run(args);
    else if (grad_weight->count) /* a sum of no terms */
        memset(grad_weight->data, 0, (size_t)grad_weight->count * sizeof(float));
}

const km_kernel km_onednn_prelu[] = {
    {"prelu", "forward", open_forward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, NULL},
    {"prelu", "backward", open_backward, run_backward, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, NULL},
    {0},
};
