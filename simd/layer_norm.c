/* layer_norm.c: rows of x [n, c]: forward as in layer_norm_forward.h; backward, the rows' sums, then grad_x and the
 * column sums together, GROUP rows at a time.
 *
 * grad_weight and grad_bias are summed in float over chunks of ROWS rows, which are added in double, in order,
 * in a second phase. Parts are cut at chunks of rows and, there, between columns.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "layer_norm_forward.h"

enum { ROWS = 64, GROUP = 4, COLUMNS = 256 };

typedef struct plan {
    int64_t rows, c, chunks;
    int affine;
    float partial[]; /* of each chunk of rows: terms of grad_weight, terms of grad_bias */
} plan;

/* ---- forward ---- */

static void forward_part(const km_args *args, int phase, int part)
{
    const km_tensor *x = &args->slot[KM_X];
    const range rows = share(x->dim[0], part, args->threads);
    const km_span span = {args->slot[KM_Y].data, x->data, 0, 0, 1, U};
    (void)phase;
    if (km_reach_of(span, x->count) == KM_NEAR)
        forward_any(args, rows, KM_NEAR);
    else
        forward_any(args, rows, KM_FAR);
}

static void forward(const km_args *args)
{
    for (int part = 0; part < args->threads; part++)
        forward_part(args, 0, part);
}

/* ---- backward: grad_x = h rstd + ((x - mean) slope + shift), h = weight g ---- */

typedef struct rows {
    const float *x, *g, *weight;
    float *gx, *grad_weight, *grad_bias; /* the last two: of the chunk, NULL without affine */
    int64_t c;
} rows;

typedef struct factors {
    vf mean, rstd, slope, shift;
} factors;

KM_INLINE void add_terms(lanes *l, int j, vf h, vf d)
{
    l->a[j] = v_add(l->a[j], h);
    l->b[j] = v_fma(h, d, l->b[j]);
}

KM_INLINE vf load_weight(const rows *t, int64_t i, int64_t n)
{
    return t->weight ? v_load_n(t->weight + i, n) : v_set(1);
}

/* Sums of h, and of h (x - mean), over columns [from, to) of row r. */
KM_INLINE void add_row(const rows *t, int64_t r, int64_t from, int64_t to, vf mean, lanes *l,
                       km_reach reach)
{
    const float *x = t->x + r * t->c, *g = t->g + r * t->c;
    int64_t i = from;
    for (; i + 4 * V <= to; i += 4 * V)
        for (int j = 0; j < 4; j++) {
            const int64_t at = i + j * V;
            if (reach != KM_NEAR) {
                __builtin_prefetch(x + at + KM_AHEAD_READ, 0);
                __builtin_prefetch(g + at + KM_AHEAD_READ, 0);
            }
            const vf gi = v_load(g + at);
            add_terms(l, j, t->weight ? v_mul(gi, v_load(t->weight + at)) : gi,
                      v_sub(v_load(x + at), mean));
        }
    for (; i < to; i += V)
        add_terms(l, 0, v_mul(v_load_n(g + i, to - i), load_weight(t, i, to - i)),
                  v_sub(v_load_n(x + i, to - i), mean));
}

KM_INLINE sums row_sums(const rows *t, int64_t r, vf mean, km_reach reach)
{
    sums s = {0, 0};
    for (int64_t from = 0; from < t->c; from += CHUNK) {
        lanes l = no_lanes();
        add_row(t, r, from, least(from + CHUNK, t->c), mean, &l, reach);
        const sums part = sums_of(&l);
        s.a += part.a;
        s.b += part.b;
    }
    return s;
}

/* Columns [i, i + n), n <= V, of `count` rows; a constant in every call. */
KM_INLINE void add_columns(const rows *t, int64_t r, int count, const factors *f, int64_t i,
                           int64_t n, km_reach reach)
{
    const vf weight = load_weight(t, i, n);
    vf gw = v_set(0), gb = v_set(0), gx[GROUP];
    if (t->grad_weight) {
        gw = v_load_n(t->grad_weight + i, n);
        gb = v_load_n(t->grad_bias + i, n);
    }
    for (int k = 0; k < count; k++) {
        const int64_t at = (r + k) * t->c + i;
        if (reach != KM_NEAR)
            __builtin_prefetch(t->gx + at + KM_AHEAD_WRITE, 1);
        const vf g = v_load_n(t->g + at, n), d = v_sub(v_load_n(t->x + at, n), f[k].mean);
        gw = v_fma(g, v_mul(d, f[k].rstd), gw);
        gb = v_add(gb, g);
        gx[k] =
            v_fma(t->weight ? v_mul(weight, g) : g, f[k].rstd, v_fma(d, f[k].slope, f[k].shift));
    }
    /* after all loads: where c is a multiple of 1024 they would wait for stores that look alike */
    for (int k = 0; k < count; k++)
        v_store_n(t->gx + (r + k) * t->c + i, gx[k], n);
    if (t->grad_weight) {
        v_store_n(t->grad_weight + i, gw, n);
        v_store_n(t->grad_bias + i, gb, n);
    }
}

KM_INLINE void add_all_columns(const rows *t, int64_t r, int count, const factors *f,
                               km_reach reach)
{
    int64_t i = 0;
    for (; i + V <= t->c; i += V)
        add_columns(t, r, count, f, i, V, reach);
    if (i < t->c)
        add_columns(t, r, count, f, i, t->c - i, reach);
}

/* slope and shift, of the sums of a row of c elements */
KM_INLINE sums map_of_gradients(sums s, double rstd, double c)
{
    return (sums){-rstd * rstd * rstd * (s.b * (1 / c)), -rstd * (s.a * (1 / c))};
}

KM_INLINE void backward_group(const km_args *args, const rows *t, int64_t r, int count,
                              km_reach reach)
{
    factors f[GROUP];
    for (int k = 0; k < count; k++) {
        const double rstd = reciprocal_root(args, input(args, KM_VARIANCE)[r + k]);
        const vf mean = v_set(input(args, KM_MEAN)[r + k]);
        const sums map = map_of_gradients(row_sums(t, r + k, mean, reach), rstd, (double)t->c);
        f[k] = (factors){mean, v_set((float)rstd), v_set((float)map.a), v_set((float)map.b)};
    }
    add_all_columns(t, r, count, f, reach);
}

/* ---- short rows: up to V together ---- */

typedef struct row_factors {
    float mean[V], rstd[V], slope[V], shift[V];
} row_factors;

KM_INLINE void short_factors(const km_args *args, const rows *t, int64_t r, int count,
                             row_factors *f, km_reach reach)
{
    vf a[V], b[V];
    float s[V], q[V], variance[V];
    v_store(f->mean, v_load_n(input(args, KM_MEAN) + r, count));
    v_store(variance, v_load_n(input(args, KM_VARIANCE) + r, count));
    for (int k = 0; k < V; k++)
        a[k] = b[k] = v_set(0);
    for (int k = 0; k < count; k++) {
        lanes l = no_lanes();
        add_row(t, r + k, 0, t->c, v_set(f->mean[k]), &l, reach);
        a[k] = v_add(v_add(l.a[0], l.a[1]), v_add(l.a[2], l.a[3]));
        b[k] = v_add(v_add(l.b[0], l.b[1]), v_add(l.b[2], l.b[3]));
    }
    v_store(s, km_sums(a));
    v_store(q, km_sums(b));
    for (int k = 0; k < V; k++) {
        const double rstd = reciprocal_root(args, variance[k]);
        const sums map = map_of_gradients((sums){s[k], q[k]}, rstd, (double)t->c);
        f->rstd[k] = (float)rstd;
        f->slope[k] = (float)map.a;
        f->shift[k] = (float)map.b;
    }
}

/* Rows [k, k + count) of a group whose first one is r. */
KM_INLINE void short_columns(const rows *t, int64_t r, int k, int count, const row_factors *f,
                             km_reach reach)
{
    factors own[GROUP];
    for (int j = 0; j < count; j++)
        own[j] = (factors){v_set(f->mean[k + j]), v_set(f->rstd[k + j]), v_set(f->slope[k + j]),
                           v_set(f->shift[k + j])};
    add_all_columns(t, r + k, count, own, reach);
}

KM_INLINE void backward_short_rows(const km_args *args, const rows *t, range own, km_reach reach)
{
    const int64_t most = least(1024 / t->c / GROUP * GROUP, V);
    for (int64_t r = own.from; r < own.to; r += most) {
        const int count = (int)least(most, own.to - r);
        row_factors f;
        int k = 0;
        short_factors(args, t, r, count, &f, reach);
        for (; k + GROUP <= count; k += GROUP)
            short_columns(t, r, k, GROUP, &f, reach);
        for (; k < count; k++)
            short_columns(t, r, k, 1, &f, reach);
    }
}

KM_INLINE void backward_rows(const km_args *args, const rows *t, range own, km_reach reach)
{
    int64_t r = own.from;
    if (t->c <= SHORT) {
        backward_short_rows(args, t, own, reach);
        return;
    }
    for (; r + GROUP <= own.to; r += GROUP)
        backward_group(args, t, r, GROUP, reach);
    for (; r < own.to; r++)
        backward_group(args, t, r, 1, reach);
}

static void backward_chunk(const km_args *args, int64_t chunk)
{
    plan *p = args->plan;
    const range own = {chunk * ROWS, least((chunk + 1) * ROWS, p->rows)};
    rows t = {.x = input(args, KM_X),
              .g = input(args, KM_GRAD_Y),
              .gx = args->slot[KM_GRAD_X].data,
              .c = p->c};
    if (p->affine) {
        t.weight = input(args, KM_WEIGHT);
        t.grad_weight = p->partial + chunk * 2 * p->c;
        t.grad_bias = t.grad_weight + p->c;
        memset(t.grad_weight, 0, 2 * (size_t)p->c * sizeof(float));
    }
    const km_span span = {t.gx, t.x, t.g, 0, 2, U};
    if (km_reach_of(span, p->rows * p->c) == KM_NEAR)
        backward_rows(args, &t, own, KM_NEAR);
    else
        backward_rows(args, &t, own, KM_FAR);
}

/* Columns [from, to) of one sum, to - from <= COLUMNS: the chunks' terms from `partial` on. */
static void join_columns(const plan *p, const float *partial, float *out, int64_t from, int64_t to)
{
    double sum[COLUMNS] = {0};
    for (int64_t k = 0; k < p->chunks; k++)
        for (int64_t i = from; i < to; i++)
            sum[i - from] += partial[k * 2 * p->c + i];
    for (int64_t i = from; i < to; i++)
        out[i] = (float)sum[i - from];
}

static void backward_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    const range chunks = share(p->chunks, part, args->threads);
    const range columns = share(p->c, part, args->threads);
    for (int64_t k = chunks.from; phase == 0 && k < chunks.to; k++)
        backward_chunk(args, k);
    for (int64_t i = columns.from; phase == 1 && p->affine && i < columns.to; i += COLUMNS) {
        const int64_t to = least(i + COLUMNS, columns.to);
        join_columns(p, p->partial, args->slot[KM_GRAD_WEIGHT].data, i, to);
        join_columns(p, p->partial + p->c, args->slot[KM_GRAD_BIAS].data, i, to);
    }
}

static void backward(const km_args *args)
{
    for (int phase = 0; phase < 2; phase++)
        for (int part = 0; part < args->threads; part++)
            backward_part(args, phase, part);
}

static size_t partials(const plan *p)
{
    return p->affine ? (size_t)(p->chunks * 2 * p->c) : 0;
}

static const char *open_backward(const km_args *args, void **out)
{
    const km_tensor *x = &args->slot[KM_X];
    const plan p = {.rows = x->dim[0],
                    .c = x->dim[1],
                    .chunks = (x->dim[0] + ROWS - 1) / ROWS,
                    .affine = args->slot[KM_GRAD_WEIGHT].count != 0};
    plan *made = malloc(sizeof p + partials(&p) * sizeof(float));
    if (!made)
        return "out of memory";
    *made = p;
    *out = made;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    info->workspace_bytes = (int64_t)(partials(plan_) * sizeof(float));
}

extern const km_kernel KM_KERNELS(layer_norm)[];
const km_kernel KM_KERNELS(layer_norm)[] = {
    {.op = "layer_norm", .pass = "forward", .run = forward, .run_part = forward_part},
    {.op = "layer_norm",
     .pass = "backward",
     .open = open_backward,
     .run = backward,
     .close = free,
     .describe = describe,
     .run_part = backward_part,
     .phases = 2},
    {0},
};
