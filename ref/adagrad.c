/* adagrad: sum += g^2; param -= lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps); g = grad + weight_decay param. Duchi et
 * al., JMLR 12 (2011); torch.optim.Adagrad.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

static double initial(const km_case *c, km_slot slot)
{
    return slot == KM_SUM_OF_SQUARES ? c->attr[KM_INITIAL_ACCUMULATOR_VALUE] : 0;
}

static void step(const km_args *args)
{
    const double slower = 1 + (double)(args->step - 1) * number(args, KM_LR_DECAY);
    const real rate = (real)(number(args, KM_LR) / slower);
    const real decay = attr(args, KM_WEIGHT_DECAY), eps = attr(args, KM_EPS);
    const real clip = clip_factor(args);
    for (int k = 0; k < pieces(args); k++) {
        real *param = piece(args, KM_PARAM, k), *sum = piece(args, KM_SUM_OF_SQUARES, k);
        const real *grad = piece(args, KM_GRAD, k);
        for (int64_t i = 0; i < piece_size(args, k); i++) {
            const real g = decayed(clip, grad[i], decay, param[i]);
            sum[i] += g * g;
            param[i] -= rate * g / (sqrt(sum[i]) + eps);
        }
    }
}

static const char *const quick[] = {"n65536", "n65536_math=fast", NULL};
static const char *const full[] = {
    "n1048576", "n16777216", "n1048576_math=fast", "n16777216_math=fast", "n65536_max_norm1", NULL};
static const char *const edge[] = {
    "n0", "n1037l3_lr_decay0.1_weight_decay0.1_initial_accumulator_value0.1_max_norm10", NULL};

const km_op KM_OP(adagrad) = {
    .name = "adagrad",
    .summary = "gradient descent scaled by the sum of squares",
    OPTIMIZER,
    .infer = optimizer_infer,
    .shape = optimizer_shape,
    .initial = initial,
    .attrs = 7,
    .attr = {{KM_LR, .fallback = 1e-2, AT_LEAST_0},
             {KM_LR_DECAY, .fallback = 0, AT_LEAST_0},
             ATTR_WEIGHT_DECAY(0),
             {KM_INITIAL_ACCUMULATOR_VALUE, .fallback = 0, AT_LEAST_0},
             {KM_EPS, .fallback = 1e-10, AT_LEAST_0},
             ATTR_MAX_NORM,
             ATTR_MATH},
    .quick = quick,
    .full = full,
    .edge = edge,
    .pass = {{.name = "step",
              .formula = "g = grad + weight_decay param; sum += g^2; param -= lr / (1 + (t - 1) "
                         "lr_decay) g / (sqrt(sum) + eps)",
              .use = {USE_PARAM, USE_GRAD, USE_STATE(KM_SUM_OF_SQUARES)},
              .flops_each = 7}},
};

const km_kernel KM_KERNELS(adagrad)[] = {{.op = "adagrad", .pass = "step", .run = step}, {0}};
