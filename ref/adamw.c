/* adamw: adam (adam.h) with the weight decay apart from the gradient: param first becomes (1 - lr weight_decay) param.
 * Loshchilov and Hutter, ICLR 2019 (arXiv 1711.05101); torch.optim.AdamW.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adam.h"

static void step(const km_args *args)
{
    adam_step(args, 1);
}

const km_op KM_OP(adamw) = {
    .name = "adamw",
    .summary = "adam with decoupled weight decay",
    ADAM(0.01),
    .pass = {{.name = "step",
              .formula =
                  "param *= 1 - lr weight_decay; m = beta1 m + (1 - beta1) grad; v = beta2 v + "
                  "(1 - beta2) grad^2; param -= lr / (1 - beta1^t) m / (sqrt(v / (1 - "
                  "beta2^t)) + eps)",
              .use = ADAM_USES,
              .flops_each = 12}},
};

const km_kernel KM_KERNELS(adamw)[] = {{.op = "adamw", .pass = "step", .run = step}, {0}};
