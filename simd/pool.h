/* pool.h: how windows that slide over planes become runs of neighbouring vectors.
 *
 * Forward: a band of rows is staged, padded, in scratch memory, with every stride-th row and column in
 * a place of its own. There the taps of neighbouring windows are neighbours, whatever the stride,
 * padding or dilation. Where windows are few, the rows of a plane follow each other without a gap, and
 * vectors run across them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_H
#define KM_POOL_H

#include <stdlib.h>
#include <string.h>

#include "kernelmark.h"
#include "vec.h"

/* Bytes of scratch memory that a band may take: half of the first-level cache. */
enum { KM_BAND_BYTES = 16 << 10, KM_MEMORIES = 12 };

typedef struct km_axis {
    int64_t in, out, kernel, stride, pad, dilation;
    int64_t reach; /* of a window, in strides */
} km_axis;

typedef struct km_pool {
    km_axis h, w;
    int64_t planes, band;
    int64_t line; /* elements from one staged row to the next */
    int64_t phases_h, phases_w,
        phase;             /* places for rows and columns; elements from one to the next */
    int flat, by_product;  /* vectors run across rows; counts hold reciprocals, which are exact */
    int64_t taps, *at;     /* where the taps of window 0 are staged */
    int32_t *index;        /* ... and in the plane */
    int32_t *base, *first; /* column, or place, of each window's tap 0, and of its first element */
    float *count_h, *count_w; /* of elements that an average counts */
    float *scratch;
    int64_t scratch_each; /* elements, of each part */
    int native;
    int64_t channels;
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
    info->workspace_bytes = ((const km_pool *)plan)->bytes;
}

static inline km_axis km_axis_of(const km_args *args, int which, km_slot input, km_slot output)
{
    const km_case *c = args->params;
    km_axis a = {.in = args->slot[input].dim[2 + which], .out = args->slot[output].dim[2 + which]};
    a.kernel = c->dim[KM_DIM_R + which];
    a.stride = (int64_t)c->attr[KM_STRIDE + which];
    a.pad = (int64_t)c->attr[KM_PAD + which];
    a.dilation = c->attr[KM_DILATION + which] > 1 ? (int64_t)c->attr[KM_DILATION + which] : 1;
    return a;
}

static inline void km_pool_axes(km_pool *p, const km_args *args, km_axis h, km_axis w)
{
    const km_slot slot = args->slot[KM_Y].ndim ? KM_Y : KM_GRAD_Y;
    h.reach = (h.kernel - 1) * h.dilation / h.stride;
    w.reach = (w.kernel - 1) * w.dilation / w.stride;
    p->h = h;
    p->w = w;
    p->channels = args->slot[slot].dim[1];
    p->planes = args->slot[slot].dim[0] * p->channels;
    p->native = args->layout == KM_NATIVE;
}

/* ---- forward: open ---- */

static inline int64_t km_phases(const km_axis *a)
{
    return a->dilation == 1 && a->kernel < a->stride ? a->kernel : a->stride;
}

/* Places and bands. Across rows only where that leaves fewer lanes idle. */
static inline void km_pool_lay_out(km_pool *p)
{
    const int64_t row = p->w.out + p->w.reach;
    p->flat = p->w.out % V != 0 && (p->w.reach == 0 ? p->w.out < 2 * V : 2 * p->w.out <= V);
    p->line = p->flat ? row : (row + V - 1) / V * V;
    p->phases_h = km_phases(&p->h);
    p->phases_w = km_phases(&p->w);
    p->band = KM_BAND_BYTES / 4 / (p->phases_h * p->phases_w * p->line) - p->h.reach;
    p->band = p->band < 1 ? 1 : p->band > p->h.out ? p->h.out : p->band;
    p->phase = ((p->band + p->h.reach) * p->line + 3 * V) / V * V;
}

static inline void km_pool_set_taps(km_pool *p)
{
    int64_t t = 0;
    for (int64_t r = 0; r < p->h.kernel; r++)
        for (int64_t s = 0; s < p->w.kernel; s++, t++) {
            const int64_t i = r * p->h.dilation, j = s * p->w.dilation;
            const int64_t place = i % p->h.stride * p->phases_w + j % p->w.stride;
            p->at[t] = place * p->phase + i / p->h.stride * p->line + j / p->w.stride;
            p->index[t] = (int32_t)(i * p->w.in + j);
        }
}

/* The first tap that is no padding. */
static inline int64_t km_first_tap(const km_axis *a, int64_t i)
{
    const int64_t start = i * a->stride - a->pad;
    return start >= 0 ? start : start + (a->dilation - 1 - start) / a->dilation * a->dilation;
}

/* Columns of a row of windows, or places of all windows of a plane. */
static inline void km_pool_set_places(km_pool *p)
{
    for (int64_t i = 0; i < (p->flat ? p->h.out : 1); i++)
        for (int64_t j = 0; j < p->w.out; j++) {
            const int64_t h = p->flat ? i * p->h.stride - p->h.pad : 0;
            const int64_t first_h = p->flat ? km_first_tap(&p->h, i) : 0;
            p->base[i * p->line + j] = (int32_t)(h * p->w.in + j * p->w.stride - p->w.pad);
            p->first[i * p->line + j] = (int32_t)(first_h * p->w.in + km_first_tap(&p->w, j));
        }
}

/* Everything but counts; -1 when out of memory. */
static inline int km_pool_prepare(km_pool *p, const km_args *args)
{
    const int parts = args->threads > 1 ? args->threads : 1;
    km_pool_lay_out(p);
    const int64_t places = (p->flat ? p->h.out : 1) * p->line + V;
    const int64_t staged = p->phases_h * p->phases_w * p->phase;
    p->taps = p->h.kernel * p->w.kernel;
    p->scratch_each = staged + 2 * (p->band * p->line + 2 * V) / V * V + V;
    p->at = km_pool_memory(p, p->taps, sizeof *p->at);
    p->index = km_pool_memory(p, p->taps, sizeof *p->index);
    p->base = km_pool_memory(p, places, sizeof *p->base);
    p->first = km_pool_memory(p, places, sizeof *p->first);
    p->scratch = km_pool_memory(p, p->scratch_each * parts, sizeof *p->scratch);
    if (!p->at || !p->index || !p->base || !p->first || !p->scratch)
        return -1;
    km_pool_set_taps(p);
    km_pool_set_places(p);
    return 0;
}

/* ---- forward: staging ---- */

/* The columns of one place: element i is column i stride + offset. */
typedef struct km_columns {
    int64_t from, to; /* i of those that exist and are wanted */
    int64_t column;   /* of `from` */
} km_columns;

KM_INLINE km_columns km_columns_of(const km_axis *a, int64_t place, int64_t wanted)
{
    const int64_t offset = place - a->pad,
                  from = offset < 0 ? (a->stride - 1 - offset) / a->stride : 0;
    const int64_t end = (a->in - offset + a->stride - 1) / a->stride;
    km_columns c = {from, end < wanted ? end : wanted, from * a->stride + offset};
    c.to = c.to < c.from ? c.from : c.to;
    return c;
}

static inline void km_fill_pad(float *to, int64_t from, int64_t end, vf pad)
{
    for (int64_t i = from; i < end; i += V)
        v_store_n(to + i, pad, end - i);
}

/* Nonzero if a NaN was among them. What is stored beyond n is overwritten later or never looked at. */
KM_INLINE int km_copy(float *to, const float *x, int64_t n)
{
    int nan = 0;
    for (int64_t i = 0; i < n; i += V) {
        const vf a = v_load_n(x + i, n - i);
        nan |= v_any(v_unordered(a, a));
        v_store(to + i, a);
    }
    return nan;
}

/* n elements of x, alternately to both places. */
KM_INLINE int km_copy_pairs(float *even, float *odd, const float *x, int64_t n)
{
    int nan = 0;
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
        const vf a = v_load(x + i), b = v_load(x + i + V);
        nan |= v_any(v_unordered(a, b));
        v_store(even + i / 2, v_even(a, b));
        v_store(odd + i / 2, v_odd(a, b));
    }
    if (i < n) {
        const vf a = v_load_n(x + i, n - i);
        const vf b = v_load_n(x + i + V, n - i > V ? n - i - V : 0);
        nan |= v_any(v_unordered(a, b));
        v_store(even + i / 2, v_even(a, b));
        v_store(odd + i / 2, v_odd(a, b));
    }
    return nan;
}

static inline int km_copy_every(float *to, const float *x, int64_t n, int64_t stride)
{
    int nan = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = x[i * stride];
        nan |= to[i] != to[i];
    }
    return nan;
}

/* One row of x, or of padding (NULL), to its places. */
KM_INLINE int km_stage_row(const km_pool *p, float *to, const float *x, vf pad)
{
    const int64_t wanted = p->w.out + p->w.reach, stride = p->w.stride;
    km_columns c[2];
    int nan = 0;
    for (int64_t b = 0; b < p->phases_w; b++) {
        c[b % 2] = km_columns_of(&p->w, b, wanted);
        const km_columns *own = &c[b % 2];
        if (x && stride == 1)
            nan |= km_copy(to + own->from, x + own->column, own->to - own->from);
        else if (x && (stride != 2 || p->phases_w != 2))
            nan |= km_copy_every(to + b * p->phase + own->from, x + own->column,
                                 own->to - own->from, stride);
    }
    if (x && stride == 2 && p->phases_w == 2) {
        const int odd = c[0].column != 0; /* the place that column 1 goes to */
        const int64_t n = c[0].to - c[0].from + c[1].to - c[1].from;
        nan |= km_copy_pairs(to + odd * p->phase + c[odd].from, to + !odd * p->phase + c[!odd].from,
                             x, n > p->w.in ? p->w.in : n);
    }
    for (int64_t b = 0; b < p->phases_w; b++) {
        const km_columns own = km_columns_of(&p->w, b, wanted);
        km_fill_pad(to + b * p->phase, 0, x ? own.from : wanted, pad);
        if (x)
            km_fill_pad(to + b * p->phase, own.to, wanted, pad);
    }
    return nan;
}

/* What windows of rows [from, from + n) need of a plane; nonzero if there is a NaN. */
KM_INLINE int km_stage(const km_pool *p, float *scratch, const float *x, int64_t from, int64_t n,
                       vf pad)
{
    const int64_t last = (n - 1) * p->h.stride + (p->h.kernel - 1) * p->h.dilation;
    int nan = 0;
    for (int64_t i = 0; i < n + p->h.reach; i++)
        for (int64_t a = 0; a < p->phases_h && i * p->h.stride + a <= last; a++) {
            const int64_t h = (from + i) * p->h.stride + a - p->h.pad;
            const float *row = h >= 0 && h < p->h.in ? x + h * p->w.in : 0;
            nan |= km_stage_row(p, scratch + a * p->phases_w * p->phase + i * p->line, row, pad);
        }
    return nan;
}

/* Rows of `line` elements, without the gaps; of any element of four bytes. */
static inline void km_close_gaps(const km_pool *p, float *y, const float *from, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < p->w.out; j += V)
            v_store_n(y + i * p->w.out + j, v_load_n(from + i * p->line + j, p->w.out - j),
                      p->w.out - j);
}

/* The planes [from, to) of a part. */
static inline void km_pool_range(const km_pool *p, int64_t count, int parts, int part,
                                 int64_t *from, int64_t *to)
{
    (void)p;
    *from = count * part / parts;
    *to = count * (part + 1) / parts;
}

#endif
