/* conv2d_native_tile.h: the register tile over blocked channels: pixels that are broadcast, by vectors of weights.
 * Each sum is formed term by term in order. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_NATIVE_TILE_H
#define KM_CONV2D_NATIVE_TILE_H

#include "conv2d_native.h"

/* A term is a tap of a block of channels. Its operand for pixel i and channel c of the block lies at
 * x + offset[term] + i * step + c; step is V for blocked sources, and 1 for planes, whose blocks are one channel. */
typedef struct km_conv_pixels {
    const float *x;
    const int64_t *offset;
    int64_t terms, full; /* the first `full` have V channels, */
    int64_t last;        /*   the others this many */
    const float *w;      /* of each channel of each term: the vectors side by side */
    float *y;            /* pixel i at y + to[i], the next vector y_vector further */
    const int64_t *to;
    int64_t y_vector;
    int64_t lanes; /* that the last vector keeps; the others become zeros */
    const float *bias;
    int add; /* nonzero: to what is in y; else to the bias, where there is one */
} km_conv_pixels;

KM_INLINE void km_conv_pixels_store(const km_conv_pixels *t, const vf *sum, int vectors, int rows)
{
    vf bias[TILE_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        bias[v] = t->bias && !t->add ? v_load_n(t->bias + v * V, v == vectors - 1 ? t->lanes : V)
                                     : v_set(0);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        float *y = t->y + t->to[i];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++, y += t->y_vector) {
            const vf s = v_add(sum[i * vectors + v], t->add ? v_load(y) : bias[v]);
            v_store(y, v == vectors - 1 ? km_conv_keep(s, t->lanes) : s);
        }
    }
}

KM_INLINE void km_conv_pixels_run(const km_conv_pixels *t, int vectors, int rows, int step)
{
    const float *w = t->w;
    vf sum[TILE_SUMS];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
    for (int64_t term = 0; term < t->terms; term++) {
        const float *x = t->x + t->offset[term];
        const float *end = x + (step == 1 ? 1 : term < t->full ? V : t->last);
        for (; x < end; x++, w += vectors * V) {
            vf wv[TILE_VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                wv[v] = v_load(w + v * V);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                const vf xi = v_set(x[i * step]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sum[i * vectors + v] = v_fma(xi, wv[v], sum[i * vectors + v]);
            }
        }
    }
    km_conv_pixels_store(t, sum, vectors, rows);
}

/* A function for each width, with a case for each height; blocked, and from planes. */
#define KM_CONV_PIXELS(rows)                                                                       \
    case rows:                                                                                     \
        km_conv_pixels_run(t, VECTORS, rows, STEP);                                                \
        break;
#define KM_CONV_PIXELS_OF(name, vectors, step)                                                     \
    static void name(const km_conv_pixels *t, int rows)                                            \
    {                                                                                              \
        enum { VECTORS = vectors, STEP = step };                                                   \
        switch (rows) {                                                                            \
            TILE_HEIGHTS(KM_CONV_PIXELS)                                                           \
        }                                                                                          \
    }
#define KM_CONV_BLOCKED(vectors) KM_CONV_PIXELS_OF(conv_blocked_##vectors, vectors, V)
#define KM_CONV_FLAT(vectors)    KM_CONV_PIXELS_OF(conv_flat_##vectors, vectors, 1)
TILE_WIDTHS(KM_CONV_BLOCKED)
TILE_WIDTHS(KM_CONV_FLAT)

static inline void km_conv_pixels_any(const km_conv_pixels *t, int vectors, int rows, int is_flat)
{
    typedef void (*tile_fn)(const km_conv_pixels *, int);
#define KM_CONV_BLOCKED_ENTRY(v) conv_blocked_##v,
#define KM_CONV_FLAT_ENTRY(v)    conv_flat_##v,
    static const tile_fn tiles[2][TILE_VECTORS] = {{TILE_WIDTHS(KM_CONV_BLOCKED_ENTRY)},
                                                   {TILE_WIDTHS(KM_CONV_FLAT_ENTRY)}};
    tiles[is_flat][vectors - 1](t, rows);
}

#endif
