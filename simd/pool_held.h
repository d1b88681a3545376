/* pool_held.h: the gradient of maxima of native tensors, whose lanes are channels: an element knows which tap it is of
 * each of its windows. Elements that lie alike in their windows are gone through in runs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_HELD_H
#define KM_POOL_HELD_H

#include "pool_taps.h"

/* ---- backward: a run of elements ---- */

/* Elements `next` floats apart, which lie in rows of windows, each `across` after the other; by how much the number of
 * their tap is less there than in the first, of which `four` tells it. */
typedef struct km_holding {
    const float *g;
    const uint8_t *taps;
    const double *wide[KM_HELD]; /* rows of g in double, if there are that few */
    float *grad_x;
    const int32_t *four;
    int64_t n, next, across, down, less_across, less_down;
} km_holding;

/* At most two terms. */
KM_INLINE void km_won_few(const km_holding *t, int64_t rows, int64_t columns)
{
    const km_holding own = *t;
    const int64_t other = columns == 2 ? own.across : own.down;
    const int64_t less = columns == 2 ? own.less_across : own.less_down;
    const vb first = vb_set(own.four[0]),
             second = vb_set(own.four[rows * columns == 2 ? -less : 0]);
    for (int64_t i = 0; i < own.n; i++) {
        const float *g = own.g + i * V;
        const uint8_t *taps = own.taps + i * V;
        vf sum = v_select(vb_eq(first, vb_load(taps)), v_load(g), v_set(0));
        if (rows * columns == 2)
            sum = v_add(
                sum, v_select(vb_eq(second, vb_load(taps + other)), v_load(g + other), v_set(0)));
        v_store(own.grad_x + i * own.next, sum);
    }
}

/* As in pool_lanes.h, more terms are added in double; here in a sum for each row. */
KM_INLINE void km_won_wide(const km_holding *t, int64_t rows, int64_t columns, int64_t across)
{
    const km_holding own = *t;
    vb tap[KM_HELD * KM_HELD];
    for (int64_t k = 0; k < rows * columns; k++)
        tap[k] = vb_set(own.four[-k / columns * own.less_down - k % columns * own.less_across]);
    for (int64_t i = 0; i < own.n; i++) {
        vw row[KM_HELD];
        for (int64_t r = 0; r < rows; r++) {
            const double *g = own.wide[r] + i * V;
            const uint8_t *taps = own.taps + r * own.down + i * V;
            row[r] = vw_load_in(vb_eq(tap[r * columns], vb_load(taps)), g);
            for (int64_t s = 1; s < columns; s++)
                row[r] = vw_plus_in(row[r], vb_eq(tap[r * columns + s], vb_load(taps + s * across)),
                                    g + s * across);
        }
        for (int64_t r = 1; r < rows; r++)
            row[0] = vw_plus(row[0], row[r]);
        v_store(own.grad_x + i * own.next, vw_round(row[0]));
    }
}

KM_INLINE void km_won_any(const km_holding *t, int64_t rows, int64_t columns)
{
    const km_holding own = *t;
    for (int64_t i = 0; i < own.n; i++) {
        vw sum = vw_zero();
        for (int64_t r = 0; r < rows; r++)
            for (int64_t s = 0; s < columns; s++) {
                const int64_t at = i * V + r * own.down + s * own.across;
                const vb tap = vb_set(own.four[-r * own.less_down - s * own.less_across]);
                const vm won = vb_eq(tap, vb_load(own.taps + at));
                sum = vw_add(sum, v_select(won, v_load(own.g + at), v_set(0)));
            }
        v_store(own.grad_x + i * own.next, vw_round(sum));
    }
}

/* What 2x2 and 3x3 windows lead to is unrolled. */
static inline void km_won_run(const km_holding *t, int64_t rows, int64_t columns)
{
    if (rows == 1 && columns == 1)
        km_won_few(t, 1, 1);
    else if (rows == 1 && columns == 2)
        km_won_few(t, 1, 2);
    else if (rows == 2 && columns == 1)
        km_won_few(t, 2, 1);
    else if (!t->wide[0] || t->across != V)
        km_won_any(t, rows, columns);
    else if (rows == 2 && columns == 2)
        km_won_wide(t, 2, 2, V);
    else if (rows == 2 && columns == 3)
        km_won_wide(t, 2, 3, V);
    else if (rows == 3 && columns == 2)
        km_won_wide(t, 3, 2, V);
    else if (rows == 3 && columns == 3)
        km_won_wide(t, 3, 3, V);
    else
        km_won_any(t, rows, columns);
}

/* ---- backward, a block ---- */

/* Row q of windows is kept in double at q % ring. */
static inline void km_widen_rows(const km_pool *p, const float *g, km_span rows, double *wide,
                                 int64_t *next)
{
    const int64_t line = p->w.out * V;
    for (; *next < rows.from + rows.count; ++*next) {
        const float *row = g + *next * line;
        double *to = wide + km_kept_at(p, *next) * line;
        for (int64_t j = 0; j < line; j += V)
            vw_store(to + j, vw_of(v_load(row + j)));
    }
}

/* A row of elements: those a stride apart lie alike in their windows. */
static inline void km_won_row(const km_pool *p, const km_holding *of_row, int64_t h)
{
    const int64_t stride = p->w.stride;
    const int32_t *four = p->four + p->lead[0][h] * p->w.kernel;
    km_holding t = *of_row;
    for (int64_t e = 0; e < stride; e++)
        for (int64_t w = e; w < p->w.in; w += t.n * stride) {
            const km_span span = p->columns[w];
            t.n = p->run[w];
            t.g = of_row->g + span.from * (int64_t)V;
            t.taps = of_row->taps + span.from * (int64_t)V;
            for (int r = 0; r < KM_HELD && p->ring; r++)
                t.wide[r] = of_row->wide[r] + span.from * (int64_t)V;
            t.four = four + p->lead[1][w];
            t.grad_x = of_row->grad_x + w * V;
            km_won_run(&t, p->rows[h].count, span.count);
        }
}

static inline void km_won(const km_pool *p, const float *g, const uint8_t *taps, float *grad_x,
                          double *wide)
{
    const int64_t line = p->w.out * V;
    km_holding t = {.next = p->w.stride * V,
                    .across = p->step_w * V,
                    .down = p->step_h * line,
                    .less_across = p->step_w * p->w.stride / p->w.dilation,
                    .less_down = p->step_h * p->h.stride / p->h.dilation * p->w.kernel};
    int64_t next = 0;
    for (int64_t h = 0; h < p->h.in; h++) {
        const km_span rows = p->rows[h];
        t.g = g + rows.from * line;
        t.taps = taps + rows.from * line;
        t.grad_x = grad_x + h * p->w.in * V;
        if (p->ring)
            km_widen_rows(p, g, rows, wide, &next);
        for (int r = 0; r < KM_HELD && p->ring; r++)
            t.wide[r] = wide + km_kept_at(p, rows.from + r) * line;
        km_won_row(p, &t, h);
    }
}

/* Windows side by side: each knows which of its elements takes its gradient, and no other window has them. */
KM_INLINE void km_won_apart(const km_pool *plan, const float *g, const uint8_t *taps, float *grad_x,
                            int64_t rows, int64_t columns)
{
    const int64_t out = plan->w.out, line = plan->w.in * V, windows = plan->h.out;
    const int32_t *four = plan->four;
    for (int64_t i = 0; i < windows; i++, grad_x += rows * line)
        for (int64_t j = 0; j < out; j++, g += V, taps += V) {
            const vf own = v_load(g);
            const vb tap = vb_load(taps);
            float *to = grad_x + j * columns * V;
            for (int64_t r = 0; r < rows; r++)
                for (int64_t s = 0; s < columns; s++)
                    v_store(to + r * line + s * V,
                            v_select(vb_eq(tap, vb_set(four[r * columns + s])), own, v_set(0)));
        }
}

#endif
