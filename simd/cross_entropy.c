/* cross_entropy.c: loss and gradient from one reading of the logits.
 *
 * Positions are taken in batches of at most BATCH: rows where h is 1, else neighbouring columns. What
 * there is to do once for a position, logarithms and quotients, is done in vectors of positions. The
 * gradient scales the exponentials, which are kept in L1 or in grad_x, and is set anew at the target. A batch's losses are summed in lanes and the batches in double and in order, so the
 * sum does not depend on who forms them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cross_entropy_columns.h"

#include <stdlib.h>

typedef struct plan {
    int64_t batches;
    double *loss, *weight; /* of each batch */
} plan;

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

/* What smoothing takes off the gradient of a row. */
static void take_even(const job *j, float *grad_x, float by)
{
    const vf even = v_set(by);
    for (int64_t i = 0; j->smoothing > 0 && i < j->classes; i += V) {
        const int64_t n = j->classes - i;
        const vf w = j->weight ? v_load_n(j->weight + i, n) : v_set(1);
        v_store_n(grad_x + i, v_fnma(even, w, v_load_n(grad_x + i, n)), n);
    }
}

/* What is worked out for V rows at once, row by row. */
typedef struct row_dues {
    float factor[V], even[V], hit[V];
} row_dues;

static inline row_dues row_dues_of(const job *j, const batch *b, int64_t k, int64_t n)
{
    const dues d = dues_of(j, b, k, n);
    row_dues of;
    v_store(of.factor, d.factor);
    v_store(of.even, d.even);
    v_store(of.hit, d.hit);
    return of;
}

typedef struct rows_of_batch {
    const job *j;
    batch *b;
} rows_of_batch;

/* From the exponentials to the gradient of rows from number `first` of the batch on. */
KM_INLINE void write_group(const job *j, const batch *b, const vf *e, int64_t first, km_rows g)
{
    const row_dues due = row_dues_of(j, b, first, g.count);
    float *grad_x = j->grad_x + (b->first + first) * g.n;
    for (int r = 0; r < g.count; r++, grad_x += g.n) {
        if (b->kept[first + r] == 0) {
            memset(grad_x, 0, (size_t)g.n * sizeof *grad_x);
            continue;
        }
        for (int i = 0; i < g.k; i++)
            km_store_part(grad_x, v_mul(e[r * g.k + i], v_set(due.factor[r])), g, i);
        take_even(j, grad_x, due.even[r]);
        grad_x[j->target[b->first + first + r]] = due.hit[r];
    }
}

KM_INLINE void take_group(const void *of_, int64_t first, km_rows g)
{
    const rows_of_batch *of = of_;
    const job *j = of->j;
    batch *b = of->b;
    const float *x = j->x + (b->first + first) * g.n;
    float max[V];
    v_store(max, km_rows_largest(x, g));
    for (int r = 0; r < g.count; r++)
        if (b->kept[first + r] != 0) {
            b->target[first + r] = x[r * g.n + j->target[b->first + first + r]] - max[r];
            if (j->smoothing > 0)
                b->rest[first + r] = row_rest(j, x + r * g.n, max[r]);
        }
    if (j->grad_x) {
        vf e[V * ROW];
        v_store(b->sum + first, km_rows_sum(e, x, j->grad_x + (b->first + first) * g.n, max, g));
        write_group(j, b, e, first, g);
    } else {
        v_store(b->sum + first, km_rows_sum(NULL, x, NULL, max, g));
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
        const row_dues due = row_dues_of(j, b, k, 1);
        for (int c = 0; c < row.chunks; c++) {
            const int64_t at = c * row.chunk, m = n - at < row.chunk ? n - at : row.chunk;
            km_scale(grad_x + at, m, row.factor[c] * due.factor[0]);
        }
        take_even(j, grad_x, due.even[0]);
        grad_x[j->target[r]] = due.hit[0];
    }
}

static void rows(const job *j, batch *b)
{
    const rows_of_batch of = {j, b};
    if (j->classes <= ROW * V) {
        km_short_rows(take_group, &of, (km_range){0, b->count}, j->classes);
        return;
    }
    for (int64_t k = 0; k < b->count; k++)
        if (b->kept[k] != 0)
            long_row(j, b, k);
        else if (j->grad_x)
            memset(j->grad_x + (b->first + k) * j->classes, 0,
                   (size_t)j->classes * sizeof *j->grad_x);
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
