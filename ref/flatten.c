/* flatten: y [n, c h w] is x [n, c, h, w] with the same elements in the same order. torch.nn.Flatten.
 * A view: where y is the memory of x, as wherever nobody needs a copy, it costs nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ref.h"

#include <string.h>

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int64_t *dim = &c->dim[KM_DIM_N];
    const int flat = slot == KM_Y || slot == KM_GRAD_Y;
    t->ndim = flat ? 2 : 4;
    for (int d = 0; d < 4; d++)
        t->dim[d] = dim[d];
    if (flat)
        t->dim[1] = dim[1] * dim[2] * dim[3];
}

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    if (y != x)
        memcpy(y, x, (size_t)args->slot[KM_X].count * sizeof *y);
}

static void backward(const km_args *args)
{
    const real *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    if (grad_x != grad_y)
        memcpy(grad_x, grad_y, (size_t)args->slot[KM_GRAD_Y].count * sizeof *grad_x);
}

static const char *const quick[] = {"n8c512h7w7", NULL};
static const char *const full[] = {"n32c16h5w5", NULL};
static const char *const edge[] = {"n0", "n2c0h3w3", "n3c5h2w7", NULL};

const km_op KM_OP(flatten) = {
    .name = "flatten",
    .family = "shape",
    .summary = "all axes but the first as one",
    .dims = 4,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1},
            {KM_DIM_C, .min = 0, .fallback = 1},
            {KM_DIM_H, .min = 0, .fallback = 1},
            {KM_DIM_W, .min = 0, .fallback = 1}},
    .shape = shape,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = x",
              .use = {{KM_X, KM_READ, .fill = KM_FILL_WIDE},
                      {KM_Y, KM_WRITE, .in_place = 1, .in_place_of = KM_X}}},
             {.name = "backward",
              .formula = "grad_x = grad_y",
              .use = {{KM_GRAD_Y, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_GRAD_X, KM_WRITE, .in_place = 1, .in_place_of = KM_GRAD_Y}}}},
};

const km_kernel KM_KERNELS(flatten)[] = {{.op = "flatten", .pass = "forward", .run = forward},
                                         {.op = "flatten", .pass = "backward", .run = backward},
                                         {0}};
