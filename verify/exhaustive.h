/* exhaustive.h: all 2^32 floats through a unary forward kernel, against the oracle.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_EXHAUSTIVE_H
#define KM_EXHAUSTIVE_H

#include "core/select.h"
#include "verify/result.h"

typedef struct km_exhaustive {
    uint64_t inputs, wrong; /* outside the backend's bound */
    double max_ulp;
    float worst_x, worst_got;
    double worst_want;
    float first_wrong_x;
    uint64_t digest; /* of all results in order of the input's bits: equal digests, equal bits */
} km_exhaustive;

/* Whether the pass is a function of x alone. */
int km_exhaustive_applies(const km_pass *pass);

/* Runs `processes` children side by side, each taking every processes-th block. `step` tries one input in
 * that many (1: all). Progress is called now and then with the done fraction. */
int km_exhaustive_run(const km_cell *cell, int processes, uint64_t step,
                      void (*progress)(double done), km_exhaustive *result, km_error *error);

#endif
