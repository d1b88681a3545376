/* ewma.c: exp_avg = beta exp_avg + (1 - beta) x; y = exp_avg / (1 - beta^t), as a product: one rounding more.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

enum { CLIP, BETA, REST, CORRECTION };

KM_INLINE void move(km_vectors *v, const vf *k, int corrects)
{
    v->param = v_fma(k[BETA], v->param, v_mul(k[REST], v->grad));
    if (corrects)
        v->state[0] = v_mul(k[CORRECTION], v->param);
}

#define Y_ONLY(corrects) corrects
KM_LOOPS_2(move, Y_ONLY)

static km_step step_of(const km_args *args)
{
    static km_rows_loop *const loops[] = {KM_TABLE_2(move)};
    km_step s = {.param = KM_EXP_AVG, .grad = KM_X, .state = {KM_Y}};
    const double beta = km_number(args, KM_BETA);
    s.states = s.fresh = km_number(args, KM_BIAS_CORRECTION) != 0;
    s.k[BETA] = (float)beta;
    s.k[REST] = (float)(1 - beta);
    s.k[CORRECTION] = (float)(1 / (1 - pow(beta, (double)args->step)));
    s.loop = loops[s.states];
    return s;
}

KM_OPTIMIZER(ewma);
