/* sgd.c: param -= lr (grad + weight_decay param). 12 bytes per element: bound by memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

enum { CLIP, LR, DECAY };
enum { DECAYS = 1 };

KM_INLINE void move(km_vectors *v, const vf *k, int flags)
{
    const vf g = km_decayed(v, k[DECAY], flags & DECAYS);
    v->param = v_fnma(k[LR], g, v->param);
}

#define NO_STATE(flags) 0
KM_LOOPS_2(move, NO_STATE)

static km_step step_of(const km_args *args)
{
    static km_rows_loop *const loops[] = {KM_TABLE_2(move)};
    km_step s = {.param = KM_PARAM, .grad = KM_GRAD};
    s.k[LR] = (float)km_number(args, KM_LR);
    s.k[DECAY] = (float)km_number(args, KM_WEIGHT_DECAY);
    s.loop = loops[s.k[DECAY] != 0];
    return s;
}

KM_OPTIMIZER(sgd);
