/* rmsprop: square_avg = alpha square_avg + (1 - alpha) g^2; avg = sqrt(square_avg) + eps, or centered: grad_avg = alpha
 * grad_avg + (1 - alpha) g, avg = sqrt(square_avg - grad_avg^2) + eps; param -= lr g / avg, or with momentum: buffer =
 * momentum buffer + g / avg, param -= lr buffer; g = grad + weight_decay param. Tieleman and Hinton, Coursera lecture
 * 6.5 (2012); centered: Graves, arXiv 1308.0850; torch.optim.RMSprop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    if (slot == KM_GRAD_AVG && c->attr[KM_CENTERED] == 0)
        return;
    if (slot == KM_MOMENTUM_BUFFER && c->attr[KM_MOMENTUM] == 0)
        return;
    optimizer_shape(c, slot, t);
}

typedef struct rates {
    real lr, decay, clip, alpha, rest, eps, mu;
    int centered;
} rates;

/* One piece of the list. */
static void step_piece(const km_args *args, const rates *r, int k)
{
    real *param = piece(args, KM_PARAM, k), *square_avg = piece(args, KM_SQUARE_AVG, k);
    real *grad_avg = r->centered ? piece(args, KM_GRAD_AVG, k) : NULL;
    real *buffer = r->mu > 0 ? piece(args, KM_MOMENTUM_BUFFER, k) : NULL;
    const real *grad = piece(args, KM_GRAD, k);
    for (int64_t i = 0; i < piece_size(args, k); i++) {
        const real g = decayed(r->clip, grad[i], r->decay, param[i]);
        square_avg[i] = r->alpha * square_avg[i] + r->rest * g * g;
        real variance = square_avg[i];
        if (grad_avg) {
            grad_avg[i] = r->alpha * grad_avg[i] + r->rest * g;
            variance -= grad_avg[i] * grad_avg[i];
        }
        real move = g / (sqrt(variance) + r->eps);
        if (buffer)
            move = buffer[i] = r->mu * buffer[i] + move;
        param[i] -= r->lr * move;
    }
}

static void step(const km_args *args)
{
    const double alpha = number(args, KM_ALPHA);
    const rates r = {.lr = attr(args, KM_LR),
                     .decay = attr(args, KM_WEIGHT_DECAY),
                     .clip = clip_factor(args),
                     .alpha = (real)alpha,
                     .rest = (real)(1 - alpha),
                     .eps = attr(args, KM_EPS),
                     .mu = attr(args, KM_MOMENTUM),
                     .centered = number(args, KM_CENTERED) != 0};
    for (int k = 0; k < pieces(args); k++)
        step_piece(args, &r, k);
}

static const char *const quick[] = {"n65536", "n65536_math=fast", NULL};
static const char *const full[] = {
    "n1048576", "n16777216", "n1048576_math=fast", "n16777216_math=fast", "n65536_max_norm1", NULL};
static const char *const edge[] = {
    "n0", "n1037_centered1", "n257_alpha0_centered1_math=fast",
    "n1037l3_alpha0.8_weight_decay0.1_momentum0.5_centered1_max_norm10", NULL};

const km_op KM_OP(rmsprop) = {
    .name = "rmsprop",
    .summary = "gradient descent scaled by a moving average of squares",
    OPTIMIZER,
    .infer = optimizer_infer,
    .shape = shape,
    .attrs = 8,
    .attr = {{KM_LR, .fallback = 1e-2, AT_LEAST_0},
             {KM_ALPHA, .fallback = 0.99, .min = 0, .max = 1, .precise = 1},
             {KM_EPS, .fallback = 1e-8, AT_LEAST_0},
             ATTR_WEIGHT_DECAY(0),
             {KM_MOMENTUM, .fallback = 0, AT_LEAST_0},
             {KM_CENTERED, .fallback = 0, FLAG},
             ATTR_MAX_NORM,
             ATTR_MATH},
    .quick = quick,
    .full = full,
    .edge = edge,
    .pass = {{.name = "step",
              .formula = "g = grad + weight_decay param; square_avg = alpha square_avg + (1 - "
                         "alpha) g^2; param -= lr g / (sqrt(square_avg) + eps)",
              .use = {USE_PARAM, USE_GRAD, USE_STATE(KM_SQUARE_AVG), USE_STATE(KM_GRAD_AVG),
                      USE_STATE(KM_MOMENTUM_BUFFER)},
              .flops_each = 9}},
};

const km_kernel KM_KERNELS(rmsprop)[] = {{.op = "rmsprop", .pass = "step", .run = step}, {0}};
