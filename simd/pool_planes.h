/* pool_planes.h: plain tensors in lanes, and back; native tensors; what parts do.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_PLANES_H
#define KM_POOL_PLANES_H

#include "pool_gradient.h"
#include "pool_groups.h"
#include "pool_held.h"
#include "pool_native.h"
#include "pool_pairs.h"

/* ---- V planes and vectors ---- */

/* Elements [0, n) of planes `plane` elements apart, of which `count` exist; at most V - 1 vectors more are written.
 * Nonzero if there is a NaN. */
static inline int km_to_lanes(float *to, const float *from, int64_t plane, int64_t count, int64_t n)
{
    const float *start[V];
    int nan = 0;
    for (int l = 0; l < V; l++)
        start[l] = from + (l < count ? l : 0) * plane;
    for (int64_t i = 0; i < n; i += V) {
        const int64_t at = n < V ? 0 : i + V > n ? n - V : i; /* again some of the last ones */
        vf a[V];
        if (n < V)
            for (int l = 0; l < V; l++)
                a[l] = v_load_n(start[l], n);
        else
            for (int l = 0; l < V; l++)
                a[l] = v_load(start[l] + at);
        vm m = v_unordered(a[0], a[1]);
        for (int l = 2; l < V; l += 2)
            m = v_or(m, v_unordered(a[l], a[l + 1]));
        nan |= v_any(m);
        v_transpose(a);
        for (int l = 0; l < V; l++)
            v_store(to + (at + l) * V, a[l]);
    }
    return nan;
}

/* The way back; reads as many vectors too many. */
static inline void km_from_lanes(float *to, const float *from, int64_t plane, int64_t count,
                                 int64_t n)
{
    for (int64_t i = 0; i < n; i += V) {
        const int64_t at = n < V ? 0 : i + V > n ? n - V : i;
        vf a[V];
        for (int l = 0; l < V; l++)
            a[l] = v_load(from + (at + l) * V);
        v_transpose(a);
        if (n >= V && count >= V)
            for (int l = 0; l < V; l++)
                v_store(to + l * plane + at, a[l]);
        else
            for (int l = 0; l < V && l < count; l++)
                v_store_n(to + l * plane + at, a[l], n);
    }
}

/* ---- plain tensors through lanes ---- */

KM_INLINE void km_pool_band(const km_pool *p, const km_args *args, float *scratch, int64_t plane,
                            int64_t from, int max)
{
    const int64_t count = p->planes - plane < V ? p->planes - plane : V;
    const int64_t rows = p->backward ? p->h.in : p->h.out;
    const int64_t in = p->backward ? p->w.out : p->w.in, out = p->backward ? p->w.in : p->w.out;
    const int64_t in_plane = in * (p->backward ? p->h.out : p->h.in), out_plane = rows * out;
    float *staged = scratch, *staged_indices = scratch + p->staged;
    float *result = scratch + (max && p->backward ? 2 : 1) * p->staged;
    float *result_indices = result + p->result;
    km_lanes t = {.in = staged,
                  .in_indices = (const int32_t *)staged_indices,
                  .out = result,
                  .out_indices = (int32_t *)result_indices,
                  .shares = result + p->result,
                  .from = from,
                  .to = from + p->band < rows ? from + p->band : rows};
    int64_t end;
    km_sources(p, t.from, t.to, &t.first, &end);
    const int64_t from_in = plane * in_plane + t.first * in, n = (end - t.first) * in;
    const int64_t from_out = plane * out_plane + t.from * out, m = (t.to - t.from) * out;
    const float *x = args->slot[p->backward ? KM_GRAD_Y : KM_X].data;
    float *y = args->slot[p->backward ? KM_GRAD_X : KM_Y].data;
    float *indices = args->slot[KM_INDICES].data;
    const int careful = km_to_lanes(staged, x + from_in, in_plane, count, n);
    if (max && p->backward)
        km_to_lanes(staged_indices, indices + from_in, in_plane, count, n);
    km_pool_lanes(p, &t, max, careful);
    km_from_lanes(y + from_out, result, out_plane, count, m);
    if (max && !p->backward)
        km_from_lanes(indices + from_out, result_indices, out_plane, count, m);
}

KM_INLINE void km_pool_through_lanes(const km_pool *p, const km_args *args, int part, int max)
{
    const int64_t rows = p->backward ? p->h.in : p->h.out, groups = (p->planes + V - 1) / V;
    const int64_t end = groups * (part + 1) / args->threads;
    for (int64_t g = groups * part / args->threads; g < end; g++)
        for (int64_t from = 0; from < rows; from += p->band)
            km_pool_band(p, args, p->scratch + part * p->all, g * V, from, max);
}

/* ---- native tensors ---- */

static inline void km_max_block(const km_pool *p, const km_args *args, int64_t block, int part)
{
    const int64_t in = block * V * km_pool_plane(p, KM_X), out = block * V * km_pool_plane(p, KM_Y);
    uint8_t *taps = (uint8_t *)args->slot[KM_INDICES].data + out;
    float *larger = (float *)args->slot[p->backward ? KM_GRAD_X : KM_X].data + in;
    float *smaller = (float *)args->slot[p->backward ? KM_GRAD_Y : KM_Y].data + out;
    if (p->backward && p->apart && p->h.kernel == 2 && p->w.kernel == 2)
        km_won_apart(p, smaller, taps, larger, 2, 2);
    else if (p->backward && p->apart)
        km_won_apart(p, smaller, taps, larger, p->h.kernel, p->w.kernel);
    else if (p->backward)
        km_won(p, smaller, taps, larger, (double *)p->scratch + part * p->all / 2);
    else if (km_are_pairs(p))
        km_max_of_pairs(p, larger, smaller, taps);
    else if (km_is_grouped(p, 1))
        km_max_grouped(p, larger, smaller, taps, 1);
    else if (km_is_grouped(p, 2))
        km_max_grouped(p, larger, smaller, taps, 2);
    else if (p->ring)
        km_max_shared(p, larger, smaller, taps, km_kept_of(p, part));
    else
        km_max_alone(p, larger, smaller, taps);
}

KM_INLINE void km_average_block(const km_pool *p, const km_args *args, int64_t block, int part)
{
    const int64_t in = block * V * km_pool_plane(p, p->backward ? KM_GRAD_Y : KM_X);
    const int64_t out = block * V * km_pool_plane(p, p->backward ? KM_GRAD_X : KM_Y);
    const km_lanes t = {.in = (const float *)args->slot[p->backward ? KM_GRAD_Y : KM_X].data + in,
                        .out = (float *)args->slot[p->backward ? KM_GRAD_X : KM_Y].data + out,
                        .shares = p->backward ? p->scratch + part * p->all : 0,
                        .to = p->backward ? p->h.in : p->h.out};
    km_pool_lanes(p, &t, 0, 0);
}

KM_INLINE void km_pool_run(const km_args *args, int part, int max)
{
    const km_pool *p = args->plan;
    if (p->how == POOL_BLOCKS) {
        const int64_t blocks = km_pool_blocks(p), end = blocks * (part + 1) / args->threads;
        for (int64_t b = blocks * part / args->threads; b < end; b++)
            if (max)
                km_max_block(p, args, b, part);
            else
                km_average_block(p, args, b, part);
    } else if (p->how == POOL_ROWS) {
        km_pool_rows(p, args, part, max);
    } else if (p->how == POOL_PAIRS) {
        km_pool_pairs(p, args, part, max);
    } else {
        km_pool_through_lanes(p, args, part, max);
    }
}

#endif
