/* pool_gradient.h: grad_x as a gather: each element takes from the windows that hold it, in order.
 *
 * Elements a stride apart lie at the same taps of neighbouring windows, so a vector of them reads
 * neighbouring grad_y. Rows of grad_y (and indices) are staged with padding before and behind, unless
 * windows neither overlap nor reach outside. A max-pool's sum of more than two terms is formed in
 * double: it then is the exact sum, rounded once, for all but absurd ranges.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_GRADIENT_H
#define KM_POOL_GRADIENT_H

#include "pool.h"

typedef struct km_gradient {
    km_pool pool; /* axes, planes, memory, counts */
    int max, direct;
    int64_t band, line, left; /* rows of grad_x; of a staged row, and before its element 0 */
    int64_t *shift;           /* column j stride + e takes from windows j - shift ... */
    int64_t *shift_from;      /* ... [shift_from[e], shift_from[e + 1]) */
    int32_t *base;            /* j stride */
    float *scratch, *g;       /* results by e, and staged rows of all parts */
    int32_t *indices;
    int64_t *rows;           /* staged rows that a row of grad_x takes from, of all parts */
    int64_t results, staged; /* elements of each part */
} km_gradient;

static inline void km_gradient_close(void *plan)
{
    km_gradient *p = plan;
    for (int i = 0; p && i < p->pool.memories; i++)
        free(p->pool.memory[i]);
    free(p);
}

static inline void km_gradient_describe(const void *plan, km_kernel_info *info)
{
    info->workspace_bytes = ((const km_gradient *)plan)->pool.bytes;
}

/* The windows [from, to) that may hold elements [first, last]. */
static inline void km_windows(const km_axis *a, int64_t first, int64_t last, int64_t *from,
                              int64_t *to)
{
    const int64_t early = first + a->pad - (a->kernel - 1) * a->dilation;
    *from = early <= 0 ? 0 : (early + a->stride - 1) / a->stride;
    *to = (last + a->pad) / a->stride + 1;
    *to = *to < a->out ? *to : a->out;
}

/* Ascending windows are descending taps. */
static inline void km_gradient_set_shifts(km_gradient *p)
{
    const km_axis *w = &p->pool.w;
    int64_t n = 0;
    for (int64_t e = 0; e < w->stride; e++) {
        const int64_t at = e + w->pad;
        p->shift_from[e] = n;
        for (int64_t s = w->kernel - 1; s >= 0; s--)
            if ((at - s * w->dilation) % w->stride == 0)
                p->shift[n++] = (s * w->dilation - at) / w->stride;
    }
    p->shift_from[w->stride] = n;
    for (int64_t j = 0; j < w->in / w->stride + V; j++)
        p->base[j] = (int32_t)(j * w->stride);
}

static inline int64_t km_staged_rows(const km_axis *h, int64_t band)
{
    return (band - 1 + (h->kernel - 1) * h->dilation) / h->stride + 2;
}

static inline void km_gradient_lay_out(km_gradient *p)
{
    const km_axis *h = &p->pool.h, *w = &p->pool.w;
    const int64_t ahead = (w->stride - 1 + w->pad) / w->stride + w->in / w->stride + 1;
    p->direct = p->max && w->reach == 0 && w->pad == 0;
    p->left = (w->reach + V - 1) / V * V;
    p->line = (p->left + (ahead > w->out ? ahead : w->out) + 2 * V) / V * V;
    p->band = h->in;
    while (p->band > h->stride && km_staged_rows(h, p->band) * p->line * 8 > KM_BAND_BYTES)
        p->band = (p->band + 1) / 2;
    p->staged = p->direct ? 0 : km_staged_rows(h, p->band) * p->line;
    p->results = w->stride > 2 ? w->stride * (w->in / w->stride + 2 * V) : 0;
}

static inline const char *km_gradient_open(const km_args *args, km_axis h, km_axis w, int max,
                                           void **plan)
{
    const int parts = args->threads > 1 ? args->threads : 1;
    km_gradient *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    km_pool *m = &p->pool;
    km_pool_axes(m, args, h, w);
    p->max = max;
    km_gradient_lay_out(p);
    p->shift = km_pool_memory(m, w.kernel, sizeof *p->shift);
    p->shift_from = km_pool_memory(m, w.stride + 1, sizeof *p->shift_from);
    p->base = km_pool_memory(m, w.in / w.stride + V, sizeof *p->base);
    p->rows = km_pool_memory(m, h.kernel * parts, sizeof *p->rows);
    p->scratch = km_pool_memory(m, p->results * parts, sizeof(float));
    p->g = km_pool_memory(m, p->staged * parts, sizeof(float));
    p->indices = km_pool_memory(m, max ? p->staged * parts : 0, sizeof(int32_t));
    if (!p->shift || !p->shift_from || !p->base || !p->rows || !p->scratch || !p->g ||
        !p->indices) {
        km_gradient_close(p);
        return "out of memory";
    }
    km_gradient_set_shifts(p);
    *plan = p;
    return 0;
}

/* ---- run ---- */

/* What one band of a plane takes from: rows, one `line` apart, element 0 first. */
typedef struct km_source {
    const float *g;
    const int32_t *indices;
    int64_t line, first; /* window row of row 0 */
} km_source;

/* grad_y, or an average's shares of it. */
KM_INLINE vf km_share(const km_gradient *p, const float *g, int64_t row, int64_t j, int max)
{
    const vf v = v_load_n(g + j, p->pool.w.out - j);
    if (max)
        return v;
    const vf count = v_mul(v_set(p->pool.count_h[row]), v_load(p->pool.count_w + j));
    return p->pool.by_product ? v_mul(v, count) : v_div(v, count);
}

KM_INLINE km_source km_stage_windows(const km_gradient *p, int part, const float *g,
                                     const int32_t *indices, int64_t from, int64_t to, int max)
{
    const int64_t out = p->pool.w.out;
    float *to_g = p->g + part * p->staged;
    int32_t *to_indices = p->indices + part * p->staged;
    for (int64_t i = from; i < to; i++, to_g += p->line, to_indices += p->line) {
        float *own = to_g + p->left;
        for (int64_t j = 0; j < out; j += V) {
            v_store(own + j, km_share(p, g + i * out, i, j, max));
            if (max)
                vi_store(to_indices + p->left + j, vi_load_n(indices + i * out + j, out - j));
        }
        for (int64_t j = p->left + out; j < p->line; j += V) {
            v_store_n(to_g + j, v_set(0), p->line - j);
            if (max)
                vi_store_n(to_indices + j, vi_set(-1), p->line - j);
        }
        for (int64_t j = 0; max && j < p->left; j += V)
            vi_store(to_indices + j, vi_set(-1)); /* their grad_y stays 0 as it was made */
    }
    return (km_source){p->g + part * p->staged + p->left, p->indices + part * p->staged + p->left,
                       p->line, from};
}

KM_INLINE vf km_term(const km_source *s, int64_t at, vi own, int64_t n, int max, int direct)
{
    const vf g = direct ? v_load_n(s->g + at, n) : v_load(s->g + at);
    if (!max)
        return g;
    const vi index = direct ? vi_load_n(s->indices + at, n) : vi_load(s->indices + at);
    return v_select(vi_eq(index, own), g, v_set(0));
}

/* Elements j stride + e of row h, for V neighbouring j; rows[0 .. count) are offsets in s. */
KM_INLINE vf km_gather(const km_gradient *p, const km_source *s, const int64_t *rows, int64_t count,
                       int64_t row_start, int64_t e, int64_t j, int max, int direct)
{
    const int64_t from = p->shift_from[e], to = p->shift_from[e + 1], n = p->pool.w.out - j;
    const vi own = max ? vi_add(vi_load(p->base + j), vi_set((int32_t)(row_start + e))) : vi_set(0);
    vf sum = v_set(0);
    if (!max || count * (to - from) <= 2) {
        for (int64_t r = 0; r < count; r++)
            for (int64_t c = from; c < to; c++)
                sum = v_add(sum, km_term(s, rows[r] + j - p->shift[c], own, n, max, direct));
        return sum;
    }
    vw wide = vw_zero();
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = from; c < to; c++)
            wide = vw_add(wide, km_term(s, rows[r] + j - p->shift[c], own, n, max, direct));
    return vw_round(wide);
}

/* The staged rows that row h takes from, in ascending order. */
static inline int64_t km_rows_of(const km_gradient *p, const km_source *s, int64_t h, int64_t *rows)
{
    const km_axis *a = &p->pool.h;
    int64_t count = 0;
    for (int64_t r = a->kernel - 1; r >= 0; r--) {
        const int64_t start = h + a->pad - r * a->dilation;
        if (start >= 0 && start % a->stride == 0 && start / a->stride < a->out)
            rows[count++] = (start / a->stride - s->first) * s->line;
    }
    return count;
}

KM_INLINE void km_gradient_row(const km_gradient *p, const km_source *s, const int64_t *rows,
                               int64_t count, int64_t h, float *grad_x, float *results, int max,
                               int direct)
{
    const int64_t width = p->pool.w.in, stride = p->pool.w.stride, start = h * width;
    const int64_t part = width / stride + 2 * V; /* of results */
    for (int64_t j = 0; j * stride < width; j += V) {
        const vf a = km_gather(p, s, rows, count, start, 0, j, max, direct);
        if (stride == 1) {
            v_store_n(grad_x + j, a, width - j);
        } else if (stride == 2) {
            const vf b = km_gather(p, s, rows, count, start, 1, j, max, direct);
            const int64_t left = width - 2 * j;
            v_store_n(grad_x + 2 * j, v_zip_low(a, b), left);
            v_store_n(grad_x + 2 * j + V, v_zip_high(a, b), left > V ? left - V : 0);
        } else {
            v_store(results + j, a);
            for (int64_t e = 1; e < stride; e++)
                v_store(results + e * part + j,
                        km_gather(p, s, rows, count, start, e, j, max, direct));
        }
    }
    for (int64_t e = 0; stride > 2 && e < stride; e++)
        for (int64_t i = e, j = 0; i < width; i += stride, j++)
            grad_x[i] = results[e * part + j];
}

KM_INLINE void km_gradient_plane(const km_gradient *p, int part, float *grad_x, const float *g,
                                 const int32_t *indices, int max, int direct)
{
    const km_axis *a = &p->pool.h;
    int64_t *rows = p->rows + part * a->kernel;
    float *results = p->scratch + part * p->results;
    for (int64_t h = 0; h < a->in; h += p->band) {
        const int64_t end = h + p->band < a->in ? h + p->band : a->in;
        int64_t from, to;
        km_windows(a, h, end - 1, &from, &to);
        const km_source s = direct ? (km_source){g, indices, p->pool.w.out, 0}
                                   : km_stage_windows(p, part, g, indices, from, to, max);
        for (int64_t i = h; i < end; i++) {
            const int64_t count = km_rows_of(p, &s, i, rows);
            km_gradient_row(p, &s, rows, count, i, grad_x + i * p->pool.w.in, results, max, direct);
        }
    }
}

/* Of an average where indices is NULL. */
KM_INLINE void km_gradient_planes(const km_args *args, int part, const int32_t *indices)
{
    const km_gradient *p = args->plan;
    const int64_t inputs = p->pool.h.in * p->pool.w.in, outputs = p->pool.h.out * p->pool.w.out;
    float *grad_x = args->slot[KM_GRAD_X].data;
    const float *g = args->slot[KM_GRAD_Y].data;
    int64_t from, to;
    km_pool_range(&p->pool, p->pool.planes, args->threads, part, &from, &to);
    for (int64_t i = from; i < to; i++)
        if (!p->max)
            km_gradient_plane(p, part, grad_x + i * inputs, g + i * outputs, 0, 0, 0);
        else if (p->direct)
            km_gradient_plane(p, part, grad_x + i * inputs, g + i * outputs, indices + i * outputs,
                              1, 1);
        else
            km_gradient_plane(p, part, grad_x + i * inputs, g + i * outputs, indices + i * outputs,
                              1, 0);
}

#endif
