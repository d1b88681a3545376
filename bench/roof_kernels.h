/* roof_kernels.h: the loops that measure what the machine can do at best. roof_kernels.c is built
 * once per ISA level; each build is one km_roof_kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ROOF_KERNELS_H
#define KM_ROOF_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Reads and writes of distinct arrays per element, ordered by the share of writes; the last one
 * writes where it reads. */
#define KM_ROOF_MIX_LIST(MIX)                                                                      \
    MIX(1, 0, 0)                                                                                   \
    MIX(3, 1, 0)                                                                                   \
    MIX(2, 1, 0)                                                                                   \
    MIX(1, 1, 0)                                                                                   \
    MIX(0, 1, 0)                                                                                   \
    MIX(1, 1, 1)

enum { KM_ROOF_MIXES = 6, KM_ROOF_IN_PLACE = 5, KM_ROOF_ARRAYS = 4, KM_ROOF_STEP = 512 };

/* What one kernel call works on: `turns` passes over arrays of `bytes` (a multiple of the step). */
typedef struct km_roof_job {
    char *array[KM_ROOF_ARRAYS + 1]; /* aligned to 64: read, then written, then 64 spare bytes */
    size_t bytes;
    int64_t turns;
    int ahead; /* nonzero: ask for the lines to come, as kernels for large tensors do */
} km_roof_job;

typedef void km_roof_kernel(const km_roof_job *job);

/* Of one mix: a kernel over as few arrays as it takes, and one over more, which has more streams
 * for the prefetchers to run ahead of (a tenth faster out of L3 and memory on some CPUs). */
typedef struct km_roof_stream {
    int arrays;
    km_roof_kernel *plain, *nt; /* nt stores past the caches; NULL: none */
} km_roof_stream;

typedef struct km_roof_kernels {
    const char *isa;
    double flops_per_turn; /* of fma, an FMA counting 2 */
    km_roof_kernel *fma;   /* uses array[0] for 64 bytes of result only */
    km_roof_stream stream[KM_ROOF_MIXES][2];
} km_roof_kernels;

/* NULL if the level has no build here. */
const km_roof_kernels *km_roof_kernels_of(const char *isa);

#endif
