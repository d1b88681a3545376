/* batch_norm_columns.h: batch_norm where h w = 1. Channels are neighbours: a block of up to WIDE vectors of
 * them goes down the rows. Sums are float over ROWS rows, then joined in double; what comes of them is worked
 * out for all channels of a block at once, in loops that vectorise.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_BATCH_NORM_COLUMNS_H
#define KM_BATCH_NORM_COLUMNS_H

#include "batch_norm.h"

/* AHEAD: how many rows below the one at hand are asked for. */
enum { ROWS = 64, WIDE = 4, AHEAD = 8, WIDTH = WIDE * V };

/* Channels [c, c + n); a row is `stride` long. In u vectors, a constant: WIDE, or 1 with n <= V. */
typedef struct block {
    int64_t c, n, rows, stride;
} block;

typedef struct column_sums {
    float a[WIDTH], b[WIDTH];
} column_sums;

/* In double; see the two structs of norm.h. */
typedef struct columns_moments {
    double mean[WIDTH], m2[WIDTH];
} columns_moments;

typedef struct columns_sums {
    double a[WIDTH], b[WIDTH];
} columns_sums;

KM_INLINE vf load_columns(const float *x, block k, int i, int u)
{
    return u > 1 ? v_load(x + i * V) : v_load_n(x, k.n);
}

KM_INLINE void store_columns(float *y, vf v, block k, int i, int u)
{
    if (u > 1)
        v_store(y + i * V, v);
    else
        v_store_n(y, v, k.n);
}

/* A tensor with an element per channel, or 0 or 1 where the case has none. */
KM_INLINE void fetch(float *to, const km_tensor *t, block k, int u, float otherwise)
{
    for (int i = 0; i < u; i++)
        v_store(to + i * V,
                t->count ? load_columns((const float *)t->data + k.c, k, i, u) : v_set(otherwise));
}

KM_INLINE void put(const km_tensor *t, const float *from, block k, int u)
{
    for (int i = 0; i < u && t->count; i++)
        store_columns((float *)t->data + k.c, v_load(from + i * V), k, i, u);
}

KM_INLINE void store_lanes(const lanes *l, column_sums *s, int u)
{
    if (u == 1) {
        v_store(s->a, v_add(v_add(l->a[0], l->a[1]), v_add(l->a[2], l->a[3])));
        v_store(s->b, v_add(v_add(l->b[0], l->b[1]), v_add(l->b[2], l->b[3])));
    }
    for (int i = 0; i < u && u > 1; i++) {
        v_store(s->a + i * V, l->a[i]);
        v_store(s->b + i * V, l->b[i]);
    }
}

/* ---- forward ---- */

/* Four vectors are in flight: of one row, or of four. */
KM_INLINE void shifted_columns(const float *x, block k, const float *pivot, column_sums *s, int u)
{
    vf p[WIDE];
    lanes l = no_lanes();
    int64_t r = 0;
    for (int i = 0; i < u; i++)
        p[i] = v_load(pivot + i * V);
    for (; r + WIDE / u <= k.rows; r += WIDE / u)
        for (int j = 0; j < WIDE; j++) {
            const float *at = x + (r + j / u) * k.stride;
            __builtin_prefetch(at + AHEAD * k.stride + j % u * V);
            add_square(&l, j, v_sub(load_columns(at, k, j % u, u), p[j % u]));
        }
    for (; r < k.rows; r++)
        add_square(&l, 0, v_sub(load_columns(x + r * k.stride, k, 0, u), p[0]));
    store_lanes(&l, s, u);
}

KM_INLINE int moments_from(const float *pivot, const column_sums *s, double n, columns_moments *m,
                           int u)
{
    int far = 0;
    for (int j = 0; j < u * V; j++) {
        const moments one = shifted(pivot[j], s->a[j], s->b[j], n);
        m->mean[j] = one.mean;
        m->m2[j] = one.m2;
        far |= is_far(s->a[j], one, n);
    }
    return far;
}

/* Around the means of the columns that are far from their pivots; the others keep their bits. */
KM_INLINE void look_again(const float *x, block k, float *pivot, column_sums *s, columns_moments *m,
                          int u)
{
    const double n = (double)k.rows;
    for (int j = 0; j < u * V; j++)
        if (is_far(s->a[j], (moments){m->mean[j], m->m2[j]}, n))
            pivot[j] = (float)m->mean[j];
    shifted_columns(x, k, pivot, s, u);
    moments_from(pivot, s, n, m, u);
}

/* The moments of each column. */
KM_INLINE void column_moments(const float *x, block k, columns_moments *m, int u)
{
    const double n = (double)k.rows;
    float pivot[WIDTH];
    column_sums s;
    double total = 0;
    for (int i = 0; i < u; i++)
        v_store(pivot + i * V, load_columns(x, k, i, u));
    shifted_columns(x, k, pivot, &s, u);
    if (moments_from(pivot, &s, n, m, u))
        look_again(x, k, pivot, &s, m, u);
    for (int j = 0; j < u * V; j++)
        total += m->mean[j] - m->mean[j] + (m->m2[j] - m->m2[j]);
    for (int64_t j = 0; j < k.n && total != 0; j++)
        if (!is_sound((moments){m->mean[j], m->m2[j]})) {
            const moments one = careful_moments(x + j, (runs){k.rows, 1, k.stride});
            m->mean[j] = one.mean;
            m->m2[j] = one.m2;
        }
}

KM_INLINE void all_moments(const float *x, block k, columns_moments *all, int u)
{
    columns_moments m;
    column_moments(x, (block){k.c, k.n, least(ROWS, k.rows), k.stride}, all, u);
    for (int64_t r = ROWS; r < k.rows; r += ROWS) {
        const int64_t rows = least(ROWS, k.rows - r);
        column_moments(x + r * k.stride, (block){k.c, k.n, rows, k.stride}, &m, u);
        for (int j = 0; j < u * V; j++) {
            const moments both = join((moments){all->mean[j], all->m2[j]}, (double)r,
                                      (moments){m.mean[j], m.m2[j]}, (double)rows);
            all->mean[j] = both.mean;
            all->m2[j] = both.m2;
        }
    }
}

/* Of the moments of a batch of n: what the slots with statistics are to hold. */
KM_INLINE void put_statistics(const km_args *args, block k, const columns_moments *m, int u)
{
    const double n = (double)k.rows, new = args->params->attr[KM_MOMENTUM], old = 1 - new;
    const km_tensor *slot = args->slot;
    float mean[WIDTH], variance[WIDTH], running_mean[WIDTH], running_var[WIDTH];
    fetch(running_mean, &slot[KM_RUNNING_MEAN], k, u, 0);
    fetch(running_var, &slot[KM_RUNNING_VAR], k, u, 0);
    for (int j = 0; j < u * V; j++) {
        mean[j] = (float)m->mean[j];
        variance[j] = (float)positive(m->m2[j] * (1 / n));
        running_mean[j] = (float)(old * running_mean[j] + new * m->mean[j]);
        running_var[j] = (float)(old * running_var[j] + new *positive(m->m2[j] * (1 / (n - 1))));
    }
    put(&slot[KM_MEAN], mean, k, u);
    put(&slot[KM_VARIANCE], variance, k, u);
    put(&slot[KM_RUNNING_MEAN], running_mean, k, u);
    put(&slot[KM_RUNNING_VAR], running_var, k, u);
}

/* Means and m2 as if of a batch. */
KM_INLINE void running_moments(const km_args *args, block k, columns_moments *m, int u)
{
    float mean[WIDTH], variance[WIDTH];
    fetch(mean, &args->slot[KM_RUNNING_MEAN], k, u, 0);
    fetch(variance, &args->slot[KM_RUNNING_VAR], k, u, 1);
    for (int j = 0; j < u * V; j++) {
        m->mean[j] = mean[j];
        m->m2[j] = variance[j];
    }
}

KM_INLINE void forward_columns(const km_args *args, block k, int u)
{
    const float *x = input(args, KM_X) + k.c;
    float *y = (float *)args->slot[KM_Y].data + k.c, weight[WIDTH], bias[WIDTH], row[3][WIDTH];
    const double scale = trains(args) ? 1 / (double)k.rows : 1;
    columns_moments m;
    vf c[WIDE][3];
    if (trains(args)) {
        all_moments(x, k, &m, u);
        put_statistics(args, k, &m, u);
    } else {
        running_moments(args, k, &m, u);
    }
    fetch(weight, &args->slot[KM_WEIGHT], k, u, 1);
    fetch(bias, &args->slot[KM_BIAS], k, u, 0);
    for (int j = 0; j < u * V; j++) {
        const double variance = trains(args) ? positive(m.m2[j] * scale) : m.m2[j];
        const line l = line_from(weight[j], bias[j], m.mean[j], reciprocal_root(args, variance));
        row[0][j] = l.mean;
        row[1][j] = l.factor;
        row[2][j] = l.shift;
    }
    for (int i = 0; i < u; i++)
        for (int j = 0; j < 3; j++)
            c[i][j] = v_load(row[j] + i * V);
    for (int64_t r = 0; r < k.rows; r++, x += k.stride, y += k.stride)
        for (int i = 0; i < u; i++) {
            __builtin_prefetch(x + AHEAD * k.stride + i * V);
            __builtin_prefetch(y + AHEAD * k.stride + i * V, 1);
            store_columns(y, normal(load_columns(x, k, i, u), c[i][0], c[i]), k, i, u);
        }
}

/* ---- backward ---- */

KM_INLINE void add_product(lanes *l, int j, vf d, vf g)
{
    l->a[j] = v_add(l->a[j], g);
    l->b[j] = v_fma(g, d, l->b[j]);
}

KM_INLINE void product_columns(const float *x, const float *g, block k, const float *mean,
                               column_sums *s, int u)
{
    vf m[WIDE];
    lanes l = no_lanes();
    int64_t r = 0;
    for (int i = 0; i < u; i++)
        m[i] = v_load(mean + i * V);
    for (; r + WIDE / u <= k.rows; r += WIDE / u)
        for (int j = 0; j < WIDE; j++) {
            const int64_t at = (r + j / u) * k.stride, ahead = at + AHEAD * k.stride + j % u * V;
            __builtin_prefetch(x + ahead);
            __builtin_prefetch(g + ahead);
            add_product(&l, j, v_sub(load_columns(x + at, k, j % u, u), m[j % u]),
                        load_columns(g + at, k, j % u, u));
        }
    for (; r < k.rows; r++)
        add_product(&l, 0, v_sub(load_columns(x + r * k.stride, k, 0, u), m[0]),
                    load_columns(g + r * k.stride, k, 0, u));
    store_lanes(&l, s, u);
}

KM_INLINE void all_products(const float *x, const float *g, block k, const float *mean,
                            columns_sums *total, int u)
{
    column_sums s;
    for (int j = 0; j < u * V; j++)
        total->a[j] = total->b[j] = 0;
    for (int64_t r = 0; r < k.rows; r += ROWS) {
        const block part = {k.c, k.n, least(ROWS, k.rows - r), k.stride};
        product_columns(x + r * k.stride, g + r * k.stride, part, mean, &s, u);
        for (int j = 0; j < u * V; j++) {
            total->a[j] += s.a[j];
            total->b[j] += s.b[j];
        }
    }
}

KM_INLINE void map_gradient_columns(const km_args *args, block k, vf c[WIDE][4], int u)
{
    const float *x = input(args, KM_X) + k.c, *g = input(args, KM_GRAD_Y) + k.c;
    float *gx = (float *)args->slot[KM_GRAD_X].data + k.c;
    const int training = trains(args);
    for (int64_t r = 0; r < k.rows * k.stride; r += k.stride)
        for (int i = 0; i < u; i++) {
            const int64_t ahead = r + AHEAD * k.stride + i * V;
            __builtin_prefetch(g + ahead);
            __builtin_prefetch(x + ahead);
            __builtin_prefetch(gx + ahead, 1);
            const vf gi = load_columns(g + r, k, i, u);
            const vf y =
                training ? gradient(load_columns(x + r, k, i, u), gi, c[i]) : scaled(gi, gi, c[i]);
            store_columns(gx + r, y, k, i, u);
        }
}

KM_INLINE void backward_columns(const km_args *args, block k, int u)
{
    const km_tensor *slot = args->slot;
    const double n = (double)k.rows;
    float weight[WIDTH], mean[WIDTH], variance[WIDTH], row[4][WIDTH], gw[WIDTH], gb[WIDTH];
    columns_sums total;
    vf c[WIDE][4];
    fetch(weight, &slot[KM_WEIGHT], k, u, 1);
    fetch(mean, &slot[trains(args) ? KM_MEAN : KM_RUNNING_MEAN], k, u, 0);
    fetch(variance, &slot[trains(args) ? KM_VARIANCE : KM_RUNNING_VAR], k, u, 1);
    all_products(input(args, KM_X) + k.c, input(args, KM_GRAD_Y) + k.c, k, mean, &total, u);
    for (int j = 0; j < u * V; j++) {
        const double rstd = reciprocal_root(args, variance[j]);
        const plane_of_gradients p =
            gradients_from(weight[j], mean[j], rstd, (sums){total.a[j], total.b[j]}, n);
        row[0][j] = p.mean;
        row[1][j] = p.factor;
        row[2][j] = p.slope;
        row[3][j] = p.shift;
        gw[j] = (float)(total.b[j] * rstd);
        gb[j] = (float)total.a[j];
    }
    put(&slot[KM_GRAD_WEIGHT], gw, k, u);
    put(&slot[KM_GRAD_BIAS], gb, k, u);
    for (int i = 0; i < u; i++)
        for (int j = 0; j < 4; j++)
            c[i][j] = v_load(row[j] + i * V);
    map_gradient_columns(args, k, c, u);
}

#endif
