/* philox.h: random words by position: Philox 4x32-10, V / 2 counters at a time.
 *
 * A counter's four words lie in the lower halves of a 64-bit lane of four vectors; a multiplication of lower
 * halves gives both halves of a product, and what is left above is never looked at. The first of the ten rounds
 * has nothing to multiply in its second half, and half of the second round is the same for all counters.
 * J. Salmon et al., SC 2011.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_PHILOX_H
#define KM_PHILOX_H

#include "vec.h"

/* As many as leave registers for the constants. */
enum { KM_BATCHES = V == 8 ? 2 : 4, KM_WORDS = KM_BATCHES * 2 * V };

typedef struct km_generator {
    uint64_t seed, high;     /* of the counters */
    vq key[20];              /* of each round two */
    vq order;                /* of the counters in the lanes: words come out in order then */
    vq second_a, second_key; /* of round two, what all counters share */
} km_generator;

static inline void km_generator_open(km_generator *g, uint64_t seed, uint64_t counter)
{
    uint64_t order[V / 2];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    const uint64_t high = counter >> 32, a = (uint64_t)0xD2511F53u * (uint32_t)(high ^ k0);
    for (uint64_t lane = 0; lane < V / 2; lane++)
        order[lane] = lane / 2 + (lane % 2 ? V / 4 : 0);
    g->seed = seed;
    g->high = high;
    g->order = vq_load(order);
    for (int round = 0; round < 10; round++) {
        g->key[2 * round] = vq_set(k0);
        g->key[2 * round + 1] = vq_set(k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    g->second_a = vq_set(a);
    g->second_key = vq_set(a >> 32 ^ (uint32_t)((uint32_t)(seed >> 32) + 0xBB67AE85u));
}

/* Words of elements [i, i + KM_WORDS), i a multiple of 2 V; and the generator moves on. */
KM_INLINE void km_words(km_generator *g, int64_t i, vi word[2 * KM_BATCHES])
{
    const vq m0 = vq_set(0xD2511F53u), m1 = vq_set(0xCD9E8D57u), zero = vq_set(0);
    const uint64_t counter = (uint64_t)i / 4;
    vq c[KM_BATCHES][4];
    if (__builtin_expect(counter >> 32 != g->high, 0))
        km_generator_open(g, g->seed, counter);
    for (int j = 0; j < KM_BATCHES; j++) {
        const vq a = vq_mul(m0, vq_add(vq_set(counter + (uint64_t)j * (V / 2)), g->order));
        const vq b = vq_mul(m1, vq_xor(vq_high(a), g->key[1], zero));
        c[j][0] = vq_xor(vq_high(b), g->key[2], zero);
        c[j][1] = b;
        c[j][2] = vq_xor(a, g->second_key, zero);
        c[j][3] = g->second_a;
    }
    for (int round = 2; round < 10; round++)
        for (int j = 0; j < KM_BATCHES; j++) {
            const vq a = vq_mul(m0, c[j][0]), b = vq_mul(m1, c[j][2]);
            c[j][0] = vq_xor(vq_high(b), c[j][1], g->key[2 * round]);
            c[j][1] = b;
            c[j][2] = vq_xor(vq_high(a), c[j][3], g->key[2 * round + 1]);
            c[j][3] = a;
        }
    for (int j = 0; j < KM_BATCHES; j++)
        vq_words(c[j], word + 2 * j);
}

#endif
