/* result.h: what verification and timing found out about one cell. Plain data: children fill it in
 * shared memory. The words are those of docs/file-format.md.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_RESULT_H
#define KM_RESULT_H

#include "verify/compare.h"

typedef enum km_status { KM_OK, KM_WRONG, KM_SKIPPED, KM_CRASHED, KM_STATUS_COUNT } km_status;
extern const char *const km_status_names[KM_STATUS_COUNT]; /* as run files spell them */

enum { KM_MAX_SAMPLES = 101 };

typedef struct km_timing {
    int samples;                   /* 0: not timed */
    double sample[KM_MAX_SAMPLES]; /* ns per run, in the order of the rounds */
    double min, median, p90, mad, ci_low, ci_high;
    double gflops, gbps;
    const char *roof_bound; /* "compute", "L1", "L2", "L3", "memory"; NULL: no roof known */
    double roof_limit, roof_percent;
    double speedup_vs_ref; /* 0: ref was not timed */
} km_timing;

typedef struct km_gradcheck {
    int directions; /* 0: not checked; full mode counts one per input element */
    double max_rel;
} km_gradcheck;

typedef struct km_result {
    km_status status;
    char reason[320];    /* empty only when ok */
    char reproduce[512]; /* a kernelmark command line; set when wrong or crashed */
    char impl[96];
    int64_t workspace_bytes;
    km_figures figures;
    int checks;          /* kernel runs that were looked at */
    int edge_deviations; /* of a backend that does not promise the edge rules */
    char edge_note[160];
    km_gradcheck gradcheck;
    double open_ns, flops, bytes;
    double convert_ns; /* of a native layout: both ways, never part of a timing */
    km_timing timing;
} km_result;

#endif
