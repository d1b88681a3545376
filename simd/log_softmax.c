/* log_softmax.c: y = x - max - log(sum exp(x - max)); grad_x = grad_y - exp(y) sum grad_y.
 * SPDX-License-Identifier: Apache-2.0 */
#include "softmax.h"

/* ---- forward ---- */

KM_INLINE void forward_group(const void *args_, int64_t first, km_rows g)
{
    const km_args *args = args_;
    const float *x = (const float *)args->slot[KM_X].data + first * g.n;
    float *y = (float *)args->slot[KM_Y].data + first * g.n, max[V], log_sum[V];
    v_store(max, km_rows_largest(x, g));
    v_store(log_sum, v_log_of_sum(km_rows_sum(NULL, x, y, max, g)));
    for (int r = 0; r < g.count; r++, x += g.n, y += g.n)
        for (int i = 0; i < g.k; i++) {
            const vf d = v_sub(km_load_part(x, g, i), v_set(max[r]));
            km_store_part(y, v_sub(d, v_set(log_sum[r])), g, i);
        }
}

static void forward_rows(const km_args *args, km_range rows, int64_t n)
{
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

KM_INLINE void backward_group(const void *args_, int64_t first, km_rows g)
{
    const km_args *args = args_;
    const float *y = (const float *)args->slot[KM_Y].data + first * g.n;
    const float *grad_y = (const float *)args->slot[KM_GRAD_Y].data + first * g.n;
    float *grad_x = (float *)args->slot[KM_GRAD_X].data + first * g.n;
    for (int r = 0; r < g.count; r++, y += g.n, grad_y += g.n, grad_x += g.n) {
        vf v[ROW];
        for (int i = 0; i < g.k; i++) {
            km_ask_three(y + i * V, grad_y + i * V, grad_x + i * V);
            v[i] = km_load_part(grad_y, g, i);
        }
        const vf sum = v_set(km_held_sum(v, g.k));
        for (int i = 0; i < g.k; i++)
            km_store_part(grad_x, gradient(km_load_part(y, g, i), v[i], sum), g, i);
    }
}

static void backward_rows(const km_args *args, km_range rows, int64_t n)
{
    for (int64_t r = rows.from; r < rows.to; r++) {
        const float *y = (const float *)args->slot[KM_Y].data + r * n;
        const float *g = (const float *)args->slot[KM_GRAD_Y].data + r * n;
        float *gx = (float *)args->slot[KM_GRAD_X].data + r * n;
        const vf sum = v_set((float)km_row_dot(g, 0, n));
        int64_t i = 0;
        for (; i + U * V <= n; i += U * V)
            for (int j = 0; j < U; j++) {
                const int64_t at = i + j * V;
                km_ask_three(y + at, g + at, gx + at);
                v_store(gx + at, gradient(v_load(y + at), v_load(g + at), sum));
            }
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
    km_softmax_part(args, forward_group, forward_rows, forward_columns, part);
}

static void backward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_softmax_part(args, backward_group, backward_rows, backward_columns, part);
}

KM_RUN_PARTS(forward, 1)
KM_RUN_PARTS(backward, 1)

extern const km_kernel KM_KERNELS(log_softmax)[];
const km_kernel KM_KERNELS(log_softmax)[] = {
    {.op = "log_softmax", .pass = "forward", .run = forward, .run_part = forward_part},
    {.op = "log_softmax", .pass = "backward", .run = backward, .run_part = backward_part},
    {0},
};
