/* adam.c: adam.h with g = grad + weight_decay param.
 * SPDX-License-Identifier: Apache-2.0 */
#include "adam.h"

KM_INLINE void move(km_vectors *v, const vf *k, int flags)
{
    km_adam(v, v->param, km_decayed(v, k[EXTRA], flags & DECAYS), k, flags);
}

KM_LOOPS_8(move, KM_ADAM_STATES)

static km_step step_of(const km_args *args)
{
    static km_rows_loop *const loops[] = {KM_TABLE_8(move)};
    km_step s = km_adam_step(args);
    s.k[EXTRA] = (float)km_number(args, KM_WEIGHT_DECAY);
    s.loop = loops[km_adam_flags(args) | (s.k[EXTRA] != 0 ? DECAYS : 0)];
    return s;
}

KM_OPTIMIZER(adam);
