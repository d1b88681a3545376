/* isa/avx512_bits.h: the vocabulary's whole numbers, random bits, masks as bytes and doubles on AVX-512.
 *
 * Included by avx512.h alone. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ISA_AVX512_BITS_H
#define KM_ISA_AVX512_BITS_H

/* ---- whole numbers ---- */

KM_INLINE vi vi_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}

KM_INLINE vi vi_load_n(const int32_t *p, int64_t n)
{
    return _mm512_maskz_loadu_epi32(v_lanes(n), p);
}

KM_INLINE void vi_store(int32_t *p, vi a)
{
    _mm512_storeu_si512(p, a);
}

KM_INLINE void vi_store_n(int32_t *p, vi a, int64_t n)
{
    _mm512_mask_storeu_epi32(p, v_lanes(n), a);
}

KM_INLINE vi vi_set(int32_t a)
{
    return _mm512_set1_epi32(a);
}

KM_INLINE vi vi_bits(vf a)
{
    return _mm512_castps_si512(a);
}

KM_INLINE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}

KM_INLINE vm vi_eq(vi a, vi b)
{
    return _mm512_cmpeq_epi32_mask(a, b);
}

KM_INLINE vi vi_select(vm m, vi yes, vi no)
{
    return _mm512_mask_blend_epi32(m, no, yes);
}

/* ---- bits of whole numbers ---- */

KM_INLINE vi vi_left(vi a, int n)
{
    return _mm512_slli_epi32(a, n);
}

KM_INLINE vi vi_right(vi a, int n)
{
    return _mm512_srli_epi32(a, n);
}

KM_INLINE vi vi_right_signed(vi a, int n)
{
    return _mm512_srai_epi32(a, n);
}

KM_INLINE vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}

KM_INLINE vm vi_gt(vi a, vi b)
{
    return _mm512_cmpgt_epi32_mask(a, b);
}

KM_INLINE vf vi_to_float(vi a)
{
    return _mm512_cvtepi32_ps(a);
}

KM_INLINE vi vi_of_bits(vf a)
{
    return _mm512_castps_si512(a);
}

KM_INLINE vf v_of_bits(vi a)
{
    return _mm512_castsi512_ps(a);
}

KM_INLINE vf v_flip(vf a, vi signs)
{
    return _mm512_xor_ps(a, _mm512_castsi512_ps(signs));
}

/* ---- masks as bytes ---- */

KM_INLINE vm v_mask_of(const uint8_t *p, int64_t n)
{
    const __m128i b =
        n >= V ? _mm_loadu_si128((const __m128i *)p) : _mm_maskz_loadu_epi8(v_lanes(n), p);
    return _mm_test_epi8_mask(b, b);
}

KM_INLINE void v_mask_to(uint8_t *p, vm m, int64_t n)
{
    const __m128i b = _mm_maskz_set1_epi8(m, 1);
    if (n >= V)
        _mm_storeu_si128((__m128i *)p, b);
    else
        _mm_mask_storeu_epi8(p, v_lanes(n), b);
}

/* ---- numbers of one byte, under the same masks ---- */

typedef __m128i vb;

KM_INLINE vb vb_set(int32_t four)
{
    return _mm_set1_epi32(four);
}

KM_INLINE vb vb_load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

KM_INLINE void vb_store(uint8_t *p, vb a)
{
    _mm_storeu_si128((__m128i *)p, a);
}

KM_INLINE vb vb_add(vb a, vb b)
{
    return _mm_add_epi8(a, b);
}

KM_INLINE vb vb_select(vm m, vb yes, vb no)
{
    return _mm_mask_blend_epi8(m, no, yes);
}

KM_INLINE vm vb_eq(vb a, vb b)
{
    return _mm_cmpeq_epi8_mask(a, b);
}

/* ---- 64-bit lanes ---- */

typedef __m512i vq;

KM_INLINE vq vq_set(uint64_t a)
{
    return _mm512_set1_epi64((long long)a);
}

KM_INLINE vq vq_load(const uint64_t *p)
{
    return _mm512_loadu_si512((const __m512i *)p);
}

KM_INLINE vq vq_add(vq a, vq b)
{
    return _mm512_add_epi64(a, b);
}

KM_INLINE vq vq_mul(vq a, vq b)
{
    return _mm512_mul_epu32(a, b);
}

KM_INLINE vq vq_high(vq a)
{
    return _mm512_srli_epi64(a, 32);
}

KM_INLINE vq vq_xor(vq a, vq b, vq c)
{
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

KM_INLINE vi vq_join(vq low, vq high)
{
    return _mm512_mask_shuffle_epi32(low, 0xaaaa, high, 0xa0);
}

KM_INLINE void vq_words(const vq w[4], vi r[2])
{
    const vi a = vq_join(w[0], w[1]), b = vq_join(w[2], w[3]);
    r[0] = _mm512_unpacklo_epi64(a, b);
    r[1] = _mm512_unpackhi_epi64(a, b);
}

/* ---- wide: V doubles ---- */

KM_INLINE vw vw_zero(void)
{
    return (vw){_mm512_setzero_pd(), _mm512_setzero_pd()};
}

KM_INLINE vw vw_add(vw s, vf a)
{
    s.low = _mm512_add_pd(s.low, _mm512_cvtps_pd(_mm512_castps512_ps256(a)));
    s.high = _mm512_add_pd(s.high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
    return s;
}

KM_INLINE vw vw_fma(vf a, vf b, vw c)
{
    c.low = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                            _mm512_cvtps_pd(_mm512_castps512_ps256(b)), c.low);
    c.high = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)),
                             _mm512_cvtps_pd(_mm512_extractf32x8_ps(b, 1)), c.high);
    return c;
}

KM_INLINE double vw_sum(vw s)
{
    return _mm512_reduce_add_pd(_mm512_add_pd(s.low, s.high));
}

KM_INLINE vf vw_round(vw s)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(s.low)),
                              _mm512_cvtpd_ps(s.high), 1);
}

KM_INLINE vw vw_set(double a)
{
    return (vw){_mm512_set1_pd(a), _mm512_set1_pd(a)};
}

KM_INLINE vw vw_of(vf a)
{
    return (vw){_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))};
}

KM_INLINE vw vw_load(const double *p)
{
    return (vw){_mm512_loadu_pd(p), _mm512_loadu_pd(p + V / 2)};
}

KM_INLINE void vw_store(double *p, vw a)
{
    _mm512_storeu_pd(p, a.low);
    _mm512_storeu_pd(p + V / 2, a.high);
}

KM_INLINE vw vw_plus(vw a, vw b)
{
    return (vw){_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}

KM_INLINE vw vw_minus(vw a, vw b)
{
    return (vw){_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
}

KM_INLINE vw vw_muladd(vw a, vw b, vw c)
{
    return (vw){_mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high)};
}

KM_INLINE vw vw_load_in(vm m, const double *p)
{
    return (vw){_mm512_maskz_loadu_pd((__mmask8)m, p),
                _mm512_maskz_loadu_pd((__mmask8)_kshiftri_mask16(m, 8), p + V / 2)};
}

KM_INLINE vw vw_plus_in(vw s, vm m, const double *p)
{
    const __mmask8 high = (__mmask8)_kshiftri_mask16(m, 8);
    s.low = _mm512_mask_add_pd(s.low, (__mmask8)m, s.low, _mm512_loadu_pd(p));
    s.high = _mm512_mask_add_pd(s.high, high, s.high, _mm512_loadu_pd(p + V / 2));
    return s;
}

#endif
