/* slice.c: the table of grains.
 *
 * A region on two threads that still spin costs 0.95 us (libgomp, 2 cores at 2.5 GHz), while one
 * thread needs 0.13 ns (L2) to 0.8 ns per element. Below two grains the single-thread kernel is
 * called directly, so that omp is never the slower one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "slice.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t grains[KM_OMP_CLASSES] = {
    [KM_OMP_STREAM] = 16384,
    [KM_OMP_EXP] = 8192,
    [KM_OMP_HEAVY] = 4096,
};

static int64_t grain(km_omp_class class)
{
    const char *text = getenv("KERNELMARK_OMP_GRAIN");
    char *end;
    const long long wanted = text ? strtoll(text, &end, 10) : 0;
    return wanted > 0 && !*end ? wanted : grains[class];
}

int km_omp_threads(const km_args *args, km_omp_class class, int64_t elements)
{
    const int64_t worth = elements / grain(class);
    return worth < 2 ? 1 : (int)min64(args->threads, worth);
}

void km_omp_describe(km_kernel_info *info, const km_backend *from, const km_kernel *inner,
                     const void *inner_plan, int slices)
{
    km_kernel_info own = {0};
    if (inner->describe)
        inner->describe(inner_plan, &own);
    snprintf(info->impl, sizeof info->impl, "%s x %d%s%.64s", from->name, slices,
             own.impl[0] ? ": " : "", own.impl);
    info->workspace_bytes = own.workspace_bytes;
    info->transforms = own.transforms;
}
