/* pool_groups.h: maxima of native tensors over the usual windows. Of 3x3, rows of windows at a time: the best of a row of taps
 * stays in registers for all windows that share the row, and neighbours share the best of two rows. A NaN is looked for in what is loaded
 * anyway; where there was one, the form that lets the first NaN win goes over the same windows.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_GROUPS_H
#define KM_POOL_GROUPS_H

#include "pool_taps.h"

/* Rows of elements of a group, rows of its windows. */
enum { KM_GROUP_ROWS = 6, KM_GROUP = 4 };

/* A row of taps whose numbers are `base` more than c has. */
KM_INLINE km_winner km_join(km_winner b, km_winner c, vb base)
{
    const vm m = v_gt(c.value, b.value);
    b.tap = vb_select(m, vb_add(c.tap, base), b.tap);
    b.value = v_max(c.value, b.value);
    return b;
}

/* The lanes of `nan` and those where columns [from, to) of so many rows have one. */
KM_INLINE vm km_seen(vm nan, const float *x, int64_t down, int64_t rows, int64_t from, int64_t to)
{
#pragma GCC unroll 3
    for (int64_t s = from; s < to; s++)
#pragma GCC unroll 3
        for (int64_t r = 0; r < rows; r += 2) {
            const int64_t next = r + 1 < rows ? r + 1 : r;
            nan = v_or(nan,
                       v_unordered(v_load(x + r * down + s * V), v_load(x + next * down + s * V)));
        }
    return nan;
}

KM_INLINE void km_put(const km_run *t, int64_t at, km_winner b)
{
    v_store(t->y + at, b.value);
    vb_store(t->tap + at, b.tap);
}

/* A run of windows in each of so many rows, `line` apart. Nonzero if there is a NaN: then what was stored is void. */
KM_INLINE int km_group_run(const km_run *t, int64_t line, int64_t windows, int64_t rows,
                           int64_t columns, int64_t stride)
{
    const km_run own = *t;
    const int64_t taken = (windows - 1) * stride + rows,
                  old = columns > stride ? columns - stride : 0;
    const vb second = vb_set(own.four[own.kernel]), third = vb_set(own.four[2 * own.kernel]);
    vm nan = v_unordered(v_set(0), v_set(0));
    vb tap[KM_HELD];
    for (int64_t s = 0; s < columns; s++)
        tap[s] = vb_set(own.four[own.lead + s]);
    nan = km_seen(nan, own.x, own.down, taken, 0, old);
    for (int64_t i = 0; i < own.n; i++) {
        const float *x = own.x + i * own.next;
        km_winner best[KM_GROUP_ROWS];
        nan = km_seen(nan, x, own.down, taken, old, columns);
#pragma GCC unroll 6
        for (int64_t r = 0; r < taken; r++) {
            best[r] = (km_winner){v_load(x + r * own.down), tap[0]};
#pragma GCC unroll 2
            for (int64_t s = 1; s < columns; s++)
                best[r] = km_win(best[r], v_load(x + r * own.down + s * V), tap[s], 0);
        }
#pragma GCC unroll 4
        for (int64_t w = 0; w < windows; w++) {
            const int64_t at = w * line + i * V, first = w * stride;
            if (stride == 1 && rows == 3 && w + 1 < windows) {
                const km_winner both = km_join(best[first + 1], best[first + 2], second);
                km_put(&own, at, km_join(best[first], both, second));
                km_put(&own, at + line, km_join(both, best[first + 3], third));
                w++;
                continue;
            }
            km_winner b = best[first];
            if (rows > 1)
                b = km_join(b, best[first + 1], second);
            if (rows > 2)
                b = km_join(b, best[first + 2], third);
            km_put(&own, at, b);
        }
    }
    return v_any(nan);
}

/* Rows of windows that all have so many rows of elements, from x on. */
KM_INLINE int km_group_rows(const km_pool *p, const float *x, int64_t lead, float *y, uint8_t *tap,
                            int64_t windows, int64_t rows, int64_t stride)
{
    const int64_t line = p->w.out * V, kernel = p->w.kernel;
    km_run t = {.next = stride * V, .down = p->w.in * V, .four = p->four, .kernel = kernel};
    int nan = 0;
    for (int64_t j = 0; j < p->w.out; j += t.n) {
        const km_span span = p->columns[j];
        t.n = p->run[j];
        t.x = x + span.from * (int64_t)V;
        t.lead = lead * kernel + p->lead[1][j];
        t.y = y + j * V;
        t.tap = tap + j * V;
        if (span.count == 3)
            nan |= km_group_run(&t, line, windows, rows, 3, stride);
        else if (span.count == 2)
            nan |= km_group_run(&t, line, windows, rows, 2, stride);
        else
            nan |= km_group_run(&t, line, windows, rows, 1, stride);
    }
    return nan;
}

/* How many rows of windows from i on have as many rows of elements as a window has. */
static inline int64_t km_whole(const km_pool *p, int64_t i, int64_t most)
{
    int64_t count = 0;
    while (count < most && i + count < p->h.out && p->rows[i + count].count == p->h.kernel)
        count++;
    return count;
}

/* As many rows of windows as there are, of those that can be taken at once: how many. */
KM_INLINE int64_t km_max_group(const km_pool *p, const float *x, float *y, uint8_t *tap, int64_t i,
                               int64_t stride)
{
    const int64_t lead = p->lead[0][i], rows = p->rows[i].count;
    const int64_t most = stride == 1 ? KM_GROUP : 2, whole = km_whole(p, i, most);
    const int64_t count = whole == 3 ? 2 : whole > 1 ? whole : 1;
    int nan;
    if (stride == 1 && count == KM_GROUP)
        nan = km_group_rows(p, x, lead, y, tap, KM_GROUP, 3, stride);
    else if (count == 2)
        nan = km_group_rows(p, x, lead, y, tap, 2, 3, stride);
    else if (rows == 3)
        nan = km_group_rows(p, x, lead, y, tap, 1, 3, stride);
    else if (rows == 2)
        nan = km_group_rows(p, x, lead, y, tap, 1, 2, stride);
    else
        nan = km_group_rows(p, x, lead, y, tap, 1, 1, stride);
    for (int64_t k = 0; nan && k < count; k++)
        km_win_row(p, x + k * stride * p->w.in * V, lead, rows, y + k * p->w.out * V,
                   tap + k * p->w.out * V, 1);
    return count;
}

/* One block of channels. */
KM_INLINE void km_max_grouped(const km_pool *p, const float *x, float *y, uint8_t *tap,
                              int64_t stride)
{
    const int64_t line = p->w.out * V, row = p->w.in * V;
    for (int64_t i = 0, count; i < p->h.out; i += count)
        count = km_max_group(p, x + p->rows[i].from * row, y + i * line, tap + i * line, i, stride);
}

/* Windows of 3x3. */
static inline int km_is_grouped(const km_pool *p, int64_t stride)
{
    return p->h.kernel == 3 && p->w.kernel == 3 && p->h.stride == stride && p->w.stride == stride &&
           p->h.dilation == 1 && p->w.dilation == 1;
}

/* ---- windows of 2x2 side by side ---- */

KM_INLINE vm km_max_pairs_row(const float *top, const float *low, int64_t n, const vb number[4],
                              float *y, uint8_t *tap, vm nan)
{
    for (int64_t j = 0; j < n; j++, top += 2 * V, low += 2 * V, y += V, tap += V) {
        const vf a = v_load(top), b = v_load(top + V), c = v_load(low), d = v_load(low + V);
        const vf ab = v_max(b, a), cd = v_max(d, c);
        const vb first = vb_select(v_gt(b, a), number[1], number[0]);
        const vb second = vb_select(v_gt(d, c), number[3], number[2]);
        nan = v_or(nan, v_or(v_unordered(a, b), v_unordered(c, d)));
        v_store(y, v_max(cd, ab));
        vb_store(tap, vb_select(v_gt(cd, ab), second, first));
    }
    return nan;
}

/* One block of channels. */
static inline void km_max_of_pairs(const km_pool *p, const float *x, float *y, uint8_t *tap)
{
    const int64_t out = p->w.out, rows = p->h.out, row = p->w.in * V;
    const vb number[4] = {vb_set(p->four[0]), vb_set(p->four[1]), vb_set(p->four[2]),
                          vb_set(p->four[3])};
    vm nan = v_unordered(v_set(0), v_set(0));
    for (int64_t i = 0; i < rows; i++) {
        const float *top = x + 2 * i * row;
        nan =
            km_max_pairs_row(top, top + row, out, number, y + i * out * V, tap + i * out * V, nan);
    }
    for (int64_t i = 0; v_any(nan) && i < rows; i++)
        km_win_row(p, x + 2 * i * row, 0, 2, y + i * out * V, tap + i * out * V, 1);
}

/* No window is cut at an edge. */
static inline int km_are_pairs(const km_pool *p)
{
    return p->h.kernel == 2 && p->w.kernel == 2 && p->h.stride == 2 && p->w.stride == 2 &&
           !p->h.pad && !p->w.pad && p->h.dilation == 1 && p->w.dilation == 1 &&
           p->h.in >= 2 * p->h.out && p->w.in >= 2 * p->w.out;
}

#endif
