/* slice.h: how many threads a kernel is worth, and plans that hold single-thread kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_OMP_SLICE_H
#define KM_OMP_SLICE_H

#include <kernelmark.h>
#include <stddef.h>

/* What an element costs: decides from which size a second thread pays. */
typedef enum km_omp_class {
    KM_OMP_STREAM, /* loads and stores */
    KM_OMP_EXP,    /* one exp */
    KM_OMP_HEAVY,  /* exp and log, erf or a derivative of these */
    KM_OMP_CLASSES
} km_omp_class;

/* Threads for this many elements: no more than args->threads, and each has a grain's worth. The
 * grain is the class's, or KERNELMARK_OMP_GRAIN (elements per thread) if that is set. */
int km_omp_threads(const km_args *args, km_omp_class class, int64_t elements);

static inline int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The slot's data from element `first` on; NULL stays NULL. */
static inline void *at(const km_args *args, km_slot slot, int64_t first)
{
    float *data = args->slot[slot].data;
    return data ? data + first : NULL;
}

/* "avx512 x 2: " and what the inner kernel says of itself. */
void km_omp_describe(km_kernel_info *info, const km_backend *from, const km_kernel *inner,
                     const void *inner_plan, int slices);

#endif
