/* pool_open.h: how a pass goes through its tensors, and what it needs for that.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_OPEN_H
#define KM_POOL_OPEN_H

#include "pool.h"

/* ---- rows ---- */

/* Ascending windows are descending taps. */
static inline int km_set_shifts(km_pool *p)
{
    const km_axis *w = &p->w;
    for (int e = 0; e < w->stride; e++) {
        int64_t *shift = p->shift[e] = km_pool_memory(p, w->kernel, sizeof *shift);
        for (int64_t t = w->kernel - 1; shift && t >= 0; t--) {
            const int64_t at = e + w->pad - t * w->dilation;
            if (at % w->stride == 0)
                shift[p->shifts[e]++] = at / w->stride;
        }
        if (!shift)
            return -1;
    }
    return 0;
}

/* How far vectors reach: the elements before the row, and all with those behind. */
static inline void km_set_reach(km_pool *p)
{
    const km_axis *w = &p->w;
    const int64_t taps = (w->kernel - 1) * w->dilation,
                  groups = (w->in + w->stride - 1) / w->stride;
    if (p->backward) {
        p->left = (taps + w->stride - 1) / w->stride;
        p->line = p->left + (groups > V ? groups : V) + (w->pad + w->stride - 1) / w->stride;
        p->line = p->line > p->left + w->out ? p->line : p->left + w->out;
        const int apart = w->kernel == w->stride && !w->pad && w->in == w->kernel * w->out;
        p->staged = !p->max || !apart;
    } else {
        const int64_t last = (w->out - V) * w->stride + taps;
        p->line = w->stride == 1 ? last + V : last - last % 2 + 2 * V;
        p->staged = w->pad > 0 || p->line > w->in;
        p->line = p->line > w->pad + w->in ? p->line : w->pad + w->in;
    }
    p->line = (p->line + V - 1) / V * V;
}

/* Padding is written here and never again. */
static inline int km_set_rows(km_pool *p, int parts)
{
    const int windows = p->how == POOL_ROWS && !p->backward;
    const int64_t columns = windows ? p->w.out : V;
    p->column = km_pool_memory(p, columns, sizeof *p->column);
    p->first = km_pool_memory(p, columns, sizeof *p->first);
    if (!p->column || !p->first)
        return -1;
    for (int64_t j = 0; j < columns; j++) {
        p->column[j] = (int32_t)(j * p->w.stride - (windows ? p->w.pad : 0));
        p->first[j] = windows ? p->columns[j].from - p->column[j] : 0;
    }
    if (p->how == POOL_PAIRS)
        return 0;
    if (p->backward && km_set_shifts(p))
        return -1;
    km_set_reach(p);
    if (p->max || p->backward) {
        km_set_band(p, p->staged ? (p->max && p->backward ? 2 : 1) * p->line : 0, 0);
        p->staged *= km_most_sources(p, p->backward ? p->h.in : p->h.out) * p->line + V;
    } else {
        p->band = p->h.out < KM_SUMS ? p->h.out : KM_SUMS;
        p->staged = p->band * p->line + V;
    }
    if (km_set_scratch(p, parts))
        return -1;
    for (int64_t i = 0; p->max && !p->backward && i < p->all * parts; i++)
        p->scratch[i] = -INFINITY;
    return 0;
}

/* ---- blocks of channels ---- */

static inline int km_set_lead(km_pool *p, int which)
{
    const km_axis *a = which ? &p->w : &p->h;
    const km_span *span = which ? p->columns : p->rows;
    const int64_t count = p->backward ? a->in : a->out;
    int32_t *lead = p->lead[which] = km_pool_memory(p, count, sizeof *lead);
    for (int64_t i = 0; lead && i < count; i++) {
        const int64_t window = p->backward ? span[i].from : i;
        const int64_t element = p->backward ? i : span[i].from;
        if (span[i].count > 0)
            lead[i] = (int32_t)((element + a->pad - window * a->stride) / a->dilation);
    }
    return lead ? 0 : -1;
}

static inline int km_set_runs(km_pool *p)
{
    const int64_t count = p->backward ? p->w.in : p->w.out, step = p->backward ? p->w.stride : 1;
    const int32_t *lead = p->lead[1];
    p->run = km_pool_memory(p, count, sizeof *p->run);
    for (int64_t i = count - 1; p->run && i >= 0; i--) {
        const int64_t next = i + step;
        const int alike =
            next < count && p->columns[next].count == p->columns[i].count && lead[next] == lead[i];
        p->run[i] = alike ? p->run[next] + 1 : 1;
    }
    return p->run ? 0 : -1;
}

/* Rows of windows in double, where elements lie in more than two windows but in few rows of them. */
static inline int km_set_wide(km_pool *p, int parts)
{
    int64_t rows = 0, columns = 0;
    for (int64_t i = 0; i < p->h.in; i++)
        rows = p->rows[i].count > rows ? p->rows[i].count : rows;
    for (int64_t i = 0; i < p->w.in; i++)
        columns = p->columns[i].count > columns ? p->columns[i].count : columns;
    if (rows < 2 || rows > KM_HELD || columns < 2 || columns > KM_HELD || p->step_h > 1)
        return 0;
    p->ring = KM_HELD;
    p->all = 2 * p->ring * p->w.out * V;
    p->scratch = km_pool_memory(p, p->all * parts, sizeof *p->scratch);
    return p->scratch ? 0 : -1;
}

/* Where windows share rows, the best of each row is found once, if the cache holds as many as a window has.
 * Dilated, a window may begin above the one before it that padding cuts. */
static inline int km_set_taps(km_pool *p, int parts)
{
    const int64_t reach = (p->h.kernel - 1) * p->h.dilation, line = p->w.out * V;
    p->four = km_pool_memory(p, KM_TAPS, sizeof *p->four);
    for (int32_t t = 0; p->four && t < KM_TAPS; t++)
        p->four[t] = (int32_t)((uint32_t)t * 0x01010101u);
    if (!p->four || km_set_lead(p, 0) || km_set_lead(p, 1) || km_set_runs(p))
        return -1;
    if (p->backward)
        return km_set_wide(p, parts);
    if (p->h.dilation > 1 || reach < p->h.stride || (reach + 1) * line * 5 > KM_BAND_BYTES)
        return 0;
    p->ring = reach + 1;
    p->staged = p->ring * line;
    p->all = p->staged + (p->staged / 4 + 15) / 16 * 16;
    p->scratch = km_pool_memory(p, p->all * parts, sizeof *p->scratch);
    return p->scratch ? 0 : -1;
}

/* An average's gradient needs a row of windows' shares. */
static inline int km_set_blocks(km_pool *p, int parts)
{
    if (p->max)
        return km_set_taps(p, parts);
    p->all = p->backward ? p->w.out * V : 0;
    p->scratch = km_pool_memory(p, p->all * parts, sizeof *p->scratch);
    return p->scratch ? 0 : -1;
}

/* ---- open ---- */

static inline km_axis km_axis_of(const km_args *args, int which, int backward)
{
    const km_case *c = args->params;
    const km_tensor *x = &args->slot[backward ? KM_GRAD_X : KM_X];
    const km_tensor *y = &args->slot[backward ? KM_GRAD_Y : KM_Y];
    const double dilation = c->attr[KM_DILATION + which];
    return (km_axis){.in = x->dim[2 + which],
                     .out = y->dim[2 + which],
                     .kernel = c->dim[KM_DIM_R + which],
                     .stride = (int64_t)c->attr[KM_STRIDE + which],
                     .pad = (int64_t)c->attr[KM_PAD + which],
                     .dilation = dilation > 1 ? (int64_t)dilation : 1};
}

static inline int km_is_apart(const km_axis *a)
{
    return a->kernel == a->stride && !a->pad && a->dilation == 1 && a->in == a->kernel * a->out;
}

static inline int km_is_pair(const km_axis *a, int backward)
{
    return a->kernel == 2 && a->stride == 2 && !a->pad && a->dilation == 1 && a->out > 0 &&
           (backward ? a->in == 2 * a->out : a->in >= 2 * a->out);
}

/* Long rows in place; blocks where few lanes would be idle, and a byte can tell the taps of a window. */
static inline km_pool_how km_pool_choose(const km_pool *p, km_layout layout)
{
    const int64_t padded = (p->channels + V - 1) / V * V;
    const int slides = p->w.stride == 1 || p->w.stride == 2;
    const int fits = !p->max || p->h.kernel * p->w.kernel <= KM_TAPS;
    if (layout == KM_NATIVE && p->channels * 4 >= padded * 3 && fits)
        return POOL_BLOCKS;
    if (km_is_pair(&p->h, p->backward) && km_is_pair(&p->w, p->backward) && p->w.out * 4 >= V)
        return POOL_PAIRS;
    return slides && p->w.in >= V && p->w.out >= V && p->w.kernel <= 4 * V ? POOL_ROWS : POOL_LANES;
}

static inline int km_set_places(km_pool *p)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < p->h.out; i++)
        rows = p->rows[i].count > rows ? p->rows[i].count : rows;
    p->place_line = p->how == POOL_ROWS ? p->w.kernel : 0;
    for (int64_t j = 0; j < p->w.out; j++)
        p->place_line = p->columns[j].count > p->place_line ? p->columns[j].count : p->place_line;
    p->place = km_pool_memory(p, rows * p->place_line, sizeof *p->place);
    for (int64_t t = 0; p->place && t < rows * p->place_line; t++)
        p->place[t] =
            (int32_t)(t / p->place_line * p->step_h * p->w.in + t % p->place_line * p->step_w);
    return p->place ? 0 : -1;
}

/* Of axes h and w. What averages multiply by is set by their own open. */
static inline const char *km_pool_open(const km_args *args, int max, int backward,
                                       const km_axis axes[2], km_pool **out)
{
    const km_tensor *x = &args->slot[backward ? KM_GRAD_X : KM_X];
    const int parts = args->threads > 1 ? args->threads : 1;
    km_pool *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return "out of memory";
    *p = (km_pool){.max = max, .backward = backward, .h = axes[0], .w = axes[1]};
    p->images = x->dim[0];
    p->channels = x->dim[1];
    p->planes = p->images * p->channels;
    p->step_h = km_step(&p->h, backward);
    p->step_w = km_step(&p->w, backward);
    p->apart = p->h.stride > 0 && km_is_apart(&p->h) && km_is_apart(&p->w);
    p->how = km_pool_choose(p, args->layout);
    p->rows = km_spans(p, &p->h);
    p->columns = km_spans(p, &p->w);
    const int blocks = p->how == POOL_BLOCKS;
    const int failed = !p->rows || !p->columns || (blocks && km_set_blocks(p, parts)) ||
                       (max && !blocks && !backward && km_set_places(p)) ||
                       ((p->how == POOL_ROWS || p->how == POOL_PAIRS) && km_set_rows(p, parts)) ||
                       (p->how == POOL_LANES && km_set_lanes(p, parts));
    if (!failed)
        return 0;
    km_pool_close(p);
    *out = 0;
    return "out of memory";
}

#endif
