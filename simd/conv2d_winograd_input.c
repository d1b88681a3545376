/* conv2d_winograd_input.c: the source's tiles, transformed.
 *
 * Channels lie in lanes. Blocked tensors are read where they lie; of plain ones, the rows that a row of tiles sees are
 * first transposed into a strip, with the padding as zeros. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_winograd.h"
#include "conv2d_winograd_matrices.h"

/* The points of one tile, whose pixels are `row` floats from one row to the next. */
KM_INLINE void transform(const float *d, int64_t row, float *v, int64_t plane, int m)
{
    enum { SIDE = WINO_SIDE };
    const int side = m + 2;
    vf half[WINO_POINTS];
#pragma GCC unroll 6
    for (int j = 0; j < side; j++) {
        vf column[SIDE];
#pragma GCC unroll 6
        for (int i = 0; i < side; i++)
            column[i] = v_load(d + i * row + j * V);
        km_wino_points(half + j, SIDE, column, 1, m);
    }
#pragma GCC unroll 6
    for (int i = 0; i < side; i++) {
        vf line[SIDE];
        km_wino_points(line, 1, half + i * SIDE, 1, m);
#pragma GCC unroll 6
        for (int j = 0; j < side; j++, v += plane)
            v_store(v, line[j]);
    }
}

static void transform_tile(const km_winograd *p, const float *d, int64_t row, float *v)
{
    if (p->m == 4)
        transform(d, row, v, p->v_plane, 4);
    else
        transform(d, row, v, p->v_plane, 2);
}

/* ---- where tiles lie ---- */

/* Neighbouring tiles of one row of them: from tile (i, j) of an image on. */
typedef struct run {
    int64_t image, i, j, count;
} run;

static run run_of(const km_winograd *p, int64_t tile, int64_t last)
{
    const int64_t plane = p->tiles_h * p->tiles_w;
    run r = {tile / plane, tile % plane / p->tiles_w, tile % p->tiles_w, 0};
    r.count = km_min64(last - tile, p->tiles_w - r.j);
    return r;
}

/* The place of a tile's vector at point 0. */
static float *place_of(const km_winograd *p, const km_wino_rows *r, int64_t tile, int64_t block,
                       float *v)
{
    const int64_t at = tile - r->first, group = at / r->rows * r->rows;
    const int64_t rows = km_min64(r->rows, r->tiles - group);
    if (p->way == WINO_REGISTERS)
        return v + (block * p->tiles + tile) * p->points * V;
    return v + (group * p->source_blocks + block * rows + at - group) * V;
}

/* ---- strips ---- */

/* Up to V pixels of the rows of V channels. */
static void transpose(const float *x, int64_t plane, int64_t channels, int64_t pixels, float *to)
{
    vf a[V];
    for (int c = 0; c < V; c++)
        a[c] = c < channels ? v_load_n(x + c * plane, pixels) : v_set(0);
    v_transpose(a);
    for (int i = 0; i < V && i < pixels; i++)
        v_store(to + i * V, a[i]);
}

static void zero(float *to, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i++)
        v_store(to + i * V, v_set(0));
}

/* `pixels` pixels from `column` on; those outside become zeros. */
static void fill_row(const km_winograd *p, const float *x, int64_t channels, int64_t column,
                     float *to, int64_t pixels)
{
    const int64_t plane = p->in_h * p->in_w, left = p->in_w - column;
    const int64_t begin = km_min64(pixels, km_max64(0, -column));
    const int64_t end = km_max64(begin, km_min64(pixels, left));
    zero(to, begin);
    for (int64_t i = begin; i < end; i += V)
        transpose(x + column + i, plane, channels, km_min64(V, end - i), to + i * V);
    zero(to + end * V, pixels - end);
}

/* The rows of a run, from plain channels. */
static void fill_strip(const km_winograd *p, const float *x, int64_t block, const run *r,
                       float *strip, int64_t pixels)
{
    const int64_t channels = km_min64(V, p->sources - block * V);
    const float *from = x + (r->image * p->sources + block * V) * p->in_h * p->in_w;
    for (int64_t k = 0; k < p->side; k++, strip += pixels * V) {
        const int64_t y = r->i * p->m - p->pad_h + k;
        if (y >= 0 && y < p->in_h)
            fill_row(p, from + y * p->in_w, channels, r->j * p->m - p->pad_w, strip, pixels);
        else
            zero(strip, pixels);
    }
}

/* ---- blocked tensors ---- */

/* A tile that reaches over an edge, with zeros there. */
static void fill_patch(const km_winograd *p, const float *x, int64_t y0, int64_t x0, float *patch)
{
    for (int64_t i = 0; i < p->side; i++)
        for (int64_t j = 0; j < p->side; j++, patch += V) {
            const int64_t y = y0 + i, column = x0 + j;
            const int inside = y >= 0 && y < p->in_h && column >= 0 && column < p->in_w;
            v_store(patch, inside ? v_load(x + (y * p->in_w + column) * V) : v_set(0));
        }
}

static void transform_blocked(const km_winograd *p, const float *x, int64_t i, int64_t j, float *v)
{
    float patch[WINO_POINTS * V] __attribute__((aligned(64)));
    const int64_t y0 = i * p->m - p->pad_h, x0 = j * p->m - p->pad_w;
    if (y0 >= 0 && y0 + p->side <= p->in_h && x0 >= 0 && x0 + p->side <= p->in_w) {
        transform_tile(p, x + (y0 * p->in_w + x0) * V, p->in_w * V, v);
        return;
    }
    fill_patch(p, x, y0, x0, patch);
    transform_tile(p, patch, p->side * V, v);
}

/* ---- runs ---- */

static void transform_run(const km_winograd *p, const float *x, const km_wino_rows *rows,
                          int64_t tile, const run *r, int64_t block, float *strip, float *v)
{
    const int64_t pixels = r->count * p->m + 2;
    if (!p->native)
        fill_strip(p, x, block, r, strip, pixels);
    x += (r->image * p->source_blocks + block) * p->in_h * p->in_w * V;
    for (int64_t k = 0; k < r->count; k++) {
        float *to = place_of(p, rows, tile + k, block, v);
        if (p->native)
            transform_blocked(p, x, r->i, r->j + k, to);
        else
            transform_tile(p, strip + k * p->m * V, pixels * V, to);
    }
}

void km_wino_input(const km_winograd *p, const float *x, const km_wino_rows *rows, int64_t first,
                   int64_t last, int64_t from, int64_t to, float *strip, float *v)
{
    for (int64_t tile = first; tile < last;) {
        const run r = run_of(p, tile, last);
        for (int64_t block = from; block < to; block++)
            transform_run(p, x, rows, tile, &r, block, strip, v);
        tile += r.count;
    }
}
