/* conv2d_planes.c: taps along an axis, and the copies of the input that tiles read.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d.h"

static km_conv_axis axis_of(const km_case *c, km_dim in, km_dim kernel, int second)
{
    km_conv_axis a = {.in = c->dim[in], .kernel = c->dim[kernel]};
    a.stride = (int64_t)c->attr[second ? KM_STRIDE_W : KM_STRIDE];
    a.pad = (int64_t)c->attr[second ? KM_PAD_W : KM_PAD];
    a.dilation = (int64_t)c->attr[second ? KM_DILATION_W : KM_DILATION];
    a.out = (a.in + 2 * a.pad - a.dilation * (a.kernel - 1) - 1) / a.stride + 1;
    return a;
}

km_conv_shape km_conv_shape_of(const km_case *c)
{
    const int64_t groups = (int64_t)c->attr[KM_GROUPS];
    return (km_conv_shape){axis_of(c, KM_DIM_H, KM_DIM_R, 0),
                           axis_of(c, KM_DIM_W, KM_DIM_S, 1),
                           c->dim[KM_DIM_N],
                           groups,
                           c->dim[KM_DIM_C] / groups,
                           c->dim[KM_DIM_K] / groups};
}

/* ---- taps ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/* Whether some result's tap at this place lies inside. */
static int is_inside(const km_conv_taps *t, int64_t place)
{
    const int64_t first = place >= 0 ? 0 : km_ceil_div(-place, t->step);
    return first < t->out && place + first * t->step < t->in;
}

static void add_tap(km_conv_taps *t, int64_t index, int64_t place)
{
    if (!is_inside(t, place))
        return;
    t->index[t->count] = index;
    t->place[t->count++] = place;
}

static void find_taps(km_conv_taps *t, const km_conv_axis *a, int64_t phase)
{
    for (int64_t i = 0; i < a->kernel; i++) {
        const int64_t from = phase + a->pad - i * a->dilation;
        if (phase < 0)
            add_tap(t, i, i * a->dilation - a->pad);
        else if (from % a->stride == 0)
            add_tap(t, i, from / a->stride);
    }
}

/* A copy that starts at `start`, new or not. */
static int64_t find_copy(km_conv_taps *t, int64_t start)
{
    for (int64_t i = 0; i < t->copies; i++)
        if (t->start[i] == start)
            return i;
    t->start[t->copies] = start;
    return t->copies++;
}

/* Places a multiple of the step apart share a copy, which starts as early as the first of all taps. */
static void share_copies(km_conv_taps *t)
{
    int64_t least = INT64_MAX;
    for (int64_t i = 0; i < t->count; i++)
        least = km_min64(least, floor_div(t->place[i], t->step));
    for (int64_t i = 0; i < t->count; i++) {
        const int64_t steps = floor_div(t->place[i], t->step);
        t->shift[i] = steps - least;
        t->extra = km_max64(t->extra, t->shift[i]);
        t->copy[i] = find_copy(t, t->place[i] - t->shift[i] * t->step);
    }
}

static void expand_copies(km_conv_taps *t)
{
    for (int64_t i = 0; i < t->count; i++) {
        t->shift[i] = 0;
        t->copy[i] = i;
        t->start[i] = t->place[i];
    }
    t->copies = t->count;
}

int km_conv_taps_open(km_conv_taps *t, const km_conv_axis *a, int64_t phase, int expanded)
{
    *t = (km_conv_taps){.in = a->in, .out = a->out, .step = a->stride};
    if (phase >= 0)
        *t = (km_conv_taps){a->out, km_ceil_div(a->in - phase, a->stride), .step = 1};
    t->index = malloc((size_t)a->kernel * 5 * sizeof(int64_t));
    if (!t->index)
        return -1;
    t->place = t->index + a->kernel;
    t->copy = t->place + a->kernel;
    t->shift = t->copy + a->kernel;
    t->start = t->shift + a->kernel;
    find_taps(t, a, phase);
    (expanded ? expand_copies : share_copies)(t);
    return 0;
}

void km_conv_taps_close(km_conv_taps *t)
{
    free(t->index);
}

/* ---- which copies, which blocks ---- */

/* Cycles of a channel, roughly: tiles at two vectors each, copies, and a price for each row copied. */
static double cost_of(const km_conv_taps *h, const km_conv_taps *w, int64_t images, int64_t results)
{
    const int64_t row = km_conv_width(w), image = h->out * row - w->extra;
    const int64_t columns = h->extra ? images * km_round_up(image, V)
                                     : km_round_up(images * h->out * row - w->extra, V);
    const int64_t copied = images * (h->out + h->extra) * h->copies * w->copies;
    return (double)(columns * h->count * w->count * results) / (2 * V) +
           (double)copied * (6 + (double)row * (w->step > 1 ? 1 : 0.3));
}

static int open_taps(km_conv_taps *h, km_conv_taps *w, const km_conv_shape *shape, int64_t i,
                     int64_t j, int level)
{
    *w = (km_conv_taps){0};
    return km_conv_taps_open(h, &shape->h, i, level > 1) ||
           km_conv_taps_open(w, &shape->w, j, level > 0);
}

int km_conv_choose_taps(km_conv_taps *h, km_conv_taps *w, const km_conv_shape *shape,
                        int64_t row_phase, int64_t column_phase, int64_t results)
{
    double best = 0;
    int chosen = 0;
    for (int level = 0; level < 3; level++) {
        const int failed = open_taps(h, w, shape, row_phase, column_phase, level);
        const double cost = failed ? 0 : cost_of(h, w, shape->n, results);
        if (level == 0 || cost < best) {
            best = cost;
            chosen = level;
        }
        km_conv_taps_close(h);
        km_conv_taps_close(w);
        if (failed)
            return -1;
    }
    return open_taps(h, w, shape, row_phase, column_phase, chosen);
}

void km_conv_cut(km_conv_cuts *c, const km_conv_taps *h, const km_conv_taps *w, int64_t images,
                 int64_t columns, int joined)
{
    const int whole = joined && h->extra == 0;
    c->joined = whole;
    c->strip = whole ? images * h->out : h->out;
    c->strips = whole ? 1 : images;
    c->rows = km_max64(1, km_min64(c->strip, columns / km_max64(1, km_conv_width(w))));
    c->blocks = km_ceil_div(c->strip, c->rows);
    if (c->blocks)
        c->rows = km_ceil_div(c->strip, c->blocks);
}

km_conv_block km_conv_block_of(const km_conv_cuts *c, const km_conv_taps *h, const km_conv_taps *w,
                               int64_t strip, int64_t block)
{
    km_conv_block b = {.h = h, .w = w, .layout = c->rows, .first_image = strip};
    b.first_row = block * c->rows;
    b.row = strip * c->strip + b.first_row;
    b.rows = km_max64(0, km_min64(c->rows, c->strip - b.first_row));
    if (c->joined) {
        b.first_image = b.row / h->out;
        b.first_row = b.row % h->out;
    }
    return b;
}

/* ---- planes ---- */

static void zero(float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += V)
        v_store_n(to + i, v_set(0), n - i);
}

static void copy_row(float *to, const float *from, int64_t n, int64_t step)
{
    int64_t i = 0;
    if (step == 1) {
        for (; i + V <= n; i += V)
            v_store(to + i, v_load(from + i));
        v_store_n(to + i, v_load_n(from + i, n - i), n - i);
    } else if (step == 2) {
        for (; i + V < n; i += V) /* not the last: it may end before its 2 V neighbours do */
            v_store(to + i, v_even(v_load(from + 2 * i), v_load(from + 2 * i + V)));
        const int64_t left = 2 * (n - i) - 1;
        const vf low = v_load_n(from + 2 * i, left);
        const vf high = left > V ? v_load_n(from + 2 * i + V, left - V) : v_set(0);
        v_store_n(to + i, v_even(low, high), n - i);
    } else {
        for (; i < n; i++)
            to[i] = from[i * step];
    }
}

/* Results [begin, end) of a row have their operand inside the input. */
typedef struct span {
    int64_t begin, end;
} span;

/* Division takes longer than copying a row does, so not by 1. */
static int64_t divided(int64_t a, int64_t step)
{
    return step == 1 ? a : a / step;
}

static span inside(const km_conv_taps *w, int64_t start)
{
    const int64_t width = km_conv_width(w), last = w->in - 1 - start;
    span s = {start < 0 ? km_min64(width, divided(w->step - 1 - start, w->step)) : 0, 0};
    s.end = last < 0 ? 0 : km_min64(width, divided(last, w->step) + 1);
    return s.end <= s.begin ? (span){0, 0} : s;
}

/* Rows of a copy whose first column is `column`, of the inputs inside or zeros. */
static void fill_copy(const km_conv_block *b, const float *x, int64_t start, int64_t column,
                      float *to)
{
    const km_conv_taps *h = b->h;
    const int64_t width = km_conv_width(b->w), step = b->w->step;
    const span s = inside(b->w, column);
    const float *from = x + b->first_image * b->image + column + s.begin * step;
    int64_t i = b->first_row;
    for (int64_t left = b->rows + h->extra; left > 0; left--, i++, to += width) {
        if (i == h->out && !h->extra) {
            from += b->image;
            i = 0;
        }
        const int64_t at = start + i * h->step;
        if (at < 0 || at >= h->in || s.end == 0) {
            zero(to, width);
            continue;
        }
        if (s.begin)
            zero(to, s.begin);
        copy_row(to + s.begin, from + at * b->w->in, s.end - s.begin, step);
        if (s.end < width)
            zero(to + s.end, width - s.end);
    }
}

void km_conv_fill(const km_conv_block *b, const float *x, int64_t channels, float *planes)
{
    km_conv_block placed = *b;
    placed.first_image = b->row / b->h->out;
    placed.first_row = b->row % b->h->out;
    km_conv_fill_placed(&placed, x, channels, planes);
}

void km_conv_fill_placed(const km_conv_block *b, const float *x, int64_t channels, float *planes)
{
    const int64_t size = km_conv_copy(b);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < b->h->copies; i++)
            for (int64_t j = 0; j < b->w->copies; j++, planes += size)
                fill_copy(b, x + c * b->plane, b->h->start[i], b->w->start[j], planes);
}

void km_conv_offsets(const km_conv_block *b, int64_t channels, int64_t *offset)
{
    const km_conv_taps *h = b->h, *w = b->w;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < h->count; i++)
            for (int64_t j = 0; j < w->count; j++) {
                const int64_t plane = (c * h->copies + h->copy[i]) * w->copies + w->copy[j];
                *offset++ = plane * km_conv_copy(b) + h->shift[i] * km_conv_width(w) + w->shift[j];
            }
}
