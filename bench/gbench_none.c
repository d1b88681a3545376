/* gbench_none.c: stands in for gbench.cc in a build without Google Benchmark.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/gbench.h"

int km_gbench_round(const km_timed *timed, size_t count, double *ns, km_error *error)
{
    (void)timed, (void)count, (void)ns;
    return km_fail(error, "kernelmark was built without Google Benchmark: it cannot time anything");
}

int km_gbench_overhead(double *ns, km_error *error)
{
    return km_gbench_round(NULL, 0, ns, error);
}

const char *km_gbench_version(void)
{
    return NULL;
}
