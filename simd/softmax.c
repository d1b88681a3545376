/* softmax.c: y = exp(x - max) / sum; grad_x = y (grad_y - sum y grad_y).
 *
 * Exponentials are formed once and kept, in registers or in y, until their sum is known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "softmax.h"

/* ---- forward ---- */

KM_INLINE void forward_held(const km_args *args, km_range rows, int64_t n, int k)
{
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    for (int64_t r = rows.from; r < rows.to; r++) {
        vf v[ROW];
        km_load_row(v, x + r * n, n, k);
        const vf max = v_set(km_held_largest(v, k));
        for (int j = 0; j < k; j++)
            v[j] = v_exp_term(v_sub(v[j], max));
        const vf scale = v_set(1 / km_held_sum(v, k));
        for (int j = 0; j < k; j++)
            v[j] = v_mul(v[j], scale);
        km_store_row(y + r * n, v, n, k);
    }
}

static void forward_rows(const km_args *args, km_range rows, int64_t n, int unused)
{
    (void)unused;
    for (int64_t r = rows.from; r < rows.to; r++) {
        float *y = (float *)args->slot[KM_Y].data + r * n;
        km_row row;
        km_row_read(&row, y, (const float *)args->slot[KM_X].data + r * n, n, 1);
        for (int k = 0; k < row.chunks; k++) {
            const int64_t at = k * row.chunk, m = n - at < row.chunk ? n - at : row.chunk;
            km_scale(y + at, m, (float)(row.factor[k] / row.sum));
        }
    }
}

KM_INLINE void forward_columns(const km_args *args, int64_t start, km_columns c, int u)
{
    const float *x = (const float *)args->slot[KM_X].data + start;
    float *y = (float *)args->slot[KM_Y].data + start;
    vf max[U], sum[U];
    km_columns_largest(max, x, c, u);
    km_columns_sum(sum, max, y, x, c, u, 1);
    for (int i = 0; i < u; i++)
        sum[i] = v_div(v_set(1), sum[i]);
    for (int64_t j = 0; j < c.n; j++)
        for (int i = 0; i < u; i++)
            km_column_store(y, v_mul(km_column_load(y, c, j, i, u), sum[i]), c, j, i, u);
}

/* ---- backward ---- */

KM_INLINE void backward_held(const km_args *args, km_range rows, int64_t n, int k)
{
    const float *y = args->slot[KM_Y].data, *g = args->slot[KM_GRAD_Y].data;
    float *gx = args->slot[KM_GRAD_X].data;
    for (int64_t r = rows.from; r < rows.to; r++) {
        vf v[ROW], w[ROW], dot = v_set(0);
        for (int j = 0; j < k; j++) {
            v[j] = v_load_n(y + r * n + j * V, n - j * V);
            w[j] = v_load_n(g + r * n + j * V, n - j * V);
            dot = v_fma(v[j], w[j], dot);
        }
        dot = v_set(v_sum_float(dot));
        for (int j = 0; j < k; j++)
            v[j] = v_mul(v[j], v_sub(w[j], dot));
        km_store_row(gx + r * n, v, n, k);
    }
}

static void backward_rows(const km_args *args, km_range rows, int64_t n, int unused)
{
    (void)unused;
    for (int64_t r = rows.from; r < rows.to; r++) {
        const float *y = (const float *)args->slot[KM_Y].data + r * n;
        const float *g = (const float *)args->slot[KM_GRAD_Y].data + r * n;
        float *gx = (float *)args->slot[KM_GRAD_X].data + r * n;
        const vf dot = v_set((float)km_row_dot(y, g, n));
        int64_t i = 0;
        for (; i + V <= n; i += V)
            v_store(gx + i, v_mul(v_load(y + i), v_sub(v_load(g + i), dot)));
        v_store_n(gx + i, v_mul(v_load_n(y + i, n - i), v_sub(v_load_n(g + i, n - i), dot)), n - i);
    }
}

KM_INLINE void backward_columns(const km_args *args, int64_t start, km_columns c, int u)
{
    const float *y = (const float *)args->slot[KM_Y].data + start;
    const float *g = (const float *)args->slot[KM_GRAD_Y].data + start;
    float *gx = (float *)args->slot[KM_GRAD_X].data + start;
    vf dot[U];
    km_columns_dot(dot, y, g, c, u);
    for (int64_t j = 0; j < c.n; j++)
        for (int i = 0; i < u; i++) {
            const vf d = v_sub(km_column_load(g, c, j, i, u), dot[i]);
            km_column_store(gx, v_mul(km_column_load(y, c, j, i, u), d), c, j, i, u);
        }
}

/* ---- passes ---- */

static void forward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_softmax_part(args, forward_held, forward_rows, forward_columns, part);
}

static void backward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_softmax_part(args, backward_held, backward_rows, backward_columns, part);
}

KM_RUN_PARTS(forward, 1)
KM_RUN_PARTS(backward, 1)

extern const km_kernel KM_KERNELS(softmax)[];
const km_kernel KM_KERNELS(softmax)[] = {
    {.op = "softmax", .pass = "forward", .run = forward, .run_part = forward_part},
    {.op = "softmax", .pass = "backward", .run = backward, .run_part = backward_part},
    {0},
};
