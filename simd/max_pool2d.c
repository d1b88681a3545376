/* max_pool2d.c: the largest element of each window and where it is; its gradient as a gather.
 *
 * Value and index of V windows stay in registers over all taps. Where there is no NaN that takes one
 * comparison per tap; where one was seen, the form that lets the first NaN win goes over the same windows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pool_open.h"
#include "pool_planes.h"

static const char *open(const km_args *args, void **plan, int backward)
{
    const km_axis axes[] = {km_axis_of(args, 0, backward), km_axis_of(args, 1, backward)};
    km_pool *p;
    const char *reason = km_pool_open(args, 1, backward, axes, &p);
    *plan = p;
    return reason;
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
    km_pool_run(args, part, 1);
}

static void run(const km_args *args)
{
    run_part(args, 0, 0);
}

extern const km_kernel KM_KERNELS(max_pool2d)[];
const km_kernel KM_KERNELS(max_pool2d)[] = {
    KM_POOL_KERNEL("max_pool2d", "forward", open_forward),
    KM_POOL_KERNEL("max_pool2d", "backward", open_backward),
    {0},
};
