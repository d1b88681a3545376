/* adam.h: adam and adamw. With a = lr sqrt(1 - beta2^t) / (1 - beta1^t) and e = eps sqrt(1 - beta2^t) the bias corrections
 * are in two numbers per step, formed in double: param -= a exp_avg / (sqrt(v) + e), one square root and one division.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_SIMD_ADAM_H
#define KM_SIMD_ADAM_H

#include "optimizer.h"

/* EXTRA: weight decay of adam; of adamw, what is left of param, and there is no flag for it */
enum { CLIP, EXTRA, BETA1, REST1, BETA2, REST2, RATE, EPS };
enum { FAST = 1, AMSGRAD = 2, DECAYS = 4 };

KM_INLINE void km_adam(km_vectors *v, vf param, vf g, const vf *k, int flags)
{
    v->state[0] = v_fma(k[BETA1], v->state[0], v_mul(k[REST1], g));
    v->state[1] = v_fma(v_mul(k[REST2], g), g, v_mul(k[BETA2], v->state[1]));
    if (flags & AMSGRAD)
        v->state[2] = v_max(v->state[2], v->state[1]);
    const vf second = flags & AMSGRAD ? v->state[2] : v->state[1];
    v->param = km_less(param, v_mul(k[RATE], v->state[0]), second, k[EPS], flags & FAST);
}

#define KM_ADAM_STATES(flags) (2 + ((flags & AMSGRAD) != 0))

static km_step km_adam_step(const km_args *args)
{
    km_step s = {.param = KM_PARAM,
                 .grad = KM_GRAD,
                 .state = {KM_EXP_AVG, KM_EXP_AVG_SQ, KM_MAX_EXP_AVG_SQ},
                 .states = km_number(args, KM_AMSGRAD) != 0 ? 3 : 2};
    const double beta1 = km_number(args, KM_BETA1), beta2 = km_number(args, KM_BETA2);
    const double t = (double)args->step, root = sqrt(1 - pow(beta2, t));
    s.k[BETA1] = (float)beta1;
    s.k[REST1] = (float)(1 - beta1);
    s.k[BETA2] = (float)beta2;
    s.k[REST2] = (float)(1 - beta2);
    s.k[RATE] = (float)(km_number(args, KM_LR) * root / (1 - pow(beta1, t)));
    s.k[EPS] = (float)(km_number(args, KM_EPS) * root);
    return s;
}

static int km_adam_flags(const km_args *args)
{
    return (km_number(args, KM_MATH) != 0 ? FAST : 0) |
           (km_number(args, KM_AMSGRAD) != 0 ? AMSGRAD : 0);
}

#endif
