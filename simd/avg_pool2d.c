/* avg_pool2d.c: the average of each window, from a staged band (pool.h); its gradient as a gather of
 * each window's share (pool_gradient.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include "average.h"

static const char *open_forward(const km_args *args, void **plan)
{
    const double *attr = args->params->attr;
    return km_average_open(args, km_axis_of(args, 0, KM_X, KM_Y), km_axis_of(args, 1, KM_X, KM_Y),
                           (float)attr[KM_DIVISOR_OVERRIDE], attr[KM_COUNT_INCLUDE_PAD] != 0, plan);
}

static void forward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_average_part(args, part);
}

static void forward(const km_args *args)
{
    km_average_part(args, 0);
}

static const char *open_backward(const km_args *args, void **plan)
{
    const double *attr = args->params->attr;
    return km_average_gradient_open(
        args, km_axis_of(args, 0, KM_GRAD_X, KM_GRAD_Y), km_axis_of(args, 1, KM_GRAD_X, KM_GRAD_Y),
        (float)attr[KM_DIVISOR_OVERRIDE], attr[KM_COUNT_INCLUDE_PAD] != 0, plan);
}

static void backward_part(const km_args *args, int phase, int part)
{
    (void)phase;
    km_gradient_planes(args, part, 0);
}

static void backward(const km_args *args)
{
    km_gradient_planes(args, 0, 0);
}

extern const km_kernel KM_KERNELS(avg_pool2d)[];
const km_kernel KM_KERNELS(avg_pool2d)[] = {
    {.op = "avg_pool2d",
     .pass = "forward",
     .open = open_forward,
     .run = forward,
     .run_part = forward_part,
     .close = km_pool_close,
     .describe = km_pool_describe},
    {.op = "avg_pool2d",
     .pass = "backward",
     .open = open_backward,
     .run = backward,
     .run_part = backward_part,
     .close = km_gradient_close,
     .describe = km_gradient_describe},
    {0},
};
