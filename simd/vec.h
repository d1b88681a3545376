/* vec.h: the vector vocabulary in which the kernels of this folder are written, each once.
 *
 * The compile line names the header that defines it, as -DKM_ISA_HEADER='"isa/avx2.h"'; nothing
 * else here or in a kernel knows the instruction set.
 *
 *   vf, vm, V        vector of float, mask, number of lanes
 *   v_load_n, v_store_n   the first min(n, V) lanes, n >= 0; memory beyond is never touched
 *   v_load_within(p, from, to, other)   lanes [from, to), of which only those are touched; the rest of other
 *   v_load_in, v_store_in   the lanes of a mask, else 0; memory of the others is never touched
 *   v_stream         past the caches where the ISA can; p aligned to sizeof(vf); v_fence after
 *   v_stream_pays()  whether that is faster, for one core at a time, where no cache holds p
 *   v_fma(a, b, c)   a b + c;  v_fms  a b - c;  v_fnma  c - a b;  one rounding each
 *   v_fast_rcp       within 6 ulp, of normal numbers;  v_rough_rsqrt  within 2^-11
 *   v_fma_from(&a, b, c)   v_fma of one element for all lanes; TILE_FROM: a tile had better take every so many
 *                    rows so; 0: none
 *   v_min, v_max     (c, x): x unless c is smaller (larger), so a NaN or -0 in x stays
 *   v_gt, v_lt       false where an operand is NaN
 *   v_gt_bits, v_max_bits   of the bits as unsigned numbers: 0 <= a <= c and no NaN, at one go
 *   v_any            whether a mask is set in any lane
 *   v_lookup(table, t)   the entry, of V_ENTRIES that are aligned to sizeof(vf), in the low 5 bits of t
 *   v_bits_from_20   moved to the lowest place: of a > 0, the low bits of the exponent and the
 *                    three upper ones of the fraction number its interval
 *   v_lookup_pays()  whether that is about as fast as an addition
 *   v_pow2_bits(t)   2^n from t = V_TO_BITS + n, n whole, -126 <= n <= 127
 *   v_round_to_bits  the nearest whole number, ties to even, as the bits of the float
 *   v_scale(a, n)    a 2^n rounded once, into subnormals too; n whole, -200 <= n <= 126, and
 *                    a 2^max(n, -100) is a normal number, exact, or NaN
 *   v_transpose(a)   of V vectors, in place
 *   TILE_ROWS, TILE_VECTORS, TILE_HEIGHTS, TILE_WIDTHS   of the register tile in tile.h
 *   v_split(a, &n)   m in [0.707, 1.414] with a = m 2^n, of normal numbers a > 0
 *   v_sum            of all lanes, in double;  v_sum_float  in float
 *   v_sums(a)        of V vectors: lane i is the sum of a[i], always added in the same order
 *   v_largest        of all lanes, none of them NaN
 *   v_not_le         true where an operand is NaN;  v_unordered  only there
 *   vi               vector of int32_t, as many lanes as vf and under the same masks
 *   vi_bits(a)       the bits of a, which v_load and v_store pass on whatever they are
 *   v_even, v_odd    of the 2V elements a, b;  v_zip_low, v_zip_high  the way back
 *   vw               a vector of sums in double;  vw_round  as float, rounded once;  vw_sum  of all lanes
 *   vw_load_in(m, p)     those of V doubles that a mask has, else 0;  vw_plus_in(s, m, p): s and those
 *   vw_of            of V floats;  vw_set, vw_load, vw_store, vw_plus, vw_minus;  vw_muladd(a, b, c)  a b + c
 *   vw_fma(a, b, c)  c + a b, of floats a, b, in double
 *   v_mask_of, v_mask_to   lanes as bytes: set where one is not 0; 1 where set. n as in v_load_n
 *   vb               vector of V numbers of one byte, under the same masks; vb_load, vb_store: V bytes
 *   vb_set           of four equal bytes;  vb_add: the sums, too, fit into a byte
 *   v_flip(a, b)     the sign of a changed where bit 31 of b is set
 *   vi_of_bits, v_of_bits   the same bits;  vi_to_float  the nearest float
 *   vq               vector of V / 2 numbers of 64 bits;  vq_mul  of their lower halves;  vq_high  >> 32
 *   vq_words(w, r)   the lower halves of w[0..3] as 2 V words: of each lane its four, the even lanes first
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_VEC_H
#define KM_VEC_H

/* Element functions reach the loops as arguments, so inlining them must not be left to chance. */
#define KM_INLINE static inline __attribute__((always_inline))

/* Adding it to |a| < 2^22 rounds a to a whole number n and leaves n + 127 in the low bits. */
#define V_TO_BITS 0x1.8000fep23f

enum { V_ENTRIES = 32 };

#include KM_ISA_HEADER

#define KM_JOIN_(a, b) km_##a##_##b
#define KM_JOIN(a, b)  KM_JOIN_(a, b)
#define KM_KERNELS(op) KM_JOIN(KM_ISA, op)

#endif
