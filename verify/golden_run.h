/* golden_run.h: one backend on one recorded case, in a child process, and the verdict.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GOLDEN_RUN_H
#define KM_GOLDEN_RUN_H

#include "verify/compare.h"
#include "verify/golden_case.h"

typedef enum km_golden_status {
    KM_GOLDEN_OK,
    KM_GOLDEN_WRONG,
    KM_GOLDEN_CRASHED,
    KM_GOLDEN_SKIPPED, /* the backend is unusable here, or declines the case */
    KM_GOLDEN_ERROR,   /* the recording is damaged, or the harness failed */
    KM_GOLDEN_STATUSES
} km_golden_status;

/* The element that comes closest to its tolerance, or exceeds it most. */
typedef struct km_golden_worst {
    int slot; /* -1: nothing was compared */
    int64_t index;
    double got, want;
    double ulp, used; /* used: error / tolerance; infinite for another class */
} km_golden_worst;

typedef struct km_golden_run {
    km_golden_status status;
    char reason[400]; /* empty only when ok */
    char impl[96];
    km_figures figures;
    km_golden_worst worst;
    const void *got
        [KM_SLOT_COUNT]; /* float or int32_t, as the op says: what the kernel wrote; NULL when it did not get that far */
    void *shared;
    size_t shared_bytes;
} km_golden_run;

/* The worst element of one tensor, and how many are wrong, under the recorded rule. */
void km_golden_compare(const km_golden_case *c, km_slot slot, const void *got, km_figures *figures,
                       km_golden_worst *worst);

void km_golden_run_open(km_golden_run *run, const km_golden_case *c, const km_backend *backend,
                        int threads);
void km_golden_run_close(km_golden_run *run);

#endif
