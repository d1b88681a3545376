/* avg_pool2d.c: the average of each window; its gradient as a gather of each window's share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "average.h"
#include "pool_native.h"

static const char *open(const km_args *args, void **plan, int backward)
{
    const km_axis axes[] = {km_axis_of(args, 0, backward), km_axis_of(args, 1, backward)};
    const double *attr = args->params->attr;
    return km_average_open(args, backward, axes, attr[KM_DIVISOR_OVERRIDE],
                           attr[KM_COUNT_INCLUDE_PAD] != 0, plan);
}

static const char *open_forward(const km_args *args, void **plan)
{
    return open(args, plan, 0);
}

static const char *open_backward(const km_args *args, void **plan)
{
    return open(args, plan, 1);
}

static void run_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_average_part(args, part);
}

static void run(const km_args *args)
{
    km_average_part(args, 0);
}

extern const km_kernel KM_KERNELS(avg_pool2d)[];
const km_kernel KM_KERNELS(avg_pool2d)[] = {
    KM_POOL_KERNEL("avg_pool2d", "forward", open_forward),
    KM_POOL_KERNEL("avg_pool2d", "backward", open_backward),
    {0},
};
