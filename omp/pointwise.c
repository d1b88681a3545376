/* pointwise.c: one contiguous slice per thread for every op whose elements are independent.
 *
 * Slices start at multiples of 64 bytes and are as long as possible, so that an inner kernel that
 * streams past the cache for large tensors still sees a large one. Each element's bits depend on
 * its inputs only, hence not on the thread count.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core/registry.h"
#include "slice.h"

enum { LINE = 16 }; /* floats in 64 bytes */

typedef struct plan {
    const km_kernel *inner;
    const km_backend *from;
    int slices;
    int64_t stride; /* elements from slice to slice */
    km_args slice[];
} plan;

static int64_t elements(const km_args *args)
{
    const int64_t saved = args->slot[KM_Y].count;
    return saved ? saved : args->slot[KM_X].count;
}

static void close(void *plan_)
{
    plan *p = plan_;
    for (int i = 0; p && i < p->slices; i++)
        if (p->inner->close)
            p->inner->close(p->slice[i].plan);
    free(p);
}

/* Shapes of one slice; the data comes in run. params stay those of the whole case. */
static void shape(km_args *slice, const km_args *args, int64_t count)
{
    *slice = *args;
    slice->threads = 1;
    slice->plan = NULL;
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (slice->slot[s].count) {
            slice->slot[s].count = slice->slot[s].dim[0] = count;
            slice->slot[s].ndim = 1;
        }
}

static const char *open(const km_args *args, void **out, const char *op, const char *pass,
                        km_omp_class class)
{
    const km_backend *from = NULL;
    const km_kernel *inner = km_widest_kernel(op, pass, &from);
    if (!inner)
        return "no single-thread kernel to call";
    const int64_t count = elements(args), lines = (count + LINE - 1) / LINE;
    const int64_t threads = km_omp_threads(args, class, count);
    const int64_t stride = threads > 1 ? (lines + threads - 1) / threads * LINE : count;
    const int slices = stride ? (int)((count + stride - 1) / stride) : 1;
    plan *p = calloc(1, sizeof *p + (size_t)slices * sizeof *p->slice);
    if (!p)
        return "out of memory";
    *p = (plan){.inner = inner, .from = from, .stride = stride};
    const char *reason = NULL;
    for (int i = 0; i < slices && !reason; i++, p->slices += !reason) {
        shape(&p->slice[i], args, min64(stride, count - i * stride));
        if (inner->open)
            reason = inner->open(&p->slice[i], &p->slice[i].plan);
    }
    if (reason) {
        close(p);
        p = NULL;
    }
    *out = p;
    return reason;
}

static void run_slice(plan *p, const km_args *args, int i)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        p->slice[i].slot[s].data = at(args, (km_slot)s, i * p->stride);
    p->inner->run(&p->slice[i]);
}

static void run(const km_args *args)
{
    plan *p = args->plan;
    if (p->slices == 1) {
        /* a kernel without a plan takes the arguments as they came: small cases have no time to spare */
        if (p->inner->open)
            run_slice(p, args, 0);
        else
            p->inner->run(args);
        return;
    }
#pragma omp parallel for num_threads(p->slices) schedule(static, 1)
    for (int i = 0; i < p->slices; i++)
        run_slice(p, args, i);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    km_omp_describe(info, p->from, p->inner, p->slice[0].plan, p->slices);
    info->workspace_bytes *= p->slices;
}

/* op, class of forward, class of backward */
#define LINES(L)                                                                                   \
    L(sigmoid, EXP, STREAM)                                                                        \
    L(tanh, EXP, STREAM)                                                                           \
    L(relu, STREAM, STREAM)                                                                        \
    L(leaky_relu, STREAM, STREAM)                                                                  \
    L(elu, EXP, STREAM)                                                                            \
    L(selu, EXP, STREAM)                                                                           \
    L(gelu, HEAVY, HEAVY)                                                                          \
    L(silu, EXP, HEAVY)                                                                            \
    L(mish, HEAVY, HEAVY)                                                                          \
    L(hardswish, STREAM, STREAM)                                                                   \
    L(softplus, HEAVY, HEAVY)

/* open must know which op it is for: one entry point per op and pass. */
#define ENTRY(op, forward, backward)                                                               \
    static const char *op##_forward(const km_args *args, void **out)                               \
    {                                                                                              \
        return open(args, out, #op, "forward", KM_OMP_##forward);                                  \
    }                                                                                              \
    static const char *op##_backward(const km_args *args, void **out)                              \
    {                                                                                              \
        return open(args, out, #op, "backward", KM_OMP_##backward);                                \
    }
LINES(ENTRY)

#define KERNELS(op, ...)                                                                           \
    {#op, "forward", op##_forward, run, close, describe, KM_NATIVE_KERNEL, NULL},                  \
        {#op, "backward", op##_backward, run, close, describe, KM_NATIVE_KERNEL, NULL},
const km_kernel km_omp_pointwise[] = {LINES(KERNELS){0}};
