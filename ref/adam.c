/* adam: steps of about lr in the direction of a mean gradient, over the root of its mean square (adam.h); g = grad +
 * weight_decay param. Kingma and Ba, ICLR 2015 (arXiv 1412.6980); amsgrad: Reddi et al., ICLR 2018; torch.optim.Adam.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adam.h"

static void step(const km_args *args)
{
    adam_step(args, 0);
}

const km_op KM_OP(adam) = {
    .name = "adam",
    .summary = "adaptive moment estimation",
    ADAM(0),
    .pass = {{.name = "step",
              .formula =
                  "g = grad + weight_decay param; m = beta1 m + (1 - beta1) g; v = beta2 v + "
                  "(1 - beta2) g^2; param -= lr / (1 - beta1^t) m / (sqrt(v / (1 - "
                  "beta2^t)) + eps)",
              .use = ADAM_USES,
              .flops_each = 12}},
};

const km_kernel KM_KERNELS(adam)[] = {{.op = "adam", .pass = "step", .run = step}, {0}};
