/* norm.c: batch_norm and layer_norm as oneDNN's normalisation primitives.
 *
 * oneDNN's variance is the biased one and running statistics are the caller's: run updates them, in plain C.
 * batch_norm on plain NCHW tensors may be faster between reorders to the blocked layout, in which oneDNN has its
 * JIT code: open times both ways and keeps the faster.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dnnl_norm.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int has_weight(const km_args *args)
{
    return args->slot[KM_WEIGHT].count != 0;
}

static int is_batch(const km_args *args)
{
    return args->slot[KM_X].ndim == 4;
}

static int is_inference(const km_args *args)
{
    return is_batch(args) && args->params->attr[KM_TRAINING] == 0;
}

/* ---- shapes ---- */

/* `data` is as the primitive sees it, `plain` as the caller does. */
typedef struct shapes {
    desc data, plain, channel, stat;
    int blocked;
} shapes;

/* Channels of 1 x 1 are a matrix: oneDNN's code for channels that lie side by side. */
static dnnl_status_t describe_shapes(shapes *s, const km_args *args)
{
    const km_tensor *x = &args->slot[KM_X];
    const int ndims = is_batch(args) && x->dim[2] * x->dim[3] > 1 ? 4 : 2;
    const dnnl_dims_t all = {x->dim[0], x->dim[1], x->dim[2], x->dim[3]}, channels = {x->dim[1]};
    dnnl_status_t status = desc_create(&s->plain, ndims, all);
    if (!status)
        status = s->blocked ? desc_tagged(&s->data, ndims, all, dnnl_nChw16c)
                            : desc_create(&s->data, ndims, all);
    if (!status)
        status = desc_create(&s->channel, 1, channels);
    return status ? status : desc_create(&s->stat, 1, all);
}

static void destroy_shapes(shapes *s)
{
    desc_destroy(&s->data);
    desc_destroy(&s->plain);
    desc_destroy(&s->channel);
    desc_destroy(&s->stat);
}

static norm norm_of(const shapes *s, const km_args *args)
{
    const unsigned affine = has_weight(args) ? dnnl_use_scale | dnnl_use_shift : 0;
    const unsigned given = is_inference(args) ? dnnl_use_global_stats : 0;
    return (norm){.data = &s->data,
                  .stat = is_batch(args) ? NULL : &s->stat,
                  .eps = attr(args, KM_EPS),
                  .flags = affine | given,
                  .forward = dnnl_forward_training,
                  .backward = has_weight(args) ? dnnl_backward : dnnl_backward_data};
}

/* ---- memory ---- */

/* The blocked copy number `index` in scratch. */
static dnnl_memory_t copy_of(plan *p, const shapes *s, int index)
{
    const dnnl_memory_t memory = km_onednn_memory(p, &s->data, SCRATCH_SLOT, 0);
    const size_t floats = desc_size(&s->data) / sizeof(float);
    if (memory)
        dnnl_memory_set_data_handle(memory, p->scratch + (size_t)index * floats);
    return memory;
}

static const char *make_copies(plan *p, const shapes *s, int count)
{
    if (!s->blocked)
        return NULL;
    return km_onednn_scratch(p, (int64_t)(desc_size(&s->data) / sizeof(float)) * count);
}

/* The caller's tensor to its copy, or back. */
static const char *move(plan *p, const shapes *s, dnnl_memory_t copy, int slot, int back)
{
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no reorder to this layout";
    if (!s->blocked)
        return NULL;
    const dnnl_memory_t plain = km_onednn_memory(p, &s->plain, slot, 0);
    if (!reorder(&pd, p->engine, back ? &s->data : &s->plain, back ? &s->plain : &s->data)) {
        const dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, back ? copy : plain},
                                       {DNNL_ARG_TO, back ? plain : copy}};
        reason = km_onednn_step(p, pd, arg, 2);
    }
    dnnl_primitive_desc_destroy(pd);
    return reason;
}

static dnnl_memory_t tensor(plan *p, const shapes *s, int slot, int copy)
{
    return s->blocked ? copy_of(p, s, copy) : km_onednn_memory(p, &s->data, slot, 0);
}

static int add_statistics(dnnl_exec_arg_t *arg, plan *p, const shapes *s, const km_args *args)
{
    const int given = is_inference(args);
    const desc *d = is_batch(args) ? &s->channel : &s->stat;
    arg[0] = (dnnl_exec_arg_t){DNNL_ARG_MEAN,
                               km_onednn_memory(p, d, given ? KM_RUNNING_MEAN : KM_MEAN, 0)};
    arg[1] = (dnnl_exec_arg_t){DNNL_ARG_VARIANCE,
                               km_onednn_memory(p, d, given ? KM_RUNNING_VAR : KM_VARIANCE, 0)};
    return 2;
}

static int add_channels(dnnl_exec_arg_t *arg, plan *p, const shapes *s, int id, int slot)
{
    *arg = (dnnl_exec_arg_t){id, km_onednn_memory(p, &s->channel, slot, 0)};
    return 1;
}

/* ---- builders ---- */

static const char *add_forward(plan *p, const km_args *args, const shapes *s,
                               dnnl_primitive_desc_t pd)
{
    dnnl_exec_arg_t arg[MAX_ARGS];
    int n = 0;
    const char *reason = make_copies(p, s, 1);
    if (reason)
        return reason;
    const dnnl_memory_t x = tensor(p, s, KM_X, 0);
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, x};
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_DST, s->blocked ? x : tensor(p, s, KM_Y, 0)};
    n += add_statistics(arg + n, p, s, args);
    if (has_weight(args)) {
        n += add_channels(arg + n, p, s, DNNL_ARG_SCALE, KM_WEIGHT);
        n += add_channels(arg + n, p, s, DNNL_ARG_SHIFT, KM_BIAS);
    }
    reason = move(p, s, x, KM_X, 0);
    if (!reason)
        reason = km_onednn_step(p, pd, arg, n);
    return reason ? reason : move(p, s, x, KM_Y, 1);
}

static const char *add_backward(plan *p, const km_args *args, const shapes *s,
                                dnnl_primitive_desc_t pd)
{
    dnnl_exec_arg_t arg[MAX_ARGS];
    int n = 0;
    const char *reason = make_copies(p, s, 2);
    if (reason)
        return reason;
    const dnnl_memory_t x = tensor(p, s, KM_X, 0), g = tensor(p, s, KM_GRAD_Y, 1);
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, x};
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_DIFF_DST, g};
    arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_DIFF_SRC, s->blocked ? g : tensor(p, s, KM_GRAD_X, 0)};
    n += add_statistics(arg + n, p, s, args);
    if (has_weight(args)) {
        n += add_channels(arg + n, p, s, DNNL_ARG_SCALE, KM_WEIGHT);
        /* never read, but asked for, except by batch normalisation from 3 on, which refuses it */
        if (DNNL_VERSION_MAJOR < 3 || args->slot[KM_X].ndim == 2)
            n += add_channels(arg + n, p, s, DNNL_ARG_SHIFT, KM_WEIGHT);
        n += add_channels(arg + n, p, s, DNNL_ARG_DIFF_SCALE, KM_GRAD_WEIGHT);
        n += add_channels(arg + n, p, s, DNNL_ARG_DIFF_SHIFT, KM_GRAD_BIAS);
    }
    reason = move(p, s, x, KM_X, 0);
    if (!reason)
        reason = move(p, s, g, KM_GRAD_Y, 0);
    if (!reason)
        reason = km_onednn_step(p, pd, arg, n);
    return reason ? reason : move(p, s, g, KM_GRAD_X, 1);
}

typedef struct recipe {
    int backward, blocked;
} recipe;

static const char *build(plan *p, const km_args *args, const void *recipe_)
{
    const recipe *r = recipe_;
    shapes s = {.blocked = r->blocked};
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    const char *reason = "oneDNN cannot describe the tensors";
    if (!describe_shapes(&s, args)) {
        const norm n = norm_of(&s, args);
        reason = "oneDNN has no such normalisation";
        if (!norm_forward(&hint, p->engine, &n) && !r->backward)
            reason = add_forward(p, args, &s, hint);
        else if (hint && !norm_backward(&pd, p->engine, &n, hint))
            reason = add_backward(p, args, &s, pd);
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(hint);
    destroy_shapes(&s);
    return reason;
}

/* ---- the faster of two plans ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The least time of some runs, the first not counted. */
static double time_of(const km_args *args, void *candidate)
{
    enum { RUNS = 5 };
    km_args own = *args;
    double least = 1e30;
    own.plan = candidate;
    for (int i = 0; i < RUNS; i++) {
        const double start = now();
        km_onednn_run(&own);
        const double time = now() - start;
        least = i && time < least ? time : least;
    }
    return least;
}

static void release(km_args *args)
{
    for (int i = 0; i < KM_SLOT_COUNT; i++)
        free(args->slot[i].data);
}

/* Tensors of zeros in place of the caller's, which open has not got. */
static int stand_in(km_args *args)
{
    int failed = 0;
    for (int i = 0; i < KM_SLOT_COUNT; i++) {
        km_tensor *t = &args->slot[i];
        const size_t bytes = ((size_t)t->count * sizeof(float) + 64) / 64 * 64;
        t->data = t->count ? aligned_alloc(64, bytes) : NULL;
        failed |= t->count && !t->data;
        if (t->data)
            memset(t->data, 0, bytes);
    }
    return failed;
}

static const char *open_batch(const km_args *args, int backward, void **out)
{
    const recipe plain = {backward, 0}, blocked = {backward, 1};
    const km_tensor *x = &args->slot[KM_X];
    void *other = NULL;
    km_args own = *args;
    const char *reason = km_onednn_open(args, build, &plain, out);
    if (reason || !x->count || x->dim[2] * x->dim[3] == 1 ||
        km_onednn_open(args, build, &blocked, &other))
        return reason;
    if (stand_in(&own) || time_of(&own, *out) <= time_of(&own, other)) {
        km_onednn_close(other);
    } else {
        km_onednn_close(*out);
        *out = other;
    }
    release(&own);
    return NULL;
}

static const char *batch_forward(const km_args *args, void **out)
{
    return open_batch(args, 0, out);
}

static const char *batch_backward(const km_args *args, void **out)
{
    return open_batch(args, 1, out);
}

static const char *layer_forward(const km_args *args, void **out)
{
    return km_onednn_open(args, build, &(recipe){0, 0}, out);
}

static const char *layer_backward(const km_args *args, void **out)
{
    return km_onednn_open(args, build, &(recipe){1, 0}, out);
}

/* ---- run ---- */

static void update(float *running, const float *batch, int64_t n, double momentum, double factor)
{
    for (int64_t i = 0; i < n; i++)
        running[i] = (float)((1 - momentum) * running[i] + momentum * factor * batch[i]);
}

static void run_batch_forward(const km_args *args)
{
    const km_tensor *s = args->slot;
    const int64_t c = s[KM_X].dim[1];
    km_onednn_run(args);
    if (is_inference(args) || !s[KM_X].count)
        return;
    const double m = args->params->attr[KM_MOMENTUM], values = (double)(s[KM_X].count / c);
    update(s[KM_RUNNING_MEAN].data, s[KM_MEAN].data, c, m, 1);
    update(s[KM_RUNNING_VAR].data, s[KM_VARIANCE].data, c, m, values / (values - 1));
}

static void run_backward(const km_args *args)
{
    km_onednn_run(args);
    if (args->slot[KM_X].count)
        return;
    for (int slot = KM_GRAD_WEIGHT; slot <= KM_GRAD_BIAS; slot++) /* sums of no terms */
        if (args->slot[slot].count)
            memset(args->slot[slot].data, 0, (size_t)args->slot[slot].count * sizeof(float));
}

const km_kernel km_onednn_norm[] = {
    {"batch_norm", "forward", batch_forward, run_batch_forward, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, "running statistics in plain C"},
    {"batch_norm", "backward", batch_backward, run_backward, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, NULL},
    {"layer_norm", "forward", layer_forward, km_onednn_run, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, NULL},
    {"layer_norm", "backward", layer_backward, run_backward, km_onednn_close, km_onednn_describe,
     KM_NATIVE_KERNEL, NULL},
    {0},
};
