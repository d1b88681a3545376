/* isa/neon.h: the vector vocabulary on AArch64 NEON (baseline).
 *
 * Rules shared by all isa/ headers are in vec.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ISA_NEON_H
#define KM_ISA_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define KM_ISA       neon
#define KM_ISA_NAME  "neon"
#define KM_ISA_WORDS "AArch64 Advanced SIMD"

typedef float32x4_t vf;
typedef uint32x4_t vm; /* all bits of a lane set or clear */
enum { V = 4 };

/* A register tile of a matrix product: rows by vectors, 24 sums of 32 registers. */
enum { TILE_ROWS = 8, TILE_VECTORS = 3 };
#define TILE_WIDTHS(W)  W(1) W(2) W(3)
#define TILE_HEIGHTS(H) H(1) H(2) H(3) H(4) H(5) H(6) H(7) H(8)

/* ---- memory ---- */

KM_INLINE vf v_load(const float *p)
{
    return vld1q_f32(p);
}

KM_INLINE vf v_load_n(const float *p, int64_t n)
{
    if (n >= V)
        return vld1q_f32(p);
    vf a = vdupq_n_f32(0);
    if (n > 0)
        a = vld1q_lane_f32(p, a, 0);
    if (n > 1)
        a = vld1q_lane_f32(p + 1, a, 1);
    if (n > 2)
        a = vld1q_lane_f32(p + 2, a, 2);
    return a;
}

KM_INLINE vf v_load_in(const float *p, vm m)
{
    vf a = vdupq_n_f32(0);
    if (vgetq_lane_u32(m, 0))
        a = vld1q_lane_f32(p, a, 0);
    if (vgetq_lane_u32(m, 1))
        a = vld1q_lane_f32(p + 1, a, 1);
    if (vgetq_lane_u32(m, 2))
        a = vld1q_lane_f32(p + 2, a, 2);
    if (vgetq_lane_u32(m, 3))
        a = vld1q_lane_f32(p + 3, a, 3);
    return a;
}

KM_INLINE void v_store_in(float *p, vf a, vm m)
{
    if (vgetq_lane_u32(m, 0))
        vst1q_lane_f32(p, a, 0);
    if (vgetq_lane_u32(m, 1))
        vst1q_lane_f32(p + 1, a, 1);
    if (vgetq_lane_u32(m, 2))
        vst1q_lane_f32(p + 2, a, 2);
    if (vgetq_lane_u32(m, 3))
        vst1q_lane_f32(p + 3, a, 3);
}

KM_INLINE void v_store(float *p, vf a)
{
    vst1q_f32(p, a);
}

KM_INLINE void v_store_n(float *p, vf a, int64_t n)
{
    if (n >= V) {
        vst1q_f32(p, a);
        return;
    }
    if (n > 0)
        vst1q_lane_f32(p, a, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, a, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, a, 2);
}

/* No intrinsic exists for stnp; cores of this level detect streams by themselves. */
KM_INLINE void v_stream(float *p, vf a)
{
    vst1q_f32(p, a);
}

KM_INLINE int v_stream_pays(void)
{
    return 0;
}

KM_INLINE void v_fence(void)
{
}

/* Row i, lane j becomes row j, lane i. */
KM_INLINE void v_transpose(vf a[V])
{
    const float32x4x2_t x = vtrnq_f32(a[0], a[1]), y = vtrnq_f32(a[2], a[3]);
    a[0] = vcombine_f32(vget_low_f32(x.val[0]), vget_low_f32(y.val[0]));
    a[1] = vcombine_f32(vget_low_f32(x.val[1]), vget_low_f32(y.val[1]));
    a[2] = vcombine_f32(vget_high_f32(x.val[0]), vget_high_f32(y.val[0]));
    a[3] = vcombine_f32(vget_high_f32(x.val[1]), vget_high_f32(y.val[1]));
}

/* ---- arithmetic ---- */

KM_INLINE vf v_set(float a)
{
    return vdupq_n_f32(a);
}

KM_INLINE vf v_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}

KM_INLINE vf v_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}

KM_INLINE vf v_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}

KM_INLINE vf v_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}

KM_INLINE vf v_sqrt(vf a)
{
    return vsqrtq_f32(a);
}

KM_INLINE vf v_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}

KM_INLINE vf v_fma_from(const float *a, vf b, vf c)
{
    return v_fma(v_set(*a), b, c);
}

enum { TILE_FROM = 0 };

KM_INLINE vf v_fms(vf a, vf b, vf c)
{
    return vfmaq_f32(vnegq_f32(c), a, b);
}

KM_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return vfmsq_f32(c, a, b);
}

/* 8 bits and two steps of Newton's: within 3 ulp of normal numbers. */
KM_INLINE vf v_fast_rcp(vf a)
{
    vf y = vrecpeq_f32(a);
    y = vmulq_f32(y, vrecpsq_f32(a, y));
    return vmulq_f32(y, vrecpsq_f32(a, y));
}

KM_INLINE vf v_rough_rsqrt(vf a)
{
    const vf y = vrsqrteq_f32(a);
    return vmulq_f32(y, vrsqrtsq_f32(vmulq_f32(a, y), y));
}

KM_INLINE vf v_min(vf c, vf x)
{
    return vbslq_f32(vcltq_f32(c, x), c, x);
}

KM_INLINE vf v_max(vf c, vf x)
{
    return vbslq_f32(vcgtq_f32(c, x), c, x);
}

KM_INLINE vf v_abs(vf a)
{
    return vabsq_f32(a);
}

KM_INLINE vf v_neg_abs(vf a)
{
    return vnegq_f32(vabsq_f32(a));
}

KM_INLINE vf v_copysign(vf magnitude, vf sign)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}

KM_INLINE vf v_max_bits(vf a, vf b)
{
    return vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}

/* ---- comparison ---- */

KM_INLINE vm v_gt(vf a, vf b)
{
    return vcgtq_f32(a, b);
}

KM_INLINE vm v_lt(vf a, vf b)
{
    return vcltq_f32(a, b);
}

KM_INLINE vf v_select(vm m, vf yes, vf no)
{
    return vbslq_f32(m, yes, no);
}

KM_INLINE vm v_gt_bits(vf a, vf b)
{
    return vcgtq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b));
}

KM_INLINE int v_any(vm m)
{
    return vmaxvq_u32(m) != 0;
}

/* ---- powers of two ---- */

KM_INLINE vf v_pow2_bits(vf t)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(t), 23));
}

/* Two factors, of which the first leaves a normal number: one rounding, in the second. */
KM_INLINE vf v_scale(vf a, vf n)
{
    const vf to_bits = v_set(V_TO_BITS);
    const vf n1 = v_max(v_set(-100), n), n2 = v_sub(n, n1);
    a = v_mul(a, v_pow2_bits(v_add(n1, to_bits)));
    return v_mul(a, v_pow2_bits(v_add(n2, to_bits)));
}

KM_INLINE vf v_round_to_bits(vf a)
{
    return vreinterpretq_f32_s32(vcvtnq_s32_f32(a));
}

KM_INLINE vf v_split(vf a, vf *n)
{
    const int32x4_t bits = vreinterpretq_s32_f32(a), root = vdupq_n_s32(0x3f3504f3);
    const int32x4_t e = vshrq_n_s32(vsubq_s32(bits, root), 23);
    *n = vcvtq_f32_s32(e);
    return vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(e, 23)));
}

/* ---- lookup ---- */

KM_INLINE vf v_bits_from_20(vf a)
{
    return vreinterpretq_f32_u32(vshrq_n_u32(vreinterpretq_u32_f32(a), 20));
}

KM_INLINE vf v_lookup(const float *table, vf t)
{
    const uint32x4_t i = vandq_u32(vreinterpretq_u32_f32(t), vdupq_n_u32(31));
    vf a = vdupq_n_f32(table[vgetq_lane_u32(i, 0)]);
    a = vld1q_lane_f32(table + vgetq_lane_u32(i, 1), a, 1);
    a = vld1q_lane_f32(table + vgetq_lane_u32(i, 2), a, 2);
    return vld1q_lane_f32(table + vgetq_lane_u32(i, 3), a, 3);
}

/* Every lane takes a move and a load. */
KM_INLINE int v_lookup_pays(void)
{
    return 0;
}

/* ---- reduction ---- */

KM_INLINE float v_largest(vf a)
{
    return vmaxvq_f32(a);
}

KM_INLINE float v_sum_float(vf a)
{
    return vaddvq_f32(a);
}

KM_INLINE vf v_sums(const vf a[V])
{
    return vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3]));
}

KM_INLINE double v_sum(vf a)
{
    const float64x2_t s = vaddq_f64(vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a));
    return vgetq_lane_f64(s, 0) + vgetq_lane_f64(s, 1);
}

/* ---- parts of vectors ---- */

KM_INLINE vf v_load_within(const float *p, int64_t from, int64_t to, vf other)
{
    if (from <= 0 && to >= V)
        return vld1q_f32(p);
    if (from <= 0 && 0 < to)
        other = vld1q_lane_f32(p, other, 0);
    if (from <= 1 && 1 < to)
        other = vld1q_lane_f32(p + 1, other, 1);
    if (from <= 2 && 2 < to)
        other = vld1q_lane_f32(p + 2, other, 2);
    if (from <= 3 && 3 < to)
        other = vld1q_lane_f32(p + 3, other, 3);
    return other;
}

/* ---- masks, pairs ---- */

typedef int32x4_t vi;
typedef struct vw {
    float64x2_t low, high;
} vw;

KM_INLINE vm v_eq(vf a, vf b)
{
    return vceqq_f32(a, b);
}

KM_INLINE vm v_not_le(vf a, vf b)
{
    return vmvnq_u32(vcleq_f32(a, b));
}

KM_INLINE vm v_unordered(vf a, vf b)
{
    return vmvnq_u32(vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b)));
}

KM_INLINE vm v_and(vm a, vm b)
{
    return vandq_u32(a, b);
}

KM_INLINE vm v_or(vm a, vm b)
{
    return vorrq_u32(a, b);
}

KM_INLINE vf v_even(vf a, vf b)
{
    return vuzp1q_f32(a, b);
}

KM_INLINE vf v_odd(vf a, vf b)
{
    return vuzp2q_f32(a, b);
}

KM_INLINE vf v_zip_low(vf a, vf b)
{
    return vzip1q_f32(a, b);
}

KM_INLINE vf v_zip_high(vf a, vf b)
{
    return vzip2q_f32(a, b);
}

#include "neon_bits.h"

#endif
