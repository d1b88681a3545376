/* conv2d_strips_tile.c: the register tile of conv2d_strips.c: weights that are broadcast, by strips of pixels.
 * Each sum is formed term by term in order. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_strips.h"

#include <stddef.h>

/* How strips are read: copies, the source under masks, every other float of it. */
enum { COPY, MASK, PICK };

KM_INLINE vf load(const float *x, const vm *inside, int strip, int kind)
{
    if (kind == COPY)
        return v_load(x);
    if (kind == MASK)
        return v_load_in(x, inside[strip]);
    return v_even(v_load_in(x, inside[2 * strip]), v_load_in(x + V, inside[2 * strip + 1]));
}

/* One tap of one channel. */
KM_INLINE void add_term(const float *x, const int64_t *at, const vm *inside, const float *w,
                        vf *sum, int strips, int rows, int kind)
{
    vf xv[STRIPS];
#pragma GCC unroll 8
    for (int p = 0; p < strips; p++)
        xv[p] = load(x + at[p], inside, p, kind);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        const vf wi = v_set(w[i]);
#pragma GCC unroll 8
        for (int p = 0; p < strips; p++)
            sum[i * strips + p] = v_fma(wi, xv[p], sum[i * strips + p]);
    }
}

KM_INLINE void sum_terms(const km_conv_strips_tile *t, vf *sum, int strips, int rows, int kind)
{
    const float *x = t->x, *w = t->w;
    int64_t at[STRIPS], first = kind == COPY ? 0 : t->taps, last = kind == COPY ? t->taps : 0;
#pragma GCC unroll 8
    for (int p = 0; p < strips; p++) {
        at[p] = t->strip[p].at;
        first = kind == COPY || t->strip[p].first > first ? first : t->strip[p].first;
        last = kind == COPY || t->strip[p].last < last ? last : t->strip[p].last;
    }
    for (int64_t c = 0; c < t->channels; c++, x += t->plane, w += t->taps * rows) {
        const vm *inside = kind == COPY ? NULL : t->inside + first * t->inside_tap;
        const float *weight = w + first * rows;
        for (int64_t a = first; a < last; a++, weight += rows) {
            add_term(x + t->offset[a], at, inside, weight, sum, strips, rows, kind);
            inside += kind == COPY ? 0 : t->inside_tap;
        }
    }
}

/* What the tile will write, while it computes. */
KM_INLINE void expect_results(const km_conv_strips_tile *t, int strips, int rows)
{
#pragma GCC unroll 8
    for (int p = 0; p < strips; p++) {
        const float *y = t->y + t->piece[t->strip[p].from].to + t->piece[t->strip[p].from].from;
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            __builtin_prefetch(y + i * t->y_row, 1);
    }
}

/* A piece of a strip whose results are neighbours. */
KM_INLINE void store_piece(const km_conv_strips_tile *t, const km_conv_piece *piece, const vf *sum,
                           int strips, int rows)
{
    float *y = t->y + piece->to;
    if (piece->end - piece->from == V && !t->add) {
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
            v_store(y + i * t->y_row, sum[i * strips]);
        return;
    }
    const vm lanes = piece->lanes;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        float *to = y + i * t->y_row;
        v_store_in(to, t->add ? v_add(v_load_in(to, lanes), sum[i * strips]) : sum[i * strips],
                   lanes);
    }
}

/* The same with results two apart: their lanes spread over two vectors; or further. */
static void store_two(const km_conv_strips_tile *t, const km_conv_piece *piece, vf sum, float *y)
{
    float *low = y + piece->to, *high = low + V;
    vf a = v_zip_low(sum, sum), b = v_zip_high(sum, sum);
    if (t->add) {
        a = v_add(a, v_load_in(low, piece->lanes));
        b = v_add(b, v_load_in(high, piece->high));
    }
    v_store_in(low, a, piece->lanes);
    v_store_in(high, b, piece->high);
}

static void store_far(const km_conv_strips_tile *t, const km_conv_piece *piece, vf sum, float *y)
{
    float lanes[V];
    v_store(lanes, sum);
    y += piece->to;
    for (int64_t j = piece->from; j < piece->end; j++)
        y[j * t->y_step] = t->add ? y[j * t->y_step] + lanes[j] : lanes[j];
}

static void store_apart(const km_conv_strips_tile *t, const vf *sum, int strips, int rows)
{
    for (int i = 0; i < rows; i++)
        for (int s = 0; s < strips; s++) {
            const km_conv_piece *p = t->piece + t->strip[s].from, *end = t->piece + t->strip[s].end;
            for (; p < end; p++)
                (t->y_step == 2 ? store_two : store_far)(t, p, sum[i * strips + s],
                                                         t->y + i * t->y_row);
        }
}

KM_INLINE void store(const km_conv_strips_tile *t, const vf *sum, int strips, int rows)
{
    if (t->y_step != 1) {
        vf apart[STRIPS * TILE_SUMS];
#pragma GCC unroll 32
        for (int s = 0; s < rows * strips; s++)
            apart[s] = sum[s];
        store_apart(t, apart, strips, rows);
        return;
    }
#pragma GCC unroll 8
    for (int p = 0; p < strips; p++) {
        const km_conv_piece *end = t->piece + t->strip[p].end;
        for (const km_conv_piece *piece = t->piece + t->strip[p].from; piece < end; piece++)
            store_piece(t, piece, sum + p, strips, rows);
    }
}

KM_INLINE void run(const km_conv_strips_tile *t, int strips, int rows, int kind)
{
    vf sum[STRIPS * TILE_ROWS];
    expect_results(t, strips, rows);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int p = 0; p < strips; p++)
            sum[i * strips + p] = v_set(t->bias ? t->bias[i] : 0);
    sum_terms(t, sum, strips, rows, kind);
    store(t, sum, strips, rows);
}

/* A function for each height, with a case for each width that registers have room for; for each kind. */
#define WIDTH(strips)                                                                              \
    case strips:                                                                                   \
        if (strips <= WIDEST)                                                                      \
            run(t, strips, HEIGHT, KIND);                                                          \
        break;
#define TILE(name, rows, kind)                                                                     \
    static void name(const km_conv_strips_tile *t, int strips)                                     \
    {                                                                                              \
        enum {                                                                                     \
            HEIGHT = rows,                                                                         \
            KIND = kind,                                                                           \
            FIT = (TILE_SUMS + TILE_VECTORS) / (rows + 1),                                         \
            WIDEST = FIT < 1 ? 1 : FIT                                                             \
        };                                                                                         \
        switch (strips) {                                                                          \
            WIDTH(1) WIDTH(2) WIDTH(3) WIDTH(4) WIDTH(5) WIDTH(6) WIDTH(7) WIDTH(8)                \
        }                                                                                          \
    }
#define COPIED(rows) TILE(copied_##rows, rows, COPY)
#define MASKED(rows) TILE(masked_##rows, rows, MASK)
#define PICKED(rows) TILE(picked_##rows, rows, PICK)
TILE_HEIGHTS(COPIED)
TILE_HEIGHTS(MASKED)
TILE_HEIGHTS(PICKED)

void km_conv_strips_any(const km_conv_strips_tile *t, int strips, int rows)
{
    typedef void (*tile_fn)(const km_conv_strips_tile *, int);
#define COPIED_ENTRY(rows) copied_##rows,
#define MASKED_ENTRY(rows) masked_##rows,
#define PICKED_ENTRY(rows) picked_##rows,
    static const tile_fn tiles[3][TILE_ROWS] = {
        {TILE_HEIGHTS(COPIED_ENTRY)}, {TILE_HEIGHTS(MASKED_ENTRY)}, {TILE_HEIGHTS(PICKED_ENTRY)}};
    tiles[t->inside ? t->step : COPY][rows - 1](t, strips);
}
