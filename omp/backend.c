/* backend.c: OpenMP threads around the widest single-thread kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark.h>
#include <stddef.h>

#include "core/registry.h"

extern const km_kernel km_omp_pointwise[], km_omp_prelu[], km_omp_parts[];

/* clang-format off */
static const km_kernel *const kernels[] = {
    km_omp_pointwise,
    km_omp_prelu,
    km_omp_parts,
    NULL,
};
/* clang-format on */

/* Slices are as accurate as the kernel that computes them, which without a vector ISA is the reference. */
static uint32_t flags_here(void)
{
    const km_backend *from = NULL;
    km_widest_kernel("sigmoid", "forward", &from);
    return from ? km_backend_flags(from) | KM_THREADED | KM_SAME_BITS : 0;
}

const km_backend km_omp = {
    .abi = KM_ABI,
    .flags = KM_HOLDS_TARGET | KM_HOLDS_EDGES | KM_THREADED | KM_SAME_BITS,
    .name = "omp",
    .summary = "OpenMP threads, each running the widest single-thread kernel",
    .kernels = kernels,
    .flags_here = flags_here,
};
