/* pool_taps.h: maxima of native tensors, whose lanes are channels. What was chosen is kept as a byte: the
 * number of the window's tap, padding counted. The best of a row of taps serves all windows that share the row. Windows
 * that lie alike in padding are gone through in runs.
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
    b.value = careful ? v_select(m, v, b.value) : v_max(v, b.value);
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

#endif
