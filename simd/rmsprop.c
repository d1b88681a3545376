/* rmsprop.c: square_avg = alpha square_avg + (1 - alpha) g^2, variance = square_avg, or centered less grad_avg^2; param -=
 * lr g / (sqrt(variance) + eps), or with momentum by lr times the buffer that gathers these quotients.
 *
 * The states of a combination of flags lie in the order square_avg, grad_avg if centered, buffer if there is momentum.
 * SPDX-License-Identifier: Apache-2.0 */
#include "optimizer.h"

enum { CLIP, LR, DECAY, ALPHA, REST, EPS, MOMENTUM };
enum { FAST = 1, CENTERED = 2, GATHERS = 4 };

KM_INLINE void move_by(km_vectors *v, const vf *k, int flags, int decays)
{
    const vf g = km_decayed(v, k[DECAY], decays), rest_g = v_mul(k[REST], g);
    const int last = flags & CENTERED ? 2 : 1;
    vf variance = v->state[0] = v_fma(rest_g, g, v_mul(k[ALPHA], v->state[0]));
    if (flags & CENTERED) {
        v->state[1] = v_fma(k[ALPHA], v->state[1], rest_g);
        /* not fused: of a constant gradient it must come out as 0, not as what rounding left of its square */
        variance = v_sub(variance, v_mul(v->state[1], v->state[1]));
    }
    if (flags & GATHERS) {
        const vf buffer = v_mul(k[MOMENTUM], v->state[last]), minus_g = v_sub(v_set(0), g);
        v->state[last] = km_less(buffer, minus_g, variance, k[EPS], flags & FAST);
        v->param = v_fnma(k[LR], v->state[last], v->param);
    } else {
        v->param = km_less(v->param, v_mul(k[LR], g), variance, k[EPS], flags & FAST);
    }
}

KM_INLINE void move(km_vectors *v, const vf *k, int flags)
{
    move_by(v, k, flags, 0);
}

KM_INLINE void move_decayed(km_vectors *v, const vf *k, int flags)
{
    move_by(v, k, flags, 1);
}

#define STATES(flags) (1 + ((flags & CENTERED) != 0) + ((flags & GATHERS) != 0))
KM_LOOPS_8(move, STATES)
KM_LOOPS_8(move_decayed, STATES)

static int flags_of(const km_args *args)
{
    return (km_number(args, KM_MATH) != 0 ? FAST : 0) |
           (km_number(args, KM_CENTERED) != 0 ? CENTERED : 0) |
           (km_number(args, KM_MOMENTUM) != 0 ? GATHERS : 0);
}

static km_step step_of(const km_args *args)
{
    static km_rows_loop *const loops[2][8] = {{KM_TABLE_8(move)}, {KM_TABLE_8(move_decayed)}};
    km_step s = {.param = KM_PARAM, .grad = KM_GRAD, .state = {KM_SQUARE_AVG}, .states = 1};
    const double alpha = km_number(args, KM_ALPHA);
    const int flags = flags_of(args);
    if (flags & CENTERED)
        s.state[s.states++] = KM_GRAD_AVG;
    if (flags & GATHERS)
        s.state[s.states++] = KM_MOMENTUM_BUFFER;
    s.k[LR] = (float)km_number(args, KM_LR);
    s.k[DECAY] = (float)km_number(args, KM_WEIGHT_DECAY);
    s.k[ALPHA] = (float)alpha;
    s.k[REST] = (float)(1 - alpha);
    s.k[EPS] = (float)km_number(args, KM_EPS);
    s.k[MOMENTUM] = (float)km_number(args, KM_MOMENTUM);
    s.loop = loops[s.k[DECAY] != 0][flags];
    return s;
}

KM_OPTIMIZER(rmsprop);
