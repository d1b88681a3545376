/* roofs.h: what this machine can do at best, measured, and the least time that allows for a cell.
 *
 * Two kinds of roof: multiply-adds in registers per ISA level, and streams per cache level and mix
 * of reads and writes. Bandwidth counts every tensor once, read or written: what a write-allocating
 * cache moves besides is the kernel's to avoid. Each figure is the best of many short runs spread
 * over seconds, since a roof is a maximum and every disturbance only lowers a run.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ROOFS_H
#define KM_ROOFS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/roof_kernels.h"
#include "core/error.h"

enum { KM_ROOF_ISAS = 8 }; /* at least as many as km_isa_at has */
typedef enum km_roof_level { KM_L1, KM_L2, KM_L3, KM_MEMORY, KM_ROOF_LEVELS } km_roof_level;
enum { KM_ROOF_ONE, KM_ROOF_ALL, KM_ROOF_TEAMS }; /* one thread, and `threads` of them */

/* Plain data: may live in memory shared between processes. 0 stands for "not measured". */
typedef struct km_roofs {
    int threads;                             /* of KM_ROOF_ALL */
    int64_t cache[KM_MEMORY];                /* bytes of L1d, L2, L3 that one core sees; 0: none */
    double fma[KM_ROOF_TEAMS][KM_ROOF_ISAS]; /* GFLOP/s, in the order of km_isa_at */
    double gbps[KM_ROOF_TEAMS][KM_ROOF_LEVELS][KM_ROOF_MIXES][2]; /* [1]: stores past the caches */
} km_roofs;

/* ---- getting them -------------------------------------------------------------------------- */

/* Whether to measure: only if need be; and forget what the file says; and keep the better of file
 * and measurement, figure by figure, for when a kernel was faster than its roof. */
typedef enum km_roofs_how { KM_ROOFS_CACHED, KM_ROOFS_ANEW, KM_ROOFS_IMPROVE } km_roofs_how;

/* This machine's roofs for 1 and for `threads` threads: from the cache file, unless `how` says
 * otherwise or that is missing, damaged or another machine's; else measured in this process (about
 * 3.5 seconds per thread count) and stored. The file is $KERNELMARK_ROOFS, or roofs-KEY.json in
 * $XDG_CACHE_HOME/kernelmark or ~/.cache/kernelmark. Returns -1 only if measuring failed; a file
 * that cannot be written leaves a remark in error->text, which is empty otherwise. */
int km_roofs_get(km_roofs *r, int threads, km_roofs_how how, km_error *error);

/* Raises each figure of r to that of `other`, which has the same threads. */
void km_roofs_merge(km_roofs *r, const km_roofs *other);

/* The measurement alone. Starts threads and ends them all. */
int km_roofs_measure(km_roofs *r, int threads, km_error *error);

/* The "roofs" object of a run file (docs/file-format.md); NULL when out of memory. */
json_t *km_roofs_json(const km_roofs *r);

/* Its inverse, strict: -1 unless every figure that this machine and build should have is there and
 * plausible, and nothing else. */
int km_roofs_parse(const json_t *object, km_roofs *r, km_error *error);

/* ---- asking them --------------------------------------------------------------------------- */

/* GFLOP/s of multiply-adds. isa: what the code is limited to; NULL: the widest usable. A level is
 * credited with what a narrower one, and a team with what one thread reached. 0: unknown. */
double km_roof_compute(const km_roofs *r, const char *isa, int threads);

/* GB/s for `reads` tensors read and `writes` written, distinct and of one size, in a working set of
 * so many bytes that is used over and over.
 *
 * Level: *level is the first that holds all of it. The roof credits it with more: of W bytes, the
 * C1 that fit L1 could still be there from the last call and move at L1's rate, C2 - C1 more at
 * L2's, and so on; so there are no jumps at the boundaries. L1 and L2 count once per thread.
 * Mix: the time per byte is interpolated linearly, by the share of writes, between the measured
 * 1:0, 3:1, 2:1, 1:1 and 0:1. In memory the better of ordinary and streaming stores counts. A level
 * is credited with what the levels beyond it reached, and a team with what one thread reached. */
double km_roof_bandwidth(const km_roofs *r, double working_set, int reads, int writes, int threads,
                         const char **level);

typedef struct km_roof_load {
    double flops;
    double read, written; /* bytes, every tensor once, an updated one in both */
    double in_place;      /* of the bytes written: those that replace bytes read */
    const char *isa;      /* as in km_roof_compute */
    int threads;
} km_roof_load;

typedef struct km_roof_limit {
    const char *bound; /* "compute", "L1", "L2", "L3" or "memory": static */
    double ns;         /* no kernel is faster; 0: no roof is known */
} km_roof_limit;

/* The later of the two: when the arithmetic can be done, and when the bytes can have moved. */
void km_roof_of_cell(const km_roofs *r, const km_roof_load *load, km_roof_limit *limit);

/* ---- shared by the files behind this header ------------------------------------------------- */

extern const char *const km_roof_level_name[KM_ROOF_LEVELS];
extern const struct km_roof_mix {
    int reads, writes, in_place;
} km_roof_mix[KM_ROOF_MIXES];

/* Whether this figure exists for a machine with r->cache; nt: whether past-the-cache stores do. */
int km_roof_expected(const km_roofs *r, int level, int mix, int nt);

/* The cache sizes to assume; sysfs tells none in some containers and emulators. */
void km_roofs_caches(km_roofs *r);

#endif
