/* conv2d_winograd_weights.c: weights, transformed. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_winograd.h"
#include "conv2d_winograd_matrices.h"

/* The points of the V filters whose taps are g, `plane` floats apart. */
KM_INLINE void transform(const vf g[WINO_TAPS], float *u, int64_t plane, int m)
{
    const int side = m + 2;
    vf half[3 * WINO_SIDE];
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++)
        km_wino_filter(half + j, 3, g + j, 3, m);
#pragma GCC unroll 6
    for (int i = 0; i < side; i++) {
        vf line[WINO_SIDE];
        km_wino_filter(line, 1, half + 3 * i, 1, m);
#pragma GCC unroll 6
        for (int j = 0; j < side; j++, u += plane)
            v_store(u, line[j]);
    }
}

static void transform_taps(const km_winograd *p, const float *taps, float *u, int64_t plane)
{
    vf g[WINO_TAPS];
#pragma GCC unroll 9
    for (int t = 0; t < WINO_TAPS; t++)
        g[t] = v_load(taps + t * V);
    if (p->m == 4)
        transform(g, u, plane, 4);
    else
        transform(g, u, plane, 2);
}

void km_wino_gather(const km_winograd *p, const float *weight, int64_t vector, int64_t source,
                    float *taps)
{
    const int64_t lanes = p->results - vector * V;
    const int64_t result_step = (p->backward ? 1 : p->sources) * WINO_TAPS;
    const int64_t source_step = (p->backward ? p->results : 1) * WINO_TAPS;
    const float *from = weight + vector * V * result_step + source * source_step;
    /* the same filters of a channel further on, of which the hardware sees too many streams at once */
    const int64_t ahead = source_step * (p->backward ? 4 : V);
    for (int i = 0; i < V; i++)
        __builtin_prefetch(from + i * result_step + ahead);
    for (int t = 0; t < WINO_TAPS; t += V) {
        vf a[V];
        for (int i = 0; i < V; i++)
            a[i] = i < lanes ? v_load_n(from + i * result_step + t, WINO_TAPS - t) : v_set(0);
        v_transpose(a);
        for (int i = 0; i < V && t + i < WINO_TAPS; i++)
            v_store(taps + (p->backward ? WINO_TAPS - 1 - t - i : t + i) * V, a[i]);
    }
}

void km_wino_copy_weights(const km_winograd *p, const float *weight, float *copy)
{
    for (int64_t vector = 0; vector < p->result_vectors; vector++)
        for (int64_t source = 0; source < p->sources; source++, copy += WINO_TAPS * V)
            km_wino_gather(p, weight, vector, source, copy);
}

void km_wino_weights(const km_winograd *p, const float *weight, int copied, int64_t panel,
                     int64_t from, int64_t to, float *u, int64_t plane)
{
    const int64_t vectors = km_wino_vectors(p, panel);
    float taps[WINO_TAPS * V] __attribute__((aligned(64)));
    for (int64_t source = from; source < to; source++)
        for (int64_t k = 0; k < vectors; k++, u += V) {
            const int64_t vector = panel * TILE_VECTORS + k;
            if (!copied)
                km_wino_gather(p, weight, vector, source, taps);
            transform_taps(p,
                           copied ? weight + (vector * p->sources + source) * WINO_TAPS * V : taps,
                           u, plane);
        }
}
