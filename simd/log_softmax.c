/* log_softmax.c: y = x - max - log(sum exp(x - max)); grad_x = grad_y - exp(y) sum grad_y.
 * SPDX-License-Identifier: Apache-2.0 */
#include "softmax.h"

/* ---- forward ---- */

KM_INLINE void forward_held(const km_args *args, km_range rows, int64_t n, int k)
{
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    for (int64_t r = rows.from; r < rows.to; r++) {
        vf v[ROW], sum = v_set(0);
        km_load_row(v, x + r * n, n, k);
        const vf max = v_set(km_held_largest(v, k));
        for (int j = 0; j < k; j++) {
            v[j] = v_sub(v[j], max);
            sum = v_add(sum, v_exp_term(v[j]));
        }
        const vf log_sum = v_log_of_sum(v_set(v_sum_float(sum)));
        for (int j = 0; j < k; j++)
            v[j] = v_sub(v[j], log_sum);
        km_store_row(y + r * n, v, n, k);
    }
}

static void forward_rows(const km_args *args, km_range rows, int64_t n, int unused)
{
    (void)unused;
    for (int64_t r = rows.from; r < rows.to; r++) {
        const float *x = (const float *)args->slot[KM_X].data + r * n;
        float *y = (float *)args->slot[KM_Y].data + r * n;
        km_row row;
        km_row_read(&row, 0, x, n, 0);
        const vf max = v_set(row.max), log_sum = v_log_of_sum(v_set((float)row.sum));
        int64_t i = 0;
        for (; i + V <= n; i += V)
            v_store(y + i, v_sub(v_sub(v_load(x + i), max), log_sum));
        v_store_n(y + i, v_sub(v_sub(v_load_n(x + i, n - i), max), log_sum), n - i);
    }
}

KM_INLINE void forward_columns(const km_args *args, int64_t start, km_columns c, int u)
{
    const float *x = (const float *)args->slot[KM_X].data + start;
    float *y = (float *)args->slot[KM_Y].data + start;
    vf max[U], sum[U];
    km_columns_largest(max, x, c, u);
    km_columns_sum(sum, max, 0, x, c, u, 0);
    for (int i = 0; i < u; i++)
        sum[i] = v_log_of_sum(sum[i]);
    for (int64_t j = 0; j < c.n; j++)
        for (int i = 0; i < u; i++) {
            const vf d = v_sub(km_column_load(x, c, j, i, u), max[i]);
            km_column_store(y, v_sub(d, sum[i]), c, j, i, u);
        }
}

/* ---- backward ---- */

KM_INLINE vf gradient(vf y, vf g, vf sum)
{
    return v_fnma(v_exp_term(y), sum, g);
}

KM_INLINE void backward_held(const km_args *args, km_range rows, int64_t n, int k)
{
    const float *y = args->slot[KM_Y].data, *g = args->slot[KM_GRAD_Y].data;
    float *gx = args->slot[KM_GRAD_X].data;
    for (int64_t r = rows.from; r < rows.to; r++) {
        vf v[ROW];
        for (int j = 0; j < k; j++)
            v[j] = v_load_n(g + r * n + j * V, n - j * V);
        const vf sum = v_set(km_held_sum(v, k));
        for (int j = 0; j < k; j++)
            v[j] = gradient(v_load_n(y + r * n + j * V, n - j * V), v[j], sum);
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
        const vf sum = v_set((float)km_row_dot(g, 0, n));
        int64_t i = 0;
        for (; i + U * V <= n; i += U * V)
            for (int j = 0; j < U; j++)
                v_store(gx + i + j * V,
                        gradient(v_load(y + i + j * V), v_load(g + i + j * V), sum));
        for (; i < n; i += V)
            v_store_n(gx + i, gradient(v_load_n(y + i, n - i), v_load_n(g + i, n - i), sum), n - i);
    }
}

KM_INLINE void backward_columns(const km_args *args, int64_t start, km_columns c, int u)
{
    const float *y = (const float *)args->slot[KM_Y].data + start;
    const float *g = (const float *)args->slot[KM_GRAD_Y].data + start;
    float *gx = (float *)args->slot[KM_GRAD_X].data + start;
    vf sum[U];
    km_columns_dot(sum, g, 0, c, u);
    for (int64_t j = 0; j < c.n; j++)
        for (int i = 0; i < u; i++) {
            const vf p = km_column_load(y, c, j, i, u);
            km_column_store(gx, gradient(p, km_column_load(g, c, j, i, u), sum[i]), c, j, i, u);
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

extern const km_kernel KM_KERNELS(log_softmax)[];
const km_kernel KM_KERNELS(log_softmax)[] = {
    {.op = "log_softmax", .pass = "forward", .run = forward, .run_part = forward_part},
    {.op = "log_softmax", .pass = "backward", .run = backward, .run_part = backward_part},
    {0},
};
