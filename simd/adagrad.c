/* adagrad.c: sum += g^2; param -= rate g / (sqrt(sum) + eps), rate = lr / (1 + (t - 1) lr_decay).
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

enum { CLIP, RATE, DECAY, EPS };
enum { DECAYS = 1, FAST = 2 };

KM_INLINE void move(km_vectors *v, const vf *k, int flags)
{
    const vf g = km_decayed(v, k[DECAY], flags & DECAYS);
    v->state[0] = v_fma(g, g, v->state[0]);
    v->param = km_less(v->param, v_mul(k[RATE], g), v->state[0], k[EPS], flags & FAST);
}

#define ONE_STATE(flags) 1
KM_LOOPS_4(move, ONE_STATE)

static km_step step_of(const km_args *args)
{
    static km_rows_loop *const loops[] = {KM_TABLE_4(move)};
    km_step s = {.param = KM_PARAM, .grad = KM_GRAD, .state = {KM_SUM_OF_SQUARES}, .states = 1};
    const double slower = 1 + (double)(args->step - 1) * km_number(args, KM_LR_DECAY);
    s.k[RATE] = (float)(km_number(args, KM_LR) / slower);
    s.k[DECAY] = (float)km_number(args, KM_WEIGHT_DECAY);
    s.k[EPS] = (float)km_number(args, KM_EPS);
    s.loop = loops[(s.k[DECAY] != 0 ? DECAYS : 0) | (km_number(args, KM_MATH) != 0 ? FAST : 0)];
    return s;
}

KM_OPTIMIZER(adagrad);
