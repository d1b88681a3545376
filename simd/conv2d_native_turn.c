/* conv2d_native_turn.c: plain tensors to blocked ones and back, a square of V x V at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "conv2d_native_plan.h"

/* Floats from what is read or written to what is fetched: rows of many planes are more than hardware follows. */
enum { AHEAD = 64 };

/* ---- sources ---- */

/* V pixels of V channels, `plane` apart: those of [0, pixels) and [0, channels), the others zeros. */
KM_INLINE void load_square(vf r[V], const float *x, int64_t plane, int64_t channels, int64_t pixels)
{
    if (channels >= V && pixels >= V)
        for (int i = 0; i < V; i++)
            r[i] = v_load(x + i * plane);
    else
        for (int i = 0; i < V; i++)
            r[i] = i < channels ? v_load_n(x + i * plane, pixels) : v_set(0);
}

/* The same of every other pixel. */
KM_INLINE void load_even(vf r[V], const float *x, int64_t plane, int64_t channels, int64_t pixels)
{
    const int64_t all = 2 * pixels - 1;
    for (int i = 0; i < V; i++)
        r[i] = i < channels ? v_even(v_load_n(x + i * plane, all),
                                     all > V ? v_load_n(x + i * plane + V, all - V) : v_set(0))
                            : v_set(0);
}

static void load_apart(vf r[V], const float *x, int64_t plane, int64_t channels, int64_t pixels,
                       int64_t step)
{
    for (int i = 0; i < V; i++) {
        float row[V] = {0};
        for (int64_t j = 0; i < channels && j < pixels && j < V; j++)
            row[j] = x[i * plane + j * step];
        r[i] = v_load(row);
    }
}

/* Pixels of a row, from planes to a block. */
static void turn_row(const km_conv_block *b, const float *x, int64_t channels, int64_t pixels,
                     float *to)
{
    const int64_t step = b->w->step;
    for (int64_t i = 0; i < pixels; i += V, x += V * step, to += V * V) {
        vf r[V];
        for (int c = 0; c < V && c < channels; c++)
            for (int64_t j = 0; j < V * step; j += ALIGN)
                __builtin_prefetch(x + c * b->plane + AHEAD + j);
        if (step == 1)
            load_square(r, x, b->plane, channels, pixels - i);
        else if (step == 2)
            load_even(r, x, b->plane, channels, pixels - i);
        else
            load_apart(r, x, b->plane, channels, pixels - i, step);
        v_transpose(r);
        if (pixels - i >= V)
            for (int j = 0; j < V; j++)
                v_store(to + j * V, r[j]);
        else
            for (int j = 0; j < pixels - i; j++)
                v_store(to + j * V, r[j]);
    }
}

static void zero(float *to, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i++)
        v_store(to + i * V, v_set(0));
}

static int64_t divided(int64_t a, int64_t step)
{
    return step == 1 ? a : a / step;
}

/* Rows of a copy whose first column is `column`. */
static void turn_copy(const km_conv_block *b, const float *x, int64_t channels, int64_t start,
                      int64_t column, float *to)
{
    const km_conv_taps *h = b->h, *w = b->w;
    const int64_t width = km_conv_width(w), last = w->in - 1 - column;
    int64_t begin = column < 0 ? km_min64(width, divided(w->step - 1 - column, w->step)) : 0;
    int64_t end = last < 0 ? 0 : km_min64(width, divided(last, w->step) + 1);
    int64_t image = b->first_image, i = b->first_row;
    if (end < begin)
        begin = end = 0;
    for (int64_t left = b->rows + h->extra; left > 0; left--, i++, to += width * V) {
        if (i == h->out && !h->extra) {
            image++;
            i = 0;
        }
        const int64_t at = start + i * h->step;
        const int outside = at < 0 || at >= h->in;
        zero(to, outside ? width : begin);
        if (!outside) {
            turn_row(b, x + image * b->image + at * w->in + column + begin * w->step, channels,
                     end - begin, to + begin * V);
            zero(to + end * V, width - end);
        }
    }
}

void km_conv_fill_turned(const km_conv_block *b, const float *x, int64_t channels, float *planes)
{
    const int64_t size = km_conv_copy(b) * V;
    for (int64_t c = 0; c < channels; c += V)
        for (int64_t i = 0; i < b->h->copies; i++)
            for (int64_t j = 0; j < b->w->copies; j++, planes += size)
                turn_copy(b, x + c * b->plane, channels - c, b->h->start[i], b->w->start[j],
                          planes);
}

/* ---- weights ---- */

enum { TAPS = 64 };

/* Where a tap's vectors go: of a block of sources that starts at `c` and has `sources`, to
 * to + (c * used + position * sources) * width; to: NULL where no stage uses it. */
typedef struct target {
    float *to;
    int64_t used, position;
} target;

/* Taps from `first` on in the kernel. */
typedef struct taps {
    int64_t first, count, width;
    target of[TAPS];
} taps;

static void add_stage(taps *t, const km_conv_filters *f, float *to)
{
    for (int64_t i = 0; i < f->h->count; i++)
        for (int64_t j = 0; j < f->w->count; j++) {
            const int64_t tap = f->h->index[i] * f->row + f->w->index[j] - t->first;
            if (tap >= 0 && tap < t->count)
                t->of[tap] = (target){to, f->h->count * f->w->count, i * f->w->count + j};
        }
}

/* A block of sources of a vector of results. */
typedef struct piece {
    const taps *t;
    const float *from;
    int64_t step, results, sources, first, lane; /* lane: of the vector in the tile */
} piece;

static float *place_of(const piece *p, int64_t tap, int64_t source)
{
    const target *to = &p->t->of[tap];
    const int64_t at = p->first * to->used + to->position * p->sources + source;
    return to->to ? to->to + at * p->t->width + p->lane : NULL;
}

/* Taps of `sources` neighbours from `source` on, one behind the other in `from`. */
static void turn_taps(const piece *p, const float *from, int64_t source, int64_t sources)
{
    const int64_t all = sources * p->t->count;
    int64_t tap = 0;
    for (int64_t k = 0; k < all; k += V) {
        vf r[V];
        for (int i = 0; i < V && all > V; i++)
            __builtin_prefetch(from + i * p->step + k + AHEAD);
        load_square(r, from + k, p->step, p->results, all - k);
        v_transpose(r);
        for (int64_t i = 0; i < V && k + i < all; i++) {
            float *to = place_of(p, tap, source);
            if (to)
                v_store(to, r[i]);
            if (++tap == p->t->count) {
                tap = 0;
                source++;
            }
        }
    }
}

/* One tap, whose results lie side by side. */
static void copy_results(const piece *p, int64_t step)
{
    for (int64_t c = 0; c < p->sources; c++) {
        float *to = place_of(p, 0, c);
        if (to)
            v_store(to, v_load_n(p->from + c * step, p->results));
    }
}

static void expect(const float *from, int64_t count)
{
    for (int64_t i = 0; i < count; i += ALIGN)
        __builtin_prefetch(from + i);
}

static void pack_piece(const km_conv_filters *f, const piece *p)
{
    if (f->result_step == 1)
        copy_results(p, f->source_step);
    else if (f->source_step == p->t->count)
        turn_taps(p, p->from, 0, p->sources);
    else
        for (int64_t c = 0; c < p->sources; c++) {
            expect(p->from + (c + 4) * f->source_step, km_min64(p->results, V) * p->step);
            turn_taps(p, p->from + c * f->source_step, c, 1);
        }
}

static void pack_taps(const km_conv_filters *f, const taps *t, const float *plain, int64_t result,
                      int64_t vectors)
{
    for (int64_t c = 0; c < f->sources; c += f->unit)
        for (int64_t v = 0; v < vectors; v++) {
            const int64_t lane = result + v * V;
            const float *from = plain + c * f->source_step + lane * f->result_step + t->first;
            pack_piece(f, &(piece){t, from, f->result_step, f->results - lane,
                                   km_min64(f->unit, f->sources - c), c, v * V});
        }
}

void km_conv_pack_turned(const km_conv_native_plan *p, const km_conv_native_stage *single,
                         const float *plain, int64_t channels, int64_t tile, float *to)
{
    const int64_t all = p->shape.h.kernel * p->shape.w.kernel;
    const int64_t vectors = km_conv_blocks_of(p->results);
    const int64_t from = km_conv_tile_start(vectors, TILE_VECTORS, tile);
    const int64_t count = km_conv_tile_start(vectors, TILE_VECTORS, tile + 1) - from;
    km_conv_filters f = km_conv_native_filters(p, p->stage);
    f.sources = channels;
    for (int64_t first = 0; first < all; first += TAPS) {
        taps t = {.first = first, .count = km_min64(TAPS, all - first), .width = count * V};
        for (int64_t i = 0; i < p->stages; i++) {
            const km_conv_native_stage *s = &p->stage[i];
            const km_conv_filters own = km_conv_native_filters(p, s);
            if (!single || s == single)
                add_stage(&t, &own,
                          single ? to
                                 : to + s->weights + from * V * channels * km_conv_native_taps(s));
        }
        pack_taps(&f, &t, plain, from * V, count);
    }
}

/* ---- results ---- */

/* V channels of rows of `joint` stages, to planes. */
KM_INLINE void put(const km_conv_rows *r, const float *from, int64_t joint, int64_t channels,
                   int64_t pixels, float *to)
{
    for (int64_t i = 0; i < pixels; i += V) {
        const int whole = channels >= V && pixels - i >= V;
        vf a[V];
        for (int j = 0; j < V; j++) {
            const float *at = from + (i + j) % joint * r->next + (i + j) / joint * V;
            a[j] = whole || i + j < pixels ? v_load(at) : v_set(0);
        }
        v_transpose(a);
        for (int c = 0; c < V && whole; c++) {
            __builtin_prefetch(to + c * r->plane + i + AHEAD, 1);
            v_store(to + c * r->plane + i, a[c]);
        }
        for (int c = 0; c < V && c < channels && !whole; c++)
            v_store_n(to + c * r->plane + i, a[c], pixels - i);
    }
}

void km_conv_put_turned(const km_conv_rows *r, int64_t pixels, float *to)
{
    const float *from = r->from;
    for (int64_t c = 0; c < r->channels; c += V, from += r->vector, to += V * r->plane)
        if (r->joint == 1)
            put(r, from, 1, r->channels - c, pixels, to);
        else if (r->joint == 2)
            put(r, from, 2, r->channels - c, pixels, to);
        else
            put(r, from, r->joint, r->channels - c, pixels, to);
}
