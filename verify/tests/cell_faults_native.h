/* cell_faults_native.h: kernels with a layout of their own: back to front, padded to whole vectors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_CELL_FAULTS_NATIVE_H
#define KM_TEST_CELL_FAULTS_NATIVE_H

#include <stdlib.h>

#include "cell_faults.h"

typedef struct reversed {
    int64_t count;
    int native;
} reversed;

static inline const char *open_reversed(const km_args *args, void **plan)
{
    reversed *r = malloc(sizeof *r);
    *r = (reversed){N, args->layout == KM_NATIVE};
    *plan = r;
    return NULL;
}

static inline int64_t padded(const void *plan, km_slot slot)
{
    const reversed *r = plan;
    (void)slot;
    return r->native ? (r->count + 15) / 16 * 16 : 0;
}

static inline void reverse_in(void *plan, km_slot slot, const void *plain, void *native)
{
    const reversed *r = plan;
    memset(native, 0, sizeof(float) * (size_t)padded(plan, slot));
    for (int64_t i = 0; i < r->count; i++)
        ((float *)native)[r->count - 1 - i] = ((const float *)plain)[i];
}

static inline void reverse_out(void *plan, km_slot slot, const void *native, void *plain)
{
    const reversed *r = plan;
    (void)slot;
    for (int64_t i = 0; i < r->count; i++)
        ((float *)plain)[i] = ((const float *)native)[r->count - 1 - i];
}

static inline void in_order_only(const km_args *args)
{
    int64_t shift = args->layout == KM_NATIVE && N > 1;
    for (int64_t i = 0; i < N; i++)
        Y[i] = relu(X[(i + shift) % (N ? N : 1)]);
}

static inline void past_the_padding(const km_args *args)
{
    right(args);
    if (args->layout == KM_NATIVE)
        Y[padded(args->plan, KM_Y)] = 0;
}

static inline void native_input_modified(const km_args *args)
{
    right(args);
    if (args->layout == KM_NATIVE && N)
        ((float *)args->slot[KM_X].data)[0] = 1;
}

static inline void native_unwritten(const km_args *args)
{
    for (int64_t i = 0; i < N - (args->layout == KM_NATIVE); i++)
        Y[i] = relu(X[i]);
}

#endif
