/* exhaustive.h: all 2^32 floats through a unary forward kernel, against the oracle.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_EXHAUSTIVE_H
#define KM_EXHAUSTIVE_H

#include "core/select.h"
#include "verify/result.h"

typedef struct km_exhaustive {
    uint64_t inputs; /* 0: the kernel declined the case */
    uint64_t wrong;  /* outside the backend's bound */
    double max_ulp;
    float worst_x, worst_got; /* of equal errors the one whose x has the smallest bits */
    double worst_want;
    float first_wrong_x;
    uint64_t digest; /* of all results in order of the input's bits: equal digests, equal bits */
} km_exhaustive;

/* Which floats, by the order of their bits: one in `step` (1: all). The seeds 1 to `step` together try each. */
typedef struct km_sample {
    uint32_t step, seed;
} km_sample;

/* Whether the pass is a function of x alone. */
int km_exhaustive_applies(const km_pass *pass);

/* Sends the floats through `count` cells that differ in their backend only, and compares each with the oracle, which
 * is computed once for all. `processes` children run side by side. Progress is called now and then with the done
 * fraction. Returns -1 if that could not be done: one crash leaves none of the cells a result. */
int km_exhaustive_run(const km_cell *cells, size_t count, int processes, km_sample sample,
                      void (*progress)(double done), km_exhaustive *results, km_error *error);

#endif
