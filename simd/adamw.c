/* adamw.c: adam.h on (1 - lr weight_decay) param.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adam.h"

KM_INLINE void move(km_vectors *v, const vf *k, int flags)
{
    km_adam(v, v_mul(k[EXTRA], v->param), v->grad, k, flags);
}

KM_LOOPS_4(move, KM_ADAM_STATES)

static km_step step_of(const km_args *args)
{
    static km_rows_loop *const loops[] = {KM_TABLE_4(move)};
    km_step s = km_adam_step(args);
    s.k[EXTRA] = (float)(1 - km_number(args, KM_LR) * km_number(args, KM_WEIGHT_DECAY));
    s.loop = loops[km_adam_flags(args)];
    return s;
}

KM_OPTIMIZER(adamw);
