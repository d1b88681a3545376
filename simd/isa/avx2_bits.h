/* isa/avx2_bits.h: the vocabulary's whole numbers, random bits, masks as bytes and doubles on AVX2.
 *
 * Included by avx2.h alone. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ISA_AVX2_BITS_H
#define KM_ISA_AVX2_BITS_H

/* ---- whole numbers ---- */

KM_INLINE vi vi_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

KM_INLINE vi vi_load_n(const int32_t *p, int64_t n)
{
    return _mm256_maskload_epi32(p, v_lanes(n));
}

KM_INLINE void vi_store(int32_t *p, vi a)
{
    _mm256_storeu_si256((__m256i *)p, a);
}

KM_INLINE void vi_store_n(int32_t *p, vi a, int64_t n)
{
    _mm256_maskstore_epi32(p, v_lanes(n), a);
}

KM_INLINE vi vi_set(int32_t a)
{
    return _mm256_set1_epi32(a);
}

KM_INLINE vi vi_bits(vf a)
{
    return _mm256_castps_si256(a);
}

KM_INLINE vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}

KM_INLINE vm vi_eq(vi a, vi b)
{
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}

KM_INLINE vi vi_select(vm m, vi yes, vi no)
{
    return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(m));
}

/* ---- bits of whole numbers ---- */

KM_INLINE vi vi_left(vi a, int n)
{
    return _mm256_slli_epi32(a, n);
}

KM_INLINE vi vi_right(vi a, int n)
{
    return _mm256_srli_epi32(a, n);
}

KM_INLINE vi vi_right_signed(vi a, int n)
{
    return _mm256_srai_epi32(a, n);
}

KM_INLINE vi vi_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}

KM_INLINE vm vi_gt(vi a, vi b)
{
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b));
}

KM_INLINE vf vi_to_float(vi a)
{
    return _mm256_cvtepi32_ps(a);
}

KM_INLINE vi vi_of_bits(vf a)
{
    return _mm256_castps_si256(a);
}

KM_INLINE vf v_of_bits(vi a)
{
    return _mm256_castsi256_ps(a);
}

KM_INLINE vf v_flip(vf a, vi signs)
{
    return _mm256_xor_ps(a, _mm256_castsi256_ps(signs));
}

/* ---- masks as bytes ---- */

KM_INLINE vm v_mask_of(const uint8_t *p, int64_t n)
{
    int64_t b = 0;
    if (n >= V)
        memcpy(&b, p, V);
    else
        for (int64_t i = 0; i < n; i++)
            b |= (int64_t)p[i] << 8 * i;
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(b));
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(wide, _mm256_setzero_si256()));
}

KM_INLINE void v_mask_to(uint8_t *p, vm m, int64_t n)
{
    const __m256i one = _mm256_srli_epi32(_mm256_castps_si256(m), 31);
    const __m128i pairs =
        _mm_packs_epi32(_mm256_castsi256_si128(one), _mm256_extracti128_si256(one, 1));
    const int64_t b = _mm_cvtsi128_si64(_mm_packs_epi16(pairs, pairs));
    if (n >= V)
        memcpy(p, &b, V);
    else
        for (int64_t i = 0; i < n; i++)
            p[i] = b >> 8 * i & 1;
}

/* ---- numbers of one byte, under the same masks: in lanes of 32 bits ---- */

typedef __m256i vb;

KM_INLINE vb vb_set(int32_t four)
{
    return _mm256_and_si256(_mm256_set1_epi32(four), _mm256_set1_epi32(255));
}

KM_INLINE vb vb_load(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

KM_INLINE void vb_store(uint8_t *p, vb a)
{
    const __m128i pairs =
        _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(pairs, pairs));
}

KM_INLINE vb vb_add(vb a, vb b)
{
    return _mm256_add_epi32(a, b);
}

KM_INLINE vb vb_select(vm m, vb yes, vb no)
{
    return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(m));
}

KM_INLINE vm vb_eq(vb a, vb b)
{
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}

/* ---- 64-bit lanes ---- */

typedef __m256i vq;

KM_INLINE vq vq_set(uint64_t a)
{
    return _mm256_set1_epi64x((long long)a);
}

KM_INLINE vq vq_load(const uint64_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

KM_INLINE vq vq_add(vq a, vq b)
{
    return _mm256_add_epi64(a, b);
}

KM_INLINE vq vq_mul(vq a, vq b)
{
    return _mm256_mul_epu32(a, b);
}

KM_INLINE vq vq_high(vq a)
{
    return _mm256_srli_epi64(a, 32);
}

KM_INLINE vq vq_xor(vq a, vq b, vq c)
{
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}

KM_INLINE vi vq_join(vq low, vq high)
{
    return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xaa);
}

KM_INLINE void vq_words(const vq w[4], vi r[2])
{
    const vi a = vq_join(w[0], w[1]), b = vq_join(w[2], w[3]);
    r[0] = _mm256_unpacklo_epi64(a, b);
    r[1] = _mm256_unpackhi_epi64(a, b);
}

/* ---- wide: V doubles ---- */

KM_INLINE vw vw_zero(void)
{
    return (vw){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

KM_INLINE vw vw_add(vw s, vf a)
{
    s.low = _mm256_add_pd(s.low, _mm256_cvtps_pd(_mm256_castps256_ps128(a)));
    s.high = _mm256_add_pd(s.high, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
    return s;
}

KM_INLINE vw vw_fma(vf a, vf b, vw c)
{
    c.low = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                            _mm256_cvtps_pd(_mm256_castps256_ps128(b)), c.low);
    c.high = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)),
                             _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1)), c.high);
    return c;
}

KM_INLINE double vw_sum(vw s)
{
    const __m256d h = _mm256_add_pd(s.low, s.high);
    const __m128d q = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
    return _mm_cvtsd_f64(_mm_add_sd(q, _mm_unpackhi_pd(q, q)));
}

KM_INLINE vf vw_round(vw s)
{
    return _mm256_set_m128(_mm256_cvtpd_ps(s.high), _mm256_cvtpd_ps(s.low));
}

KM_INLINE vw vw_set(double a)
{
    return (vw){_mm256_set1_pd(a), _mm256_set1_pd(a)};
}

KM_INLINE vw vw_of(vf a)
{
    return (vw){_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}

KM_INLINE vw vw_load(const double *p)
{
    return (vw){_mm256_loadu_pd(p), _mm256_loadu_pd(p + V / 2)};
}

KM_INLINE void vw_store(double *p, vw a)
{
    _mm256_storeu_pd(p, a.low);
    _mm256_storeu_pd(p + V / 2, a.high);
}

KM_INLINE vw vw_plus(vw a, vw b)
{
    return (vw){_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}

KM_INLINE vw vw_minus(vw a, vw b)
{
    return (vw){_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)};
}

KM_INLINE vw vw_muladd(vw a, vw b, vw c)
{
    return (vw){_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
}

KM_INLINE vw vw_load_in(vm m, const double *p)
{
    const __m256i lanes = _mm256_castps_si256(m);
    const __m256i low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(lanes));
    const __m256i high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(lanes, 1));
    return (vw){_mm256_and_pd(_mm256_castsi256_pd(low), _mm256_loadu_pd(p)),
                _mm256_and_pd(_mm256_castsi256_pd(high), _mm256_loadu_pd(p + V / 2))};
}

KM_INLINE vw vw_plus_in(vw s, vm m, const double *p)
{
    return vw_plus(s, vw_load_in(m, p));
}

#endif
