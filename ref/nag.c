/* nag: buffer = momentum buffer + g, at the first step g; param -= lr (g + momentum buffer); g = grad + weight_decay
 * param. Nesterov's accelerated gradient in the form of torch.optim.SGD(nesterov=True), whose param is the point that
 * is looked ahead to: Sutskever et al., ICML 2013, after a change of variable, as long as lr is constant.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

static const char *check(const km_case *c)
{
    if (c->attr[KM_DAMPENING] != 0)
        return "dampening must be 0: Nesterov's momentum has none";
    if (c->attr[KM_NESTEROV] != 1)
        return "nesterov must be 1: without it, it is sgd_momentum";
    return c->attr[KM_MOMENTUM] > 0 ? NULL : "momentum must be above 0";
}

static void step(const km_args *args)
{
    const real lr = attr(args, KM_LR), decay = attr(args, KM_WEIGHT_DECAY);
    const real clip = clip_factor(args), mu = attr(args, KM_MOMENTUM);
    const int first = args->step == 1;
    for (int k = 0; k < pieces(args); k++) {
        real *param = piece(args, KM_PARAM, k), *buffer = piece(args, KM_MOMENTUM_BUFFER, k);
        const real *grad = piece(args, KM_GRAD, k);
        for (int64_t i = 0; i < piece_size(args, k); i++) {
            const real g = decayed(clip, grad[i], decay, param[i]);
            buffer[i] = (first ? 0 : mu * buffer[i]) + g;
            param[i] -= lr * (g + mu * buffer[i]);
        }
    }
}

static const char *const quick[] = {"n65536", NULL};
static const char *const full[] = {"n1048576", "n16777216", "n65536_max_norm1", NULL};
static const char *const edge[] = {"n0", "n1037l3_lr0.05_weight_decay0.1_momentum0.7_max_norm10",
                                   NULL};

const km_op KM_OP(nag) = {
    .name = "nag",
    .summary = "gradient descent with Nesterov's momentum",
    OPTIMIZER,
    .infer = optimizer_infer,
    .shape = optimizer_shape,
    .check = check,
    .attrs = 7,
    .attr = {{KM_LR, .fallback = 1e-3, AT_LEAST_0},
             {KM_MOMENTUM, .fallback = 0.9, AT_LEAST_0},
             ATTR_WEIGHT_DECAY(0),
             ATTR_MAX_NORM,
             {KM_DAMPENING, .fallback = 0, AT_LEAST_0},
             {KM_NESTEROV, .fallback = 1, FLAG},
             ATTR_MATH},
    .quick = quick,
    .full = full,
    .edge = edge,
    .pass = {{.name = "step",
              .formula = "g = grad + weight_decay param; buffer = momentum buffer + g; "
                         "param -= lr (g + momentum buffer)",
              .use = {USE_PARAM, USE_GRAD, USE_STATE(KM_MOMENTUM_BUFFER)},
              .flops_each = 8}},
};

const km_kernel KM_KERNELS(nag)[] = {{.op = "nag", .pass = "step", .run = step}, {0}};
