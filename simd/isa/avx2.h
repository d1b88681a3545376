/* isa/avx2.h: the vector vocabulary on AVX2 with FMA.
 *
 * Rules shared by all isa/ headers are in vec.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ISA_AVX2_H
#define KM_ISA_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define KM_ISA       avx2
#define KM_ISA_NAME  "avx2"
#define KM_ISA_WORDS "AVX2 with FMA"

typedef __m256 vf;
typedef __m256 vm; /* all bits of a lane set or clear */
enum { V = 8 };

/* A register tile of a matrix product: rows by vectors, 12 sums of 16 registers. */
enum { TILE_ROWS = 6, TILE_VECTORS = 2 };
#define TILE_WIDTHS(W)  W(1) W(2)
#define TILE_HEIGHTS(H) H(1) H(2) H(3) H(4) H(5) H(6)

/* The first n lanes: a window that slides over ones followed by zeros. */
KM_INLINE __m256i v_lanes(int64_t n)
{
    static const int32_t ones[2 * V] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ones + V - (n >= V ? V : n)));
}

/* ---- memory ---- */

KM_INLINE vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

KM_INLINE vf v_load_n(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, v_lanes(n));
}

KM_INLINE vf v_load_in(const float *p, vm m)
{
    return _mm256_maskload_ps(p, _mm256_castps_si256(m));
}

KM_INLINE void v_store_in(float *p, vf a, vm m)
{
    _mm256_maskstore_ps(p, _mm256_castps_si256(m), a);
}

KM_INLINE void v_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}

KM_INLINE void v_store_n(float *p, vf a, int64_t n)
{
    _mm256_maskstore_ps(p, v_lanes(n), a);
}

KM_INLINE void v_stream(float *p, vf a)
{
    _mm256_stream_ps(p, a);
}

/* Measured: half again as fast as plain stores on Zen 5; 10 to 15 % slower than prefetched ones on
 * Cascade Lake, whose cores keep a fill buffer until the memory has taken the line. */
KM_INLINE int v_stream_pays(void)
{
    return __builtin_cpu_is("amd");
}

KM_INLINE void v_fence(void)
{
    _mm_sfence();
}

/* Row i, lane j becomes row j, lane i: pairs of floats, of doubles, of halves. */
KM_INLINE void v_transpose(vf a[V])
{
    __m256 b[V];
    for (int i = 0; i < V; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < V; i += 4)
        for (int j = 0; j < 2; j++) {
            const __m256d x = _mm256_castps_pd(b[i + j]), y = _mm256_castps_pd(b[i + j + 2]);
            a[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(x, y));
            a[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(x, y));
        }
    for (int j = 0; j < 4; j++) {
        b[j] = _mm256_permute2f128_ps(a[j], a[j + 4], 0x20);
        b[j + 4] = _mm256_permute2f128_ps(a[j], a[j + 4], 0x31);
    }
    for (int j = 0; j < V; j++)
        a[j] = b[j];
}

/* ---- arithmetic ---- */

KM_INLINE vf v_set(float a)
{
    return _mm256_set1_ps(a);
}

KM_INLINE vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}

KM_INLINE vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}

KM_INLINE vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

KM_INLINE vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}

KM_INLINE vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}

KM_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

KM_INLINE vf v_fma_from(const float *a, vf b, vf c)
{
    return v_fma(v_set(*a), b, c);
}

enum { TILE_FROM = 0 };

KM_INLINE vf v_fms(vf a, vf b, vf c)
{
    return _mm256_fmsub_ps(a, b, c);
}

KM_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* 11 bits and one step of Newton's: within 6 ulp of normal numbers. */
KM_INLINE vf v_fast_rcp(vf a)
{
    const vf y = _mm256_rcp_ps(a);
    return v_fma(y, v_fnma(a, y, _mm256_set1_ps(1)), y);
}

KM_INLINE vf v_rough_rsqrt(vf a)
{
    return _mm256_rsqrt_ps(a);
}

KM_INLINE vf v_min(vf c, vf x)
{
    return _mm256_min_ps(c, x);
}

KM_INLINE vf v_max(vf c, vf x)
{
    return _mm256_max_ps(c, x);
}

KM_INLINE vf v_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

KM_INLINE vf v_neg_abs(vf a)
{
    return _mm256_or_ps(_mm256_set1_ps(-0.0f), a);
}

KM_INLINE vf v_copysign(vf magnitude, vf sign)
{
    return _mm256_or_ps(v_abs(magnitude), _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}

KM_INLINE vf v_max_bits(vf a, vf b)
{
    const __m256i m = _mm256_max_epu32(_mm256_castps_si256(a), _mm256_castps_si256(b));
    return _mm256_castsi256_ps(m);
}

/* ---- comparison ---- */

KM_INLINE vm v_gt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}

KM_INLINE vm v_lt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

KM_INLINE vf v_select(vm m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, m);
}

/* Flipping the sign bits turns the order of unsigned numbers into that of signed ones. */
KM_INLINE vm v_gt_bits(vf a, vf b)
{
    const __m256i sign = _mm256_set1_epi32(INT32_MIN);
    const __m256i x = _mm256_xor_si256(_mm256_castps_si256(a), sign);
    const __m256i y = _mm256_xor_si256(_mm256_castps_si256(b), sign);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(x, y));
}

KM_INLINE int v_any(vm m)
{
    return _mm256_movemask_ps(m) != 0;
}

/* ---- powers of two ---- */

KM_INLINE vf v_pow2_bits(vf t)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(t), 23));
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
    return _mm256_castsi256_ps(_mm256_cvtps_epi32(a));
}

KM_INLINE vf v_split(vf a, vf *n)
{
    const __m256i bits = _mm256_castps_si256(a), root = _mm256_set1_epi32(0x3f3504f3);
    const __m256i e = _mm256_srai_epi32(_mm256_sub_epi32(bits, root), 23);
    *n = _mm256_cvtepi32_ps(e);
    return _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(e, 23)));
}

/* ---- lookup ---- */

KM_INLINE vf v_bits_from_20(vf a)
{
    return _mm256_castsi256_ps(_mm256_srli_epi32(_mm256_castps_si256(a), 20));
}

KM_INLINE vf v_lookup(const float *table, vf t)
{
    const __m256i i = _mm256_and_si256(_mm256_castps_si256(t), _mm256_set1_epi32(31));
    return _mm256_i32gather_ps(table, i, sizeof(float));
}

/* Gathers take as many loads as there are lanes. */
KM_INLINE int v_lookup_pays(void)
{
    return 0;
}

/* ---- reduction ---- */

KM_INLINE float v_largest(vf a)
{
    const __m128 h = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 q = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

KM_INLINE float v_sum_float(vf a)
{
    const __m128 h = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 q = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

KM_INLINE vf v_sums(const vf a[V])
{
    __m256 b[2];
    for (int i = 0; i < 2; i++)
        b[i] = _mm256_hadd_ps(_mm256_hadd_ps(a[4 * i], a[4 * i + 1]),
                              _mm256_hadd_ps(a[4 * i + 2], a[4 * i + 3]));
    return _mm256_add_ps(_mm256_permute2f128_ps(b[0], b[1], 0x20),
                         _mm256_permute2f128_ps(b[0], b[1], 0x31));
}

KM_INLINE double v_sum(vf a)
{
    const __m256d lo = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    const __m256d hi = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    const __m256d s = _mm256_add_pd(lo, hi);
    const __m128d q = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));
    return _mm_cvtsd_f64(_mm_add_sd(q, _mm_unpackhi_pd(q, q)));
}

/* ---- parts of vectors ---- */

KM_INLINE vf v_load_within(const float *p, int64_t from, int64_t to, vf other)
{
    const __m256i before = v_lanes(from < 0 ? 0 : from);
    const __m256i mask = _mm256_andnot_si256(before, v_lanes(to < 0 ? 0 : to));
    return _mm256_blendv_ps(other, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}

/* ---- masks, pairs ---- */

typedef __m256i vi;
typedef struct vw {
    __m256d low, high;
} vw;

KM_INLINE vm v_eq(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

KM_INLINE vm v_not_le(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_NLE_UQ);
}

KM_INLINE vm v_unordered(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_UNORD_Q);
}

KM_INLINE vm v_and(vm a, vm b)
{
    return _mm256_and_ps(a, b);
}

KM_INLINE vm v_or(vm a, vm b)
{
    return _mm256_or_ps(a, b);
}

/* Lanes 0 to 3 and 4 to 7 are shuffled apart: halves are put in order afterwards, or before. */
KM_INLINE vf v_in_order(vf a)
{
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(a), 0xd8));
}

KM_INLINE vf v_even(vf a, vf b)
{
    return v_in_order(_mm256_shuffle_ps(a, b, 0x88));
}

KM_INLINE vf v_odd(vf a, vf b)
{
    return v_in_order(_mm256_shuffle_ps(a, b, 0xdd));
}

KM_INLINE vf v_zip_low(vf a, vf b)
{
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}

KM_INLINE vf v_zip_high(vf a, vf b)
{
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}

#include "avx2_bits.h"

#endif
