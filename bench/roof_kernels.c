/* roof_kernels.c: multiply-adds in registers, and streams of loads and stores.
 *
 * Built once per ISA level from vector types alone. The streams combine what they load with xor:
 * one cheap instruction per load that keeps the compiler from leaving the loads out, or from
 * calling memcpy or memset in their place.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/roof_kernels.h"

#include "bench/roof_vector.h"

/* As many independent chains as fit beside two constants: an FMA unit takes 4 to 5 cycles and there
 * are two of them (four on large ARM cores), so that 10 (16) must be under way. */
#if KM_ROOF_BYTES == 64 || defined __aarch64__
enum { CHAINS = 16 };
#else
enum { CHAINS = 14 };
#endif
enum { LANES = KM_ROOF_BYTES / 4, UNROLL = KM_ROOF_STEP / 64, CHUNK = UNROLL * KM_ROOF_BYTES };

/* Every chain tends to 1: no overflow, no subnormals, no change of speed on the way. */
static void fma_peak(const km_roof_job *job)
{
    fvec chain[CHAINS], factor = {0}, term = {0};
    for (int i = 0; i < LANES; i++) {
        factor[i] = 0.75f;
        term[i] = 0.25f;
    }
    for (int i = 0; i < CHAINS; i++)
        chain[i] = term * (float)i;
    __asm__ volatile("" : "+m"(factor), "+m"(term)); /* unknown to the optimiser */
    for (int64_t turn = 0; turn < job->turns; turn++)
        for (int i = 0; i < CHAINS; i++)
            chain[i] = chain[i] * factor + term;
    for (int i = 1; i < CHAINS; i++)
        chain[0] += chain[i];
    *(vec *)job->array[0] = (vec)chain[0];
}

/* Keeps one pointer per array: with a common index, which compilers prefer, older Intel cores split
 * every load-and-xor in two and miss the limit of their load ports. */
static inline const char *step(const char *p)
{
    p += CHUNK;
    __asm__("" : "+r"(p));
    return p;
}

/* The parameters are constants at every call: inlining leaves one bare loop. The kind of store is
 * a function, as clang merges the two branches of an `if` into one ordinary store. */
static inline __attribute__((always_inline)) void
stream(const km_roof_job *job, int reads, int writes, int in_place, void (*store)(void *, vec))
{
    vec seen[UNROLL] = {0}, key = (vec){0} + (long long)job->bytes;
    const size_t bytes = job->bytes;
    const int64_t turns = job->turns;
    for (int64_t turn = 0; turn < turns; turn++) {
        const char *from0 = job->array[0], *from1 = job->array[1], *from2 = job->array[2];
        char *to = job->array[in_place ? 0 : reads];
        for (size_t i = 0; i < bytes; i += CHUNK) {
            for (size_t at = 0; at < CHUNK; at += sizeof(vec)) {
                vec v = writes ? key : seen[at / sizeof(vec)];
                if (reads > 0)
                    v ^= *(const vec *)(from0 + at);
                if (reads > 1)
                    v ^= *(const vec *)(from1 + at);
                if (reads > 2)
                    v ^= *(const vec *)(from2 + at);
                if (writes)
                    store(to + at, v);
                else
                    seen[at / sizeof(vec)] = v;
            }
            from0 = step(from0), from1 = step(from1), from2 = step(from2);
            to = (char *)step(to);
        }
        if (writes)
            __asm__ volatile("" ::: "memory"); /* or only the last turn would be needed */
    }
    for (int u = 1; u < UNROLL; u++)
        seen[0] ^= seen[u];
    if (!writes)
        *(vec *)job->array[reads] = seen[0];
    drain();
}

static void r1(const km_roof_job *job)
{
    stream(job, 1, 0, 0, store_plain);
}

static void r3w1(const km_roof_job *job)
{
    stream(job, 3, 1, 0, store_plain);
}

static void r2w1(const km_roof_job *job)
{
    stream(job, 2, 1, 0, store_plain);
}

static void r1w1(const km_roof_job *job)
{
    stream(job, 1, 1, 0, store_plain);
}

static void w1(const km_roof_job *job)
{
    stream(job, 0, 1, 0, store_plain);
}

static void update(const km_roof_job *job)
{
    stream(job, 1, 1, 1, store_plain);
}

static void r3w1_nt(const km_roof_job *job)
{
    stream(job, 3, 1, 0, store_nt);
}

static void r2w1_nt(const km_roof_job *job)
{
    stream(job, 2, 1, 0, store_nt);
}

static void r1w1_nt(const km_roof_job *job)
{
    stream(job, 1, 1, 0, store_nt);
}

static void w1_nt(const km_roof_job *job)
{
    stream(job, 0, 1, 0, store_nt);
}

const km_roof_kernels KM_ROOF_NAME = {
    .isa = KM_ROOF_ISA,
    .flops_per_turn = 2.0 * CHAINS * LANES,
    .fma = fma_peak,
    .stream = {r1, r3w1, r2w1, r1w1, w1, update},
    .stream_nt = {NULL, HAS_NT ? r3w1_nt : NULL, HAS_NT ? r2w1_nt : NULL, HAS_NT ? r1w1_nt : NULL,
                  HAS_NT ? w1_nt : NULL, NULL},
};
