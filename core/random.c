/* random.c: Philox 4x32-10 and the distributions that verification data are drawn from.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/random.h"

#include <math.h>

void km_philox(uint64_t counter, uint64_t key, uint32_t out[4])
{
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,
                            (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        for (int i = 0; i < 4; i++)
            c[i] = next[i];
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < 4; i++)
        out[i] = c[i];
}

uint64_t km_stream(uint64_t seed, const char *name)
{
    uint64_t h = 0xcbf29ce484222325u ^ (seed * 0x9E3779B97F4A7C15u);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

/* In (0, 1), never an end point. */
static double unit(uint32_t bits)
{
    return (bits + 0.5) * 0x1p-32;
}

static double gaussian(uint32_t a, uint32_t b)
{
    return sqrt(-2 * log(unit(a))) * cos(6.283185307179586 * unit(b));
}

/* Mostly where activations live, now and then far out, and tiny, so that tails are compared too. */
static double wide(const uint32_t r[4])
{
    uint32_t choice = r[3] & 15;
    if (choice < 11)
        return 2 * gaussian(r[0], r[1]);
    if (choice < 15)
        return 60 * unit(r[0]) - 30;
    return (r[1] & 1 ? -1 : 1) * exp2(-30 * unit(r[0]));
}

void km_fill_random(float *data, int64_t count, km_fill kind, uint64_t key)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t r[4];
        km_philox((uint64_t)i, key, r);
        data[i] = (float)(kind == KM_FILL_WIDE          ? wide(r)
                          : kind == KM_FILL_UNIT        ? unit(r[0])
                          : kind == KM_FILL_PROBABILITY ? 0.01 + 0.98 * unit(r[0])
                          : kind == KM_FILL_INTEGER     ? (double)(r[0] % 7) - 3
                                                        : gaussian(r[0], r[1]));
    }
}

void km_fill_classes(int32_t *data, int64_t count, int64_t classes, int32_t ignored, uint64_t key)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t r[4];
        km_philox((uint64_t)i, key, r);
        data[i] = r[1] % 16 || classes < 1 ? (int32_t)(r[0] * (uint64_t)classes >> 32) : ignored;
    }
}

void km_fill_mask(uint8_t *data, int64_t count, uint64_t key)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t r[4];
        km_philox((uint64_t)i, key, r);
        data[i] = r[0] >> 31;
    }
}

void km_fill_usual(float *data, int64_t count, km_fill kind, uint64_t key)
{
    km_fill_random(data, count, kind == KM_FILL_WIDE ? KM_FILL_NORMAL : kind, key);
    for (int64_t i = 0; kind == KM_FILL_WIDE && i < count; i++)
        data[i] *= 2;
}

void km_fill_gaussian(double *data, int64_t count, uint64_t key)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t r[4];
        km_philox((uint64_t)i, key, r);
        data[i] = gaussian(r[0], r[1]);
    }
}
