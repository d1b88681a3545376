/* cross_entropy_columns.h: positions along h, whose classes lie h apart: a batch is a group of columns.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CROSS_ENTROPY_COLUMNS_H
#define KM_CROSS_ENTROPY_COLUMNS_H

#include "cross_entropy.h"

/* u vectors of columns, a constant, from position k of a batch on; x and grad_x begin there. */
typedef struct strip {
    const float *x;
    float *grad_x; /* or NULL */
    int64_t k;
    km_columns c;
} strip;

/* From the exponentials in grad_x to the gradient. */
KM_INLINE void scale_columns(const job *j, const batch *b, strip s, int u)
{
    dues d[U];
    float hit[U * V];
    for (int i = 0; i < u; i++) {
        d[i] = dues_of(j, b, s.k + i * V, s.c.width - i * V);
        v_store(hit + i * V, d[i].hit);
    }
    for (int64_t l = 0; l < s.c.n; l++)
        for (int i = 0; i < u; i++) {
            const vf w = v_set(j->weight ? j->weight[l] : 1);
            const vf p = v_mul(km_column_load(s.grad_x, s.c, l, i, u), d[i].factor);
            const vm kept = v_gt(v_load(b->kept + s.k + i * V), v_set(0));
            const vf g = v_select(kept, v_fnma(d[i].even, w, p), v_set(0));
            km_column_store(s.grad_x, g, s.c, l, i, u);
        }
    for (int64_t l = 0; l < s.c.width; l++)
        if (b->kept[s.k + l] != 0)
            s.grad_x[j->target[b->first + s.k + l] * s.c.stride + l] = hit[l];
}

KM_INLINE void columns_rest(vf *rest, const vf *max, const job *j, strip s, int u)
{
    for (int i = 0; i < u; i++)
        rest[i] = v_set(0);
    for (int64_t l = 0; j->smoothing > 0 && l < s.c.n; l++)
        for (int i = 0; i < u; i++)
            rest[i] = v_fma(v_set(j->weight ? j->weight[l] : 1),
                            v_sub(km_column_load(s.x, s.c, l, i, u), max[i]), rest[i]);
}

KM_INLINE void columns(const job *j, batch *b, strip s, int u)
{
    vf max[U], sum[U], rest[U];
    float largest[U * V];
    km_columns_largest(max, s.x, s.c, u);
    for (int i = 0; i < u; i++)
        v_store(largest + i * V, max[i]);
    for (int64_t l = 0; l < s.c.width; l++)
        if (b->kept[s.k + l] != 0)
            b->target[s.k + l] = s.x[j->target[b->first + s.k + l] * s.c.stride + l] - largest[l];
    columns_rest(rest, max, j, s, u);
    if (s.grad_x)
        km_columns_sum(sum, max, s.grad_x, s.x, s.c, u, 1);
    else
        km_columns_sum(sum, max, NULL, s.x, s.c, u, 0);
    for (int i = 0; i < u; i++) {
        v_store_n(b->sum + s.k + i * V, sum[i], s.c.width - i * V);
        v_store_n(b->rest + s.k + i * V, rest[i], s.c.width - i * V);
    }
    if (s.grad_x)
        scale_columns(j, b, s, u);
}

static void column_batch(const job *j, batch *b)
{
    const int64_t start = b->first / j->h * j->classes * j->h + b->first % j->h;
    strip s = {j->x + start, j->grad_x ? j->grad_x + start : NULL, 0, {j->classes, j->h, U * V}};
    if (b->count == U * V) {
        columns(j, b, s, U);
        return;
    }
    for (; s.k < b->count; s.k += V, s.x += V, s.grad_x += s.grad_x ? V : 0) {
        s.c.width = b->count - s.k < V ? b->count - s.k : V;
        columns(j, b, s, 1);
    }
}

#endif
