/* softmax_columns.h: softmax along an axis that is not the last: its neighbours fill the vectors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_SOFTMAX_COLUMNS_H
#define KM_SOFTMAX_COLUMNS_H

#include "vlog.h"

enum { ROW = 8, MIN_CHUNK = 4096, CHUNKS = 64, BLOCK = 128, U = 4, AHEAD = 128, FAR_AHEAD = 512 };

/* Exponentials leave the memory idle: time to ask for what is read and written next. `out` may be NULL, a constant. */
KM_INLINE void km_ask(const float *in, const float *out)
{
    __builtin_prefetch(in, 0, 2);
    if (out)
        __builtin_prefetch(out, 1);
}

/* The same of two tensors that are read and one that is written element by element. */
KM_INLINE void km_ask_three(const float *a, const float *b, const float *out)
{
    __builtin_prefetch(a + FAR_AHEAD, 0);
    __builtin_prefetch(b + FAR_AHEAD, 0);
    __builtin_prefetch(out + AHEAD, 1);
}

/* Columns: u vectors of positions (u a constant; the last vector may be partial, then u is 1). */
typedef struct km_columns {
    int64_t n, stride; /* elements of a column, and between them */
    int64_t width;     /* positions */
} km_columns;

KM_INLINE vf km_column_load(const float *x, km_columns c, int64_t j, int i, int u)
{
    const float *p = x + j * c.stride + i * V;
    return u > 1 ? v_load(p) : v_load_n(p, c.width);
}

KM_INLINE void km_column_store(float *y, vf v, km_columns c, int64_t j, int i, int u)
{
    float *p = y + j * c.stride + i * V;
    if (u > 1)
        v_store(p, v);
    else
        v_store_n(p, v, c.width);
}

KM_INLINE void km_columns_largest(vf *m, const float *x, km_columns c, int u)
{
    for (int i = 0; i < u; i++)
        m[i] = v_set(-INFINITY);
    for (int64_t j = 0; j < c.n; j++)
        for (int i = 0; i < u; i++)
            m[i] = v_max(m[i], km_column_load(x, c, j, i, u));
}

/* Sums of exp(x - m), in blocks of BLOCK; the terms go to y where `keep`. */
KM_INLINE void km_columns_sum(vf *sum, const vf *m, float *y, const float *x, km_columns c, int u,
                              int keep)
{
    for (int i = 0; i < u; i++)
        sum[i] = v_set(0);
    for (int64_t j = 0; j < c.n;) {
        vf part[U];
        for (int i = 0; i < u; i++)
            part[i] = v_set(0);
        for (const int64_t end = c.n - j < BLOCK ? c.n : j + BLOCK; j < end; j++)
            for (int i = 0; i < u; i++) {
                const vf e = v_exp_term(v_sub(km_column_load(x, c, j, i, u), m[i]));
                const int64_t at = j * c.stride + i * V;
                km_ask(x + at + u * V, keep ? y + at + 4 * c.stride : NULL);
                part[i] = v_add(part[i], e);
                if (keep)
                    km_column_store(y, e, c, j, i, u);
            }
        for (int i = 0; i < u; i++)
            sum[i] = v_add(sum[i], part[i]);
    }
}

/* Sums of a b, or of a where b is 0, in blocks of BLOCK. */
KM_INLINE void km_columns_dot(vf *sum, const float *a, const float *b, km_columns c, int u)
{
    for (int i = 0; i < u; i++)
        sum[i] = v_set(0);
    for (int64_t j = 0; j < c.n;) {
        vf part[U];
        for (int i = 0; i < u; i++)
            part[i] = v_set(0);
        for (const int64_t end = c.n - j < BLOCK ? c.n : j + BLOCK; j < end; j++)
            for (int i = 0; i < u; i++)
                part[i] = v_fma(km_column_load(a, c, j, i, u),
                                b ? km_column_load(b, c, j, i, u) : v_set(1), part[i]);
        for (int i = 0; i < u; i++)
            sum[i] = v_add(sum[i], part[i]);
    }
}

#endif
