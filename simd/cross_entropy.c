/* cross_entropy.c: loss and gradient from one reading of the logits.
 *
 * Positions are taken in batches of at most BATCH: rows where h is 1, else neighbouring columns. Rows
 * give their sums of exponentials one by one, and a batch then takes its logarithms in vectors. The
 * gradient scales the exponentials, which are kept in registers or in grad_x, and subtracts what the
 * target is due. A batch's losses are summed in lanes and the batches in double and in order, so the
 * sum does not depend on who forms them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "softmax.h"

#include <stdlib.h>
#include <string.h>

enum { MEAN, SUM, NONE, BATCH = 64, BATCH_ELEMENTS = 16384 };

typedef struct plan {
    int64_t batches;
    double *loss, *weight; /* of each batch */
} plan;

typedef struct job {
    const float *x, *weight, *grad_y; /* weight may be NULL: all 1 */
    const int32_t *target;
    float *y, *grad_x; /* NULL: not asked for */
    int64_t n, classes, h;
    int64_t rows;    /* in a batch, where h is 1 */
    int64_t batches; /* of all */
    int reduction;
    int32_t ignored;
    float smoothing, own, even; /* own: 1 - smoothing; even: smoothing / classes */
    float all;                  /* sum of all weights; only where smoothing > 0 */
    float share;                /* of grad_y for each position, unless `reduction` is NONE */
} job;

/* What a batch of positions has to tell, one entry for each. */
typedef struct batch {
    int64_t first, count;                         /* of [n, h] */
    float kept[BATCH], weight[BATCH];             /* 0 where the class is ignored */
    float sum[BATCH], target[BATCH], rest[BATCH]; /* of exp(x - max); x - max of the target;
                                                    * sum of weight (x - max) */
} batch;

static job job_of(const km_args *args)
{
    const km_tensor *t = args->slot, *x = &t[KM_X];
    const double *attr = args->params->attr;
    job j = {.x = x->data, .weight = t[KM_WEIGHT].count ? t[KM_WEIGHT].data : NULL};
    j.grad_y = t[KM_GRAD_Y].data;
    j.target = t[KM_TARGET].data;
    j.y = t[KM_Y].data;
    j.grad_x = t[KM_GRAD_X].data;
    j.n = x->dim[0];
    j.classes = x->dim[1];
    j.h = x->dim[2];
    const int64_t rows = BATCH_ELEMENTS / j.classes;
    j.rows = rows < 1 ? 1 : rows > BATCH ? BATCH : rows;
    const int64_t groups = (j.h + U * V - 1) / (U * V);
    j.batches = j.h == 1 ? (j.n + j.rows - 1) / j.rows : j.n * groups;
    j.reduction = (int)attr[KM_REDUCTION];
    j.ignored = (int32_t)attr[KM_IGNORE_INDEX];
    j.smoothing = (float)attr[KM_LABEL_SMOOTHING];
    j.own = 1 - j.smoothing;
    j.even = j.smoothing / (float)j.classes;
    return j;
}

/* Which positions batch i has. */
static void batch_start(const job *j, int64_t i, batch *b)
{
    const int64_t groups = (j->h + U * V - 1) / (U * V);
    const int64_t step = j->h == 1 ? j->rows : U * V, end = j->h == 1 ? j->n : j->h;
    const int64_t row = j->h == 1 ? 0 : i / groups, at = (j->h == 1 ? i : i % groups) * step;
    memset(b, 0, sizeof *b);
    b->first = row * j->h + at;
    b->count = end - at < step ? end - at : step;
    for (int64_t k = 0; k < b->count; k++) {
        const int32_t t = j->target[b->first + k];
        b->kept[k] = t != j->ignored;
        b->weight[k] = t == j->ignored ? 0 : j->weight ? j->weight[t] : 1;
    }
}

static float share_of(const job *j, int64_t position)
{
    return j->reduction == NONE ? j->grad_y[position] : j->share;
}

/* ---- losses of a batch ---- */

static double batch_loss(const job *j, const batch *b)
{
    vf total = v_set(0);
    for (int64_t k = 0; k < b->count; k += V) {
        const vf log_sum = v_log_of_sum(v_load(b->sum + k));
        vf loss = v_mul(v_load(b->weight + k), v_sub(log_sum, v_load(b->target + k)));
        if (j->smoothing > 0) {
            const vf all = v_sub(v_mul(v_set(j->all), log_sum), v_load(b->rest + k));
            loss = v_fma(v_set(j->own), loss, v_mul(v_set(j->even), all));
        }
        loss = v_select(v_gt(v_load(b->kept + k), v_set(0)), loss, v_set(0));
        total = v_add(total, loss);
        if (j->reduction == NONE)
            v_store_n(j->y + b->first + k, loss, b->count - k);
    }
    return v_sum(total);
}

/* ---- rows ---- */

/* Sum of weight (x - max) over a row. */
static float row_rest(const job *j, const float *x, float max)
{
    double sum = 0;
    for (int64_t i = 0; i < j->classes; i += V) {
        const int64_t n = j->classes - i;
        const vf w = j->weight ? v_load_n(j->weight + i, n) : v_set(1);
        const vf d = v_mul(w, v_sub(v_load_n(x + i, n), v_set(max)));
        sum += v_sum(v_select(v_first(n), d, v_set(0)));
    }
    return (float)sum;
}

/* What smoothing and the target take off the gradient of a row. */
static void row_labels(const job *j, float *grad_x, int32_t target, float share, float weight)
{
    const vf even = v_set(share * j->even);
    for (int64_t i = 0; j->smoothing > 0 && i < j->classes; i += V) {
        const int64_t n = j->classes - i;
        const vf w = j->weight ? v_load_n(j->weight + i, n) : v_set(1);
        v_store_n(grad_x + i, v_fnma(even, w, v_load_n(grad_x + i, n)), n);
    }
    grad_x[target] -= share * j->own * weight;
}

/* By what the exponentials of a position become its gradient. */
static float factor_of(const job *j, const batch *b, int64_t k, float share)
{
    return share * (j->own * b->weight[k] + j->even * j->all) / b->sum[k];
}

/* All rows of a batch, in `vectors`, a constant, of registers. */
KM_INLINE void held_rows(const job *j, batch *b, int vectors)
{
    const int64_t n = j->classes;
    for (int64_t k = 0; k < b->count; k++) {
        const int64_t r = b->first + k;
        vf v[ROW];
        if (b->kept[k] == 0)
            continue;
        km_load_row(v, j->x + r * n, n, vectors);
        const float max = km_held_largest(v, vectors);
        b->target[k] = j->x[r * n + j->target[r]] - max;
        if (j->smoothing > 0)
            b->rest[k] = row_rest(j, j->x + r * n, max);
        for (int i = 0; i < vectors; i++)
            v[i] = v_exp_term(v_sub(v[i], v_set(max)));
        b->sum[k] = km_held_sum(v, vectors);
        if (j->grad_x) {
            const float share = share_of(j, r);
            const vf factor = v_set(factor_of(j, b, k, share));
            for (int i = 0; i < vectors; i++)
                v[i] = v_mul(v[i], factor);
            km_store_row(j->grad_x + r * n, v, n, vectors);
            row_labels(j, j->grad_x + r * n, j->target[r], share, b->weight[k]);
        }
    }
}

static void long_row(const job *j, batch *b, int64_t k)
{
    const int64_t n = j->classes, r = b->first + k;
    const float *x = j->x + r * n, own = x[j->target[r]];
    float *grad_x = j->grad_x ? j->grad_x + r * n : NULL;
    km_row row;
    if (j->smoothing > 0) {
        const float max = km_row_largest(x, n);
        b->rest[k] = row_rest(j, x, max < -FLT_MAX ? -FLT_MAX : max);
    }
    if (grad_x)
        km_row_read(&row, grad_x, x, n, 1);
    else
        km_row_read(&row, NULL, x, n, 0);
    b->target[k] = own - row.max;
    b->sum[k] = (float)row.sum;
    if (grad_x) {
        const float share = share_of(j, r), factor = factor_of(j, b, k, share);
        for (int c = 0; c < row.chunks; c++) {
            const int64_t at = c * row.chunk, m = n - at < row.chunk ? n - at : row.chunk;
            km_scale(grad_x + at, m, row.factor[c] * factor);
        }
        row_labels(j, grad_x, j->target[r], share, b->weight[k]);
    }
}

/* Rows whose class is ignored are not read. */
static void rows(const job *j, batch *b)
{
    for (int64_t k = 0; k < b->count && j->grad_x; k++)
        if (b->kept[k] == 0)
            memset(j->grad_x + (b->first + k) * j->classes, 0,
                   (size_t)j->classes * sizeof *j->grad_x);
    switch (j->classes <= ROW * V ? (j->classes + V - 1) / V : 0) {
    case 1:
        held_rows(j, b, 1);
        break;
    case 2:
        held_rows(j, b, 2);
        break;
    case 3:
        held_rows(j, b, 3);
        break;
    case 4:
        held_rows(j, b, 4);
        break;
    case 5:
        held_rows(j, b, 5);
        break;
    case 6:
        held_rows(j, b, 6);
        break;
    case 7:
        held_rows(j, b, 7);
        break;
    case 8:
        held_rows(j, b, 8);
        break;
    default:
        for (int64_t k = 0; k < b->count; k++)
            if (b->kept[k] != 0)
                long_row(j, b, k);
    }
}

/* ---- columns ---- */

/* Of column k of the batch, the element of its target. */
static int64_t target_at(const job *j, const batch *b, int64_t k)
{
    const int64_t i = b->first + k;
    return i / j->h * j->classes * j->h + j->target[i] * j->h + i % j->h;
}

/* From the exponentials in grad_x to the gradient, without what the target takes off. */
KM_INLINE void scale_columns(const job *j, const batch *b, float *grad_x, km_columns c, int64_t k,
                             int u)
{
    vf factor[U], even[U];
    for (int i = 0; i < u; i++) {
        float own[V] = {0}, share[V] = {0};
        for (int64_t l = 0; l < V && k + i * V + l < b->count; l++) {
            share[l] = share_of(j, b->first + k + i * V + l);
            own[l] = factor_of(j, b, k + i * V + l, share[l]);
        }
        factor[i] = v_load(own);
        even[i] = v_mul(v_load(share), v_set(j->even));
    }
    for (int64_t l = 0; l < c.n; l++)
        for (int i = 0; i < u; i++) {
            const vf w = v_set(j->weight ? j->weight[l] : 1);
            const vf p = v_mul(km_column_load(grad_x, c, l, i, u), factor[i]);
            const vm kept = v_gt(v_load(b->kept + k + i * V), v_set(0));
            km_column_store(grad_x, v_select(kept, v_fnma(even[i], w, p), v_set(0)), c, l, i, u);
        }
}

KM_INLINE void columns_rest(vf *rest, const vf *max, const job *j, const float *x, km_columns c,
                            int u)
{
    for (int i = 0; i < u; i++)
        rest[i] = v_set(0);
    for (int64_t l = 0; j->smoothing > 0 && l < c.n; l++)
        for (int i = 0; i < u; i++)
            rest[i] = v_fma(v_set(j->weight ? j->weight[l] : 1),
                            v_sub(km_column_load(x, c, l, i, u), max[i]), rest[i]);
}

/* u vectors of columns, a constant, from column k of the batch on. */
KM_INLINE void columns(const job *j, batch *b, int64_t k, km_columns c, int u)
{
    const int64_t start = b->first / j->h * j->classes * j->h + b->first % j->h + k;
    const float *x = j->x + start;
    vf max[U], sum[U], rest[U];
    float largest[U * V];
    km_columns_largest(max, x, c, u);
    for (int i = 0; i < u; i++)
        v_store(largest + i * V, max[i]);
    for (int64_t l = 0; l < c.width; l++)
        if (b->kept[k + l] != 0)
            b->target[k + l] = j->x[target_at(j, b, k + l)] - largest[l];
    columns_rest(rest, max, j, x, c, u);
    if (j->grad_x)
        km_columns_sum(sum, max, j->grad_x + start, x, c, u, 1);
    else
        km_columns_sum(sum, max, NULL, x, c, u, 0);
    for (int i = 0; i < u; i++) {
        v_store_n(b->sum + k + i * V, sum[i], c.width - i * V);
        v_store_n(b->rest + k + i * V, rest[i], c.width - i * V);
    }
    if (!j->grad_x)
        return;
    scale_columns(j, b, j->grad_x + start, c, k, u);
    for (int64_t l = k; l < k + c.width; l++)
        if (b->kept[l] != 0)
            j->grad_x[target_at(j, b, l)] -= share_of(j, b->first + l) * j->own * b->weight[l];
}

static void column_batch(const job *j, batch *b)
{
    if (b->count == U * V)
        columns(j, b, 0, (km_columns){j->classes, j->h, U * V}, U);
    else
        for (int64_t k = 0; k < b->count; k += V)
            columns(j, b, k, (km_columns){j->classes, j->h, b->count - k < V ? b->count - k : V},
                    1);
}

/* ---- passes ---- */

static double sum_of(const double *of_batch, int64_t batches)
{
    double sum = 0;
    for (int64_t i = 0; i < batches; i++)
        sum += of_batch[i];
    return sum;
}

/* Sum of the targets' weights in batch i. */
static double weigh(const job *j, int64_t i)
{
    batch b;
    double sum = 0;
    batch_start(j, i, &b);
    for (int64_t k = 0; k < b.count; k++)
        sum += b.weight[k];
    return sum;
}

static void prepare(job *j, const plan *p)
{
    double all = 0;
    for (int64_t c = 0; j->smoothing > 0 && c < j->classes; c++)
        all += j->weight ? j->weight[c] : 1;
    j->all = (float)all;
    if (j->grad_x && j->reduction != NONE)
        j->share = j->reduction == SUM ? j->grad_y[0]
                                       : (float)(j->grad_y[0] / sum_of(p->weight, j->batches));
}

static void work(const job *j, const plan *p, int64_t i)
{
    batch b;
    batch_start(j, i, &b);
    if (j->h == 1)
        rows(j, &b);
    else
        column_batch(j, &b);
    if (j->y)
        p->loss[i] = batch_loss(j, &b);
}

static void finish(const job *j, const plan *p)
{
    const double sum = sum_of(p->loss, j->batches);
    j->y[0] = (float)(j->reduction == MEAN ? sum / sum_of(p->weight, j->batches) : sum);
}

/* Phases: weights of the targets, losses and gradients, their sum. */
static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    job j = job_of(args);
    const km_range range = km_share(j.batches, part, args->threads);
    if (phase == 0 && j.reduction == MEAN)
        for (int64_t i = range.from; i < range.to; i++)
            p->weight[i] = weigh(&j, i);
    if (phase == 1) {
        prepare(&j, p);
        for (int64_t i = range.from; i < range.to; i++)
            work(&j, p, i);
    }
    if (phase == 2 && part == 0 && j.y && j.reduction != NONE)
        finish(&j, p);
}

enum { PHASES = 3 };
KM_RUN_PARTS(run, PHASES)

static const char *open(const km_args *args, void **out)
{
    const job j = job_of(args);
    plan *p = malloc(sizeof *p + 2 * (size_t)j.batches * sizeof(double));
    if (!p)
        return "out of memory";
    p->batches = j.batches;
    p->loss = (double *)(p + 1);
    p->weight = p->loss + j.batches;
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    info->workspace_bytes = 2 * p->batches * (int64_t)sizeof(double);
}

extern const km_kernel KM_KERNELS(cross_entropy)[];
#define PASS(name)                                                                                 \
    {                                                                                              \
        .op = "cross_entropy", .pass = name, .open = open, .run = run, .close = free,              \
        .describe = describe, .run_part = run_part, .phases = PHASES                               \
    }
const km_kernel KM_KERNELS(cross_entropy)[] = {
    PASS("forward"),
    PASS("backward"),
    PASS("forward_backward"),
    {0},
};
