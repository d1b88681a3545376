/* cross_entropy: with p = softmax(x) along the classes, a position of class t (not ignore_index) loses
 *   (1 - s) weight_t (-log p_t) + s / c sum_j weight_j (-log p_j),      s = label_smoothing,
 * and the mean divides the sum of losses by the sum of weight_t. The gradient of a position is
 *   (1 - s) weight_t (p_j - [j = t]) + s / c (p_j sum_k weight_k - weight_j).
 * torch.nn.CrossEntropyLoss. forward_backward gives loss and gradient from one reading of x.
 * SPDX-License-Identifier: Apache-2.0 */
#include "softmax.h"

enum { MEAN, SUM, NONE };

static int reduction_of(const km_case *c)
{
    return (int)c->attr[KM_REDUCTION];
}

/* x [n, c, h]; target, and losses that are not reduced, [n, h]; weight [c] */
static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int64_t n = c->dim[KM_DIM_N], classes = c->dim[KM_DIM_C], h = c->dim[KM_DIM_H];
    const int reduced = (slot == KM_Y || slot == KM_GRAD_Y) && reduction_of(c) != NONE;
    t->ndim = 0;
    if (slot == KM_WEIGHT) {
        t->ndim = c->attr[KM_WITH_WEIGHT] != 0;
        t->dim[0] = classes;
    } else if (reduced) {
        t->dim[t->ndim++] = 1;
    } else {
        t->dim[t->ndim++] = n;
        if (slot == KM_X || slot == KM_GRAD_X)
            t->dim[t->ndim++] = classes;
        t->dim[t->ndim++] = h;
    }
}

/* x [c], [n, c] or [n, c, d1, d2, ...] */
static const char *infer(const km_args *recorded, km_case *c)
{
    const km_tensor *x = &recorded->slot[KM_X];
    if (x->ndim < 1)
        return x->ndim < 0 ? "input 'x' is not recorded" : "x has no axis of classes";
    const axes a = axes_of(x->dim, x->ndim, x->ndim > 1);
    c->dim[KM_DIM_N] = a.outer;
    c->dim[KM_DIM_C] = a.axis;
    c->dim[KM_DIM_H] = a.inner;
    c->attr[KM_WITH_WEIGHT] = recorded->slot[KM_WEIGHT].ndim >= 0;
    return NULL;
}

/* ---- one position ---- */

typedef struct position {
    const real *x, *weight; /* logits, each h apart; weight may be NULL: all 1 */
    real *grad_x;
    int64_t classes, h, target;
    real smoothing;
} position;

static real weight_at(const position *p, int64_t class)
{
    return p->weight ? p->weight[class] : 1;
}

static int is_ignored(const km_args *args, int64_t i)
{
    const int32_t *target = args->slot[KM_TARGET].data;
    return target[i] == (int32_t)args->params->attr[KM_IGNORE_INDEX];
}

static position position_of(const km_args *args, int64_t i)
{
    const km_tensor *x = &args->slot[KM_X];
    const int64_t h = x->dim[2], start = i / h * x->dim[1] * h + i % h;
    return (position){.x = in(args, KM_X) + start,
                      .weight = args->slot[KM_WEIGHT].count ? in(args, KM_WEIGHT) : NULL,
                      .grad_x = out(args, KM_GRAD_X) ? out(args, KM_GRAD_X) + start : NULL,
                      .classes = x->dim[1],
                      .h = h,
                      .target = ((const int32_t *)args->slot[KM_TARGET].data)[i],
                      .smoothing = attr(args, KM_LABEL_SMOOTHING)};
}

static real log_of_sum(const position *p, real max)
{
    double sum = 0;
    for (int64_t j = 0; j < p->classes; j++)
        sum += exp(p->x[j * p->h] - max);
    return (real)log(sum);
}

static real loss(const position *p)
{
    const real max = largest(p->x, p->classes, p->h), log_sum = log_of_sum(p, max);
    const real nll = weight_at(p, p->target) * (log_sum - (p->x[p->target * p->h] - max));
    double all = 0;
    if (p->smoothing == 0)
        return nll;
    for (int64_t j = 0; j < p->classes; j++)
        all += weight_at(p, j) * (log_sum - (p->x[j * p->h] - max));
    return (1 - p->smoothing) * nll + p->smoothing / (real)p->classes * (real)all;
}

/* share: how much of grad_y falls on this position */
static void gradient(const position *p, real share)
{
    const real max = largest(p->x, p->classes, p->h), log_sum = log_of_sum(p, max);
    const real even = p->smoothing / (real)p->classes, own = 1 - p->smoothing;
    double all = 0;
    for (int64_t j = 0; j < p->classes; j++)
        all += weight_at(p, j);
    for (int64_t j = 0; j < p->classes; j++) {
        const real y = exp(p->x[j * p->h] - max - log_sum);
        const real hard = own * weight_at(p, p->target) * (y - (j == p->target));
        p->grad_x[j * p->h] = share * (hard + even * ((real)all * y - weight_at(p, j)));
    }
}

static void no_gradient(const position *p)
{
    for (int64_t j = 0; j < p->classes; j++)
        p->grad_x[j * p->h] = 0;
}

/* ---- passes ---- */

/* What the reduction divides by. */
static double divisor(const km_args *args)
{
    const int32_t *target = args->slot[KM_TARGET].data;
    const real *weight = args->slot[KM_WEIGHT].count ? in(args, KM_WEIGHT) : NULL;
    double sum = 0;
    if (reduction_of(args->params) != MEAN)
        return 1;
    for (int64_t i = 0; i < args->slot[KM_TARGET].count; i++)
        if (!is_ignored(args, i))
            sum += weight ? weight[target[i]] : 1;
    return sum;
}

static void forward(const km_args *args)
{
    real *y = out(args, KM_Y);
    const int each = reduction_of(args->params) == NONE;
    double sum = 0;
    for (int64_t i = 0; i < args->slot[KM_TARGET].count; i++) {
        const position p = position_of(args, i);
        const real own = is_ignored(args, i) ? 0 : loss(&p);
        sum += own;
        if (each)
            y[i] = own;
    }
    if (!each)
        y[0] = (real)(sum / divisor(args));
}

static void backward(const km_args *args)
{
    const real *grad_y = in(args, KM_GRAD_Y);
    const int each = reduction_of(args->params) == NONE;
    const double by = divisor(args);
    for (int64_t i = 0; i < args->slot[KM_TARGET].count; i++) {
        const position p = position_of(args, i);
        if (is_ignored(args, i))
            no_gradient(&p);
        else
            gradient(&p, (real)(grad_y[each ? i : 0] / by));
    }
}

static void forward_backward(const km_args *args)
{
    forward(args);
    backward(args);
}

/* ---- bounds ---- */

static int64_t terms(const km_case *c, km_slot slot)
{
    const int summed = slot == KM_Y && reduction_of(c) != NONE;
    return c->dim[KM_DIM_C] + (slot == KM_Y ? LOG_TERMS : 0) +
           (summed ? c->dim[KM_DIM_N] * c->dim[KM_DIM_H] : 0);
}

static double own_weight(const double *weight, int64_t class)
{
    return weight ? fabs(weight[class]) : 1;
}

/* Each logarithm errs relative to 1 + |it| + mean |x - max|. */
static double loss_scale(const double *x, const double *weight, int64_t n, int64_t h,
                         int64_t target, double smoothing)
{
    const spread r = spread_of(x, n, h);
    const double base = 1 + r.log_sum + r.distance;
    double s = (1 - smoothing) * own_weight(weight, target) * (base + r.max - x[target * h]);
    for (int64_t j = 0; j < n && smoothing > 0; j++)
        s += smoothing / (double)n * own_weight(weight, j) * (base + r.max - x[j * h]);
    return s;
}

static void gradient_scale(const double *x, const double *weight, double *s, int64_t n, int64_t h,
                           int64_t target, double smoothing)
{
    const spread r = spread_of(x, n, h);
    const double even = smoothing / (double)n, own = (1 - smoothing) * own_weight(weight, target);
    double all = 0;
    for (int64_t j = 0; j < n; j++)
        all += own_weight(weight, j);
    for (int64_t j = 0; j < n; j++) {
        const double d = r.max - x[j * h], y = exp(-d - r.log_sum);
        s[j * h] = (y == 0 ? 0 : y * (1 + d + r.distance) * (own + even * all)) +
                   (j == target ? own : 0) + even * own_weight(weight, j);
    }
}

static void y_scale(const km_args *oracle, double *s)
{
    const km_tensor *x = &oracle->slot[KM_X];
    const double *weight = oracle->slot[KM_WEIGHT].data,
                 smoothing = oracle->params->attr[KM_LABEL_SMOOTHING];
    const int32_t *target = oracle->slot[KM_TARGET].data;
    const int64_t n = x->dim[1], h = x->dim[2];
    const int each = reduction_of(oracle->params) == NONE;
    double sum = 0;
    for (int64_t i = 0; i < oracle->slot[KM_TARGET].count; i++) {
        const double *row = (const double *)x->data + i / h * n * h + i % h;
        const double own =
            is_ignored(oracle, i) ? 0 : loss_scale(row, weight, n, h, target[i], smoothing);
        sum += own;
        if (each)
            s[i] = own;
    }
    if (!each)
        s[0] = sum / divisor(oracle);
}

/* |share| times the scale of each position's gradient */
static void grad_x_scale(const km_args *oracle, double *s)
{
    const km_tensor *x = &oracle->slot[KM_X];
    const double *weight = oracle->slot[KM_WEIGHT].data, *grad_y = oracle->slot[KM_GRAD_Y].data;
    const double smoothing = oracle->params->attr[KM_LABEL_SMOOTHING], by = divisor(oracle);
    const int32_t *target = oracle->slot[KM_TARGET].data;
    const int64_t n = x->dim[1], h = x->dim[2];
    for (int64_t i = 0; i < oracle->slot[KM_TARGET].count; i++) {
        const int64_t start = i / h * n * h + i % h;
        const double share = fabs(grad_y[reduction_of(oracle->params) == NONE ? i : 0] / by);
        if (!is_ignored(oracle, i))
            gradient_scale((const double *)x->data + start, weight, s + start, n, h, target[i],
                           smoothing);
        for (int64_t j = start; j < start + n * h; j += h)
            s[j] = is_ignored(oracle, i) ? 0 : share * s[j];
    }
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    (slot == KM_Y ? y_scale : grad_x_scale)(oracle, s);
}

static const char *const reductions[] = {"mean", "sum", "none", NULL};
static const char *const quick[] = {"n64c1000", "n8192c10", "n8c30000", "n2c21h4096", NULL};
static const char *const full[] = {
    "n128c10",   "n256c1000",    "n64c1000_weight1_label_smoothing0.1",
    "n4096c128", "n1c21h262144", NULL};
static const char *const edge[] = {"n0c3",
                                   "n0c3_reduction=sum",
                                   "n17c3",
                                   "n9c1",
                                   "n17c129_weight1",
                                   "n9c9000_reduction=sum",
                                   "n19c5_reduction=none_ignore_index2",
                                   "n19c17_weight1_label_smoothing0.25",
                                   "n19c3_label_smoothing1_reduction=sum",
                                   "n5c3h7_weight1_ignore_index1",
                                   "n3c5h33_reduction=none_label_smoothing0.1",
                                   "n3c4h17_weight1_label_smoothing0.1",
                                   NULL};

/* clang-format off */
#define USE_X      {KM_X, KM_READ, .fill = KM_FILL_WIDE}
#define USE_TARGET {KM_TARGET, KM_READ, .fill = KM_FILL_CLASS, .type = KM_INT32}
#define USE_WEIGHT {KM_WEIGHT, KM_READ, .fill = KM_FILL_UNIT}
#define USE_GRAD_Y {KM_GRAD_Y, KM_READ, .fill = KM_FILL_NORMAL}
#define MAKE_Y      {KM_Y, KM_WRITE, BOUND_LOG}
#define MAKE_GRAD_X {KM_GRAD_X, KM_WRITE, .in_place = 1, .in_place_of = KM_X, BOUND_SUM}
/* clang-format on */

const km_op KM_OP(cross_entropy) = {
    .name = "cross_entropy",
    .family = "loss",
    .summary = "negative log likelihood of classes under softmax",
    .dims = 3,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1},
            {KM_DIM_C, .min = 1, .fallback = 0},
            {KM_DIM_H, .min = 0, .fallback = 1}},
    .attrs = 4,
    .attr = {{KM_WITH_WEIGHT, .max = 1, .integer = 1},
             {KM_IGNORE_INDEX, .fallback = -100, .min = -1e9, .max = 1e9, .integer = 1},
             {KM_LABEL_SMOOTHING, .max = 1},
             {KM_REDUCTION, .integer = 1, .choices = reductions}},
    .shape = shape,
    .infer = infer,
    .terms = terms,
    .sum_scale = sum_scale,
    .sweep = {KM_DIM_C, KM_DIM_H},
    .sweeps = 2,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 3,
    .pass = {{.name = "forward",
              .formula = "y = mean of weight (log sum exp x - x at target)",
              .use = {USE_X, USE_TARGET, USE_WEIGHT, MAKE_Y},
              .flops_each = 21},
             {.name = "backward",
              .formula = "grad_x = grad_y weight (softmax x - 1 at target) / sum of weights",
              .use = {USE_X, USE_TARGET, USE_WEIGHT, USE_GRAD_Y, MAKE_GRAD_X},
              .flops_each = 22},
             {.name = "forward_backward",
              .formula = "y and grad_x of the two, x read once",
              .use = {USE_X, USE_TARGET, USE_WEIGHT, USE_GRAD_Y, MAKE_Y, MAKE_GRAD_X},
              .flops_each = 22}},
};

const km_kernel KM_KERNELS(cross_entropy)[] = {
    {.op = "cross_entropy", .pass = "forward", .run = forward},
    {.op = "cross_entropy", .pass = "backward", .run = backward},
    {.op = "cross_entropy", .pass = "forward_backward", .run = forward_backward},
    {0}};
