/* roof_vector.h: the vector types of roof_kernels.c, and the one store that the compilers' vector
 * extensions do not have: past the caches. KM_ROOF_BYTES is the vector's size.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ROOF_VECTOR_H
#define KM_ROOF_VECTOR_H

typedef float fvec __attribute__((vector_size(KM_ROOF_BYTES)));
typedef long long vec __attribute__((vector_size(KM_ROOF_BYTES), may_alias));

static inline void store_plain(void *p, vec v)
{
    *(vec *)p = v;
}

#if defined __x86_64__
#include <immintrin.h>
enum { HAS_NT = 1 };

static inline void store_nt(void *p, vec v)
{
#if KM_ROOF_BYTES == 64
    _mm512_stream_si512(p, (__m512i)v);
#elif KM_ROOF_BYTES == 32
    _mm256_stream_si256(p, (__m256i)v);
#else
    _mm_stream_si128(p, (__m128i)v);
#endif
}

/* Such stores are weakly ordered: the data must have left before the clock is read. */
static inline void drain(void)
{
    _mm_sfence();
}
#else
/* AArch64 cores see a stream of whole lines and stop allocating by themselves. */
enum { HAS_NT = 0 };

static inline void store_nt(void *p, vec v)
{
    store_plain(p, v);
}

static inline void drain(void)
{
}
#endif

#endif
