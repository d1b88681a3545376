/* pool_index.c: oneDNN records which tap of the window held a maximum, as one byte (or an int where a
 * window has more than 255 taps) in the layout of y. PyTorch's index is a place in the plane.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

/* Places of taps are far apart only in planes far larger than windows; else rows of taps meet. */
const char *km_onednn_index_open(windows *g)
{
    const int64_t taps = g->r * g->s, across = (g->s - 1) * g->dilation[1];
    const int64_t last = (g->r - 1) * g->dilation[0] * g->w + across;
    g->place = malloc((size_t)taps * sizeof *g->place);
    g->tap = across < g->w && taps <= 256 ? calloc((size_t)last + 1, 1) : NULL;
    if (!g->place)
        return "out of memory";
    for (int64_t t = 0; t < taps; t++) {
        g->place[t] = (int32_t)(t / g->s * g->dilation[0] * g->w + t % g->s * g->dilation[1]);
        if (g->tap)
            g->tap[g->place[t]] = (uint8_t)t;
    }
    return NULL;
}

void km_onednn_index_close(windows *g)
{
    free(g->place);
    free(g->tap);
}

/* The place of tap 0 of window [p, 0]. */
static int64_t row_start(const windows *g, int64_t p)
{
    return (p * g->stride[0] - g->pad[0]) * g->w - g->pad[1];
}

static void plane_to_indices(const windows *g, const void *workspace, int size, int64_t step,
                             int32_t *indices)
{
    const uint8_t *bytes = workspace;
    const int32_t *words = workspace;
    for (int64_t p = 0, i = 0; p < g->p; p++)
        for (int64_t q = 0, at = row_start(g, p); q < g->q; q++, i++, at += g->stride[1])
            indices[i] = (int32_t)at + g->place[size == 1 ? bytes[i * step] : words[i * step]];
}

static int32_t tap_of(const windows *g, int64_t p, int64_t q, int32_t index)
{
    const int64_t r = index / g->w - (p * g->stride[0] - g->pad[0]);
    const int64_t s = index % g->w - (q * g->stride[1] - g->pad[1]);
    return (int32_t)(r / g->dilation[0] * g->s + s / g->dilation[1]);
}

static void plane_from_indices(const windows *g, void *workspace, int size, int64_t step,
                               const int32_t *indices)
{
    uint8_t *bytes = workspace;
    int32_t *words = workspace;
    for (int64_t p = 0, i = 0; p < g->p; p++)
        for (int64_t q = 0, at = row_start(g, p); q < g->q; q++, i++, at += g->stride[1]) {
            const int32_t tap = g->tap ? g->tap[indices[i] - at] : tap_of(g, p, q, indices[i]);
            if (size == 1)
                bytes[i * step] = (uint8_t)tap;
            else
                words[i * step] = tap;
        }
}

void km_onednn_to_indices(const windows *g, const layout *l, const void *workspace, int size,
                          int32_t *indices, int threads)
{
    const int64_t plane = g->p * g->q, step = l->block ? l->block : g->c;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < g->n * g->c; i++) {
        const int64_t at = offset_of(l, g, i / g->c, i % g->c, 0, plane);
        plane_to_indices(g, (const char *)workspace + at * size, size, step, indices + i * plane);
    }
}

void km_onednn_from_indices(const windows *g, const layout *l, void *workspace, int size,
                            const int32_t *indices, int threads)
{
    const int64_t plane = g->p * g->q, step = l->block ? l->block : g->c;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < g->n * g->c; i++) {
        const int64_t at = offset_of(l, g, i / g->c, i % g->c, 0, plane);
        plane_from_indices(g, (char *)workspace + at * size, size, step, indices + i * plane);
    }
}
