/* backend.c: OpenMP threads around the widest single-thread kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark.h>
#include <stddef.h>

extern const km_kernel km_omp_pointwise[], km_omp_prelu[];

static const km_kernel *const kernels[] = {km_omp_pointwise, km_omp_prelu, NULL};

const km_backend km_omp = {
    .abi = KM_ABI,
    .flags = KM_HOLDS_TARGET | KM_HOLDS_EDGES | KM_THREADED | KM_SAME_BITS,
    .name = "omp",
    .summary = "OpenMP threads, each running the widest single-thread kernel",
    .kernels = kernels,
};
