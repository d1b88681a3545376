/* conv2d_strips_plan.c: plans of conv2d_strips.c: strips, blocks, workspace. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_depthwise_rows.h"
#include "conv2d_passes.h"
#include "conv2d_strips.h"

/* COPIED floats of copies stay in the second cache; LEAST rows repay those that a block copies again. MASKS bytes of
 * masks are few beside what is read under them. */
enum { COPIED = 16384, LEAST = 8, MASKS = 131072 };

typedef km_conv_strips_plan plan;
typedef km_conv_strips_stage stage;

static void close_stage(stage *s)
{
    km_conv_taps_close(&s->h);
    km_conv_taps_close(&s->w);
    free(s->offset);
    free(s->inside);
    for (int i = 0; i < 2; i++) {
        free(s->strips[i].strip);
        free(s->strips[i].piece);
        free(s->strips[i].inside);
    }
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    for (int64_t i = 0; i < p->stages; i++)
        close_stage(&p->stage[i]);
    free(p->packed);
    free(p);
}

static void *aligned(int64_t bytes)
{
    return aligned_alloc(64, (size_t)km_round_up(bytes + 64, 64));
}

/* ---- strips ---- */

static void add_piece(km_conv_strips *to, km_conv_strip *strip, int64_t from, int64_t end,
                      int64_t at)
{
    km_conv_piece *last = &to->piece[strip->end - 1];
    if (from >= end)
        return;
    if (strip->end > strip->from && last->end == from && last->to == at)
        from = last->from;
    else
        last = &to->piece[strip->end++];
    *last = (km_conv_piece){.from = from, .end = end, .to = at};
}

/* V neighbours from `at` on in rows of `width`, of which `rows` have results. */
static void add_flat(km_conv_strips *to, const stage *s, int64_t rows, int64_t width, int64_t at)
{
    km_conv_strip *strip = &to->strip[to->count];
    const int64_t from = to->count++ ? strip[-1].end : 0, end = km_ceil_div(at + V, width);
    *strip = (km_conv_strip){.at = at, .from = from, .end = from};
    for (int64_t r = at / width; r < km_min64(rows, end); r++) {
        const int64_t lane = r * width - at;
        add_piece(to, strip, km_max64(lane, 0), km_min64(V, lane + s->w.out),
                  r * s->to_row - lane * s->to_column);
    }
}

/* A strip of a row; step: between operands. */
static void add_alone(km_conv_strips *to, const stage *s, int64_t row, int64_t width, int64_t step,
                      int64_t column)
{
    km_conv_strip *strip = &to->strip[to->count];
    const int64_t from = to->count++ ? strip[-1].end : 0;
    *strip = (km_conv_strip){.at = row * width + column * step, .from = from, .end = from};
    add_piece(to, strip, 0, km_min64(V, s->w.out - column),
              row * s->to_row + column * s->to_column);
}

/* Lanes of pieces, of which with results two apart lane i is lane 2 i of two vectors. */
static void find_lanes(km_conv_strips *to, const stage *s)
{
    const int two = s->to_column == 2;
    for (km_conv_piece *p = to->piece; p < to->piece + to->strip[to->count - 1].end; p++) {
        float lanes[2 * V] = {0};
        for (int64_t i = p->from; i < p->end; i++)
            lanes[two ? 2 * i : i] = 1;
        p->lanes = v_gt(v_load(lanes), v_set(0));
        p->high = v_gt(v_load(lanes + V), v_set(0));
    }
}

/* Rows of results whose operands lie in rows of `width`, of which the last `gap` are nobody's; or, with a gap less
 * than 0 or if that takes as few strips, each strip in a row of its own. */
static int open_strips(km_conv_strips *to, const stage *s, int64_t rows, int64_t width, int64_t gap,
                       int64_t step)
{
    const int64_t each = km_ceil_div(s->w.out, V), alone = rows * each;
    const int64_t flat = gap < 0 ? alone : km_ceil_div(rows * width - gap, V);
    const int64_t count = km_min64(flat, alone);
    to->strip = malloc((size_t)(count + 1) * sizeof *to->strip);
    to->piece = aligned((count + rows * (each + 1)) * (int64_t)sizeof *to->piece);
    if (!to->strip || !to->piece)
        return -1;
    for (int64_t i = 0; i < count; i++)
        if (flat < alone)
            add_flat(to, s, rows, width, i * V);
        else
            add_alone(to, s, i / each, width, step, i % each * V);
    if (count > 0)
        find_lanes(to, s);
    return 0;
}

/* ---- the source itself ---- */

/* Sets the lanes of a strip whose operand for a tap is inside, in one vector, or of every other lane in two; returns
 * whether there are any. */
static int find_inside(const stage *s, const km_conv_strips *strips, const km_conv_strip *strip,
                       int64_t i, int64_t j, vm *to)
{
    const int64_t step = s->w.step;
    float lanes[2 * V] = {0};
    int any = 0;
    for (const km_conv_piece *p = strips->piece + strip->from; p < strips->piece + strip->end; p++)
        for (int64_t lane = p->from; lane < p->end; lane++) {
            const int64_t at = p->to + lane * s->to_column;
            const int64_t row = at / s->to_row * s->h.step + s->h.place[i],
                          column = at % s->to_row / s->to_column * step + s->w.place[j];
            lanes[lane * step] = row >= 0 && row < s->h.in && column >= 0 && column < s->w.in;
            any |= lanes[lane * step] > 0;
        }
    for (int64_t k = 0; k < step; k++)
        to[k] = v_gt(v_load(lanes + k * V), v_set(0));
    return any;
}

static int open_masks(km_conv_strips *to, const stage *s)
{
    const int64_t taps = s->h.count * s->w.count, step = s->w.step;
    to->inside = aligned(taps * to->count * step * (int64_t)sizeof *to->inside);
    if (!to->inside)
        return -1;
    for (int64_t i = 0; i < to->count; i++) {
        km_conv_strip *strip = &to->strip[i];
        strip->first = taps;
        for (int64_t t = 0; t < taps; t++)
            if (find_inside(s, to, strip, t / s->w.count, t % s->w.count,
                            &to->inside[(t * to->count + i) * step])) {
                strip->first = km_min64(strip->first, t);
                strip->last = t + 1;
            }
    }
    return 0;
}

static int is_flat(const stage *s)
{
    return s->w.out == s->w.in && s->h.step == 1 && s->w.step == 1;
}

/* No copies, all rows in one block. */
static int open_masked(const plan *p, stage *s)
{
    s->rows = s->h.out;
    s->blocks = 1;
    s->chunk = p->sources;
    for (int64_t i = 0; i < s->h.count; i++)
        for (int64_t j = 0; j < s->w.count; j++)
            s->offset[i * s->w.count + j] = s->h.place[i] * s->w.in + s->w.place[j];
    if (open_strips(&s->strips[1], s, s->rows, is_flat(s) ? s->w.in : s->h.step * s->w.in,
                    is_flat(s) ? 0 : -1, s->w.step))
        return -1;
    return open_masks(&s->strips[1], s);
}

/* Instead of copies: where vectors have masks, a step is not far, and no more strips come of it. */
static int is_masked(const stage *s)
{
    const int64_t width = km_conv_width(&s->w), rows = s->h.out, taps = s->h.count * s->w.count;
    const int64_t strips =
        is_flat(s) ? km_ceil_div(rows * s->w.out, V) : rows * km_ceil_div(s->w.out, V);
    const int64_t copied = km_ceil_div(rows * width - s->w.extra, V);
    return V > 4 && s->w.step <= 2 && taps > 0 && strips * 4 <= copied * 5 &&
           strips * taps * s->w.step * (int64_t)sizeof(vm) <= MASKS;
}

/* ---- stages ---- */

/* Lanes of a copied row that lie inside the input. */
static int open_inside(stage *s)
{
    const km_conv_taps *w = &s->w;
    const int64_t vectors = km_ceil_div(km_conv_width(w), V);
    if (w->step != 1 || w->copies != 1)
        return 0;
    s->inside = aligned(vectors * (int64_t)sizeof *s->inside);
    if (!s->inside)
        return -1;
    for (int64_t i = 0; i < vectors; i++)
        s->inside[i] = km_depth_between(-w->start[0] - i * V, w->in - w->start[0] - i * V);
    s->first = km_min64(vectors, km_ceil_div(km_max64(0, -w->start[0]), V));
    s->end = km_max64(s->first, km_min64(vectors, (w->in - w->start[0]) / V));
    return 0;
}

/* Blocks of rows, and as many channels as the copies have room for. */
static void cut(const plan *p, stage *s)
{
    const int64_t row = km_max64(1, s->h.copies * s->w.copies) * km_conv_width(&s->w);
    const int64_t rows = km_max64(LEAST, COPIED / (p->sources * row) - s->h.extra);
    s->blocks = km_ceil_div(s->h.out, rows);
    s->rows = km_ceil_div(s->h.out, s->blocks);
    s->chunk = km_max64(1, 2 * COPIED / ((s->rows + s->h.extra) * row));
    s->chunk = km_ceil_div(p->sources, km_ceil_div(p->sources, s->chunk));
}

static int open_copied(plan *p, stage *s)
{
    const int64_t width = km_conv_width(&s->w);
    cut(p, s);
    const km_conv_block b = {.h = &s->h, .w = &s->w, .layout = s->rows};
    km_conv_offsets(&b, 1, s->offset);
    p->work = km_max64(p->work, km_round_up(s->chunk * km_conv_planes(&b) + 2 * V, ALIGN));
    return open_inside(s) || open_strips(&s->strips[0], s, s->rows, width, s->w.extra, 1) ||
           open_strips(&s->strips[1], s, s->h.out - (s->blocks - 1) * s->rows, width, s->w.extra,
                       1);
}

static int open_stage(plan *p, stage *s, int64_t i, int64_t j)
{
    const int forward = p->result == KM_Y;
    const km_conv_axis *h = &p->shape.h, *w = &p->shape.w;
    if (km_conv_taps_open(&s->h, h, forward ? -1 : i, 0) ||
        km_conv_taps_open(&s->w, w, forward ? -1 : j, 0))
        return -1;
    s->to = forward ? 0 : i * w->in + j;
    s->to_row = forward ? w->out : h->stride * w->in;
    s->to_column = forward ? 1 : w->stride;
    s->weights = p->floats;
    p->floats += p->shape.groups * km_conv_strips_terms(s, p->sources) * p->results;
    s->offset = malloc((size_t)(s->h.count * s->w.count + 1) * sizeof *s->offset);
    if (!s->offset)
        return -1;
    return is_masked(s) ? open_masked(p, s) : open_copied(p, s);
}

static int open_work(plan *p)
{
    const int64_t packed = km_round_up(p->floats, ALIGN);
    p->floats = packed + p->parts * p->work;
    p->packed = aligned(p->floats * (int64_t)sizeof(float));
    if (!p->packed)
        return -1;
    p->works = p->packed + packed;
    p->cuts = p->parts > 1 ? km_ceil_div(2 * p->parts, p->shape.n * p->shape.groups) : 1;
    memset(p->packed, 0,
           (size_t)p->floats *
               sizeof(float)); /* what a strip reads beyond a copy must not be slow */
    return 0;
}

static void set_sizes(plan *p, const km_conv_shape *s, int forward)
{
    const int64_t taps = s->h.kernel * s->w.kernel;
    const int64_t in = s->h.in * s->w.in, out = s->h.out * s->w.out;
    p->shape = *s;
    p->source = forward ? KM_X : KM_GRAD_Y;
    p->result = forward ? KM_Y : KM_GRAD_X;
    p->sources = forward ? s->c : s->k;
    p->results = forward ? s->k : s->c;
    p->source_plane = forward ? in : out;
    p->result_plane = forward ? out : in;
    p->w_result = forward ? s->c * taps : taps;
    p->w_source = forward ? taps : s->c * taps;
}

static const char *open(const km_args *args, km_slot result, void **out)
{
    const int forward = result == KM_Y;
    const km_conv_shape s = km_conv_shape_of(args->params);
    const int64_t rows = forward ? 1 : km_min64(s.h.stride, s.h.in);
    const int64_t columns = forward ? 1 : km_min64(s.w.stride, s.w.in);
    if (s.n == 0 || s.c == 0 || s.k == 0)
        return "no results";
    plan *p = calloc(1, sizeof *p + (size_t)(rows * columns) * sizeof *p->stage);
    int failed = !p;
    if (p) {
        set_sizes(p, &s, forward);
        p->parts = km_max64(1, args->threads);
        for (int64_t i = 0; i < rows && !failed; i++)
            for (int64_t j = 0; j < columns && !failed; j++)
                failed = open_stage(p, &p->stage[p->stages++], i, j);
        failed = failed || open_work(p);
    }
    if (failed)
        close(p);
    else
        *out = p;
    return failed ? "out of memory" : NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    static const char impl[] = "direct, strips of pixels";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = p->floats * (int64_t)sizeof *p->packed;
}

const km_conv_algorithm km_conv_strips_of = {open, km_conv_strips_part, close, describe, 2};
