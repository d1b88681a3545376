/* isa/avx512.h: the vector vocabulary on AVX-512 (F, BW, DQ, VL) with FMA.
 *
 * Rules shared by all isa/ headers are in vec.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ISA_AVX512_H
#define KM_ISA_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define KM_ISA       avx512
#define KM_ISA_NAME  "avx512"
#define KM_ISA_WORDS "AVX-512 F+BW+DQ+VL"

typedef __m512 vf;
typedef __mmask16 vm;
enum { V = 16 };

/* A register tile of a matrix product: rows by vectors, 28 sums of 32 registers. */
enum { TILE_ROWS = 14, TILE_VECTORS = 2 };
#define TILE_WIDTHS(W)  W(1) W(2)
#define TILE_HEIGHTS(H) H(1) H(2) H(3) H(4) H(5) H(6) H(7) H(8) H(9) H(10) H(11) H(12) H(13) H(14)

KM_INLINE vm v_lanes(int64_t n)
{
    return n >= V ? (vm)0xffff : (vm)((1u << n) - 1);
}

/* ---- memory ---- */

KM_INLINE vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

KM_INLINE vf v_load_n(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(v_lanes(n), p);
}

KM_INLINE vf v_load_in(const float *p, vm m)
{
    return _mm512_maskz_loadu_ps(m, p);
}

KM_INLINE void v_store_in(float *p, vf a, vm m)
{
    _mm512_mask_storeu_ps(p, m, a);
}

KM_INLINE void v_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}

KM_INLINE void v_store_n(float *p, vf a, int64_t n)
{
    _mm512_mask_storeu_ps(p, v_lanes(n), a);
}

KM_INLINE void v_stream(float *p, vf a)
{
    _mm512_stream_ps(p, a);
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

/* Row i, lane j becomes row j, lane i: pairs of floats, of doubles, of quarters, of halves. */
KM_INLINE void v_transpose(vf a[V])
{
    __m512 b[V];
    for (int i = 0; i < V; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < V; i += 4)
        for (int j = 0; j < 2; j++) {
            const __m512d x = _mm512_castps_pd(b[i + j]), y = _mm512_castps_pd(b[i + j + 2]);
            a[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
            a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
        }
    for (int i = 0; i < V; i += 8)
        for (int j = 0; j < 4; j++) {
            b[i + j] = _mm512_shuffle_f32x4(a[i + j], a[i + j + 4], 0x88);
            b[i + j + 4] = _mm512_shuffle_f32x4(a[i + j], a[i + j + 4], 0xdd);
        }
    for (int j = 0; j < 8; j++) {
        a[j] = _mm512_shuffle_f32x4(b[j], b[j + 8], 0x88);
        a[j + 8] = _mm512_shuffle_f32x4(b[j], b[j + 8], 0xdd);
    }
}

/* ---- arithmetic ---- */

KM_INLINE vf v_set(float a)
{
    return _mm512_set1_ps(a);
}

KM_INLINE vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

KM_INLINE vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

KM_INLINE vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

KM_INLINE vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

KM_INLINE vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}

KM_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* One instruction, which compilers split in two where the element is used again. */
KM_INLINE vf v_fma_from(const float *a, vf b, vf c)
{
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(c) : "v"(b), "m"(*a));
    return c;
}

/* Five of 14: together with the vectors' loads, less than what two load ports can do beside 28 multiplications. */
enum { TILE_FROM = 3 };

KM_INLINE vf v_fms(vf a, vf b, vf c)
{
    return _mm512_fmsub_ps(a, b, c);
}

KM_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* 14 bits and one step of Newton's: within 2 ulp of normal numbers. */
KM_INLINE vf v_fast_rcp(vf a)
{
    const vf y = _mm512_rcp14_ps(a);
    return v_fma(y, v_fnma(a, y, _mm512_set1_ps(1)), y);
}

KM_INLINE vf v_rough_rsqrt(vf a)
{
    return _mm512_rsqrt14_ps(a);
}

KM_INLINE vf v_min(vf c, vf x)
{
    return _mm512_min_ps(c, x);
}

KM_INLINE vf v_max(vf c, vf x)
{
    return _mm512_max_ps(c, x);
}

KM_INLINE vf v_abs(vf a)
{
    return _mm512_abs_ps(a);
}

KM_INLINE vf v_neg_abs(vf a)
{
    return _mm512_or_ps(a, _mm512_set1_ps(-0.0f));
}

/* The operand that the instruction overwrites is the one no longer needed. */
KM_INLINE vf v_copysign(vf magnitude, vf sign)
{
    const __m512i low = _mm512_set1_epi32(0x7fffffff);
    const __m512i m = _mm512_castps_si512(magnitude), s = _mm512_castps_si512(sign);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(m, low, s, 0xe2));
}

KM_INLINE vf v_max_bits(vf a, vf b)
{
    const __m512i m = _mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b));
    return _mm512_castsi512_ps(m);
}

/* ---- comparison ---- */

KM_INLINE vm v_gt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

KM_INLINE vm v_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

KM_INLINE vf v_select(vm m, vf yes, vf no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

KM_INLINE vm v_gt_bits(vf a, vf b)
{
    return _mm512_cmpgt_epu32_mask(_mm512_castps_si512(a), _mm512_castps_si512(b));
}

KM_INLINE int v_any(vm m)
{
    return m != 0;
}

/* ---- powers of two ---- */

KM_INLINE vf v_pow2_bits(vf t)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(t), 23));
}

KM_INLINE vf v_scale(vf a, vf n)
{
    return _mm512_scalef_ps(a, n);
}

KM_INLINE vf v_round_to_bits(vf a)
{
    return _mm512_castsi512_ps(_mm512_cvtps_epi32(a));
}

KM_INLINE vf v_split(vf a, vf *n)
{
    const __m512i bits = _mm512_castps_si512(a), root = _mm512_set1_epi32(0x3f3504f3);
    const __m512i e = _mm512_srai_epi32(_mm512_sub_epi32(bits, root), 23);
    *n = _mm512_cvtepi32_ps(e);
    return _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(e, 23)));
}

/* ---- lookup ---- */

KM_INLINE vf v_bits_from_20(vf a)
{
    return _mm512_castsi512_ps(_mm512_srli_epi32(_mm512_castps_si512(a), 20));
}

KM_INLINE vf v_lookup(const float *table, vf t)
{
    const __m512 low = _mm512_load_ps(table), high = _mm512_load_ps(table + V);
    return _mm512_permutex2var_ps(low, _mm512_castps_si512(t), high);
}

/* One instruction. */
KM_INLINE int v_lookup_pays(void)
{
    return 1;
}

/* ---- reduction ---- */

KM_INLINE float v_largest(vf a)
{
    return _mm512_reduce_max_ps(a);
}

KM_INLINE float v_sum_float(vf a)
{
    return _mm512_reduce_add_ps(a);
}

/* Neighbours within quarters, then the quarters: each step halves the vectors. */
KM_INLINE vf v_sums(const vf a[V])
{
    __m512 b[V / 2], c[V / 4], d[2];
    for (int i = 0; i < V / 2; i++)
        b[i] = _mm512_add_ps(_mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]),
                             _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]));
    for (int i = 0; i < V / 4; i++) {
        const __m512d x = _mm512_castps_pd(b[2 * i]), y = _mm512_castps_pd(b[2 * i + 1]);
        c[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
    }
    for (int i = 0; i < 2; i++)
        d[i] = _mm512_add_ps(_mm512_shuffle_f32x4(c[2 * i], c[2 * i + 1], 0x88),
                             _mm512_shuffle_f32x4(c[2 * i], c[2 * i + 1], 0xdd));
    return _mm512_add_ps(_mm512_shuffle_f32x4(d[0], d[1], 0x88),
                         _mm512_shuffle_f32x4(d[0], d[1], 0xdd));
}

KM_INLINE double v_sum(vf a)
{
    const __m512d lo = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    const __m512d hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    return _mm512_reduce_add_pd(_mm512_add_pd(lo, hi));
}

/* ---- parts of vectors ---- */

KM_INLINE vf v_load_within(const float *p, int64_t from, int64_t to, vf other)
{
    return _mm512_mask_loadu_ps(other, v_lanes(to < 0 ? 0 : to) & ~v_lanes(from < 0 ? 0 : from), p);
}

/* ---- masks, pairs ---- */

typedef __m512i vi;
typedef struct vw {
    __m512d low, high;
} vw;

KM_INLINE vm v_eq(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

KM_INLINE vm v_not_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ);
}

KM_INLINE vm v_unordered(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
}

KM_INLINE vm v_and(vm a, vm b)
{
    return a & b;
}

KM_INLINE vm v_or(vm a, vm b)
{
    return a | b;
}

KM_INLINE vf v_even(vf a, vf b)
{
    const vi from = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_ps(a, from, b);
}

KM_INLINE vf v_odd(vf a, vf b)
{
    const vi from = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_ps(a, from, b);
}

KM_INLINE vf v_zip_low(vf a, vf b)
{
    const vi from = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutex2var_ps(a, from, b);
}

KM_INLINE vf v_zip_high(vf a, vf b)
{
    const vi from = _mm512_set_epi32(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8);
    return _mm512_permutex2var_ps(a, from, b);
}

#include "avx512_bits.h"

#endif
