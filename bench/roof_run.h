/* roof_run.h: one timed run of a roof kernel by one or more threads at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ROOF_RUN_H
#define KM_ROOF_RUN_H

#include <stdatomic.h>

#include "bench/roof_kernels.h"

typedef struct km_roof_worker {
    km_roof_kernel *kernel;
    km_roof_job warmup; /* done before the clock starts; turns may be 0 */
    km_roof_job job;
    double begin, end;   /* seconds, by CLOCK_MONOTONIC */
    atomic_int *waiting; /* set by km_roof_run */
} km_roof_worker;

double km_roof_now(void);

/* Seconds from the first worker's begin to the last one's end; -1 if threads could not be started.
 * One worker runs in the calling thread, several in POSIX threads that live no longer than the run:
 * no OpenMP pool comes to life here. */
double km_roof_run(km_roof_worker *worker, int count);

#endif
