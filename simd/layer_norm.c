/* layer_norm.c: rows of x [n, c]: their statistics and y while in cache; backward, the rows' sums, then grad_x
 * and the column sums together, GROUP rows at a time.
 *
 * grad_weight and grad_bias are summed in float over chunks of ROWS rows, which are added in double, in order,
 * in a second phase. Parts are cut at chunks of rows and, there, between columns.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "norm.h"

enum { ROWS = 64, GROUP = 4, TOGETHER = 4, SHORT = 192, COLUMNS = 256 };

typedef struct plan {
    int64_t rows, c, chunks;
    int affine;
    float partial[]; /* of each chunk of rows: terms of grad_weight, terms of grad_bias */
} plan;

KM_INLINE const float *input(const km_args *args, km_slot slot)
{
    return args->slot[slot].data;
}

KM_INLINE double reciprocal_root(const km_args *args, double variance)
{
    return 1 / sqrt(variance + args->params->attr[KM_EPS]);
}

/* ---- forward ---- */

/* Up to V rows: y = xh weight + bias with xh = (x - rounded) rstd + shift. */
typedef struct group {
    double mean[V], m2[V];
    float rounded[V], variance[V], rstd[V];
    float shift[V]; /* what the mean loses as a float, in units of xh */
} group;

typedef struct line {
    vf rounded, rstd, shift;
} line;

/* Columns [i, i + n), n <= V, of `count` rows; a constant in every call. */
KM_INLINE void map_columns(const km_args *args, float *y, const float *x, int64_t c, const line *l,
                           int count, int64_t i, int64_t n, km_reach reach)
{
    const int affine = args->slot[KM_WEIGHT].count != 0;
    const vf weight = affine ? v_load_n(input(args, KM_WEIGHT) + i, n) : v_set(1);
    const vf bias = affine ? v_load_n(input(args, KM_BIAS) + i, n) : v_set(0);
    for (int j = 0; j < count; j++) {
        const int64_t at = j * c + i;
        if (reach != KM_NEAR)
            __builtin_prefetch(y + at + KM_AHEAD_WRITE, 1);
        const vf d = v_sub(v_load_n(x + at, n), l[j].rounded);
        v_store_n(y + at, v_fma(v_fma(d, l[j].rstd, l[j].shift), weight, bias), n);
    }
}

KM_INLINE void map_rows(const km_args *args, float *y, const float *x, int64_t c, const line *l,
                        int count, km_reach reach)
{
    int64_t i = 0;
    for (; i + 4 * V <= c; i += 4 * V)
        for (int j = 0; j < 4; j++)
            map_columns(args, y, x, c, l, count, i + j * V, V, reach);
    for (; i + V <= c; i += V)
        map_columns(args, y, x, c, l, count, i, V, reach);
    if (i < c)
        map_columns(args, y, x, c, l, count, i, c - i, reach);
}

/* What doubt there is about moments that shifted sums gave: see moments_of. */
KM_INLINE int is_doubtful(double s, moments m, double n)
{
    return is_far(s, m, n) | !is_sound(m);
}

/* Of `count` rows, no longer than a chunk, whose sums over all lanes are formed together. */
KM_INLINE void group_moments(const float *x, int64_t c, int count, group *m, km_reach reach)
{
    const double n = (double)c;
    vf a[V], b[V];
    float s[V], q[V], pivot[V] = {0};
    int doubtful = 0;
    for (int k = 0; k < V; k++)
        a[k] = b[k] = v_set(0);
    for (int k = 0; k < count; k++) {
        lanes l = no_lanes();
        pivot[k] = x[k * c];
        add_shifted_run(&l, x + k * c, v_set(pivot[k]), c, reach);
        a[k] = v_add(v_add(l.a[0], l.a[1]), v_add(l.a[2], l.a[3]));
        b[k] = v_add(v_add(l.b[0], l.b[1]), v_add(l.b[2], l.b[3]));
    }
    v_store(s, km_sums(a));
    v_store(q, km_sums(b));
    for (int k = 0; k < V; k++) {
        const moments r = shifted(pivot[k], s[k], q[k], n);
        doubtful |= is_doubtful(s[k], r, n);
        m->mean[k] = r.mean;
        m->m2[k] = r.m2;
    }
    for (int k = 0; k < count && doubtful; k++)
        if (is_doubtful(s[k], (moments){m->mean[k], m->m2[k]}, n)) {
            const moments r = moments_of(x + k * c, (runs){1, c, c}, KM_NEAR);
            m->mean[k] = r.mean;
            m->m2[k] = r.m2;
        }
}

/* From the moments of rows of n elements to their statistics and what maps x to xh. */
KM_INLINE void group_lines(const km_args *args, group *m, double n)
{
    for (int k = 0; k < V; k++) {
        const double variance = positive(m->m2[k] * (1 / n));
        const double rstd = reciprocal_root(args, variance), lost = m->mean[k] - (float)m->mean[k];
        m->rounded[k] = (float)m->mean[k];
        m->variance[k] = (float)variance;
        m->rstd[k] = (float)rstd;
        m->shift[k] = lost == 0 ? 0 : (float)(-lost * rstd);
    }
}

KM_INLINE void map_group(const km_args *args, float *y, const float *x, int64_t c, const group *m,
                         int k, int count, km_reach reach)
{
    line l[TOGETHER];
    for (int j = 0; j < count; j++)
        l[j] = (line){v_set(m->rounded[k + j]), v_set(m->rstd[k + j]), v_set(m->shift[k + j])};
    map_rows(args, y + k * c, x + k * c, c, l, count, reach);
}

KM_INLINE void forward_group(const km_args *args, int64_t r, int count, int64_t c, km_reach reach)
{
    const float *x = input(args, KM_X) + r * c;
    float *y = (float *)args->slot[KM_Y].data + r * c;
    group m;
    int k = 0;
    group_moments(x, c, count, &m, reach);
    group_lines(args, &m, (double)c);
    v_store_n((float *)args->slot[KM_MEAN].data + r, v_load(m.rounded), count);
    v_store_n((float *)args->slot[KM_VARIANCE].data + r, v_load(m.variance), count);
    for (; k + TOGETHER <= count; k += TOGETHER)
        map_group(args, y, x, c, &m, k, TOGETHER, reach);
    for (; k < count; k++)
        map_group(args, y, x, c, &m, k, 1, reach);
}

/* In groups that stay in L1 from their sums to their results. */
KM_INLINE void forward_short_rows(const km_args *args, range rows, km_reach reach)
{
    const int64_t c = args->slot[KM_X].dim[1], most = least(2048 / c, V);
    for (int64_t r = rows.from; r < rows.to; r += most)
        forward_group(args, r, (int)least(most, rows.to - r), c, reach);
}

KM_INLINE moments row_moments(const float *x, int64_t c, km_reach reach)
{
    moments m = {0, 0};
    for (int64_t i = 0; i < c; i += CHUNK) {
        const int64_t n = least(CHUNK, c - i);
        m = join(m, (double)i, moments_of(x + i, (runs){1, n, n}, reach), (double)n);
    }
    return m;
}

KM_INLINE void forward_rows(const km_args *args, range rows, km_reach reach)
{
    const int64_t c = args->slot[KM_X].dim[1];
    for (int64_t r = rows.from; r < rows.to; r++) {
        const float *x = input(args, KM_X) + r * c;
        const moments m = row_moments(x, c, reach);
        const double variance = positive(m.m2 * (1 / (double)c)),
                     rstd = reciprocal_root(args, variance);
        const double lost = m.mean - (float)m.mean;
        const line l = {v_set((float)m.mean), v_set((float)rstd),
                        v_set(lost == 0 ? 0 : (float)(-lost * rstd))};
        ((float *)args->slot[KM_MEAN].data)[r] = (float)m.mean;
        ((float *)args->slot[KM_VARIANCE].data)[r] = (float)variance;
        map_rows(args, (float *)args->slot[KM_Y].data + r * c, x, c, &l, 1, reach);
    }
}

KM_INLINE void forward_any(const km_args *args, range rows, km_reach reach)
{
    if (args->slot[KM_X].dim[1] <= SHORT)
        forward_short_rows(args, rows, reach);
    else
        forward_rows(args, rows, reach);
}

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

/* Sums of h, and of h (x - mean). */
KM_INLINE sums row_sums(const rows *t, int64_t r, vf mean, km_reach reach)
{
    const float *x = t->x + r * t->c, *g = t->g + r * t->c;
    sums s = {0, 0};
    for (int64_t from = 0; from < t->c; from += CHUNK) {
        const int64_t to = least(from + CHUNK, t->c);
        lanes l = no_lanes();
        int64_t i = from;
        for (; i + 4 * V <= to; i += 4 * V)
            for (int j = 0; j < 4; j++) {
                const int64_t at = i + j * V;
                if (reach != KM_NEAR) {
                    __builtin_prefetch(x + at + KM_AHEAD_READ, 0);
                    __builtin_prefetch(g + at + KM_AHEAD_READ, 0);
                }
                const vf gi = v_load(g + at);
                add_terms(&l, j, t->weight ? v_mul(gi, v_load(t->weight + at)) : gi,
                          v_sub(v_load(x + at), mean));
            }
        for (; i < to; i += V)
            add_terms(&l, 0, v_mul(v_load_n(g + i, to - i), load_weight(t, i, to - i)),
                      v_sub(v_load_n(x + i, to - i), mean));
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
    vf gw = v_set(0), gb = v_set(0);
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
        v_store_n(
            t->gx + at,
            v_fma(t->weight ? v_mul(weight, g) : g, f[k].rstd, v_fma(d, f[k].slope, f[k].shift)),
            n);
    }
    if (t->grad_weight) {
        v_store_n(t->grad_weight + i, gw, n);
        v_store_n(t->grad_bias + i, gb, n);
    }
}

KM_INLINE void backward_group(const km_args *args, const rows *t, int64_t r, int count,
                              km_reach reach)
{
    factors f[GROUP];
    for (int k = 0; k < count; k++) {
        const double rstd = reciprocal_root(args, input(args, KM_VARIANCE)[r + k]);
        const vf mean = v_set(input(args, KM_MEAN)[r + k]);
        const sums s = row_sums(t, r + k, mean, reach);
        const double inverse = 1 / (double)t->c;
        f[k] = (factors){mean, v_set((float)rstd),
                         v_set((float)(-rstd * rstd * rstd * (s.b * inverse))),
                         v_set((float)(-rstd * (s.a * inverse)))};
    }
    int64_t i = 0;
    for (; i + V <= t->c; i += V)
        add_columns(t, r, count, f, i, V, reach);
    if (i < t->c)
        add_columns(t, r, count, f, i, t->c - i, reach);
}

KM_INLINE void backward_rows(const km_args *args, const rows *t, range own, km_reach reach)
{
    int64_t r = own.from;
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
