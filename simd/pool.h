/* pool.h: where windows lie, and the plan of a pooling pass.
 *
 * A window's elements, and the windows of an element, are spans along each axis: the same loops then serve
 * windows that slide, dilated ones and uneven grids. How the tensors are gone through is `how`:
 *
 *   POOL_BLOCKS   native tensors, whose lanes are channels (pool_lanes.h, pool_taps.h, pool_groups.h, pool_held.h)
 *   POOL_LANES    bands of V planes, transposed into lanes and back in scratch memory, any shape
 *   POOL_ROWS     planes with long rows: lanes are neighbouring windows of a row (pool_rows.h)
 *   POOL_PAIRS    windows of 2x2 that don't overlap: lanes are neighbours, too (pool_pairs.h)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_H
#define KM_POOL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernelmark.h"
#include "vec.h"

/* Bytes that the staged rows of a band should take: most of the first-level cache. */
enum { KM_BAND_BYTES = 24 << 10, KM_MEMORIES = 12 };

/* Taps of a window that a byte can tell. */
enum { KM_TAPS = 256 };

/* Rows of windows that hold an element and may be kept in double. */
enum { KM_HELD = 3 };

/* Rows of an average's sums at a time: enough for their stores to be done when they are read. */
enum { KM_SUMS = 8 };

/* stride 0: an adaptive grid */
typedef struct km_axis {
    int64_t in, out, kernel, stride, pad, dilation;
} km_axis;

/* from, from + step, ... */
typedef struct km_span {
    int32_t from, count;
} km_span;

typedef enum km_pool_how { POOL_LANES, POOL_BLOCKS, POOL_ROWS, POOL_PAIRS } km_pool_how;

typedef struct km_pool {
    km_pool_how how;
    int max, backward;
    int apart; /* windows lie side by side and fill the tensor */
    km_axis h, w;
    int64_t images, channels, planes;
    km_span *rows,
        *columns; /* forward: elements of each window; backward: windows of each element */
    int64_t step_h, step_w; /* of those spans */
    float *scale_h,
        *scale_w;   /* what an average multiplies by, of each window; zeros around scale_w */
    int32_t *place; /* taps of a window in the plane, from its first; of row r at r place_line */
    int64_t place_line;
    /* Of maxima in POOL_BLOCKS: each tap of a window as four bytes; along h and w, which tap the first element
     * of a window is, or an element of its first window; how many windows from here on, or elements a stride apart,
     * lie alike; rows of windows' bests that are kept. */
    int32_t *four, *lead[2], *run;
    int64_t ring;
    /* Of POOL_ROWS: the column of each window's tap 0, and from there to its first element, or those of V
     * elements; elements j stride + e lie in windows j + shift[e][.]; staged rows, and what comes before element 0. */
    int32_t *column, *first;
    int64_t *shift[2], shifts[2], line, left;
    int64_t band;                /* rows of the result at a time */
    float *scratch;              /* of each part: */
    int64_t staged, result, all; /*   elements of a staged tensor, of a result, of all */
    void *memory[KM_MEMORIES];
    int memories;
    int64_t bytes;
} km_pool;

/* Memory that lives as long as the plan; zeroed. NULL when there is none. */
static inline void *km_pool_memory(km_pool *p, int64_t count, size_t size)
{
    const size_t bytes = ((size_t)count * size + 127) / 64 * 64;
    void *memory = p->memories < KM_MEMORIES ? aligned_alloc(64, bytes) : 0;
    if (memory) {
        memset(memory, 0, bytes);
        p->memory[p->memories++] = memory;
        p->bytes += (int64_t)bytes;
    }
    return memory;
}

static inline void km_pool_close(void *plan)
{
    km_pool *p = plan;
    for (int i = 0; p && i < p->memories; i++)
        free(p->memory[i]);
    free(p);
}

static inline void km_pool_describe(const void *plan, km_kernel_info *info)
{
    const km_pool *p = plan;
    static const char *const words[] = {"planes transposed into lanes", "blocks of channels",
                                        "windows of a row in lanes", "2x2 windows in lanes"};
    info->workspace_bytes = p->bytes;
    strcpy(info->impl, words[p->how]);
}

/* ---- spans ---- */

static inline int64_t km_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static inline int64_t km_common_divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The elements of window i. */
static inline km_span km_elements(const km_axis *a, int64_t i)
{
    if (!a->stride) {
        const int64_t from = i * a->in / a->out, to = ((i + 1) * a->in + a->out - 1) / a->out;
        return (km_span){(int32_t)from, (int32_t)(to - from)};
    }
    const int64_t start = i * a->stride - a->pad;
    const int64_t before = start < 0 ? (a->dilation - 1 - start) / a->dilation : 0;
    const int64_t inside = km_floor_div(a->in - 1 - start, a->dilation) + 1;
    const int64_t end = inside < a->kernel ? inside : a->kernel;
    return (km_span){(int32_t)(start + before * a->dilation), (int32_t)(end - before)};
}

/* The windows of element i, a step apart. */
static inline km_span km_windows(const km_axis *a, int64_t i, int64_t step)
{
    if (!a->stride) { /* i + 1 > from and i < to, solved for the window */
        const int64_t from = i * a->out / a->in, to = ((i + 1) * a->out + a->in - 1) / a->in;
        return (km_span){(int32_t)from, (int32_t)(to - from)};
    }
    const int64_t early = i + a->pad - (a->kernel - 1) * a->dilation;
    const int64_t last = (i + a->pad) / a->stride < a->out ? (i + a->pad) / a->stride : a->out - 1;
    int64_t from = early <= 0 ? 0 : (early + a->stride - 1) / a->stride;
    for (int64_t tries = 1; tries < step && (i + a->pad - from * a->stride) % a->dilation; tries++)
        from++;
    const int holds = from <= last && (i + a->pad - from * a->stride) % a->dilation == 0;
    return (km_span){(int32_t)from, holds ? (int32_t)((last - from) / step) + 1 : 0};
}

static inline int64_t km_step(const km_axis *a, int backward)
{
    if (!a->stride)
        return 1;
    return backward ? a->dilation / km_common_divisor(a->stride, a->dilation) : a->dilation;
}

static inline km_span *km_spans(km_pool *p, const km_axis *a)
{
    const int64_t count = p->backward ? a->in : a->out, step = km_step(a, p->backward);
    km_span *s = km_pool_memory(p, count, sizeof *s);
    for (int64_t i = 0; s && a->out > 0 && i < count; i++)
        s[i] = p->backward ? km_windows(a, i, step) : km_elements(a, i);
    return s;
}

/* ---- bands ---- */

/* What rows [from, to) of the result take from: rows [first, end) of the other tensor. */
static inline void km_sources(const km_pool *p, int64_t from, int64_t to, int64_t *first,
                              int64_t *end)
{
    *first = INT64_MAX;
    *end = 0;
    for (int64_t i = from; i < to; i++) {
        const km_span s = p->rows[i];
        const int64_t last = s.from + (s.count - 1) * p->step_h + 1;
        if (s.count > 0) {
            *first = s.from < *first ? s.from : *first;
            *end = last > *end ? last : *end;
        }
    }
    *first = *first < *end ? *first : *end;
}

static inline int64_t km_most_sources(const km_pool *p, int64_t rows)
{
    int64_t most = 0, first, end;
    for (int64_t from = 0; from < rows; from += p->band) {
        km_sources(p, from, from + p->band < rows ? from + p->band : rows, &first, &end);
        most = end - first > most ? end - first : most;
    }
    return most;
}

/* Bands of equal height that fit into the cache, whose rows take so many floats. */
static inline void km_set_band(km_pool *p, int64_t line_in, int64_t line_out)
{
    const int64_t rows = p->backward ? p->h.in : p->h.out;
    for (int64_t bands = 1;; bands += 1 + bands / 4) {
        p->band = (rows + bands - 1) / bands;
        const int64_t floats = km_most_sources(p, rows) * line_in + p->band * line_out;
        if (p->band <= 1 || floats * 4 <= KM_BAND_BYTES)
            return;
    }
}

static inline int km_set_scratch(km_pool *p, int parts)
{
    const int staged = p->max && p->backward ? 2 : 1, results = p->max && !p->backward ? 2 : 1;
    p->all = staged * p->staged + results * p->result + (p->max ? 0 : p->w.out * V);
    p->scratch = km_pool_memory(p, p->all * parts, sizeof *p->scratch);
    return p->scratch ? 0 : -1;
}

static inline int km_set_lanes(km_pool *p, int parts)
{
    const int64_t in = p->backward ? p->w.out : p->w.in, out = p->backward ? p->w.in : p->w.out;
    km_set_band(p, (p->max && p->backward ? 2 : 1) * in * V,
                (p->max && !p->backward ? 2 : 1) * out * V);
    p->staged = (km_most_sources(p, p->backward ? p->h.in : p->h.out) * in + V) * V;
    p->result = (p->band * out + V) * V;
    return km_set_scratch(p, parts);
}

#endif
