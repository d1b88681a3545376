/* pool_taps.h: maxima of native tensors, whose lanes are channels. What was chosen is kept as a byte: the
 * number of the window's tap, padding counted. Forward, the best of a row of taps serves all windows that
 * share the row; backward, an element knows which tap it is of each of its windows. Windows that lie alike
 * in padding, and elements that lie alike in their windows, are gone through in runs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_TAPS_H
#define KM_POOL_TAPS_H

#include "pool_native.h"

/* ---- forward: a run of windows ---- */

typedef struct km_winner {
    vf value;
    vb tap;
} km_winner;

/* Windows `next` floats apart, from x on; their rows and columns of taps; the number of the first tap inside. Of a
 * single row, what is `ahead` floats ahead is needed next, and may be in a far cache. */
typedef struct km_run {
    const float *x;
    int64_t n, next, down, across, lead, ahead;
    const int32_t *four;
    int64_t kernel; /* taps of a row, padding counted */
    float *y;
    uint8_t *tap;
} km_run;

/* Careful: the first NaN wins. Without NaN, both forms choose the same. */
KM_INLINE km_winner km_win(km_winner b, vf v, vb tap, int careful)
{
    const vm m = careful ? v_and(v_not_le(v, b.value), v_eq(b.value, b.value)) : v_gt(v, b.value);
    b.tap = vb_select(m, tap, b.tap);
    b.value = v_select(m, v, b.value);
    return b;
}

/* Row by row, so that rows need not wait for each other. */
KM_INLINE void km_win_run(const km_run *t, int64_t rows, int64_t columns, int64_t across,
                          int careful)
{
    const km_run own = *t;
    const vb lead = vb_set(own.four[own.lead]);
    const int few = rows <= KM_HELD && columns <= KM_HELD;
    vb tap[KM_HELD * KM_HELD];
    for (int64_t k = 0; few && k < rows * columns; k++)
        tap[k] = vb_set(own.four[k / columns * own.kernel + k % columns]);
    for (int64_t i = 0; i < own.n; i++) {
        km_winner all = {v_set(0), lead};
        for (int64_t r = 0; r < rows; r++) {
            const float *x = own.x + i * own.next + r * own.down;
            const int32_t *four = own.four + r * own.kernel;
            if (rows == 1) {
                __builtin_prefetch(x + own.ahead);
                __builtin_prefetch(x + own.ahead + own.next - V);
            }
            km_winner b = {v_load(x), few ? tap[r * columns] : vb_set(four[0])};
            for (int64_t s = 1; s < columns; s++)
                b = km_win(b, v_load(x + s * across), few ? tap[r * columns + s] : vb_set(four[s]),
                           careful);
            all = r == 0 ? b : km_win(all, b.value, b.tap, careful);
        }
        v_store(own.y + i * V, all.value);
        vb_store(own.tap + i * V, vb_add(all.tap, lead));
    }
}

/* One row of windows, of so many rows; x: the first of them; lead: its number. */
KM_INLINE void km_win_row(const km_pool *p, const float *x, int64_t lead, int64_t rows, float *y,
                          uint8_t *tap, int careful)
{
    km_run t = {.next = p->w.stride * V,
                .down = p->step_h * p->w.in * V,
                .across = p->step_w * V,
                .ahead = p->w.in * V,
                .four = p->four,
                .kernel = p->w.kernel};
    for (int64_t j = 0; j < p->w.out; j += t.n) {
        const km_span span = p->columns[j];
        t.n = p->run[j];
        t.x = x + span.from * (int64_t)V;
        t.lead = lead * p->w.kernel + p->lead[1][j];
        t.y = y + j * V;
        t.tap = tap + j * V;
        if (careful || p->step_w > 1 || span.count > 3 || rows > 3)
            km_win_run(&t, rows, span.count, t.across, careful);
        else if (rows == 1 && span.count == 3)
            km_win_run(&t, 1, 3, V, 0);
        else if (rows == 2 && span.count == 2)
            km_win_run(&t, 2, 2, V, 0);
        else if (rows == 3 && span.count == 3)
            km_win_run(&t, 3, 3, V, 0);
        else
            km_win_run(&t, rows, span.count, V, 0);
    }
}

/* A NaN is looked for just before a row is needed, which brings it into the first cache. */
static inline int km_has_nan(const float *x, int64_t vectors)
{
    const vf last = v_load(x + (vectors - 1) * V);
    vm nan = v_unordered(last, last);
    for (int64_t i = 0; i + 1 < vectors; i += 2)
        nan = v_or(nan, v_unordered(v_load(x + i * V), v_load(x + (i + 1) * V)));
    return v_any(nan);
}

static inline void km_max_alone(const km_pool *p, const float *x, float *y, uint8_t *tap)
{
    const int64_t line = p->w.out * V, row = p->w.in * V;
    for (int64_t i = 0; i < p->h.out; i++, y += line, tap += line) {
        const km_span rows = p->rows[i];
        const float *own = x + rows.from * row;
        int nan = 0;
        for (int64_t r = 0; r < rows.count; r++)
            nan |= km_has_nan(own + r * p->step_h * row, p->w.in);
        if (nan)
            km_win_row(p, own, p->lead[0][i], rows.count, y, tap, 1);
        else
            km_win_row(p, own, p->lead[0][i], rows.count, y, tap, 0);
    }
}

/* ---- forward, rows that windows share ---- */

/* Bests of rows of taps, of each window: those of row h at h % ring. */
typedef struct km_kept {
    float *value;
    uint8_t *tap;
    int64_t next, nan; /* row; the last row with a NaN so far */
} km_kept;

/* Divisions of 64 bits take as long as a hundred additions. */
static inline int64_t km_kept_at(const km_pool *p, int64_t row)
{
    return (int64_t)((uint32_t)row % (uint32_t)p->ring);
}

static inline km_kept km_kept_of(const km_pool *p, int part)
{
    float *value = p->scratch + part * p->all;
    uint8_t *tap = (uint8_t *)(value + p->staged);
    return (km_kept){value, tap, 0, -1};
}

/* What windows of these rows need and nobody has kept yet; nonzero if there is a NaN. */
static inline int km_keep_rows(const km_pool *p, const float *x, km_span rows, km_kept *k)
{
    const int64_t line = p->w.out * V, end = rows.from + (rows.count - 1) * p->step_h + 1;
    for (int64_t h = k->next > rows.from ? k->next : rows.from; h < end; h++) {
        const float *row = x + h * p->w.in * V;
        const int64_t at = km_kept_at(p, h) * line;
        if (km_has_nan(row, p->w.in)) {
            k->nan = h;
            km_win_row(p, row, 0, 1, k->value + at, k->tap + at, 1);
        } else
            km_win_row(p, row, 0, 1, k->value + at, k->tap + at, 0);
    }
    k->next = k->next > end ? k->next : end;
    return k->nan >= rows.from;
}

/* Rows of taps, `lead` being the number of the first. */
KM_INLINE void km_join_rows(const km_pool *p, const km_kept *kept, int64_t first, int64_t lead,
                            int64_t rows, float *y, uint8_t *tap, int careful)
{
    const int64_t line = p->w.out * V, kernel = p->w.kernel, step = p->step_h, ring = p->ring;
    const int32_t *four = p->four + lead * kernel;
    const km_kept k = *kept;
    vb base[KM_HELD];
    for (int64_t r = 0; r < KM_HELD && r < rows; r++)
        base[r] = vb_set(four[r * kernel]);
    for (int64_t j = 0; j < line; j += V) {
        km_winner b = {v_set(0), vb_set(0)};
        for (int64_t r = 0, at = first; r < rows; r++) {
            const vf value = v_load(k.value + at * line + j);
            const vb t = vb_add(vb_load(k.tap + at * line + j),
                                rows == KM_HELD ? base[r] : vb_set(four[r * kernel]));
            b = r == 0 ? (km_winner){value, t} : km_win(b, value, t, careful);
            at = at + step < ring ? at + step : at + step - ring;
        }
        v_store(y + j, b.value);
        vb_store(tap + j, b.tap);
    }
}

static inline void km_max_shared(const km_pool *p, const float *x, float *y, uint8_t *tap,
                                 km_kept kept)
{
    const int64_t line = p->w.out * V;
    for (int64_t i = 0; i < p->h.out; i++, y += line, tap += line) {
        const km_span rows = p->rows[i];
        const int64_t lead = p->lead[0][i], first = km_kept_at(p, rows.from);
        if (km_keep_rows(p, x, rows, &kept))
            km_join_rows(p, &kept, first, lead, rows.count, y, tap, 1);
        else if (rows.count == 3)
            km_join_rows(p, &kept, first, lead, 3, y, tap, 0);
        else
            km_join_rows(p, &kept, first, lead, rows.count, y, tap, 0);
    }
}

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

/* ---- one block ---- */

static inline void km_max_block(const km_pool *p, const km_args *args, int64_t block, int part)
{
    const int64_t in = block * V * km_pool_plane(p, KM_X), out = block * V * km_pool_plane(p, KM_Y);
    uint8_t *taps = (uint8_t *)args->slot[KM_INDICES].data + out;
    float *larger = (float *)args->slot[p->backward ? KM_GRAD_X : KM_X].data + in;
    float *smaller = (float *)args->slot[p->backward ? KM_GRAD_Y : KM_Y].data + out;
    if (p->backward && p->apart && p->h.kernel == 2 && p->w.kernel == 2)
        km_won_apart(p, smaller, taps, larger, 2, 2);
    else if (p->backward && p->apart)
        km_won_apart(p, smaller, taps, larger, p->h.kernel, p->w.kernel);
    else if (p->backward)
        km_won(p, smaller, taps, larger, (double *)p->scratch + part * p->all / 2);
    else if (p->ring)
        km_max_shared(p, larger, smaller, taps, km_kept_of(p, part));
    else
        km_max_alone(p, larger, smaller, taps);
}

#endif
