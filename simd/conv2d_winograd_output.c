/* conv2d_winograd_output.c: results of tiles from their points, to blocked tensors where they belong, to plain ones by
 * way of a strip that is transposed. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_winograd.h"
#include "conv2d_winograd_matrices.h"

/* Results of one tile, rows `row` floats apart. */
KM_INLINE void transform(const float *points, vf bias, float *y, int64_t row, int m)
{
    enum { SIDE = WINO_SIDE };
    const int side = m + 2;
    vf half[4 * SIDE];
#pragma GCC unroll 6
    for (int j = 0; j < side; j++) {
        vf column[SIDE];
#pragma GCC unroll 6
        for (int i = 0; i < side; i++)
            column[i] = v_load(points + (i * side + j) * V);
        km_wino_results(half + j, SIDE, column, 1, m);
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++, y += row) {
        vf line[4];
        km_wino_results(line, 1, half + i * SIDE, 1, m);
#pragma GCC unroll 4
        for (int j = 0; j < m; j++)
            v_store(y + j * V, v_add(line[j], bias));
    }
}

static void transform_tile(const km_winograd *p, const float *points, vf bias, float *y,
                           int64_t row)
{
    if (p->m == 4)
        transform(points, bias, y, row, 4);
    else
        transform(points, bias, y, row, 2);
}

/* ---- blocked tensors ---- */

/* A tile that reaches over an edge, or whose last lanes are padding. */
static void transform_partly(const km_winograd *p, const float *points, vf bias, float *y,
                             int64_t rows, int64_t columns, int64_t lanes)
{
    float all[4 * 4 * V] __attribute__((aligned(64)));
    transform_tile(p, points, bias, all, p->m * V);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            v_store(y + (i * p->w + j) * V, km_conv_keep(v_load(all + (i * p->m + j) * V), lanes));
}

static void put_blocked(const km_winograd *p, const float *points, vf bias, int64_t tile,
                        int64_t vector, float *y)
{
    const int64_t plane = p->tiles_h * p->tiles_w, image = tile / plane;
    const int64_t i = tile % plane / p->tiles_w * p->m, j = tile % p->tiles_w * p->m;
    const int64_t rows = km_min64(p->m, p->h - i), columns = km_min64(p->m, p->w - j);
    const int64_t lanes = p->results - vector * V;
    y += (((image * p->result_vectors + vector) * p->h + i) * p->w + j) * V;
    if (rows == p->m && columns == p->m && lanes >= V)
        transform_tile(p, points, bias, y, p->w * V);
    else
        transform_partly(p, points, bias, y, rows, columns, lanes);
}

/* ---- plain tensors ---- */

/* Up to V pixels of a row of the strip to the rows of the channels. */
static void transpose(const km_winograd *p, const float *from, int64_t pixels, int64_t channels,
                      float *y)
{
    const int64_t plane = p->h * p->w;
    vf a[V];
    for (int64_t i = 0; i < V; i++)
        a[i] = i < pixels ? v_load(from + i * V) : v_set(0);
    v_transpose(a);
    for (int64_t c = 0; c < V && c < channels; c++)
        v_store_n(y + c * plane, a[c], pixels);
}

/* Neighbouring tiles of one row of them; returns how many. */
static int64_t put_run(const km_winograd *p, const float *m, int64_t step, vf bias, int64_t tile,
                       int64_t last, int64_t vector, float *strip, float *y)
{
    const int64_t plane = p->tiles_h * p->tiles_w, image = tile / plane;
    const int64_t i = tile % plane / p->tiles_w * p->m, j = tile % p->tiles_w;
    const int64_t count = km_min64(last - tile, p->tiles_w - j), pixels = count * p->m;
    const int64_t width = km_min64(pixels, p->w - j * p->m), channels = p->results - vector * V;
    for (int64_t k = 0; k < count; k++)
        transform_tile(p, m + k * step, bias, strip + k * p->m * V, pixels * V);
    y += ((image * p->results + vector * V) * p->h + i) * p->w + j * p->m;
    for (int64_t r = 0; r < km_min64(p->m, p->h - i); r++)
        for (int64_t c = 0; c < width; c += V)
            transpose(p, strip + (r * pixels + c) * V, width - c, channels, y + r * p->w + c);
    return count;
}

void km_wino_output(const km_winograd *p, const float *m, int64_t step, const km_wino_rows *r,
                    int64_t vector, const float *bias, float *strip, float *y)
{
    const vf b = bias ? v_load_n(bias + vector * V, p->results - vector * V) : v_set(0);
    for (int64_t t = 0; t < r->tiles;)
        if (p->native) {
            put_blocked(p, m + t * step, b, r->first + t, vector, y);
            t++;
        } else
            t += put_run(p, m + t * step, step, b, r->first + t, r->first + r->tiles, vector, strip,
                         y);
}
