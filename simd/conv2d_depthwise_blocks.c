/* conv2d_depthwise_blocks.c: forward and backward_data of planes with V channels side by side.
 *
 * Taps outside the image are left out by ranges of rows and columns, so nothing is multiplied by padding. 3x3 with
 * strides up to 2: two rows by COLUMNS results in registers, each pixel of the source loaded once, all weights in
 * registers too; a last tile overlaps the one before and forms the same sums again. Whatever else: runs of results in
 * registers, tap after tap. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "conv2d_depthwise.h"

enum { ROWS = 2, COLUMNS = 7, FEW = 3, RUN = 8 };

/* ---- 3x3 ---- */

typedef struct three {
    const float *w[9];
    const float *start;
    int64_t x_row; /* in floats, as the following two */
    int64_t y_row, y_column;
    int low, high; /* rows of the tile's source that lie inside */
} three;

/* x: where the first result's first tap is; left, right: whether the first, last column of taps lies outside. */
KM_INLINE void three_tile(const three *t, const float *x, float *y, int columns, int step, int left,
                          int right)
{
    const int width = (columns - 1) * step + 3;
    vf sum[ROWS * COLUMNS], w[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; i++)
        w[i] = v_load(t->w[i]);
#pragma GCC unroll 14
    for (int i = 0; i < ROWS * columns; i++)
        sum[i] = v_load(t->start);
#pragma GCC unroll 5
    for (int i = 0; i < (ROWS - 1) * step + 3; i++, x += t->x_row) {
        if (i < t->low || i >= t->high)
            continue;
#pragma GCC unroll 15
        for (int j = left; j < width - right; j++) {
            const vf xj = v_load(x + j * V);
#pragma GCC unroll 9
            for (int k = 0; k < 9; k++) {
                const int r = i - k / 3, c = j - k % 3;
                if (r >= 0 && r % step == 0 && r / step < ROWS && c >= 0 && c % step == 0 &&
                    c / step < columns)
                    sum[r / step * columns + c / step] =
                        v_fma(xj, w[k], sum[r / step * columns + c / step]);
            }
        }
    }
#pragma GCC unroll 14
    for (int i = 0; i < ROWS * columns; i++)
        v_store(y + i / columns * t->y_row + i % columns * t->y_column, sum[i]);
}

/* `count` tiles side by side. */
#define THREE(columns, step, left, right)                                                          \
    static void three_##columns##step##left##right(const three *t, const float *x, float *y,       \
                                                   int64_t count)                                  \
    {                                                                                              \
        for (; count > 0; count--, x += columns * step * V, y += columns * t->y_column)            \
            three_tile(t, x, y, columns, step, left, right);                                       \
    }
#define THREES(columns, step)                                                                      \
    THREE(columns, step, 0, 0)                                                                     \
    THREE(columns, step, 0, 1) THREE(columns, step, 1, 0) THREE(columns, step, 1, 1)
THREES(7, 1)
THREES(7, 2)
THREES(3, 1)
THREES(3, 2)

typedef void (*three_fn)(const three *, const float *, float *, int64_t);
#define SIDES(columns, step)                                                                       \
    {                                                                                              \
        {three_##columns##step##00, three_##columns##step##01},                                    \
        {                                                                                          \
            three_##columns##step##10, three_##columns##step##11                                   \
        }                                                                                          \
    }
static const three_fn threes[2][2][2][2] = {{SIDES(3, 1), SIDES(3, 2)}, {SIDES(7, 1), SIDES(7, 2)}};

/* Results of a row, from its first tile to its last. x: where column 0 of the source would be. */
static void three_row(const three *t, const km_conv_taps *w, const float *x, float *y)
{
    const int64_t out = w->out, columns = out >= COLUMNS ? COLUMNS : FEW;
    const three_fn(*tile)[2] = threes[columns == COLUMNS][w->step - 1];
    const int64_t first = w->place[km_depth_tap(w, 0)];
    const int left = first<0, right = first + (out - 1) * w->step + 3> w->in;
    const int64_t middle = (out - 1) / columns - 1, last = out - columns;
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
    for (int64_t i = 0; i < 9; i++)
        t.w[i] = w + (s->h.index[km_depth_tap(&s->h, i / 3)] * p->kernel_w +
                      s->w.index[km_depth_tap(&s->w, i % 3)]) *
                         V;
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
