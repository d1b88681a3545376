/* tanh.c: y = tanh(x); grad_x = g (1 - y^2).
 *
 * Largest forward error found: 1.13 ULP by table, at 0x1.eb9972p-8; 1.95 without, at
 * 0x1.09e4c2p-1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

/* Interval i is where v_bits_from_20 gives i for u = 1.775 |x| + 1.154: 8 of equal width while u
 * stays below 2, 8 of twice that width below 4, and so on up to u = 18. There tanh(CENTRE + r) is
 * T0 + r T1 + .. + r^4 T4 to 0.3 ULP (Sollya's fpminimax). CENTRE is chosen near the middle so that
 * tanh(CENTRE) is a float but for 1/1000 ULP; where |x| is small it is 0 and the error relative. */
enum { CENTRE, T0, T1, T2, T3, T4, ROWS };

/* clang-format off */
static const float table[ROWS][V_ENTRIES] __attribute__((aligned(64))) = {
    [CENTRE] = {
        0x1.1818bcp-1f, 0x1.60392cp-1f, 0x1.a85408p-1f, 0x1.f070ep-1f, 0x1.1c4cep+0f,
        0x1.405d56p+0f, 0x1.646748p+0f, 0x1.88784p+0f, 0x1.be8f76p+0f, 0x1.035de8p+1f,
        0x1.276c7ap+1f, 0x1.4b7cacp+1f, 0x1.6f8868p+1f, 0x1.939066p+1f, 0x1.b7a82p+1f,
        0x1.dbab4cp+1f, 0x1.08e0bap+2f, 0x1.2cf1dep+2f, 0x1.5104bep+2f, 0x1.7514cep+2f,
        0x1.9921dap+2f, 0x1.bd366cp+2f, 0x1.e13538p+2f, 0x1.02b172p+3f, 0x1.19d2b6p+3f, 0,
        0x1.6dd02ep-4f, 0x1.47275cp-3f, 0x1.d75adp-3f, 0x1.33d3bp-2f, 0x1.7be6dcp-2f,
        0x1.c4097p-2f},
    [T0] = {
        0x1.fe46ap-2f, 0x1.317cb4p-1f, 0x1.5c107p-1f, 0x1.7f3fc4p-1f, 0x1.9bc772p-1f,
        0x1.b28684p-1f, 0x1.c46e52p-1f, 0x1.d2682cp-1f, 0x1.e1a7a4p-1f, 0x1.ee8286p-1f,
        0x1.f5f83p-1f, 0x1.fa4428p-1f, 0x1.fcba3ap-1f, 0x1.fe223ap-1f, 0x1.feeff4p-1f,
        0x1.ff64f4p-1f, 0x1.ffbd62p-1f, 0x1.ffea6ap-1f, 0x1.fff902p-1f, 0x1.fffdbcp-1f,
        0x1.ffff44p-1f, 0x1.ffffc4p-1f, 0x1.ffffecp-1f, 0x1.fffffap-1f, 0x1.fffffep-1f, 0,
        0x1.6cd7fcp-4f, 0x1.44662cp-3f, 0x1.cf3468p-3f, 0x1.2ae0b2p-2f, 0x1.6b6186p-2f,
        0x1.a8cb9cp-2f},
    [T1] = {
        0x1.80dc5ap-1f, 0x1.49baep-1f, 0x1.1361b8p-1f, 0x1.c2403ep-2f, 0x1.69a60ep-2f,
        0x1.1e73acp-2f, 0x1.c0d486p-3f, 0x1.5c812cp-3f, 0x1.d721fcp-4f, 0x1.130f66p-4f,
        0x1.3dd42ap-5f, 0x1.6ce6bap-6f, 0x1.a18abcp-7f, 0x1.dce538p-8f, 0x1.0fc2a6p-8f,
        0x1.35e7cap-9f, 0x1.0a5548p-10f, 0x1.594218p-12f, 0x1.bf5fb4p-14f, 0x1.21ec6ep-15f,
        0x1.77e6eep-17f, 0x1.e7203p-19f, 0x1.3c3b4ap-20f, 0x1.98b372p-22f, 0x1.7fb754p-24f, 1,
        0x1.fbf01p-1f, 0x1.f32768p-1f, 0x1.e5cf0ap-1f, 0x1.d46202p-1f, 0x1.bf8648p-1f,
        0x1.a7e39ep-1f},
    [T2] = {
        -0x1.7f906p-2f, -0x1.897826p-2f, -0x1.766a7ap-2f, -0x1.510724p-2f, -0x1.22dbb8p-2f,
        -0x1.e636b2p-3f, -0x1.8c9c62p-3f, -0x1.3d7882p-3f, -0x1.bb36a4p-4f, -0x1.09aa62p-4f,
        -0x1.379a82p-5f, -0x1.68d0dep-6f, -0x1.9edfdp-7f, -0x1.db28b6p-8f, -0x1.0f3266p-8f,
        -0x1.358a3cp-9f, -0x1.0a3774p-10f, -0x1.593942p-12f, -0x1.bf6048p-14f, -0x1.21ef4ep-15f,
        -0x1.77eb3p-17f, -0x1.a393f4p-18f, -0x1.03441ep-21f, -0x1.95d2a8p-20f, 0x1.13937ep-21f,
        0x1.02c232p-18f, -0x1.69f2eap-4f, -0x1.3c4284p-3f, -0x1.b7826ap-3f, -0x1.116a94p-2f,
        -0x1.3d9efp-2f, -0x1.5fb114p-2f},
    [T3] = {
        -0x1.06ba8p-4f, 0x1.d1835ap-7f, 0x1.1a2f1cp-4f, 0x1.977fcap-4f, 0x1.c4a4f2p-4f,
        0x1.badadep-4f, 0x1.91813cp-4f, 0x1.5a07fep-4f, 0x1.0442b8p-4f, 0x1.4ac45cp-5f,
        0x1.909eep-6f, 0x1.d84b98p-7f, 0x1.124a0cp-7f, 0x1.3bf364p-8f, 0x1.69d43cp-9f,
        0x1.9dc126p-10f, 0x1.69a468p-11f, 0x1.d554aap-13f, 0x1.302cccp-14f, 0x1.8a49bep-16f,
        0x1.ff425cp-18f, 0x1.45801ap-19f, 0x1.ac2b3ep-21f, 0x1.0c779ep-22f, 0x1.121294p-24f,
        -0x1.55c6d4p-2f, -0x1.4a5cfp-2f, -0x1.338d6ap-2f, -0x1.120bcap-2f, -0x1.d0b37p-3f,
        -0x1.732a1ap-3f, -0x1.1175dcp-3f},
    [T4] = {
        0x1.4040b2p-3f, 0x1.e8a1ap-4f, 0x1.32a676p-4f, 0x1.201688p-5f, 0x1.7cd492p-8f,
        -0x1.9c76f4p-7f, -0x1.68dd68p-6f, -0x1.9da09ap-6f, -0x1.81f4cp-6f, -0x1.1b22d6p-6f,
        -0x1.70269cp-7f, -0x1.c2b186p-8f, -0x1.0b2948p-8f, -0x1.372da4p-9f, -0x1.66d9d2p-10f,
        -0x1.9ba232p-11f, -0x1.682922p-12f, -0x1.d43984p-14f, -0x1.2fbb56p-15f, -0x1.89d62p-17f,
        -0x1.feb96ep-19f, 0x1.086f5p-15f, -0x1.32f522p-17f, 0x1.d32552p-17f, -0x1.a057a4p-19f,
        0x1.c4fd68p-7f, 0x1.dc49fap-5f, 0x1.954f9cp-4f, 0x1.0e3862p-3f, 0x1.3da7f4p-3f,
        0x1.5742b8p-3f, 0x1.5bd6cp-3f},
};
/* clang-format on */

/* No division, and no chain of more than nine operations. Entry 24 gives 1 for 9.25. */
KM_INLINE vf from_table(vf x)
{
    const vf a = v_min(v_set(9.25f), v_abs(x)), u = v_fma(a, v_set(1.775f), v_set(1.154f));
    const vf i = v_bits_from_20(u), r = v_sub(a, v_lookup(table[CENTRE], i));
    vf p = v_fma(v_lookup(table[T4], i), r, v_lookup(table[T3], i));
    p = v_fma(p, r, v_lookup(table[T2], i));
    p = v_fma(p, r, v_lookup(table[T1], i));
    return v_copysign(v_fma(p, r, v_lookup(table[T0], i)), x);
}

KM_INLINE vf hyperbolic(vf x, vf unused, const vf *k)
{
    (void)unused;
    (void)k;
    return v_lookup_pays() ? from_table(x) : v_tanh(x);
}

KM_INLINE vf gradient(vf y, vf g, const vf *k)
{
    (void)k;
    return v_mul(g, v_fnma(y, y, v_set(1)));
}

static void forward(const km_args *args)
{
    km_forward_by(args, hyperbolic, 0, MAX_U);
}

static void backward(const km_args *args)
{
    km_backward(args, KM_Y, gradient, 0);
}

extern const km_kernel KM_KERNELS(tanh)[];
const km_kernel KM_KERNELS(tanh)[] = {
    {.op = "tanh", .pass = "forward", .run = forward},
    {.op = "tanh", .pass = "backward", .run = backward},
    {0},
};
