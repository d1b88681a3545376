/* clip_grad_norm: the norm of all elements of a list of tensors together, and the list scaled so that it is at most
 * max_norm: y = grad min(1, max_norm / (total_norm + 1e-6)). In place as torch.nn.utils.clip_grad_norm_ if y is
 * grad. The pass `norm` gives the norm alone, for an optimizer that takes the factor.
 *
 * Sums are formed in double, so that neither 3e38 nor 1e-30 is lost. A NaN makes all of y NaN. An infinite norm makes
 * finite elements 0 and infinite ones NaN. A kernel cannot fail: with error_if_nonfinite, a norm that is not finite
 * leaves y = grad, and the caller sees it in total_norm.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

enum { TWO, ONE, INFINITE };
static const char *const norms[] = {"2", "1", "inf", NULL};

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    t->ndim = 1;
    t->dim[0] = slot == KM_TOTAL_NORM ? 1 : c->dim[KM_DIM_N];
}

static const char *check(const km_case *c)
{
    return c->dim[KM_DIM_L] < 1 ? "l must be at least 1" : NULL;
}

static const char *infer(const km_args *recorded, km_case *c)
{
    if (recorded->slot[KM_GRAD].ndim < 0)
        return "input 'grad' is not recorded";
    c->dim[KM_DIM_N] = recorded->slot[KM_GRAD].count;
    return NULL;
}

/* Of a and what x adds to it; a NaN stays. */
static double joined(int norm, double a, double x)
{
    if (norm == INFINITE)
        return isnan(a) || fabs(x) <= a ? a : fabs(x);
    return a + (norm == TWO ? x * x : fabs(x));
}

static double norm_of(const km_args *args)
{
    const km_tensor *grad = &args->slot[KM_GRAD];
    const int norm = (int)args->params->attr[KM_NORM_TYPE];
    double total = 0;
    for (int p = 0; p < km_pieces_of(grad); p++)
        for (int64_t i = 0; i < km_piece_size(grad, p); i++)
            total = joined(norm, total, ((const real *)km_piece_data(grad, p))[i]);
    return norm == TWO ? sqrt(total) : total;
}

/* Not above 1; NaN stays. */
static double factor_of(const km_args *args, double norm)
{
    const double factor = args->params->attr[KM_MAX_NORM] / (norm + 1e-6);
    if (args->params->attr[KM_ERROR_IF_NONFINITE] && !isfinite(norm))
        return 1;
    return factor > 1 ? 1 : factor;
}

static void norm_alone(const km_args *args)
{
    out(args, KM_TOTAL_NORM)[0] = (real)norm_of(args);
}

static void forward(const km_args *args)
{
    const km_tensor *grad = &args->slot[KM_GRAD], *y = &args->slot[KM_Y];
    const double norm = norm_of(args), factor = factor_of(args, norm);
    out(args, KM_TOTAL_NORM)[0] = (real)norm;
    for (int p = 0; p < km_pieces_of(grad); p++)
        for (int64_t i = 0; i < km_piece_size(grad, p); i++)
            ((real *)km_piece_data(y, p))[i] =
                (real)(((const real *)km_piece_data(grad, p))[i] * factor);
}

static const char *const quick[] = {"n1000l3", "n65536", NULL};
static const char *const full[] = {"n65536l12", "n1048576", "n16777216", NULL};
static const char *const edge[] = {"n0",
                                   "n0l3",
                                   "n1037_max_norm0",
                                   "n1037l5_norm_type=1",
                                   "n1037l2_norm_type=inf",
                                   "n70001l4_max_norm100000",
                                   "n257_error_if_nonfinite1",
                                   NULL};

/* Anybody may add up in float, with an error of some hundred units. */
#define MAKE_NORM                                                                                  \
    {                                                                                              \
        KM_TOTAL_NORM, KM_WRITE, .gate = MIXED(2e-5, 0), .target = MIXED(1e-6, 0)                  \
    }

const km_op KM_OP(clip_grad_norm) = {
    .name = "clip_grad_norm",
    .family = "clipping",
    .summary = "gradients scaled to a largest norm",
    .dims = 2,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1}, {KM_DIM_L, .min = 1, .fallback = 1}},
    .attrs = 3,
    .attr = {{KM_MAX_NORM, .fallback = 1, .min = 0, .max = 0x1p127},
             {KM_NORM_TYPE, .integer = 1, .choices = norms},
             {KM_ERROR_IF_NONFINITE, .min = 0, .max = 1, .integer = 1}},
    .check = check,
    .shape = shape,
    .infer = infer,
    .sweep = {KM_DIM_N},
    .sweeps = 1,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "total_norm = |grad|; y = grad min(1, max_norm / (total_norm + 1e-6))",
              .use = {{KM_GRAD, KM_READ, .fill = KM_FILL_NORMAL, .list = 1},
                      {KM_Y, KM_WRITE, .in_place = 1, .in_place_of = KM_GRAD, .list = 1,
                       .gate = MIXED(3e-5, 1e-44), .target = MIXED(1.2e-6, 1e-44)},
                      MAKE_NORM},
              .flops_each = 3},
             {.name = "norm",
              .formula = "total_norm = |grad|",
              .use = {{KM_GRAD, KM_READ, .fill = KM_FILL_NORMAL, .list = 1}, MAKE_NORM},
              .flops_each = 2}},
};

const km_kernel KM_KERNELS(clip_grad_norm)[] = {
    {.op = "clip_grad_norm", .pass = "forward", .run = forward},
    {.op = "clip_grad_norm", .pass = "norm", .run = norm_alone},
    {0}};
