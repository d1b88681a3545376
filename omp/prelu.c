/* prelu.c: slices of planes, and partial slope gradients combined in a fixed order.
 *
 * One slope: x is a single plane of all elements. forward gives each thread a contiguous range of
 * planes. backward cuts x into blocks whose size depends on the shape alone; every block writes
 * its partial grad_weight to a row of scratch and the rows are added in order, in double: same
 * bits for any thread count. params stay those of the whole case; shapes are in the slots.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core/registry.h"
#include "slice.h"

enum { BLOCK = 32768, MAX_BLOCKS = 32 }; /* elements at least; blocks of equal length at most */

typedef struct plan {
    const km_kernel *inner;
    const km_backend *from;
    int threads;
    int64_t n, c, plane; /* x as images of channels of planes */
    int64_t images, channels,
        piece;            /* a block: several images, several channels, or part of a plane */
    int64_t scratch;      /* floats in partial */
    int64_t rows, blocks; /* blocks: of a row */
    void *whole;          /* the inner kernel's plan for the whole case, if it wants one */
    float partial[];      /* rows x c */
} plan;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static plan geometry(const km_args *args)
{
    const km_tensor *x = &args->slot[KM_X];
    plan p = {.n = 1, .c = 1, .plane = x->count};
    if (args->slot[KM_WEIGHT].count > 1) {
        p.n = x->dim[0];
        p.c = x->dim[1];
        p.plane = x->dim[2] * x->dim[3];
    }
    const int64_t size = max64(BLOCK, ceil_div(x->count, MAX_BLOCKS));
    const int64_t image = p.c * p.plane;
    p.images = image ? max64(1, min64(p.n, size / image)) : 1;
    p.channels = image <= size ? p.c : max64(1, p.plane ? size / p.plane : p.c);
    p.piece = p.plane <= size ? p.plane : size / 16 * 16;
    p.rows = x->count ? ceil_div(p.n, p.images) * ceil_div(p.plane, p.piece) : 0;
    p.blocks = x->count ? ceil_div(p.c, p.channels) : 0;
    return p;
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (p && p->inner->close)
        p->inner->close(p->whole);
    free(p);
}

static const char *open(const km_args *args, void **out, const char *pass, int64_t scratch_rows,
                        plan p)
{
    p.inner = km_widest_kernel("prelu", pass, &p.from);
    if (!p.inner)
        return "no single-thread kernel to call";
    const char *reason = p.inner->open ? p.inner->open(args, &p.whole) : NULL;
    /* a plan is for one shape: such a kernel gets the whole case */
    p.threads = p.inner->open ? 1 : km_omp_threads(args, KM_OMP_STREAM, args->slot[KM_X].count);
    p.scratch = scratch_rows * p.c;
    plan *copy = reason ? NULL : malloc(sizeof p + (size_t)p.scratch * sizeof(float));
    if (copy)
        *copy = p;
    *out = copy;
    return reason || copy ? reason : "out of memory";
}

static const char *open_forward(const km_args *args, void **out)
{
    return open(args, out, "forward", 0, geometry(args));
}

static const char *open_backward(const km_args *args, void **out)
{
    const plan p = geometry(args);
    return open(args, out, "backward", p.rows, p);
}

static void run_whole(const plan *p, const km_args *args)
{
    km_args inner = *args;
    inner.plan = p->whole;
    inner.threads = 1;
    p->inner->run(&inner);
}

/* Runs the inner kernel on n x c x plane elements from `first` on, whose channels start at
 * `channel`. */
static void run_part(const plan *p, const km_args *args, int64_t first, int64_t channel, int64_t n,
                     int64_t c, int64_t plane, float *grad_weight)
{
    static const km_slot data[] = {KM_X, KM_Y, KM_GRAD_Y, KM_GRAD_X};
    km_args part = {.params = args->params, .threads = 1, .layout = args->layout};
    for (int i = 0; i < 4; i++)
        if (args->slot[data[i]].count)
            part.slot[data[i]] =
                (km_tensor){at(args, data[i], first), n * c * plane, 4, {n, c, 1, plane}};
    part.slot[KM_WEIGHT] = (km_tensor){at(args, KM_WEIGHT, channel), c, 1, {c}};
    if (grad_weight)
        part.slot[KM_GRAD_WEIGHT] = (km_tensor){grad_weight + channel, c, 1, {c}};
    p->inner->run(&part);
}

/* Planes begin..end: the rest of an image, whole images, the start of one. */
static void run_planes(const plan *p, const km_args *args, int64_t begin, int64_t end)
{
    while (begin < end) {
        const int64_t channel = begin % p->c, left = end - begin;
        const int64_t n = channel || left < p->c ? 1 : left / p->c;
        const int64_t c = min64(p->c - channel, left);
        run_part(p, args, begin * p->plane, channel, n, c, p->plane, NULL);
        begin += n * c;
    }
}

static void run_forward(const km_args *args)
{
    const plan *p = args->plan;
    const int64_t threads = p->threads, planes = p->n * p->c;
    if (threads == 1) {
        run_whole(p, args);
        return;
    }
    const int64_t length = planes > 1 ? 1 : ceil_div(ceil_div(p->plane, 16), threads) * 16;
#pragma omp parallel for num_threads(p->threads) schedule(static, 1)
    for (int64_t t = 0; t < threads; t++) {
        const int64_t first = t * length;
        if (planes > 1)
            run_planes(p, args, planes * t / threads, planes * (t + 1) / threads);
        else if (first < p->plane)
            run_part(p, args, first, 0, 1, 1, min64(length, p->plane - first), NULL);
    }
}

static void run_block(const plan *p, const km_args *args, float *partial, int64_t row,
                      int64_t block)
{
    const int64_t pieces = ceil_div(p->plane, p->piece);
    const int64_t image = row / pieces * p->images, start = row % pieces * p->piece;
    const int64_t channel = block * p->channels;
    run_part(p, args, (image * p->c + channel) * p->plane + start, channel,
             min64(p->images, p->n - image), min64(p->channels, p->c - channel),
             min64(p->piece, p->plane - start), partial + row * p->c);
}

static void combine(const plan *p, float *grad_weight)
{
    for (int64_t k = 0; k < p->c; k++) {
        double sum = 0;
        for (int64_t row = 0; row < p->rows; row++)
            sum += p->partial[row * p->c + k];
        grad_weight[k] = (float)sum;
    }
}

static void run_backward(const km_args *args)
{
    plan *p = args->plan;
    const int64_t all = p->rows * p->blocks;
    float *grad_weight = args->slot[KM_GRAD_WEIGHT].data;
    if (all <= 1 || p->inner->open) {
        run_whole(p, args);
        return;
    }
    float *partial = p->rows == 1 ? grad_weight : p->partial;
#pragma omp parallel for num_threads(p->threads) if (p->threads > 1) schedule(static)
    for (int64_t i = 0; i < all; i++)
        run_block(p, args, partial, i / p->blocks, i % p->blocks);
    if (p->rows > 1)
        combine(p, grad_weight);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    km_omp_describe(info, p->from, p->inner, p->whole, p->threads);
    info->workspace_bytes += p->scratch * (int64_t)sizeof(float);
}

const km_kernel km_omp_prelu[] = {
    {"prelu", "forward", open_forward, run_forward, close, describe, KM_NATIVE_KERNEL, NULL},
    {"prelu", "backward", open_backward, run_backward, close, describe, KM_NATIVE_KERNEL, NULL},
    {0},
};
