/* conv2d_depthwise_tiles.h: register tiles of planes with V channels side by side. Each pixel of the source is loaded
 * once for the whole tile; rows of taps outside are left out at run time, columns by tiles of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_DEPTHWISE_TILES_H
#define KM_CONV2D_DEPTHWISE_TILES_H

#include "conv2d_depthwise.h"

enum { ROWS = 2, COLUMNS = 7, FEW = 3 }; /* of a tile; FEW: columns of narrow planes */

/* ---- 3x3 ---- */

typedef struct three {
    const float *w[9];
    const float *start;
    int64_t x_row; /* in floats, as the following two */
    int64_t y_row, y_column;
    int low, high; /* rows of the tile's source that lie inside */
} three;

/* x: where the first result's first tap is; left, right: whether the first, last column of taps lies outside. */
KM_INLINE void three_tile(const three *t, const float *x, float *y, int columns, int step, int left,
                          int right)
{
    const int width = (columns - 1) * step + 3;
    vf sum[ROWS * COLUMNS], w[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; i++)
        w[i] = v_load(t->w[i]);
#pragma GCC unroll 14
    for (int i = 0; i < ROWS * columns; i++)
        sum[i] = v_load(t->start);
#pragma GCC unroll 5
    for (int i = 0; i < (ROWS - 1) * step + 3; i++, x += t->x_row) {
        if (i < t->low || i >= t->high)
            continue;
#pragma GCC unroll 15
        for (int j = left; j < width - right; j++) {
            const vf xj = v_load(x + j * V);
#pragma GCC unroll 9
            for (int k = 0; k < 9; k++) {
                const int r = i - k / 3, c = j - k % 3;
                if (r >= 0 && r % step == 0 && r / step < ROWS && c >= 0 && c % step == 0 &&
                    c / step < columns)
                    sum[r / step * columns + c / step] =
                        v_fma(xj, w[k], sum[r / step * columns + c / step]);
            }
        }
    }
#pragma GCC unroll 14
    for (int i = 0; i < ROWS * columns; i++)
        v_store(y + i / columns * t->y_row + i % columns * t->y_column, sum[i]);
}

/* `count` tiles side by side. */
#define THREE(columns, step, left, right)                                                          \
    static void three_##columns##step##left##right(const three *t, const float *x, float *y,       \
                                                   int64_t count)                                  \
    {                                                                                              \
        for (; count > 0; count--, x += columns * step * V, y += columns * t->y_column)            \
            three_tile(t, x, y, columns, step, left, right);                                       \
    }
#define THREES(columns, step)                                                                      \
    THREE(columns, step, 0, 0)                                                                     \
    THREE(columns, step, 0, 1) THREE(columns, step, 1, 0) THREE(columns, step, 1, 1)
THREES(7, 1)
THREES(7, 2)
THREES(3, 1)
THREES(3, 2)

typedef void (*three_fn)(const three *, const float *, float *, int64_t);
#define SIDES(columns, step)                                                                       \
    {                                                                                              \
        {three_##columns##step##00, three_##columns##step##01},                                    \
        {                                                                                          \
            three_##columns##step##10, three_##columns##step##11                                   \
        }                                                                                          \
    }
static const three_fn threes[2][2][2][2] = {{SIDES(3, 1), SIDES(3, 2)}, {SIDES(7, 1), SIDES(7, 2)}};

/* ---- one or two taps by one or two: the residues of 3x3 with strides of 2, going back ---- */

/* x: where the first result's first tap is. Rows low..high of the taps lie inside. */
KM_INLINE void two_tile(const three *t, const float *x, float *y, int rows, int taps, int left,
                        int right)
{
    vf sum[COLUMNS];
#pragma GCC unroll 7
    for (int c = 0; c < COLUMNS; c++)
        sum[c] = v_load(t->start);
#pragma GCC unroll 2
    for (int i = 0; i < rows; i++, x += t->x_row) {
        if (i < t->low || i >= t->high)
            continue;
#pragma GCC unroll 8
        for (int j = left; j < COLUMNS + taps - 1 - right; j++) {
            const vf xj = v_load(x + j * V);
#pragma GCC unroll 2
            for (int k = 0; k < taps; k++)
                if (j >= k && j - k < COLUMNS)
                    sum[j - k] = v_fma(xj, v_load(t->w[i * taps + k]), sum[j - k]);
        }
    }
#pragma GCC unroll 7
    for (int c = 0; c < COLUMNS; c++)
        v_store(y + c * t->y_column, sum[c]);
}

typedef void (*two_fn)(const three *, const float *, float *);
#define TWO(rows, taps, left, right)                                                               \
    static void two_##rows##taps##left##right(const three *t, const float *x, float *y)            \
    {                                                                                              \
        two_tile(t, x, y, rows, taps, left, right);                                                \
    }
#define TWOS(rows)                                                                                 \
    TWO(rows, 1, 0, 0) TWO(rows, 2, 0, 0) TWO(rows, 2, 0, 1) TWO(rows, 2, 1, 0) TWO(rows, 2, 1, 1)
TWOS(1)
TWOS(2)
#define WAYS(rows)                                                                                 \
    {                                                                                              \
        {{two_##rows##100}},                                                                       \
        {                                                                                          \
            {two_##rows##200, two_##rows##201},                                                    \
            {                                                                                      \
                two_##rows##210, two_##rows##211                                                   \
            }                                                                                      \
        }                                                                                          \
    }
/* By rows of taps, taps of a row, whether the first, the last lies outside. */
static const two_fn twos[2][2][2][2] = {WAYS(1), WAYS(2)};

#endif
