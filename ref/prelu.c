/* prelu: y = x > 0 ? x : w x with a learnt slope w, one for all (num_parameters 1) or one per
 * channel of x [n, c, h, w]; grad_x = x > 0 ? grad_y : w grad_y; grad_weight = sum of grad_y x over
 * x <= 0, per slope. He et al., ICCV 2015 (arXiv 1502.01852); torch.nn.PReLU.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    if (slot == KM_WEIGHT || slot == KM_GRAD_WEIGHT) {
        t->ndim = 1;
        t->dim[0] = (int64_t)c->attr[KM_NUM_PARAMETERS];
        return;
    }
    t->ndim = 4;
    for (int d = 0; d < 4; d++)
        t->dim[d] = c->dim[KM_DIM_N + d];
}

static const char *check(const km_case *c)
{
    double count = c->attr[KM_NUM_PARAMETERS];
    return count == 1 || count == (double)c->dim[KM_DIM_C] ? NULL : "num_parameters must be 1 or c";
}

/* Which slope element i of x [n, c, h, w] has. */
static int64_t slope_of(const km_args *args, int64_t i)
{
    const km_tensor *x = &args->slot[KM_X];
    return args->slot[KM_WEIGHT].count == 1 ? 0 : i / (x->dim[2] * x->dim[3]) % x->dim[1];
}

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X), *w = in(args, KM_WEIGHT);
    real *y = out(args, KM_Y);
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = x[i] > 0 ? x[i] : w[slope_of(args, i)] * x[i];
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *w = in(args, KM_WEIGHT), *grad_y = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X), *grad_weight = out(args, KM_GRAD_WEIGHT);
    const int64_t plane = args->slot[KM_X].dim[2] * args->slot[KM_X].dim[3];
    const int64_t slopes = args->slot[KM_WEIGHT].count, count = args->slot[KM_X].count;
    const int64_t stretch = slopes == 1 ? count : plane; /* consecutive elements of one slope */
    for (int64_t k = 0; k < slopes; k++) {
        double sum = 0;
        for (int64_t start = k * stretch; start < count; start += slopes * stretch)
            for (int64_t i = start; i < start + stretch; i++) {
                sum += x[i] > 0 ? 0 : (double)grad_y[i] * x[i];
                grad_x[i] = x[i] > 0 ? grad_y[i] : w[k] * grad_y[i];
            }
        grad_weight[k] = (real)sum;
    }
}

/* grad_weight sums n h w terms (times c for one slope); S is the same sum of magnitudes. */
static int64_t terms(const km_case *c, km_slot slot)
{
    (void)slot;
    int64_t all = c->dim[KM_DIM_N] * c->dim[KM_DIM_H] * c->dim[KM_DIM_W];
    return c->attr[KM_NUM_PARAMETERS] == 1 ? all * c->dim[KM_DIM_C] : all;
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    const double *x = oracle->slot[KM_X].data, *grad_y = oracle->slot[KM_GRAD_Y].data;
    (void)slot;
    for (int64_t k = 0; k < oracle->slot[KM_WEIGHT].count; k++)
        s[k] = 0;
    for (int64_t i = 0; i < oracle->slot[KM_X].count; i++)
        s[slope_of(oracle, i)] += x[i] > 0 ? 0 : fabs(grad_y[i] * x[i]);
}

static const char *const quick[] = {"n65536", "n1048576", "n8c64h56w56_num_parameters64", NULL};
static const char *const full[] = {"n1000",
                                   "n4096",
                                   "n16777216",
                                   "n32c256h14w14_num_parameters256",
                                   "n256c1000_num_parameters1000",
                                   NULL};
static const char *const edge[] = {"n0",
                                   "n2c3h5w7",
                                   "n5c16_num_parameters16",
                                   "n2c3h5w7_num_parameters3",
                                   "n3c17h1w1_num_parameters17",
                                   "n3c2h1w67_num_parameters2",
                                   "n0c4h2w2_num_parameters4",
                                   "n2c0h3w3",
                                   NULL};

const km_op KM_OP(prelu) = {
    .name = "prelu",
    .family = "activation",
    .summary = "rectified linear unit with learnt slopes",
    .dims = 4,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1},
            {KM_DIM_C, .min = 0, .fallback = 1},
            {KM_DIM_H, .min = 0, .fallback = 1},
            {KM_DIM_W, .min = 0, .fallback = 1}},
    .attrs = 1,
    .attr = {{KM_NUM_PARAMETERS, .fallback = 1, .min = 1, .max = 1e9, .integer = 1}},
    .check = check,
    .shape = shape,
    .terms = terms,
    .sum_scale = sum_scale,
    .quick = quick,
    .full = full,
    .edge = edge,
    .kink = {0},
    .kinks = 1,
    .passes = 2,
    .pass =
        {{.name = "forward",
          .formula = "y = x > 0 ? x : weight x",
          .use = {USE_X, {KM_WEIGHT, KM_READ, .fill = KM_FILL_UNIT}, MAKE_Y(BOUND_ULP(1))},
          .flops_each = 2},
         {.name = "backward",
          .formula =
              "grad_x = x > 0 ? grad_y : weight grad_y; grad_weight = sum over x <= 0 of grad_y x",
          .use = {USE_X,
                  {KM_WEIGHT, KM_READ, .fill = KM_FILL_UNIT},
                  USE_GRAD_Y,
                  MAKE_GRAD_X(BOUND_ULP(1)),
                  {KM_GRAD_WEIGHT, KM_WRITE, .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}}},
          .flops_each = 6}},
};

const km_kernel KM_KERNELS(prelu)[] = {{.op = "prelu", .pass = "forward", .run = forward},
                                       {.op = "prelu", .pass = "backward", .run = backward},
                                       {0}};
