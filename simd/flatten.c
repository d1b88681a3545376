/* flatten.c: the same elements under another shape; a copy only where it is asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernelmark.h"
#include "parts.h"
#include "vec.h"

static void copy(const km_args *args, km_slot from, km_slot to, int part)
{
    const float *x = args->slot[from].data;
    float *y = args->slot[to].data;
    const km_range r = km_share(args->slot[from].count, part, args->threads);
    if (y != x && r.to > r.from)
        memcpy(y + r.from, x + r.from, (size_t)(r.to - r.from) * sizeof *y);
}

static void forward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    copy(args, KM_X, KM_Y, part);
}

static void backward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    copy(args, KM_GRAD_Y, KM_GRAD_X, part);
}

KM_RUN_PARTS(forward, 1)
KM_RUN_PARTS(backward, 1)

extern const km_kernel KM_KERNELS(flatten)[];
const km_kernel KM_KERNELS(flatten)[] = {
    {.op = "flatten", .pass = "forward", .run = forward, .run_part = forward_part},
    {.op = "flatten", .pass = "backward", .run = backward, .run_part = backward_part},
    {0},
};
