/* pool_pairs.h: windows of 2x2 that don't overlap, a row of windows at a time. Where a row is shorter than a
 * vector, whole vectors are stored nevertheless: what is beyond is overwritten by the next row. Only near the
 * end of a part's planes are loads and stores cut to the row.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_PAIRS_H
#define KM_POOL_PAIRS_H

#include "pool_rows.h"

/* Two rows of the larger tensor and their row of windows, n of them; indices of the first row's element 0. */
typedef struct km_pair {
    float *upper, *lower, *y;
    int32_t *indices;
    int32_t start;
    int64_t n;
} km_pair;

/* Elements 2 o and what follows of a row; cut: none beyond it. Where half a vector of windows is enough, the second
 * vector does not matter. */
typedef struct km_two {
    vf a, b;
} km_two;

KM_INLINE km_two km_load_two(const float *row, int64_t n, int cut)
{
    const vf a = cut ? v_load_n(row, 2 * n) : v_load(row);
    if (2 * n <= V)
        return (km_two){a, a};
    return (km_two){a, cut ? v_load_n(row + V, 2 * n - V) : v_load(row + V)};
}

KM_INLINE void km_store_two(float *row, vf even, vf odd, int64_t n, int cut)
{
    const vf a = v_zip_low(even, odd), b = v_zip_high(even, odd);
    if (cut)
        v_store_n(row, a, 2 * n);
    else
        v_store(row, a);
    if (2 * n > V && cut)
        v_store_n(row + V, b, 2 * n - V);
    else if (2 * n > V)
        v_store(row + V, b);
}

/* ---- forward ---- */

KM_INLINE km_best km_largest_pair(km_two x, km_two z, int32_t below, int careful)
{
    const vi next = vi_set(1), lower = vi_set(below);
    km_best b = {v_even(x.a, x.b), vi_set(0)};
    b = km_better(b, v_odd(x.a, x.b), next, careful);
    b = km_better(b, v_even(z.a, z.b), lower, careful);
    return km_better(b, v_odd(z.a, z.b), vi_add(next, lower), careful);
}

KM_INLINE void km_max_pair(const km_pool *p, const km_pair *t, int cut)
{
    const km_two x = km_load_two(t->upper, t->n, cut), z = km_load_two(t->lower, t->n, cut);
    const vm nan = v_or(v_unordered(x.a, z.a), v_unordered(x.b, z.b));
    km_best b = km_largest_pair(x, z, (int32_t)p->w.in, 0);
    if (v_any(nan))
        b = km_largest_pair(x, z, (int32_t)p->w.in, 1);
    b.index = vi_add(b.index, vi_add(vi_set(t->start), vi_load(p->column)));
    if (cut) {
        v_store_n(t->y, b.value, t->n);
        vi_store_n(t->indices, b.index, t->n);
    } else {
        v_store(t->y, b.value);
        vi_store(t->indices, b.index);
    }
}

KM_INLINE void km_average_pair(const km_pool *p, const km_pair *t, int cut)
{
    const vf scale = v_set(p->scale_h[0] * p->scale_w[0]);
    const km_two x = km_load_two(t->upper, t->n, cut), z = km_load_two(t->lower, t->n, cut);
    const vf a = v_add(x.a, z.a), b = v_add(x.b, z.b);
    const vf y = v_mul(v_add(v_even(a, b), v_odd(a, b)), scale);
    if (cut)
        v_store_n(t->y, y, t->n);
    else
        v_store(t->y, y);
}

/* ---- backward ---- */

KM_INLINE vf km_if(vi index, vi own, vf g)
{
    return v_select(vi_eq(index, own), g, v_set(0));
}

KM_INLINE void km_max_gradient_pair(const km_pool *p, const km_pair *t, int cut)
{
    const vf g = cut ? v_load_n(t->y, t->n) : v_load(t->y);
    const vi index = cut ? vi_load_n(t->indices, t->n) : vi_load(t->indices);
    const vi own = vi_add(vi_set(t->start), vi_load(p->column)), next = vi_add(own, vi_set(1));
    const vi below = vi_set((int32_t)p->w.in);
    km_store_two(t->upper, km_if(index, own, g), km_if(index, next, g), t->n, cut);
    km_store_two(t->lower, km_if(index, vi_add(own, below), g),
                 km_if(index, vi_add(next, below), g), t->n, cut);
}

KM_INLINE void km_average_gradient_pair(const km_pool *p, const km_pair *t, int cut)
{
    const vf scale = v_set(p->scale_h[0] * p->scale_w[0]);
    const vf g = v_mul(cut ? v_load_n(t->y, t->n) : v_load(t->y), scale);
    km_store_two(t->upper, g, g, t->n, cut);
    km_store_two(t->lower, g, g, t->n, cut);
}

/* ---- planes ---- */

KM_INLINE void km_one_pair(const km_pool *p, const km_pair *t, int backward, int max, int cut)
{
    if (backward && max)
        km_max_gradient_pair(p, t, cut);
    else if (backward)
        km_average_gradient_pair(p, t, cut);
    else if (max)
        km_max_pair(p, t, cut);
    else
        km_average_pair(p, t, cut);
}

/* A row of at least V windows; the last vector repeats some. */
KM_INLINE void km_long_pair(const km_pool *p, const km_pair *t, int backward, int max)
{
    for (int64_t o = 0; o < t->n; o += V) {
        const int64_t at = o + V > t->n ? t->n - V : o;
        const km_pair own = {t->upper + 2 * at,
                             t->lower + 2 * at,
                             t->y + at,
                             max ? t->indices + at : 0,
                             t->start + (int32_t)(2 * at),
                             V};
        km_one_pair(p, &own, backward, max, 0);
    }
}

/* Rows of windows of planes that follow each other, up to the ends of x and y. */
KM_INLINE void km_pair_planes(const km_pool *p, km_pair t, int64_t planes, int backward, int max)
{
    const int64_t in = p->w.in, rows = p->h.out, skipped = (p->h.in - 2 * rows) * in;
    const float *end_x = t.upper + planes * p->h.in * in;
    const float *end_y = t.y + planes * rows * p->w.out;
    t.n = p->w.out;
    for (int64_t i = 0; i < planes; i++, t.upper += skipped) {
        t.start = 0;
        for (int64_t h = 0; h < rows; h++) {
            t.lower = t.upper + in;
            if (t.n >= V)
                km_long_pair(p, &t, backward, max);
            else if (end_x - t.lower < 2 * V || end_y - t.y < V)
                km_one_pair(p, &t, backward, max, 1);
            else
                km_one_pair(p, &t, backward, max, 0);
            t.start += (int32_t)(2 * in);
            t.upper += 2 * in;
            t.y += t.n;
            t.indices += max ? t.n : 0;
        }
    }
}

KM_INLINE void km_pool_pairs(const km_pool *p, const km_args *args, int part, int max)
{
    const int64_t from = p->planes * part / args->threads,
                  to = p->planes * (part + 1) / args->threads;
    const int64_t outputs = p->h.out * p->w.out;
    float *x = args->slot[p->backward ? KM_GRAD_X : KM_X].data;
    float *y = args->slot[p->backward ? KM_GRAD_Y : KM_Y].data;
    int32_t *indices = args->slot[KM_INDICES].data;
    const km_pair t = {.upper = x + from * p->h.in * p->w.in,
                       .y = y + from * outputs,
                       .indices = max ? indices + from * outputs : 0};
    if (p->planes && p->backward)
        km_pair_planes(p, t, to - from, 1, max);
    else if (p->planes)
        km_pair_planes(p, t, to - from, 0, max);
}

#endif
