/* pool.c: pooling as oneDNN's primitive, in the fastest of four layouts, conversions included where
 * tensors are plain.
 *
 * What oneDNN leaves out is declined: divisor_override, uneven grids, and averages that count padding
 * in a last window beyond it. Its maximum skips NaN. Indices of a maximum are derived from its
 * workspace, and for backward the workspace from the indices: both steps are ours, within run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const layout layouts[] = {{dnnl_nchw, 1, "nchw"},
                                 {dnnl_nChw16c, 16, "nChw16c"},
                                 {dnnl_nChw8c, 8, "nChw8c"},
                                 {dnnl_nhwc, 0, "nhwc"}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts, TRIES = 4 };

/* ---- open ---- */

static windows windows_of(const km_args *args, int backward)
{
    const km_tensor *x = &args->slot[backward ? KM_GRAD_X : KM_X];
    const km_tensor *y = &args->slot[backward ? KM_GRAD_Y : KM_Y];
    const km_case *c = args->params;
    windows g = {x->dim[0], x->dim[1], x->dim[2],        x->dim[3],
                 y->dim[2], y->dim[3], c->dim[KM_DIM_R], c->dim[KM_DIM_S]};
    for (int i = 0; i < 2; i++) {
        g.stride[i] = (int64_t)c->attr[KM_STRIDE + i];
        g.pad[i] = (int64_t)c->attr[KM_PAD + i];
        g.dilation[i] = c->attr[KM_DILATION + i] > 1 ? (int64_t)c->attr[KM_DILATION + i] : 1;
    }
    return g;
}

/* ---- run ---- */

/* A gradient without windows is 0. */
static void run(const km_args *args)
{
    const pool *p = args->plan;
    const km_tensor *grad_x = &args->slot[KM_GRAD_X];
    if (!p->main) {
        if (grad_x->count)
            memset(grad_x->data, 0, (size_t)grad_x->count * sizeof(float));
        return;
    }
    const int before = omp_get_max_threads();
    omp_set_num_threads(p->threads);
    km_onednn_pool_run(p, args);
    omp_set_num_threads(before);
}

/* ---- the fastest layout ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(const pool *p, const km_args *args)
{
    double least = 1e9;
    for (int i = 0; i < TRIES; i++) {
        const double start = now();
        km_onednn_pool_run(p, args);
        const double took = now() - start;
        least = took < least ? took : least;
    }
    return least;
}

/* Tensors to try layouts on: zeros, blocks of channels padded; indices those of tap 0 of each window,
 * or where that is padding, of the nearest element. */
static int borrow(const pool *p, km_args *args)
{
    const windows *g = &p->at;
    int failed = 0;
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        km_tensor *t = &args->slot[s];
        t->data = NULL;
        if (t->count)
            failed |= !(t->data = calloc((size_t)(t->count / g->c * (g->c + 16)), sizeof(float)));
    }
    int32_t *indices = args->slot[KM_INDICES].data;
    for (int64_t i = 0; indices && !failed && !p->native && i < args->slot[KM_INDICES].count; i++) {
        int64_t h = i / g->q % g->p * g->stride[0] - g->pad[0];
        int64_t w = i % g->q * g->stride[1] - g->pad[1];
        while (h < 0)
            h += g->dilation[0];
        while (w < 0)
            w += g->dilation[1];
        indices[i] = (int32_t)(h * g->w + w);
    }
    return failed;
}

static const char *open_in(const pool *start, const layout *l, pool **out)
{
    pool *p = malloc(sizeof *p);
    if (!p)
        return "out of memory";
    *p = *start;
    p->layout = *l;
    const char *reason = km_onednn_pool_make(p);
    if (reason) {
        km_onednn_pool_close(p);
        p = NULL;
    }
    *out = p;
    return reason;
}

static const char *open_fastest(const km_args *args, const pool *start, pool **best)
{
    km_args own = *args;
    double least = 1e9;
    const char *reason = borrow(start, &own) ? "out of memory" : NULL, *why = reason;
    for (int i = 0; i < LAYOUTS && !reason; i++) {
        pool *p = NULL;
        const char *declined = open_in(start, &layouts[i], &p);
        const double took = declined ? 1e9 : seconds_of(p, &own);
        why = declined && !why ? declined : why;
        if (took < least) {
            km_onednn_pool_close(*best);
            *best = p;
            least = took;
        } else
            km_onednn_pool_close(p);
    }
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        free(own.slot[s].data);
    return *best ? NULL : why;
}

static const char *open(const km_args *args, void **out, pool start)
{
    const int before = omp_get_max_threads();
    const windows *g = &start.at;
    pool *p = NULL;
    const char *reason = NULL;
    start.threads = args->threads > 0 ? args->threads : 1;
    start.native = args->layout == KM_NATIVE;
    omp_set_num_threads(start.threads);
    if (g->n * g->c * g->p * g->q == 0) {
        p = malloc(sizeof *p);
        if (p)
            *p = start;
        reason = p ? NULL : "out of memory";
    } else
        reason = open_fastest(args, &start, &p);
    omp_set_num_threads(before);
    *out = p;
    return reason;
}

static void describe(const void *plan, km_kernel_info *info)
{
    const pool *p = plan;
    info->workspace_bytes = p->bytes;
    snprintf(info->impl, sizeof info->impl, "%s %s%s", p->impl ? p->impl : "",
             p->main ? p->layout.name : "", p->convert[0] ? ", converted" : "");
}

/* ---- native layouts ---- */

static int output_slot(km_slot slot)
{
    return slot == KM_Y || slot == KM_GRAD_Y || slot == KM_INDICES;
}

static int64_t native_count(const void *plan, km_slot slot)
{
    const pool *p = plan;
    const int64_t count = count_of(p, output_slot(slot));
    if (!p->main)
        return 0;
    if (slot == KM_INDICES)
        return (count * p->record_size + 3) / 4;
    return p->layout.block == 1 ? 0 : count;
}

static void to_native(void *plan, km_slot slot, const void *plain, void *native)
{
    const pool *p = plan;
    const windows *g = &p->at;
    const int64_t area = output_slot(slot) ? g->p * g->q : g->h * g->w;
    memset(native, 0, (size_t)native_count(p, slot) * sizeof(float));
    if (slot == KM_INDICES) {
        km_onednn_from_indices(g, &p->layout, native, p->record_size, plain, 1);
        return;
    }
    for (int64_t i = 0; i < g->n * g->c; i++)
        for (int64_t j = 0; j < area; j++)
            ((float *)native)[offset_of(&p->layout, g, i / g->c, i % g->c, j, area)] =
                ((const float *)plain)[i * area + j];
}

static void from_native(void *plan, km_slot slot, const void *native, void *plain)
{
    const pool *p = plan;
    const windows *g = &p->at;
    const int64_t area = output_slot(slot) ? g->p * g->q : g->h * g->w;
    if (slot == KM_INDICES) {
        km_onednn_to_indices(g, &p->layout, native, p->record_size, plain, 1);
        return;
    }
    for (int64_t i = 0; i < g->n * g->c; i++)
        for (int64_t j = 0; j < area; j++)
            ((float *)plain)[i * area + j] =
                ((const float *)native)[offset_of(&p->layout, g, i / g->c, i % g->c, j, area)];
}

/* ---- passes ---- */

static const char *open_max(const km_args *args, void **out, int backward)
{
    return open(args, out,
                (pool){.at = windows_of(args, backward),
                       .alg = dnnl_pooling_max,
                       .max = 1,
                       .backward = backward});
}

static const char *open_avg(const km_args *args, void **out, int backward)
{
    const double *attr = args->params->attr;
    const windows g = windows_of(args, backward);
    const int with_pad = attr[KM_COUNT_INCLUDE_PAD] != 0;
    const int beyond = (g.p - 1) * g.stride[0] + g.r > g.h + 2 * g.pad[0] ||
                       (g.q - 1) * g.stride[1] + g.s > g.w + 2 * g.pad[1];
    if (attr[KM_DIVISOR_OVERRIDE] != 0)
        return "oneDNN has no divisor_override";
    if (with_pad && beyond)
        return "oneDNN counts the whole of a last window that ends beyond the padding";
    return open(args, out,
                (pool){.at = g,
                       .alg = with_pad ? dnnl_pooling_avg_include_padding
                                       : dnnl_pooling_avg_exclude_padding,
                       .backward = backward});
}

/* Windows of a grid that divides the input are their own stride. */
static const char *open_adaptive(const km_args *args, void **out, int backward)
{
    windows g = windows_of(args, backward);
    if (g.p > 0 && g.q > 0 && (g.h % g.p || g.w % g.q))
        return "oneDNN has no windows of uneven size";
    g.stride[0] = g.r = g.p > 0 ? g.h / g.p : 1;
    g.stride[1] = g.s = g.q > 0 ? g.w / g.q : 1;
    return open(args, out,
                (pool){.at = g, .alg = dnnl_pooling_avg_exclude_padding, .backward = backward});
}

#define OPEN(kind)                                                                                 \
    static const char *open_##kind##_forward(const km_args *args, void **out)                      \
    {                                                                                              \
        return open_##kind(args, out, 0);                                                          \
    }                                                                                              \
    static const char *open_##kind##_backward(const km_args *args, void **out)                     \
    {                                                                                              \
        return open_##kind(args, out, 1);                                                          \
    }
OPEN(max)
OPEN(avg)
OPEN(adaptive)

#define KERNEL(name, pass_name, open_pass, how, what)                                              \
    {                                                                                              \
        .op = name, .pass = pass_name, .open = open_pass, .run = run,                              \
        .close = km_onednn_pool_close, .describe = describe, .offer = how, .note = what,           \
        .native_count = native_count, .to_native = to_native, .from_native = from_native           \
    }

const km_kernel km_onednn_pool[] = {
    KERNEL("max_pool2d", "forward", open_max_forward, KM_COMPOSED_KERNEL,
           "pooling, and indices from its workspace"),
    KERNEL("max_pool2d", "backward", open_max_backward, KM_COMPOSED_KERNEL,
           "the workspace from indices, and pooling"),
    KERNEL("avg_pool2d", "forward", open_avg_forward, KM_NATIVE_KERNEL, NULL),
    KERNEL("avg_pool2d", "backward", open_avg_backward, KM_NATIVE_KERNEL, NULL),
    KERNEL("adaptive_avg_pool2d", "forward", open_adaptive_forward, KM_NATIVE_KERNEL, NULL),
    KERNEL("adaptive_avg_pool2d", "backward", open_adaptive_backward, KM_NATIVE_KERNEL, NULL),
    {0},
};
