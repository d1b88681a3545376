/* conv2d_winograd_few.c: products of few tiles. What costs there is the weights: they are transformed in registers, for
 * one row of points and a few channels at a time, and meet all tiles at once; sums lie in L1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_winograd.h"
#include "conv2d_winograd_matrices.h"

/* Channels at a time: their transformed weights are all registers but a few. */
enum { CHANNELS = TILE_SUMS >= 24 ? 4 : 2 };

/* Row i of G. */
static void row_of(int i, int m, vf row[3])
{
    vf unit[3], points[WINO_SIDE];
    for (int k = 0; k < 3; k++) {
        for (int j = 0; j < 3; j++)
            unit[j] = v_set(j == k);
        km_wino_filter(points, 1, unit, 1, m);
        row[k] = points[i];
    }
}

/* Row i of the points of one channel. */
KM_INLINE void transform(const float *taps, const vf g[3], vf *u, int step, int m)
{
    vf line[3];
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        const vf top = v_mul(g[0], v_load(taps + j * V));
        const vf middle = v_fma(g[1], v_load(taps + (3 + j) * V), top);
        line[j] = v_fma(g[2], v_load(taps + (6 + j) * V), middle);
    }
    km_wino_filter(u, step, line, 1, m);
}

/* Asks for a piece of the taps that follow: all of the next block's in the course of this one's. */
KM_INLINE void expect_taps(const km_wino_few *f, int64_t channel, int i, int channels, int m)
{
    enum { LINE = 16 };
    const int64_t size = V * WINO_TAPS * V, lines = size / LINE, steps = (m + 2) * V;
    const int64_t step = i * V + channel;
    for (int64_t k = lines * step / steps; k < lines * (step + channels) / steps; k++)
        __builtin_prefetch(f->taps + size + k * LINE, 0, 2);
}

KM_INLINE void add(const km_wino_few *f, int64_t channel, int i, const vf g[3], int channels, int m)
{
    const int side = m + 2;
    const float *v = f->v + i * side * V + channel;
    float *sums = f->m + i * side * V;
    vf u[WINO_SIDE * CHANNELS];
    if (f->in_place)
        expect_taps(f, channel, i, channels, m);
#pragma GCC unroll 4
    for (int c = 0; c < channels; c++)
        transform(f->taps + (channel + c) * WINO_TAPS * V, g, u + c, channels, m);
    for (int64_t t = 0; t < f->tiles; t++, v += side * side * V, sums += side * side * V) {
#pragma GCC unroll 6
        for (int p = 0; p < side; p++) {
            vf s = v_load(sums + p * V);
#pragma GCC unroll 4
            for (int c = 0; c < channels; c++)
                s = v_fma(v_set(v[p * V + c]), u[p * channels + c], s);
            v_store(sums + p * V, s);
        }
    }
}

KM_INLINE void add_all(const km_wino_few *f, int m)
{
    for (int i = 0; i < m + 2; i++) {
        int64_t c = 0;
        vf g[3];
        row_of(i, m, g);
        for (; c + CHANNELS <= f->channels; c += CHANNELS)
            add(f, c, i, g, CHANNELS, m);
        for (; c < f->channels; c++)
            add(f, c, i, g, 1, m);
    }
}

void km_wino_few_add(const km_wino_few *f, int m)
{
    if (m == 4)
        add_all(f, 4);
    else
        add_all(f, 2);
}
