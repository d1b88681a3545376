/* cross_entropy.h: a case of cross_entropy as its kernel sees it, and batches of its positions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CROSS_ENTROPY_H
#define KM_CROSS_ENTROPY_H

#include "softmax.h"

#include <string.h>

enum { MEAN, SUM, NONE, BATCH = 64, BATCH_ELEMENTS = 16384 };

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

static inline job job_of(const km_args *args)
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
static inline void batch_start(const job *j, int64_t i, batch *b)
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

/* ---- gradients ---- */

/* What makes the gradient of V positions from their exponentials: factor e, less `even` times the weight of the
 * class, and less `own` at the target, where it comes to `hit`. */
typedef struct dues {
    vf factor, even, own, hit;
} dues;

/* Of positions [k, k + n) of a batch. */
KM_INLINE dues dues_of(const job *j, const batch *b, int64_t k, int64_t n)
{
    const vf share = j->reduction == NONE ? v_load_n(j->grad_y + b->first + k, n) : v_set(j->share);
    const vf weight = v_load_n(b->weight + k, n), all = v_set(j->even * j->all);
    dues d = {.even = v_mul(share, v_set(j->even)), .own = v_mul(share, v_set(j->own))};
    d.own = v_mul(d.own, weight);
    d.factor = v_mul(share, v_fma(v_set(j->own), weight, all));
    d.factor = v_div(d.factor, v_load_n(b->sum + k, n));
    d.hit = v_mul(v_exp_term(v_load_n(b->target + k, n)), d.factor);
    d.hit = v_sub(v_fnma(d.even, weight, d.hit), d.own);
    return d;
}

#endif
