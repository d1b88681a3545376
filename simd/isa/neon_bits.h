/* isa/neon_bits.h: the vocabulary's whole numbers, random bits, masks as bytes and doubles on AArch64 NEON.
 *
 * Included by neon.h alone. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ISA_NEON_BITS_H
#define KM_ISA_NEON_BITS_H

/* ---- whole numbers ---- */

KM_INLINE vi vi_load(const int32_t *p)
{
    return vld1q_s32(p);
}

KM_INLINE vi vi_load_n(const int32_t *p, int64_t n)
{
    return vreinterpretq_s32_f32(v_load_n((const float *)p, n));
}

KM_INLINE void vi_store(int32_t *p, vi a)
{
    vst1q_s32(p, a);
}

KM_INLINE void vi_store_n(int32_t *p, vi a, int64_t n)
{
    v_store_n((float *)p, vreinterpretq_f32_s32(a), n);
}

KM_INLINE vi vi_set(int32_t a)
{
    return vdupq_n_s32(a);
}

KM_INLINE vi vi_bits(vf a)
{
    return vreinterpretq_s32_f32(a);
}

KM_INLINE vi vi_add(vi a, vi b)
{
    return vaddq_s32(a, b);
}

KM_INLINE vm vi_eq(vi a, vi b)
{
    return vceqq_s32(a, b);
}

KM_INLINE vi vi_select(vm m, vi yes, vi no)
{
    return vbslq_s32(m, yes, no);
}

/* ---- bits of whole numbers ---- */

KM_INLINE vi vi_left(vi a, int n)
{
    return vshlq_s32(a, vdupq_n_s32(n));
}

KM_INLINE vi vi_right(vi a, int n)
{
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
}

KM_INLINE vi vi_right_signed(vi a, int n)
{
    return vshlq_s32(a, vdupq_n_s32(-n));
}

KM_INLINE vi vi_and(vi a, vi b)
{
    return vandq_s32(a, b);
}

KM_INLINE vm vi_gt(vi a, vi b)
{
    return vcgtq_s32(a, b);
}

KM_INLINE vf vi_to_float(vi a)
{
    return vcvtq_f32_s32(a);
}

KM_INLINE vi vi_of_bits(vf a)
{
    return vreinterpretq_s32_f32(a);
}

KM_INLINE vf v_of_bits(vi a)
{
    return vreinterpretq_f32_s32(a);
}

KM_INLINE vf v_flip(vf a, vi signs)
{
    return vreinterpretq_f32_s32(veorq_s32(vreinterpretq_s32_f32(a), signs));
}

/* ---- masks as bytes ---- */

KM_INLINE vm v_mask_of(const uint8_t *p, int64_t n)
{
    uint32_t b = 0;
    if (n >= V)
        memcpy(&b, p, V);
    else
        for (int64_t i = 0; i < n; i++)
            b |= (uint32_t)p[i] << 8 * i;
    const uint32x4_t wide = vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(b))));
    return vtstq_u32(wide, wide);
}

KM_INLINE void v_mask_to(uint8_t *p, vm m, int64_t n)
{
    const uint16x4_t one = vmovn_u32(vshrq_n_u32(m, 31));
    const uint32_t b = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(one, one))), 0);
    if (n >= V)
        memcpy(p, &b, V);
    else
        for (int64_t i = 0; i < n; i++)
            p[i] = b >> 8 * i & 1;
}

/* ---- numbers of one byte, under the same masks: in lanes of 32 bits ---- */

typedef uint32x4_t vb;

KM_INLINE vb vb_set(int32_t four)
{
    return vdupq_n_u32((uint32_t)four & 255);
}

KM_INLINE vb vb_load(const uint8_t *p)
{
    uint32_t b;
    memcpy(&b, p, V);
    return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(b))));
}

KM_INLINE void vb_store(uint8_t *p, vb a)
{
    const uint16x4_t pairs = vmovn_u32(a);
    const uint32_t b = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(pairs, pairs))), 0);
    memcpy(p, &b, V);
}

KM_INLINE vb vb_add(vb a, vb b)
{
    return vaddq_u32(a, b);
}

KM_INLINE vb vb_select(vm m, vb yes, vb no)
{
    return vbslq_u32(m, yes, no);
}

KM_INLINE vm vb_eq(vb a, vb b)
{
    return vceqq_u32(a, b);
}

/* ---- 64-bit lanes ---- */

typedef uint64x2_t vq;

KM_INLINE vq vq_set(uint64_t a)
{
    return vdupq_n_u64(a);
}

KM_INLINE vq vq_load(const uint64_t *p)
{
    return vld1q_u64(p);
}

KM_INLINE vq vq_add(vq a, vq b)
{
    return vaddq_u64(a, b);
}

KM_INLINE vq vq_mul(vq a, vq b)
{
    return vmull_u32(vmovn_u64(a), vmovn_u64(b));
}

KM_INLINE vq vq_high(vq a)
{
    return vshrq_n_u64(a, 32);
}

KM_INLINE vq vq_xor(vq a, vq b, vq c)
{
    return veorq_u64(veorq_u64(a, b), c);
}

KM_INLINE void vq_words(const vq w[4], vi r[2])
{
    const vq a = vsliq_n_u64(w[0], w[1], 32), b = vsliq_n_u64(w[2], w[3], 32);
    r[0] = vreinterpretq_s32_u64(vzip1q_u64(a, b));
    r[1] = vreinterpretq_s32_u64(vzip2q_u64(a, b));
}

/* ---- wide: V doubles ---- */

KM_INLINE vw vw_zero(void)
{
    return (vw){vdupq_n_f64(0), vdupq_n_f64(0)};
}

KM_INLINE vw vw_add(vw s, vf a)
{
    s.low = vaddq_f64(s.low, vcvt_f64_f32(vget_low_f32(a)));
    s.high = vaddq_f64(s.high, vcvt_high_f64_f32(a));
    return s;
}

KM_INLINE vw vw_fma(vf a, vf b, vw c)
{
    c.low = vfmaq_f64(c.low, vcvt_f64_f32(vget_low_f32(a)), vcvt_f64_f32(vget_low_f32(b)));
    c.high = vfmaq_f64(c.high, vcvt_high_f64_f32(a), vcvt_high_f64_f32(b));
    return c;
}

KM_INLINE double vw_sum(vw s)
{
    return vaddvq_f64(vaddq_f64(s.low, s.high));
}

KM_INLINE vf vw_round(vw s)
{
    return vcvt_high_f32_f64(vcvt_f32_f64(s.low), s.high);
}

KM_INLINE vw vw_set(double a)
{
    return (vw){vdupq_n_f64(a), vdupq_n_f64(a)};
}

KM_INLINE vw vw_of(vf a)
{
    return (vw){vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a)};
}

KM_INLINE vw vw_load(const double *p)
{
    return (vw){vld1q_f64(p), vld1q_f64(p + V / 2)};
}

KM_INLINE void vw_store(double *p, vw a)
{
    vst1q_f64(p, a.low);
    vst1q_f64(p + V / 2, a.high);
}

KM_INLINE vw vw_plus(vw a, vw b)
{
    return (vw){vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)};
}

KM_INLINE vw vw_minus(vw a, vw b)
{
    return (vw){vsubq_f64(a.low, b.low), vsubq_f64(a.high, b.high)};
}

KM_INLINE vw vw_muladd(vw a, vw b, vw c)
{
    return (vw){vfmaq_f64(c.low, a.low, b.low), vfmaq_f64(c.high, a.high, b.high)};
}

KM_INLINE vw vw_load_in(vm m, const double *p)
{
    const int32x4_t lanes = vreinterpretq_s32_u32(m);
    const float64x2_t zero = vdupq_n_f64(0);
    const uint64x2_t low = vreinterpretq_u64_s64(vmovl_s32(vget_low_s32(lanes)));
    const uint64x2_t high = vreinterpretq_u64_s64(vmovl_high_s32(lanes));
    return (vw){vbslq_f64(low, vld1q_f64(p), zero), vbslq_f64(high, vld1q_f64(p + V / 2), zero)};
}

KM_INLINE vw vw_plus_in(vw s, vm m, const double *p)
{
    return vw_plus(s, vw_load_in(m, p));
}

#endif
