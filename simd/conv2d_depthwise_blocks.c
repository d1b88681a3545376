/* conv2d_depthwise_blocks.c: forward and backward_data of planes with V channels side by side.
 *
 * Taps outside the image are left out by ranges of rows and columns, so nothing is multiplied by padding. 3x3 with
 * strides up to 2: two rows by COLUMNS results in registers, each pixel of the source loaded once, all weights in
 * registers too; a last tile overlaps the one before and forms the same sums again. Whatever else: runs of results in
 * registers, tap after tap. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "conv2d_depthwise_tiles.h"

enum { RUN = 8 };

/* ---- 3x3 ---- */

/* Results of a row, from its first tile to its last. x: where column 0 of the source would be. */
static void three_row(const three *t, const km_conv_taps *w, const float *x, float *y)
{
    const int64_t out = w->out, columns = out >= COLUMNS ? COLUMNS : FEW;
    const three_fn(*tile)[2] = threes[columns == COLUMNS][w->step - 1];
    const int64_t first = w->place[km_depth_tap(w, 0)];
    const int left = first<0, right = first + (out - 1) * w->step + 3> w->in;
    const int64_t tiles = columns == COLUMNS ? (out - 1) / COLUMNS : (out - 1) / FEW;
    const int64_t middle = tiles - 1, last = out - columns;
    x += first * V;
    tile[left][right && last == 0](t, x, y, 1);
    if (middle > 0)
        tile[0][0](t, x + columns * w->step * V, y + columns * t->y_column, middle);
    if (last > 0)
        tile[0][right](t, x + last * w->step * V, y + last * t->y_column, 1);
}

/* Two rows of results, of which the first is i. */
static void three_rows(const km_depth_plan *p, const km_depth_stage *s, int64_t i, three *t,
                       const float *x, float *y)
{
    const int64_t row = s->h.place[km_depth_tap(&s->h, 0)] + i * s->h.step;
    t->low = (int)km_max64(0, -row);
    t->high = (int)km_min64((ROWS - 1) * s->h.step + 3, s->h.in - row);
    three_row(t, &s->w, x + row * p->x_row * V, y + (s->to + i * s->to_row) * V);
}

static three three_of(const km_depth_plan *p, const km_depth_stage *s, const float *w,
                      const float *start)
{
    three t = {.start = start, .x_row = p->x_row * V, .y_row = s->to_row * V};
    t.y_column = s->to_column * V;
    const float **to = t.w;
    for (int64_t i = 0; i < s->h.count; i++) {
        const float *row = w + s->h.index[km_depth_tap(&s->h, i)] * p->kernel_w * V;
        for (int64_t j = 0; j < s->w.count; j++)
            *to++ = row + s->w.index[km_depth_tap(&s->w, j)] * V;
    }
    return t;
}

static void run_three(const km_depth_plan *p, const float *x, const float *w, const float *start,
                      float *y)
{
    const km_depth_stage *s = &p->stage[0];
    three t = three_of(p, s, w, start);
    for (int64_t i = 0; i + ROWS <= s->h.out; i += ROWS)
        three_rows(p, s, i, &t, x, y);
    if (s->h.out % ROWS)
        three_rows(p, s, s->h.out - ROWS, &t, x, y);
}

/* ---- one or two taps by one or two ---- */

static void two_row(const km_depth_plan *p, const km_depth_stage *s, int64_t i, three *t,
                    const float *x, float *y)
{
    const km_conv_taps *h = &s->h, *w = &s->w;
    const int64_t row = h->place[km_depth_tap(h, 0)] + i, last = w->out - COLUMNS;
    const two_fn(*fns)[2] = twos[h->count - 1][w->count - 1];
    t->low = (int)km_max64(0, -row);
    t->high = (int)km_min64(h->count, h->in - row);
    x += (row * p->x_row + w->place[km_depth_tap(w, 0)]) * V;
    y += (s->to + i * s->to_row) * V;
    for (int64_t j = 0;; j = km_min64(j + COLUMNS, last)) {
        fns[j == 0 && s->first][j == last && s->end < w->out](t, x + j * V, y + j * t->y_column);
        if (j == last)
            return;
    }
}

/* All stages side by side: rows that are neighbours are written together. */
static void run_two(const km_depth_plan *p, const float *x, const float *w, const float *start,
                    float *y)
{
    three t[4];
    for (int64_t k = 0; k < p->stages; k++)
        t[k] = three_of(p, &p->stage[k], w, start);
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t k = 0; k < p->stages; k++)
            if (i < p->stage[k].h.out)
                two_row(p, &p->stage[k], i, &t[k], x, y);
}

/* Whether all stages are such. */
static int are_two(const km_depth_plan *p)
{
    for (int64_t k = 0; k < p->stages; k++)
        if (!p->stage[k].is_two)
            return 0;
    return p->stages <= 4;
}

/* ---- any kernel ---- */

/* Taps from..end of both axes, for `count` results side by side. */
typedef struct run {
    const km_depth_plan *p;
    const km_depth_stage *s;
    const float *x, *w, *start;
    float *y;
    int64_t i, row_from, row_end, from, end;
} run;

KM_INLINE void run_results(const run *r, int64_t j, int count)
{
    const km_conv_taps *h = &r->s->h, *w = &r->s->w;
    const int64_t step = w->step * V, to_step = r->s->to_column * V;
    float *y = r->y + j * to_step;
    vf sum[RUN];
#pragma GCC unroll 8
    for (int c = 0; c < count; c++)
        sum[c] = v_load(r->start ? r->start : y + c * to_step);
    for (int64_t a = r->row_from; a < r->row_end; a++) {
        const float *x = r->x + ((h->place[a] + r->i * h->step) * r->p->x_row + j * w->step) * V;
        const float *weight = r->w + h->index[a] * r->p->kernel_w * V;
        for (int64_t b = r->from; b < r->end; b++) {
            const vf wb = v_load(weight + w->index[b] * V);
            const float *from = x + w->place[b] * V;
#pragma GCC unroll 8
            for (int c = 0; c < count; c++)
                sum[c] = v_fma(v_load(from + c * step), wb, sum[c]);
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < count; c++)
        v_store(y + c * to_step, sum[c]);
}

static void run_all(const run *r, int64_t j, int64_t end)
{
    for (; j + RUN <= end; j += RUN)
        run_results(r, j, RUN);
    for (; j + RUN / 2 <= end; j += RUN / 2)
        run_results(r, j, RUN / 2);
    for (; j < end; j++)
        run_results(r, j, 1);
}

/* The taps that lie inside, of those at t->place + at. */
static void find_inside(const km_conv_taps *t, int64_t at, int64_t *from, int64_t *end)
{
    *from = 0;
    *end = t->count;
    while (*from < *end && (t->place[*from] + at < 0 || t->place[*from] + at >= t->in))
        ++*from;
    while (*end > *from && (t->place[*end - 1] + at < 0 || t->place[*end - 1] + at >= t->in))
        --*end;
}

static void run_edge(run *r, int64_t j, int64_t end)
{
    for (; j < end; j++) {
        find_inside(&r->s->w, j * r->s->w.step, &r->from, &r->end);
        run_results(r, j, 1);
    }
}

static void run_row(run *r)
{
    const km_depth_stage *s = r->s;
    find_inside(&s->h, r->i * s->h.step, &r->row_from, &r->row_end);
    run_edge(r, 0, s->first);
    r->from = 0;
    r->end = s->w.count;
    run_all(r, s->first, s->end);
    run_edge(r, s->end, s->w.out);
}

/* ---- planes ---- */

void km_depth_run(const km_depth_plan *p, const float *x, const float *w, const float *start,
                  float *y)
{
    if (start && p->stages == 1 && p->stage[0].is_three) {
        run_three(p, x, w, start, y);
        return;
    }
    if (start && are_two(p)) {
        run_two(p, x, w, start, y);
        return;
    }
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t k = 0; k < p->stages; k++) {
            const km_depth_stage *s = &p->stage[k];
            run r = {.p = p, .s = s, .x = x, .w = w, .start = start, .i = i};
            r.y = y + (s->to + i * s->to_row) * V;
            if (i < s->h.out)
                run_row(&r);
        }
}

static int is_three(const km_conv_taps *t)
{
    const int64_t a = t->count == 3 ? t->place[km_depth_tap(t, 0)] : 0;
    return t->count == 3 && t->place[1] == a + 1 && t->place[km_depth_tap(t, 2)] == a + 2 &&
           t->step <= 2;
}

static int is_two(const km_conv_taps *t)
{
    return t->count == 1 ||
           (t->count == 2 && t->place[km_depth_tap(t, 1)] == t->place[km_depth_tap(t, 0)] + 1);
}

static void find_strips(km_depth_stage *s)
{
    const km_conv_taps *w = &s->w;
    int64_t last = 0, end = s->end;
    for (int64_t i = 0; i < w->count; i++)
        last = km_max64(last, w->place[i]);
    if (end > s->first)
        end = km_min64(end, (w->in - last) / w->step);
    s->strip = km_round_up(s->first, V);
    s->strips_end = s->strip + km_max64(0, end - s->strip) / V * V;
}

static void classify(km_depth_stage *s)
{
    const km_conv_taps *w = &s->w;
    s->first = 0;
    s->end = w->out;
    for (int64_t i = 0; i < w->count; i++) {
        const int64_t inside = w->in - 1 - w->place[i];
        s->first = km_max64(s->first, km_ceil_div(-km_min64(w->place[i], 0), w->step));
        s->end = km_min64(s->end, inside < 0 ? 0 : inside / w->step + 1);
    }
    s->first = km_min64(s->first, w->out);
    s->end = km_max64(s->first, s->end);
    find_strips(s);
    s->is_two = is_two(&s->h) && is_two(w) && s->h.step == 1 && w->step == 1 && w->out >= COLUMNS &&
                s->first < w->count && s->end > w->out - w->count;
    s->is_three = is_three(&s->h) && is_three(w) && s->h.step == w->step && s->h.out >= ROWS &&
                  w->out >= FEW && s->first <= 1 && s->end >= w->out - 1 &&
                  w->place[km_depth_tap(w, 0)] >= -1;
}

static int open_stage(km_depth_stage *t, const km_conv_shape *s, int data, int64_t i, int64_t j)
{
    *t = (km_depth_stage){.to_row = s->w.out, .to_column = 1};
    if (km_conv_taps_open(&t->h, &s->h, data ? i : -1, 0) ||
        km_conv_taps_open(&t->w, &s->w, data ? j : -1, 0))
        return -1;
    if (data) {
        t->to = i * s->w.in + j;
        t->to_row = s->h.stride * s->w.in;
        t->to_column = s->w.stride;
    }
    classify(t);
    return 0;
}

int km_depth_open(km_depth_plan *p, const km_conv_shape *s, int data)
{
    const int64_t rows = data ? km_min64(s->h.stride, s->h.in) : 1;
    const int64_t columns = data ? km_min64(s->w.stride, s->w.in) : 1;
    *p = (km_depth_plan){.kernel_w = s->w.kernel, .x_row = data ? s->w.out : s->w.in};
    p->y_row = data ? s->w.in : s->w.out;
    p->stage = calloc((size_t)(rows * columns), sizeof *p->stage);
    if (!p->stage)
        return -1;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            if (open_stage(&p->stage[p->stages++], s, data, i, j))
                return -1;
            p->rows = km_max64(p->rows, p->stage[p->stages - 1].h.out);
        }
    return 0;
}

void km_depth_close(km_depth_plan *p)
{
    for (int64_t i = 0; i < p->stages; i++) {
        km_conv_taps_close(&p->stage[i].h);
        km_conv_taps_close(&p->stage[i].w);
    }
    free(p->stage);
}
