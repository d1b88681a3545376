/* adam.h: what adam and adamw share: exp_avg = beta1 exp_avg + (1 - beta1) g; exp_avg_sq = beta2 exp_avg_sq + (1 - beta2)
 * g^2; param -= lr / (1 - beta1^t) exp_avg / (sqrt(v) / sqrt(1 - beta2^t) + eps), with v = exp_avg_sq, or its largest
 * value so far (amsgrad).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_ADAM_H
#define KM_REF_ADAM_H

#include "optimizer.h"

static void adam_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    if (slot != KM_MAX_EXP_AVG_SQ || c->attr[KM_AMSGRAD] != 0)
        optimizer_shape(c, slot, t);
}

static const char *adam_check(const km_case *c)
{
    return c->attr[KM_BETA1] < 1 && c->attr[KM_BETA2] < 1 ? NULL
                                                          : "beta1 and beta2 must be below 1";
}

typedef struct rates {
    real clip, decay, keep, beta1, rest1, beta2, rest2, rate, root, eps;
} rates;

/* g = clip grad + decay param, and param is first multiplied by keep. */
static rates rates_of(const km_args *args, int decoupled)
{
    const double beta1 = number(args, KM_BETA1), beta2 = number(args, KM_BETA2);
    const double lr = number(args, KM_LR), t = (double)args->step;
    return (rates){.clip = clip_factor(args),
                   .decay = decoupled ? 0 : attr(args, KM_WEIGHT_DECAY),
                   .keep = (real)(decoupled ? 1 - lr * number(args, KM_WEIGHT_DECAY) : 1),
                   .beta1 = (real)beta1,
                   .rest1 = (real)(1 - beta1),
                   .beta2 = (real)beta2,
                   .rest2 = (real)(1 - beta2),
                   .rate = (real)(lr / (1 - pow(beta1, t))),
                   .root = (real)sqrt(1 - pow(beta2, t)),
                   .eps = attr(args, KM_EPS)};
}

/* One piece of the list. */
static void adam_piece(const km_args *args, const rates *r, int k)
{
    real *param = piece(args, KM_PARAM, k), *m = piece(args, KM_EXP_AVG, k);
    real *v = piece(args, KM_EXP_AVG_SQ, k), *max_v = NULL;
    const real *grad = piece(args, KM_GRAD, k);
    if (number(args, KM_AMSGRAD) != 0)
        max_v = piece(args, KM_MAX_EXP_AVG_SQ, k);
    for (int64_t i = 0; i < piece_size(args, k); i++) {
        const real g = decayed(r->clip, grad[i], r->decay, param[i]);
        m[i] = r->beta1 * m[i] + r->rest1 * g;
        v[i] = r->beta2 * v[i] + r->rest2 * g * g;
        if (max_v)
            max_v[i] = v[i] > max_v[i] || isnan(v[i]) ? v[i] : max_v[i];
        const real second = max_v ? max_v[i] : v[i];
        param[i] = r->keep * param[i] - r->rate * m[i] / (sqrt(second) / r->root + r->eps);
    }
}

static void adam_step(const km_args *args, int decoupled)
{
    const rates r = rates_of(args, decoupled);
    for (int k = 0; k < pieces(args); k++)
        adam_piece(args, &r, k);
}

static const char *const adam_quick[] = {"n65536", "n65536_math=fast", NULL};
static const char *const adam_full[] = {
    "n1048576",         "n16777216",          "n1048576_math=fast",    "n16777216_math=fast",
    "n65536_max_norm1", "n1048576_max_norm1", "n1048576l60_math=fast", NULL};
static const char *const adam_edge[] = {
    "n0", "n1037_beta10_beta20.5_eps0",
    "n1037l3_lr0.05_beta10.8_beta20.95_eps0.001_weight_decay0.1_amsgrad1_max_norm10", NULL};

/* clang-format off */
#define ADAM(decay) OPTIMIZER, .infer = optimizer_infer, .shape = adam_shape, .check = adam_check, \
    .quick = adam_quick, .full = adam_full, .edge = adam_edge, .attrs = 8, \
    .attr = {{KM_LR, .fallback = 1e-3, AT_LEAST_0}, \
             {KM_BETA1, .fallback = 0.9, .min = 0, .max = 1, .precise = 1}, \
             {KM_BETA2, .fallback = 0.999, .min = 0, .max = 1, .precise = 1}, \
             {KM_EPS, .fallback = 1e-8, AT_LEAST_0}, \
             ATTR_WEIGHT_DECAY(decay), \
             {KM_AMSGRAD, .fallback = 0, FLAG}, \
             ATTR_MAX_NORM, \
             ATTR_MATH}

#define ADAM_USES {USE_PARAM, USE_GRAD, USE_STATE(KM_EXP_AVG), USE_STATE(KM_EXP_AVG_SQ), \
                   USE_STATE(KM_MAX_EXP_AVG_SQ)}
/* clang-format on */

#endif
