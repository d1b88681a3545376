/* roof_kernels.c: multiply-adds in registers, and streams of loads and stores.
 *
 * Built once per ISA level from vector types alone. The streams combine what they load with xor:
 * one cheap instruction per load that keeps the compiler from leaving the loads out, or from
 * calling memcpy or memset in their place.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/roof_kernels.h"

#include "bench/roof_vector.h"

/* Independent chains: an FMA unit takes 4 to 5 cycles and there are two of them (four on large ARM
 * cores), so 10 (16) must be under way. */
enum { CHAINS = KM_ROOF_CHAINS };
enum { LANES = KM_ROOF_BYTES / 4, UNROLL = KM_ROOF_STEP / 64, CHUNK = UNROLL * KM_ROOF_BYTES };

/* x += x f is one instruction whether a multiply-add overwrites a factor (x86) or the addend (ARM).
 * f is below half an ulp: no chain moves, none overflows or becomes subnormal. */
static void fma_peak(const km_roof_job *job)
{
    fvec chain[CHAINS], factor = {0};
    for (int i = 0; i < LANES; i++)
        factor[i] = 0x1p-30f;
    for (int i = 0; i < CHAINS; i++)
        chain[i] = factor * (float)(i + 1);
    __asm__ volatile("" : "+m"(factor)); /* unknown to the optimiser */
    for (int64_t turn = 0; turn < job->turns; turn++)
        for (int i = 0; i < CHAINS; i++)
            chain[i] += chain[i] * factor;
    for (int i = 1; i < CHAINS; i++)
        chain[0] += chain[i];
    *(vec *)job->array[0] = (vec)chain[0];
}

/* Keeps one pointer per array: with a common index, which compilers prefer, older Intel cores split
 * every load-and-xor in two and miss the limit of their load ports. */
static inline char *step(char *p)
{
    p += CHUNK;
    __asm__("" : "+r"(p));
    return p;
}

/* Four variables and a choice between them, as clang keeps an array of pointers in memory. The
 * choice is gone once the loops over a step are unrolled. */
typedef struct cursors {
    char *a, *b, *c, *d;
} cursors;

static inline char *at(const cursors *p, int i, int u)
{
    char *base = i == 0 ? p->a : i == 1 ? p->b : i == 2 ? p->c : p->d;
    return base + (size_t)u * sizeof(vec);
}

/* Asks for the lines 2 KiB on in each array read, and 512 bytes on in each array written alone. */
static inline void ask_ahead(const cursors *p, int reads, int arrays)
{
    for (int i = 0; i < reads; i++)
        for (int line = 0; line < CHUNK; line += 64)
            __builtin_prefetch(at(p, i, 0) + 2048 + line, 0);
    for (int i = reads; i < arrays; i++)
        for (int line = 0; line < CHUNK; line += 64)
            __builtin_prefetch(at(p, i, 0) + 512 + line, 1);
}

/* `reads` arrays, then `writes` of them, unless those are the same. Output w combines the inputs w,
 * w + writes, ... All parameters are constants at every call: inlining leaves one bare loop. The
 * kind of store is a function, as clang merges the two branches of an `if` into a plain store. */
static inline __attribute__((always_inline)) void
stream(const km_roof_job *job, int reads, int writes, int in_place, void (*store)(void *, vec))
{
    vec seen[UNROLL] = {0}, key = (vec){0} + (long long)job->bytes;
    const int arrays = in_place ? reads : reads + writes;
    const size_t bytes = job->bytes;
    const int64_t turns = job->turns;
    const int ahead = job->ahead;
    for (int64_t turn = 0; turn < turns; turn++) {
        cursors p = {job->array[0], job->array[1], job->array[2], job->array[3]};
        for (size_t done = 0; done < bytes; done += CHUNK) {
            if (ahead)
                ask_ahead(&p, reads, store == store_nt ? reads : arrays);
            for (int u = 0; u < UNROLL; u++) {
                for (int r = 0; r < reads && !writes; r++)
                    seen[u] ^= *(const vec *)at(&p, r, u);
                for (int w = 0; w < writes; w++) {
                    vec v = key;
                    for (int r = w; r < reads; r += writes)
                        v ^= *(const vec *)at(&p, r, u);
                    store(at(&p, in_place ? w : reads + w, u), v);
                }
            }
            p = (cursors){step(p.a), step(p.b), step(p.c), step(p.d)};
        }
        if (writes)
            __asm__ volatile("" ::: "memory"); /* or only the last turn would be needed */
    }
    for (int u = 1; u < UNROLL; u++)
        seen[0] ^= seen[u];
    if (!writes)
        *(vec *)job->array[arrays] = seen[0];
    drain();
}

static void r1(const km_roof_job *job)
{
    stream(job, 1, 0, 0, store_plain);
}

static void r4(const km_roof_job *job)
{
    stream(job, 4, 0, 0, store_plain);
}

static void r3w1(const km_roof_job *job)
{
    stream(job, 3, 1, 0, store_plain);
}

static void r3w1_nt(const km_roof_job *job)
{
    stream(job, 3, 1, 0, store_nt);
}

static void r2w1(const km_roof_job *job)
{
    stream(job, 2, 1, 0, store_plain);
}

static void r2w1_nt(const km_roof_job *job)
{
    stream(job, 2, 1, 0, store_nt);
}

static void r1w1(const km_roof_job *job)
{
    stream(job, 1, 1, 0, store_plain);
}

static void r1w1_nt(const km_roof_job *job)
{
    stream(job, 1, 1, 0, store_nt);
}

static void r2w2(const km_roof_job *job)
{
    stream(job, 2, 2, 0, store_plain);
}

static void r2w2_nt(const km_roof_job *job)
{
    stream(job, 2, 2, 0, store_nt);
}

static void w1(const km_roof_job *job)
{
    stream(job, 0, 1, 0, store_plain);
}

static void w1_nt(const km_roof_job *job)
{
    stream(job, 0, 1, 0, store_nt);
}

static void w4(const km_roof_job *job)
{
    stream(job, 0, 4, 0, store_plain);
}

static void w4_nt(const km_roof_job *job)
{
    stream(job, 0, 4, 0, store_nt);
}

static void u1(const km_roof_job *job)
{
    stream(job, 1, 1, 1, store_plain);
}

static void u4(const km_roof_job *job)
{
    stream(job, 4, 4, 1, store_plain);
}

#define WITH_NT(name) name, HAS_NT ? name##_nt : NULL
const km_roof_kernels KM_ROOF_NAME = {
    .isa = KM_ROOF_ISA,
    .flops_per_turn = 2.0 * CHAINS * LANES,
    .fma = fma_peak,
    /* in the order of KM_ROOF_MIX_LIST */
    .stream = {{{1, r1, NULL}, {4, r4, NULL}},
               {{4, WITH_NT(r3w1)}, {4, WITH_NT(r3w1)}},
               {{3, WITH_NT(r2w1)}, {3, WITH_NT(r2w1)}},
               {{2, WITH_NT(r1w1)}, {4, WITH_NT(r2w2)}},
               {{1, WITH_NT(w1)}, {4, WITH_NT(w4)}},
               {{1, u1, NULL}, {4, u4, NULL}}},
};
