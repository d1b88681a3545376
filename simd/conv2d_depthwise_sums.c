/* conv2d_depthwise_sums.c: backward_weights of planes with V channels side by side.
 *
 * Sums of a few rows are formed in registers, then added to the plane's: no chain of additions is longer than those
 * rows and their number. Taps outside the image are left out, so that no infinity meets padding. For 3x3 a tile of
 * COLUMNS elements of grad_y stays in registers beside nine sums, and each pixel of x is loaded once for its row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_depthwise.h"

enum { COLUMNS = 7, BAND = 256, FEW = 8 }; /* BAND: results that a chain of additions may have */

/* ---- 3x3 ---- */

/* Columns of results whose first tap is at x; rows low..high of the taps lie inside. */
KM_INLINE void three_tile(const float *x, int64_t x_row, const float *g, int columns, int step,
                          int left, int right, int low, int high, vf sum[9])
{
    vf gv[COLUMNS];
#pragma GCC unroll 7
    for (int c = 0; c < columns; c++)
        gv[c] = v_load(g + c * V);
#pragma GCC unroll 15
    for (int j = left; j < (columns - 1) * step + 3 - right; j++)
#pragma GCC unroll 3
        for (int r = low; r < high; r++) {
            const vf xj = v_load(x + r * x_row + j * V);
#pragma GCC unroll 3
            for (int k = 0; k < 3; k++)
                if (j >= k && (j - k) % step == 0 && (j - k) / step < columns)
                    sum[r * 3 + k] = v_fma(xj, gv[(j - k) / step], sum[r * 3 + k]);
        }
}

/* A row of results. */
KM_INLINE void three_row(const float *x, int64_t x_row, const float *g, int64_t out, int step,
                         int left, int right, int low, int high, vf sum[9])
{
    int64_t j = 0;
    if (left) {
        three_tile(x, x_row, g, 1, step, 1, 0, low, high, sum);
        j = 1;
    }
    for (; j + COLUMNS <= out - right; j += COLUMNS)
        three_tile(x + j * step * V, x_row, g + j * V, COLUMNS, step, 0, 0, low, high, sum);
    for (; j < out - right; j++)
        three_tile(x + j * step * V, x_row, g + j * V, 1, step, 0, 0, low, high, sum);
    if (right)
        three_tile(x + j * step * V, x_row, g + j * V, 1, step, 0, 1, low, high, sum);
}

typedef struct rows {
    const float *x, *g; /* x: the first result's first tap */
    int64_t x_row, x_step, out, count;
    int left, right;
} rows;

KM_INLINE void three_rows(const rows *t, int step, int low, int high, float *sums)
{
    const float *x = t->x, *g = t->g;
    vf sum[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; i++)
        sum[i] = v_set(0);
    for (int64_t i = 0; i < t->count; i++, x += t->x_step, g += t->out * V)
        three_row(x, t->x_row, g, t->out, step, t->left, t->right, low, high, sum);
#pragma GCC unroll 9
    for (int i = low * 3; i < high * 3; i++)
        v_store(sums + i * V, v_add(v_load(sums + i * V), sum[i]));
}

#define THREE(step, low, high)                                                                     \
    static void three_##step##low##high(const rows *t, float *sums)                                \
    {                                                                                              \
        three_rows(t, step, low, high, sums);                                                      \
    }
#define THREES(step) THREE(step, 0, 3) THREE(step, 1, 3) THREE(step, 0, 2) THREE(step, 1, 2)
THREES(1)
THREES(2)

/* By the taps outside: none, above, below, both. */
typedef void (*three_fn)(const rows *, float *);
static const three_fn threes[2][4] = {{three_103, three_113, three_102, three_112},
                                      {three_203, three_213, three_202, three_212}};

static void sum_three(const km_depth_plan *p, const float *x, const float *grad_y, float *sums)
{
    const km_conv_taps *h = &p->stage->h, *w = &p->stage->w;
    const int64_t band = km_max64(1, BAND / w->out);
    rows t = {.x_row = p->x_row * V, .out = w->out, .left = w->place[0] < 0};
    t.x_step = h->step * t.x_row;
    t.right = w->place[2] + (w->out - 1) * w->step >= w->in;
    for (int64_t i = 0; i < h->out; i += t.count) {
        const int64_t at = h->place[0] + i * h->step;
        int above = at<0, below = at + 3> h->in;
        t.count = above || below ? 1 : km_min64(band, h->out - i);
        if (!below && at + (t.count - 1) * h->step + 3 > h->in)
            t.count--;
        t.x = x + (at * p->x_row + w->place[0]) * V;
        t.g = grad_y + i * w->out * V;
        threes[w->step - 1][above + 2 * below](&t, sums);
    }
}

/* ---- any kernel ---- */

/* Results from..end of a row, for taps b.. of a row of taps, all inside. */
KM_INLINE void sum_run(const km_conv_taps *w, const float *x, const float *g, int64_t from,
                       int64_t end, int64_t b, int count, vf *sum)
{
    const float *at[FEW];
#pragma GCC unroll 8
    for (int k = 0; k < count; k++)
        at[k] = x + w->place[b + k] * V;
    for (int64_t j = from; j < end; j++) {
        const vf gv = v_load(g + j * V);
#pragma GCC unroll 8
        for (int k = 0; k < count; k++)
            sum[k] = v_fma(v_load(at[k] + j * w->step * V), gv, sum[k]);
    }
}

/* Columns of results for which tap b lies inside. */
static int64_t first_inside(const km_conv_taps *w, int64_t b)
{
    return km_min64(w->out, km_ceil_div(-km_min64(w->place[b], 0), w->step));
}

static int64_t end_inside(const km_conv_taps *w, int64_t b)
{
    const int64_t last = w->in - 1 - w->place[b];
    return last < 0 ? 0 : km_min64(w->out, last / w->step + 1);
}

/* Up to FEW taps of row a of the taps, over rows i..end of results. */
KM_INLINE void sum_taps(const km_depth_plan *p, const float *x, const float *grad_y, int64_t a,
                        int64_t b, int count, int64_t i, int64_t end, float *sums)
{
    const km_conv_taps *h = &p->stage->h, *w = &p->stage->w;
    const int64_t from = first_inside(w, b), last = end_inside(w, b + count - 1);
    vf sum[FEW];
    for (int k = 0; k < count; k++)
        sum[k] = v_set(0);
    for (; i < end; i++) {
        const int64_t row = h->place[a] + i * h->step;
        const float *xi = x + row * p->x_row * V, *g = grad_y + i * w->out * V;
        if (row < 0 || row >= h->in)
            continue;
        for (int k = 0; k < count; k++) {
            sum_run(w, xi, g, first_inside(w, b + k), km_min64(from, end_inside(w, b + k)), b + k,
                    1, sum + k);
            sum_run(w, xi, g, km_max64(km_max64(from, last), first_inside(w, b + k)),
                    end_inside(w, b + k), b + k, 1, sum + k);
        }
        sum_run(w, xi, g, from, last, b, count, sum);
    }
    for (int k = 0; k < count; k++) {
        float *to = sums + (h->index[a] * p->kernel_w + w->index[b + k]) * V;
        v_store(to, v_add(v_load(to), sum[k]));
    }
}

static void sum_any(const km_depth_plan *p, const float *x, const float *grad_y, float *sums)
{
    const km_conv_taps *h = &p->stage->h, *w = &p->stage->w;
    const int64_t band = km_max64(1, BAND / w->out);
    for (int64_t i = 0; i < h->out; i += band)
        for (int64_t a = 0; a < h->count; a++) {
            const int64_t end = km_min64(h->out, i + band);
            int64_t b = 0;
            for (; b + FEW <= w->count; b += FEW)
                sum_taps(p, x, grad_y, a, b, FEW, i, end, sums);
            for (; b + FEW / 2 <= w->count; b += FEW / 2)
                sum_taps(p, x, grad_y, a, b, FEW / 2, i, end, sums);
            for (; b < w->count; b++)
                sum_taps(p, x, grad_y, a, b, 1, i, end, sums);
        }
}

/* No more than one row of taps outside at either end. */
static int is_narrow(const km_conv_taps *h)
{
    return h->place[0] >= -1 && h->place[2] + (h->out - 1) * h->step <= h->in;
}

void km_depth_sum(const km_depth_plan *p, const float *x, const float *grad_y, float *sums)
{
    const int three = p->stage->is_three && is_narrow(&p->stage->h);
    (three ? sum_three : sum_any)(p, x, grad_y, sums);
}
