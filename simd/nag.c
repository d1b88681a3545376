/* nag.c: buffer = momentum buffer + g, at the first step g; param -= lr (g + momentum buffer).
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

enum { CLIP, LR, DECAY, MOMENTUM };
enum { DECAYS = 1, COPIES = 2 };

KM_INLINE void move(km_vectors *v, const vf *k, int flags)
{
    const vf g = km_decayed(v, k[DECAY], flags & DECAYS);
    v->state[0] = flags & COPIES ? g : v_fma(k[MOMENTUM], v->state[0], g);
    v->param = v_fnma(k[LR], v_fma(k[MOMENTUM], v->state[0], g), v->param);
}

#define ONE_STATE(flags) 1
KM_LOOPS_4(move, ONE_STATE)

static km_step step_of(const km_args *args)
{
    static km_rows_loop *const loops[] = {KM_TABLE_4(move)};
    km_step s = {.param = KM_PARAM, .grad = KM_GRAD, .state = {KM_MOMENTUM_BUFFER}, .states = 1};
    s.k[LR] = (float)km_number(args, KM_LR);
    s.k[DECAY] = (float)km_number(args, KM_WEIGHT_DECAY);
    s.k[MOMENTUM] = (float)km_number(args, KM_MOMENTUM);
    s.loop = loops[(s.k[DECAY] != 0 ? DECAYS : 0) | (args->step == 1 ? COPIES : 0)];
    return s;
}

KM_OPTIMIZER(nag);
