/* conv2d_windows_tile.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_windows.h"
#include "tile_step.h"

KM_INLINE void tile_run(const km_conv_windows_sums *t, int vectors, int rows)
{
    const int64_t a_column = t->a_column, b_column = t->b_column, b_vector = t->b_vector;
    vf sum[TILE_SUMS];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            __builtin_prefetch(t->sums + i * t->step + v * V, 1);
    for (int64_t n = 0; n < t->images; n++)
        for (int64_t r = 0; r < t->rows; r++) {
            const float *a = t->a + n * t->a_image + r * t->a_row;
            const float *b = t->b + n * t->b_image + r * t->b_row;
#pragma GCC unroll 4
            for (int64_t left = t->columns; left > 0; left--, a += a_column, b += b_column)
                km_tile_step(sum, a, 1, b, b_vector, vectors, rows);
        }
    float *to = t->sums;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++, to += t->step)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const vf s = sum[i * vectors + v];
            v_store(to + v * V, t->add ? v_add(v_load(to + v * V), s) : s);
        }
}

#define TILE_RUN  tile_run
#define TILE_TYPE km_conv_windows_sums
#include "tile_table.h"

void km_conv_windows_tile(const km_conv_windows_sums *t, int vectors, int rows)
{
    tile_any(t, vectors, rows);
}
