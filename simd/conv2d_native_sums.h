/* conv2d_native_sums.h: the register tile of backward_weights over blocked channels: input channels that are broadcast,
 * by vectors of output channels, summed over pixels. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_NATIVE_SUMS_H
#define KM_CONV2D_NATIVE_SUMS_H

#include "conv2d_native.h"

/* Rows: input channels of a tile, a divisor of V. */
enum { ROWS = (int)TILE_ROWS >= (int)V ? V : V / 2 };

/* Pixel i of image n: x at x + n * x_image + i * V, grad_y at g + n * g_image + i * V. */
typedef struct tile {
    const float *x, *g;
    int64_t images, pixels, x_image, g_image;
    int64_t g_vector; /* from a vector of grad_y to the next */
    float *sums;      /* row r at sums + r * vectors * V */
    int add;
    int64_t lanes; /* that the last vector keeps; the others become zeros */
} tile;

KM_INLINE void tile_run(const tile *t, int vectors, int rows)
{
    vf sum[ROWS * TILE_VECTORS];
#pragma GCC unroll 48
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
#pragma GCC unroll 48
    for (int i = 0; i < rows * vectors; i++)
        __builtin_prefetch(t->sums + i * V, 1);
    for (int64_t n = 0; n < t->images; n++) {
        const float *g = t->g + n * t->g_image, *x = t->x + n * t->x_image;
        const float *end = x + t->pixels * V;
#pragma GCC unroll 4
        for (; x < end; x += V, g += V) {
            vf gv[TILE_VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                gv[v] = v_load(g + v * t->g_vector);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                const vf xr = v_set(x[r]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sum[r * vectors + v] = v_fma(xr, gv[v], sum[r * vectors + v]);
            }
        }
    }
    float *to = t->sums;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++, to += V) {
            const vf s = v_add(sum[r * vectors + v], t->add ? v_load(to) : v_set(0));
            v_store(to, v == vectors - 1 ? km_conv_keep(s, t->lanes) : s);
        }
}

/* A function for each width, with whole tiles and what is left of a block row by row. */
#define WIDTH(vectors)                                                                             \
    static void tile_##vectors(tile t, int64_t rows)                                               \
    {                                                                                              \
        enum { VECTORS = vectors };                                                                \
        for (; rows >= ROWS; rows -= ROWS, t.x += ROWS, t.sums += ROWS * VECTORS * V)              \
            tile_run(&t, VECTORS, ROWS);                                                           \
        for (; rows >= ROWS / 2;                                                                   \
             rows -= ROWS / 2, t.x += ROWS / 2, t.sums += ROWS / 2 * VECTORS * V)                  \
            tile_run(&t, VECTORS, ROWS / 2);                                                       \
        for (; rows > 0; rows--, t.x++, t.sums += VECTORS * V)                                     \
            tile_run(&t, VECTORS, 1);                                                              \
    }
TILE_WIDTHS(WIDTH)

static void run_rows(const tile *t, int64_t vectors, int64_t rows)
{
    typedef void (*tile_fn)(tile, int64_t);
#define ENTRY(vectors) tile_##vectors,
    static const tile_fn tiles[TILE_VECTORS] = {TILE_WIDTHS(ENTRY)};
    tiles[vectors - 1](*t, rows);
}

#endif
