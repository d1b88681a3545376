/* gbench.h: timed loops run by Google Benchmark, for C. Whole suites are made of rounds: the caller
 * runs km_gbench_round many times, each time in another order, so that a slow moment of the machine
 * meets every contender alike.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GBENCH_H
#define KM_GBENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "core/error.h"

typedef struct km_timed {
    const char *name;
    void (*run)(void *context);
    void *context;
    int64_t warmup;     /* untimed calls just before: what ran last left the caches to others */
    int64_t iterations; /* timed calls; together they should last 1 ms or more, as reading the
                         * clocks costs about a microsecond */
} km_timed;

/* Runs each entry once, in the order given. ns[i]: wall time per call of timed[i]. Returns 0, or -1
 * with a message; then ns is not to be used. Prints nothing and obeys no BENCHMARK_* variable. May
 * be called any number of times and in forked children; not from several threads at once. */
int km_gbench_round(const km_timed *timed, size_t count, double *ns, km_error *error);

/* What the loop itself costs per call, with an empty function: the floor under every figure. */
int km_gbench_overhead(double *ns, km_error *error);

/* The library's version; NULL if kernelmark was built without it (then every round fails). */
const char *km_gbench_version(void);

#ifdef __cplusplus
}
#endif
#endif
