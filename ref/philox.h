/* philox.h: random numbers by position: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). Element i of a tensor takes word i % 4 of block i / 4 under the seed as key, whatever
 * the order or the split that it is made in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_PHILOX_H
#define KM_REF_PHILOX_H

#include <stdint.h>

static inline void philox(uint64_t counter, uint64_t key, uint32_t word[4])
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32), c2 = 0, c3 = 0;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

static inline uint32_t random_word(uint64_t key, int64_t i)
{
    uint32_t word[4];
    philox((uint64_t)i / 4, key, word);
    return word[i % 4];
}

#endif
