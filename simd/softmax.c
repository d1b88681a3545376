/* softmax.c: y = exp(x - max) / sum; grad_x = y (grad_y - sum y grad_y).
 *
 * Exponentials are formed once and kept, in registers or in y, until their sum is known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "softmax.h"

/* ---- forward ---- */

KM_INLINE void forward_group(const void *args_, int64_t first, km_rows g)
{
    const km_args *args = args_;
    const float *x = (const float *)args->slot[KM_X].data + first * g.n;
    float *y = (float *)args->slot[KM_Y].data + first * g.n, max[V], scale[V];
    vf e[V * ROW];
    v_store(max, km_rows_largest(x, g));
    v_store(scale, v_div(v_set(1), km_rows_sum(e, x, y, max, g)));
    for (int r = 0; r < g.count; r++, y += g.n)
        for (int i = 0; i < g.k; i++)
            km_store_part(y, v_mul(e[r * g.k + i], v_set(scale[r])), g, i);
}

static void forward_rows(const km_args *args, km_range rows, int64_t n)
{
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

KM_INLINE void backward_group(const void *args_, int64_t first, km_rows g)
{
    const km_args *args = args_;
    const float *y = (const float *)args->slot[KM_Y].data + first * g.n;
    const float *grad_y = (const float *)args->slot[KM_GRAD_Y].data + first * g.n;
    float *grad_x = (float *)args->slot[KM_GRAD_X].data + first * g.n;
    for (int r = 0; r < g.count; r++, y += g.n, grad_y += g.n, grad_x += g.n) {
        vf v[ROW], w[ROW], dot = v_set(0);
        for (int i = 0; i < g.k; i++) {
            km_ask_three(y + i * V, grad_y + i * V, grad_x + i * V);
            v[i] = km_load_part(y, g, i);
            w[i] = km_load_part(grad_y, g, i);
            dot = v_fma(v[i], w[i], dot);
        }
        dot = v_set(v_sum_float(dot));
        for (int i = 0; i < g.k; i++)
            km_store_part(grad_x, v_mul(v[i], v_sub(w[i], dot)), g, i);
    }
}

static void backward_rows(const km_args *args, km_range rows, int64_t n)
{
    for (int64_t r = rows.from; r < rows.to; r++) {
        const float *y = (const float *)args->slot[KM_Y].data + r * n;
        const float *g = (const float *)args->slot[KM_GRAD_Y].data + r * n;
        float *gx = (float *)args->slot[KM_GRAD_X].data + r * n;
        const vf dot = v_set((float)km_row_dot(y, g, n));
        int64_t i = 0;
        for (; i + V <= n; i += V) {
            __builtin_prefetch(gx + i + AHEAD, 1);
            v_store(gx + i, v_mul(v_load(y + i), v_sub(v_load(g + i), dot)));
        }
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
    km_softmax_part(args, forward_group, forward_rows, forward_columns, part);
}

static void backward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_softmax_part(args, backward_group, backward_rows, backward_columns, part);
}

KM_RUN_PARTS(forward, 1)
KM_RUN_PARTS(backward, 1)

extern const km_kernel KM_KERNELS(softmax)[];
const km_kernel KM_KERNELS(softmax)[] = {
    {.op = "softmax", .pass = "forward", .run = forward, .run_part = forward_part},
    {.op = "softmax", .pass = "backward", .run = backward, .run_part = backward_part},
    {0},
};
