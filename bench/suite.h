/* suite.h: times the backends of one case side by side, after verifying each of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_SUITE_H
#define KM_SUITE_H

#include "bench/roofs.h"
#include "core/select.h"
#include "verify/cell.h"

enum { KM_MIN_ROUNDS = 9 };

typedef struct km_suite_options {
    km_verify_options verify;
    int rounds;            /* KM_MIN_ROUNDS to KM_MAX_SAMPLES */
    double min_sample_ns;  /* a sample is as many calls as this takes */
    double max_call_ns;    /* whoever needs longer for a call is skipped */
    const km_roofs *roofs; /* NULL: no roofs */
} km_suite_options;

/* Verifies count cells of one op, pass and case, refills their inputs as in use (km_fill_usual), verifies them on
 * these too (of cases with over 4e9 flops or 200 MB, on these only), and times them side by side; results must lie in shared
 * memory (km_shared_open). Returns -1 with a message when the harness itself failed. */
int km_suite_run(const km_cell *cells, size_t count, const km_suite_options *options,
                 km_result *results, km_error *error);

/* Fills in the roof of an ok result. Returns nonzero when even the slow end of its interval is faster
 * than the roof allows: then either the roof or the clock is wrong. */
int km_suite_roof(const km_cell *cell, const km_roofs *roofs, km_result *result);

#endif
