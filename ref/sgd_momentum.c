/* sgd_momentum: buffer = momentum buffer + (1 - dampening) g, at the first step g; param -= lr buffer; g = grad +
 * weight_decay param. Polyak, USSR Comp. Math. 4 (1964); torch.optim.SGD.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

static const char *check(const km_case *c)
{
    return c->attr[KM_NESTEROV] != 0 ? "nesterov must be 0: with it, it is nag" : NULL;
}

static void step(const km_args *args)
{
    const real lr = attr(args, KM_LR), decay = attr(args, KM_WEIGHT_DECAY);
    const real clip = clip_factor(args);
    /* without momentum PyTorch has no buffer to dampen */
    const int copy = args->step == 1 || number(args, KM_MOMENTUM) == 0;
    const real mu = copy ? 0 : attr(args, KM_MOMENTUM);
    const real share = copy ? 1 : (real)(1 - number(args, KM_DAMPENING));
    for (int k = 0; k < pieces(args); k++) {
        real *param = piece(args, KM_PARAM, k), *buffer = piece(args, KM_MOMENTUM_BUFFER, k);
        const real *grad = piece(args, KM_GRAD, k);
        for (int64_t i = 0; i < piece_size(args, k); i++) {
            const real g = decayed(clip, grad[i], decay, param[i]);
            buffer[i] = (copy ? 0 : mu * buffer[i]) + share * g;
            param[i] -= lr * buffer[i];
        }
    }
}

static const char *const quick[] = {"n65536", NULL};
static const char *const full[] = {"n1048576", "n16777216", "n65536_max_norm1", NULL};
static const char *const edge[] = {
    "n0", "n1037l3_lr0.05_weight_decay0.1_momentum0.7_dampening0.25_max_norm10", NULL};

const km_op KM_OP(sgd_momentum) = {
    .name = "sgd_momentum",
    .summary = "gradient descent with heavy-ball momentum",
    OPTIMIZER,
    .infer = optimizer_infer,
    .shape = optimizer_shape,
    .check = check,
    .attrs = 7,
    .attr = {{KM_LR, .fallback = 1e-3, AT_LEAST_0},
             {KM_MOMENTUM, .fallback = 0.9, AT_LEAST_0},
             {KM_DAMPENING, .fallback = 0, AT_LEAST_0},
             ATTR_WEIGHT_DECAY(0),
             ATTR_MAX_NORM,
             {KM_NESTEROV, .fallback = 0, FLAG},
             ATTR_MATH},
    .quick = quick,
    .full = full,
    .edge = edge,
    .pass = {{.name = "step",
              .formula = "buffer = momentum buffer + (1 - dampening) (grad + weight_decay param); "
                         "param -= lr buffer",
              .use = {USE_PARAM, USE_GRAD, USE_STATE(KM_MOMENTUM_BUFFER)},
              .flops_each = 6}},
};

const km_kernel KM_KERNELS(sgd_momentum)[] = {{.op = "sgd_momentum", .pass = "step", .run = step},
                                              {0}};
