/* batch_norm_columns.h: batch_norm where h w = 1. Channels are neighbours: a block of V of them, in the
 * lanes of one vector, goes down the rows. Sums are float over ROWS rows, then joined in double.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_BATCH_NORM_COLUMNS_H
#define KM_BATCH_NORM_COLUMNS_H

#include "batch_norm.h"

enum { ROWS = 64 };

/* Channels [c, c + n), n <= V; a row is `stride` long. */
typedef struct block {
    int64_t c, n, rows, stride;
} block;

typedef struct column_sums {
    float a[V], b[V];
} column_sums;

KM_INLINE block block_of(const km_args *args, int64_t index)
{
    const int64_t channels = args->slot[KM_X].dim[1], c = index * V;
    return (block){c, least(V, channels - c), args->slot[KM_X].dim[0], channels};
}

KM_INLINE void store_lanes(const lanes *l, column_sums *s)
{
    v_store(s->a, v_add(v_add(l->a[0], l->a[1]), v_add(l->a[2], l->a[3])));
    v_store(s->b, v_add(v_add(l->b[0], l->b[1]), v_add(l->b[2], l->b[3])));
}

/* ---- forward ---- */

KM_INLINE void shifted_columns(const float *x, block k, vf pivot, column_sums *s)
{
    lanes l = no_lanes();
    int64_t r = 0;
    for (; r + 4 <= k.rows; r += 4)
        for (int j = 0; j < 4; j++)
            add_square(&l, j, v_sub(v_load_n(x + (r + j) * k.stride, k.n), pivot));
    for (; r < k.rows; r++)
        add_square(&l, 0, v_sub(v_load_n(x + r * k.stride, k.n), pivot));
    store_lanes(&l, s);
}

/* The moments of each column, in its lane. Columns that need no second look keep their bits in it. */
static void column_moments(const float *x, block k, moments m[V])
{
    const double n = (double)k.rows;
    float pivot[V];
    column_sums s;
    int far = 0;
    v_store(pivot, v_load_n(x, k.n));
    shifted_columns(x, k, v_load(pivot), &s);
    for (int j = 0; j < V; j++) {
        m[j] = shifted(pivot[j], s.a[j], s.b[j], n);
        if (is_far(s.a[j], m[j], n)) {
            pivot[j] = (float)m[j].mean;
            far = 1;
        }
    }
    if (far)
        shifted_columns(x, k, v_load(pivot), &s);
    for (int j = 0; j < V; j++)
        m[j] = shifted(pivot[j], s.a[j], s.b[j], n);
    for (int64_t j = 0; j < k.n; j++)
        if (!is_sound(m[j]))
            m[j] = careful_moments(x + j, (runs){k.rows, 1, k.stride});
}

static void train_block(const km_args *args, block k, line l[V])
{
    const float *x = input(args, KM_X) + k.c;
    const double n = (double)k.rows;
    moments all[V] = {{0, 0}}, m[V];
    for (int64_t r = 0; r < k.rows; r += ROWS) {
        const int64_t rows = least(ROWS, k.rows - r);
        column_moments(x + r * k.stride, (block){k.c, k.n, rows, k.stride}, m);
        for (int j = 0; j < V; j++)
            all[j] = join(all[j], (double)r, m[j], (double)rows);
    }
    for (int64_t j = 0; j < k.n; j++) {
        write_statistics(args, k.c + j, all[j], n);
        l[j] = line_of(args, k.c + j, all[j].mean, positive(all[j].m2 * (1 / n)));
    }
}

static void forward_block(const km_args *args, int64_t index)
{
    const block k = block_of(args, index);
    const float *x = input(args, KM_X) + k.c;
    float *y = (float *)args->slot[KM_Y].data + k.c, row[3][V] = {{0}};
    line l[V];
    if (trains(args))
        train_block(args, k, l);
    for (int64_t j = 0; j < k.n; j++) {
        if (!trains(args))
            l[j] = line_of_running(args, k.c + j);
        row[0][j] = l[j].mean;
        row[1][j] = l[j].factor;
        row[2][j] = l[j].shift;
    }
    const vf c[] = {v_load(row[0]), v_load(row[1]), v_load(row[2])};
    for (int64_t i = 0; i < k.rows * k.stride; i += k.stride)
        v_store_n(y + i, normal(v_load_n(x + i, k.n), c[0], c), k.n);
}

/* ---- backward ---- */

KM_INLINE void add_product(lanes *l, int j, vf d, vf g)
{
    l->a[j] = v_add(l->a[j], g);
    l->b[j] = v_fma(g, d, l->b[j]);
}

KM_INLINE void product_columns(const float *x, const float *g, block k, vf mean, column_sums *s)
{
    lanes l = no_lanes();
    int64_t r = 0;
    for (; r + 4 <= k.rows; r += 4)
        for (int j = 0; j < 4; j++) {
            const int64_t i = (r + j) * k.stride;
            add_product(&l, j, v_sub(v_load_n(x + i, k.n), mean), v_load_n(g + i, k.n));
        }
    for (; r < k.rows; r++) {
        const int64_t i = r * k.stride;
        add_product(&l, 0, v_sub(v_load_n(x + i, k.n), mean), v_load_n(g + i, k.n));
    }
    store_lanes(&l, s);
}

static void sum_block(const float *x, const float *g, block k, vf mean, sums total[V])
{
    column_sums s;
    for (int64_t r = 0; r < k.rows; r += ROWS) {
        const block part = {k.c, k.n, least(ROWS, k.rows - r), k.stride};
        product_columns(x + r * k.stride, g + r * k.stride, part, mean, &s);
        for (int j = 0; j < V; j++) {
            total[j].a += s.a[j];
            total[j].b += s.b[j];
        }
    }
}

static void backward_block(const km_args *args, int64_t index)
{
    const block k = block_of(args, index);
    const float *x = input(args, KM_X) + k.c, *g = input(args, KM_GRAD_Y) + k.c;
    float *gx = (float *)args->slot[KM_GRAD_X].data + k.c, row[4][V] = {{0}};
    sums total[V] = {{0, 0}};
    sum_block(x, g, k, v_load_n(input(args, trains(args) ? KM_MEAN : KM_RUNNING_MEAN) + k.c, k.n),
              total);
    for (int64_t j = 0; j < k.n; j++) {
        const plane_of_gradients p = gradients_of(args, k.c + j, total[j], (double)k.rows);
        write_gradients(args, k.c + j, total[j]);
        row[0][j] = p.mean;
        row[1][j] = p.factor;
        row[2][j] = p.slope;
        row[3][j] = p.shift;
    }
    const vf c[] = {v_load(row[0]), v_load(row[1]), v_load(row[2]), v_load(row[3])};
    for (int64_t i = 0; i < k.rows * k.stride; i += k.stride) {
        const vf gi = v_load_n(g + i, k.n);
        const vf y = trains(args) ? gradient(v_load_n(x + i, k.n), gi, c) : scaled(gi, gi, c);
        v_store_n(gx + i, y, k.n);
    }
}

#endif
