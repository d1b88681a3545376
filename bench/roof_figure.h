/* roof_figure.h: the figures that a team of threads measures, and a burst of runs of one of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ROOF_FIGURE_H
#define KM_ROOF_FIGURE_H

#include "bench/roof_run.h"
#include "bench/roofs.h"

/* Sweeps differ in what could be the better choice on some CPU. A variant's bit 0 tells which of
 * two ISA levels streams, the widest or the next; bit 1 whether few arrays stream in half of a
 * cache or more of them in three quarters; bit 2 whether lines beyond the core's own caches are prefetched. */
enum { KM_ROOF_VARIANTS = 8, KM_ROOF_FIGURES = 64, KM_ROOF_SCRATCH = 4096 };

typedef struct km_roof_figure {
    double *best; /* where the roof goes */
    int isa;      /* of an FMA figure; -1: a stream */
    int level, mix, nt;
    int64_t turns[KM_ROOF_VARIANTS]; /* per run; 0: not known yet */
} km_roof_figure;

typedef struct km_roof_team {
    int threads;
    const km_roof_kernels *wide[2]; /* the widest usable ISA level and the next, or the same */
    char *memory;                   /* per thread a region: scratch, then data */
    size_t region, cursor;
    km_roof_figure list[KM_ROOF_FIGURES];
    int figures;
    int64_t cache[KM_MEMORY];
} km_roof_team;

/* Bytes of one thread's working set. */
size_t km_roof_working_set(const km_roof_team *t, int level, int variant);

/* Several short runs of one figure, keeping the best; `w` is one worker per thread. -1: threads
 * could not be started. */
int km_roof_burst(km_roof_team *t, km_roof_worker *w, km_roof_figure *f, int variant);

#endif
