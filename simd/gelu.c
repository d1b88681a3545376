/* gelu.c: y = x Phi(x), or with approximate=tanh y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)));
 * grad_x = g y'(x).
 *
 * Both tails fall off like e^(-x^2/2) and faster, so the argument of exp2 carries its rounding
 * error along and scaling by 2^n comes last. Where lookups are cheap, a table covers all but
 * the far tails of approximate=none, and what is beyond takes that formula.
 * Largest forward error found: 3.33 ULP (none, by formula), at -0x1.fe1a16p-7, 2.67 (by table), at
 * -0x1.042306p+3; 2.60 (tanh), at -0x1.3ab25ep+2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gelu_table.h"
#include "pointwise.h"
#include "vmath.h"

/* ---- approximate=none ---- */

/* -log2(e)/2 as a float; the rational below is fitted to what its rounding leaves over. */
#define HALF_LOG2E (-0x1.715476p-1f)

/* y = max(x, 0) - 2^(HALF_LOG2E a^2) u/(1 + sqrt(2 pi) u + a M), a = |x|, u = a Q, with cubic M and
 * quartic Q in a: towards large a the rounding errors of u cancel and those of M fade. */
KM_INLINE vf gelu_rational(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    const vf to_bits = v_set(V_TO_BITS), c = v_set(HALF_LOG2E), half = v_set(0.5f);
    const vf a = v_min(v_set(14.5f), v_abs(x));
    const vf s = v_mul(a, a), t = v_fma(s, c, to_bits);
    const vf f = v_fma(v_fms(a, a, s), c, v_fms(s, c, v_sub(t, to_bits)));
    vf q = v_fma(v_set(0x1.09c6b4p-8f), a, v_set(0x1.4af6p-5f));
    q = v_fma(q, a, v_set(0x1.76741ep-3f));
    q = v_fma(q, a, v_set(0x1.c0c82p-2f));
    const vf u = v_fma(q, s, v_mul(a, half));
    vf d = v_fma(v_set(0x1.f982c8p-19f), a, v_set(0x1.492556p-7f));
    d = v_fma(d, a, v_set(0x1.a64ca2p-4f));
    d = v_fma(d, a, v_set(0x1.af3416p-2f));
    d = v_add(v_fma(v_set(0x1.40d932p+1f), u, v_mul(a, d)), v_set(1));
    const vf tail = v_div(v_fma(v_mul(u, f), v_exp2_rest(f), u), d);
    return v_sub(v_max(v_set(0), x), v_scale_unassisted(tail, t, -125));
}

/* On the table's intervals, x in [-7.38, 7.5]: *key = sqrt(8) (1 - x/7.5), and the low bits of its
 * square plus 2^23 number the interval. */
KM_INLINE vf gelu_usual(vf x, vf *key)
{
    *key = v_fma(v_set(-0x1.822cb2p-2f), x, v_set(0x1.6a09e6p+1f));
    const vf i = v_fma(*key, *key, v_set(0x1p23f)), t = v_sub(x, v_lookup(gelu_table[0], i));
    vf p = v_lookup(gelu_table[8], i);
    for (int k = 7; k > 0; k--)
        p = v_fma(p, t, v_lookup(gelu_table[k], i));
    return p;
}

/* sqrt(31.5), rounded down. */
#define GELU_LIMIT 0x1.6732f8p+2f

KM_INLINE vf gelu(vf x, vf unused, const vf *k)
{
    vf key;
    const vf y = gelu_usual(x, &key);
    const vm rare = v_gt_bits(key, v_set(GELU_LIMIT));
    return v_any(rare) ? v_select(rare, gelu_rational(x, unused, k), y) : y;
}

static __attribute__((noinline)) void gelu_rare(float *y, const float *x)
{
    vf of[U];
    for (int j = 0; j < U; j++) {
        vf key;
        const vf a = v_load(x + j * V), b = gelu_usual(a, &key);
        const vm rare = v_gt_bits(key, v_set(GELU_LIMIT));
        of[j] = v_select(rare, gelu_rational(a, a, 0), b);
    }
    for (int j = 0; j < U; j++)
        v_store(y + j * V, of[j]);
}

/* y'(-a) = e^(-a^2/2) W(a) and y'(a) = 1 - y'(-a); absolute error of the fit 6.6e-8. */
KM_INLINE vf gelu_gradient(vf x, vf g, const vf *k)
{
    (void)k;
    const vf to_bits = v_set(V_TO_BITS), c = v_set(HALF_LOG2E);
    const vf a = v_min(v_set(15), v_abs(x));
    const vf s = v_mul(a, a), t = v_fma(s, c, to_bits);
    const vf m = v_exp2_fast(v_fms(s, c, v_sub(t, to_bits)));
    vf w = v_fma(v_set(0x1.b5fa58p-20f), a, v_set(-0x1.2754b6p-15f));
    w = v_fma(w, a, v_set(0x1.643ad8p-12f));
    w = v_fma(w, a, v_set(-0x1.02d012p-9f));
    w = v_fma(w, a, v_set(0x1.0427ap-7f));
    w = v_fma(w, a, v_set(-0x1.8e5b74p-6f));
    w = v_fma(w, a, v_set(0x1.f4fadcp-5f));
    w = v_fma(w, a, v_set(-0x1.0f635ep-3f));
    w = v_fma(w, a, v_set(0x1.ffd45ep-3f));
    w = v_fma(w, a, v_set(-0x1.988392p-1f));
    w = v_fma(w, a, v_set(0.5f));
    const vf h = v_mul(v_mul(m, w), v_pow2_or_zero(t));
    return v_mul(g, v_select(v_gt(x, v_set(0)), v_sub(v_set(1), h), h));
}

/* ---- approximate=tanh: y = x/(1 + e^-v), v = x (C0 + C1 x^2) ---- */

#define C0 0x1.988454p+0f /* 2 sqrt(2/pi) */
#define C1 0x1.2444f2p-4f /* 0.044715 C0 */

/* -log2(e) C0 in 20 bits and the rest, -log2(e) C1 and the rest */
#define L0      -0x1.26aecp+1f
#define L0_REST -0x1.0de73ap-22f
#define L1      -0x1.a5a7dp-4f
#define L1_REST 0x1.151aaep-29f

/* y = (x/4)/(1/4 + e^-v/4), e^-v = 2^n (1 + f p), t for n - 2. From n = 129 on, where y becomes
 * subnormal, it is formed as in v_scale_unassisted; elsewhere that power is arbitrary. */
KM_INLINE vf gelu_tanh(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    const vf to_bits = v_set(V_TO_BITS - 2), l0 = v_set(L0), l1 = v_set(L1);
    x = v_max(v_set(-11), x);
    const vf z = v_min(v_set(7), x);
    const vf s = v_mul(z, z);
    const vf w = v_fma(l1, s, l0);
    vf rest = v_fma(l1, v_fms(z, z, s), v_fma(v_set(L1_REST), s, v_set(L0_REST)));
    rest = v_add(rest, v_fma(l1, s, v_sub(l0, w)));
    const vf t = v_fma(z, w, to_bits);
    const vf f = v_fma(z, rest, v_fms(z, w, v_sub(t, to_bits)));
    const vf quarter = v_set(0.25f), power = v_pow2_bits(v_min(v_set(V_TO_BITS + 126), t));
    const vf d = v_fma(v_mul(power, f), v_exp2_rest(f), v_add(power, quarter));
    const vf y = v_div(v_mul(x, quarter), d), left = v_sub(v_set(2 * V_TO_BITS + 176), t);
    const vf whole = v_round_to_bits(v_mul(v_mul(y, v_set(-0x1p99f)), v_pow2_bits(left)));
    return v_select(v_gt(t, v_set(V_TO_BITS + 126)), v_neg_abs(whole), y);
}

/* y' = e (1 + e + x v')/(1 + e)^2, e = e^v */
KM_INLINE vf gelu_tanh_gradient(vf x, vf g, const vf *k)
{
    (void)k;
    const vf z = v_min(v_set(6), v_max(v_set(-11), x));
    const vf s = v_mul(z, z);
    const vf e = v_exp_or_zero(v_mul(z, v_fma(v_set(C1), s, v_set(C0))));
    const vf d = v_add(e, v_set(1));
    const vf slope = v_fma(v_set(3 * C1), s, v_set(C0));
    return v_mul(g, v_div(v_mul(e, v_fma(z, slope, d)), v_mul(d, d)));
}

static void gelu_forward(const km_args *args)
{
    const km_tensor *x = &args->slot[KM_X];
    const km_span s = {.y = args->slot[KM_Y].data,
                       .a = x->data,
                       .n = x->count,
                       .inputs = 1,
                       .usual = gelu_usual,
                       .limit = GELU_LIMIT,
                       .rare = gelu_rare};
    if (v_lookup_pays())
        km_map(gelu, 0, s);
    else
        km_forward(args, gelu_rational, 0);
}

static void forward(const km_args *args)
{
    if (args->params->attr[KM_APPROXIMATE] == 0)
        gelu_forward(args);
    else
        km_forward(args, gelu_tanh, 0);
}

static void backward(const km_args *args)
{
    if (args->params->attr[KM_APPROXIMATE] == 0)
        km_backward(args, KM_X, gelu_gradient, 0);
    else
        km_backward(args, KM_X, gelu_tanh_gradient, 0);
}

extern const km_kernel KM_KERNELS(gelu)[];
const km_kernel KM_KERNELS(gelu)[] = {
    {.op = "gelu", .pass = "forward", .run = forward},
    {.op = "gelu", .pass = "backward", .run = backward},
    {0},
};
