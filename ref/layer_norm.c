/* layer_norm: y = weight (x - m) rstd + bias per row of x [n, c], with mean m and biased variance v of the row and
 * rstd = 1/sqrt(v + eps); m and v are kept in mean and variance. With xh = (x - m) rstd and h = weight g:
 * grad_x = rstd (h - (sum h + xh sum (h xh))/c), grad_weight = sum of g xh over rows, grad_bias = sum of g.
 * Ba, Kiros and Hinton, 2016 (arXiv 1607.06450); torch.nn.LayerNorm.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ref.h"

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int is_affine =
        slot == KM_WEIGHT || slot == KM_BIAS || slot == KM_GRAD_WEIGHT || slot == KM_GRAD_BIAS;
    if (is_affine && c->attr[KM_AFFINE] == 0)
        return;
    if (slot == KM_X || slot == KM_Y || slot == KM_GRAD_Y || slot == KM_GRAD_X) {
        t->ndim = 2;
        t->dim[0] = c->dim[KM_DIM_N];
        t->dim[1] = c->dim[KM_DIM_C];
        return;
    }
    t->ndim = 1;
    t->dim[0] = is_affine ? c->dim[KM_DIM_C] : c->dim[KM_DIM_N];
}

static double reciprocal_root(const km_args *args, double variance)
{
    return 1 / sqrt(variance + args->params->attr[KM_EPS]);
}

static real weight_at(const km_args *args, int64_t j)
{
    return args->slot[KM_WEIGHT].count ? in(args, KM_WEIGHT)[j] : 1;
}

static void forward(const km_args *args)
{
    const int64_t rows = args->slot[KM_X].dim[0], c = args->slot[KM_X].dim[1];
    for (int64_t i = 0; i < rows; i++) {
        const real *x = in(args, KM_X) + i * c;
        real *y = out(args, KM_Y) + i * c;
        double sum = 0, squares = 0;
        for (int64_t j = 0; j < c; j++)
            sum += x[j];
        const double mean = sum / (double)c;
        for (int64_t j = 0; j < c; j++)
            squares += (x[j] - mean) * (x[j] - mean);
        const double variance = squares / (double)c, rstd = reciprocal_root(args, variance);
        for (int64_t j = 0; j < c; j++)
            y[j] = (real)((x[j] - mean) * rstd * weight_at(args, j) +
                          (args->slot[KM_BIAS].count ? in(args, KM_BIAS)[j] : 0));
        out(args, KM_MEAN)[i] = (real)mean;
        out(args, KM_VARIANCE)[i] = (real)variance;
    }
}

static void backward_row(const km_args *args, int64_t i)
{
    const int64_t c = args->slot[KM_X].dim[1];
    const real *x = in(args, KM_X) + i * c, *g = in(args, KM_GRAD_Y) + i * c;
    real *grad_x = out(args, KM_GRAD_X) + i * c;
    const double mean = in(args, KM_MEAN)[i];
    const double rstd = reciprocal_root(args, in(args, KM_VARIANCE)[i]);
    double sum = 0, product = 0;
    for (int64_t j = 0; j < c; j++) {
        const double h = (double)weight_at(args, j) * g[j];
        sum += h;
        product += h * (x[j] - mean) * rstd;
    }
    for (int64_t j = 0; j < c; j++) {
        const double xh = (x[j] - mean) * rstd, h = (double)weight_at(args, j) * g[j];
        grad_x[j] = (real)(rstd * (h - (sum + xh * product) / (double)c));
    }
}

static void backward(const km_args *args)
{
    const int64_t rows = args->slot[KM_X].dim[0], c = args->slot[KM_X].dim[1];
    const real *x = in(args, KM_X), *g = in(args, KM_GRAD_Y);
    for (int64_t j = 0; j < args->slot[KM_GRAD_WEIGHT].count; j++) {
        double grad_weight = 0, grad_bias = 0;
        for (int64_t i = 0; i < rows; i++) {
            const double rstd = reciprocal_root(args, in(args, KM_VARIANCE)[i]);
            grad_weight += g[i * c + j] * (x[i * c + j] - in(args, KM_MEAN)[i]) * rstd;
            grad_bias += g[i * c + j];
        }
        out(args, KM_GRAD_WEIGHT)[j] = (real)grad_weight;
        out(args, KM_GRAD_BIAS)[j] = (real)grad_bias;
    }
    /* last: grad_x may be grad_y */
    for (int64_t i = 0; i < rows; i++)
        backward_row(args, i);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static int64_t terms(const km_case *c, km_slot slot)
{
    return c->dim[slot == KM_GRAD_WEIGHT || slot == KM_GRAD_BIAS ? KM_DIM_N : KM_DIM_C];
}

/* Of one row, with the oracle's data. */
typedef struct row {
    const double *x, *g, *weight, *bias; /* the last three may be NULL */
    double mean, rstd;
    int64_t c;
} row;

static row row_of(const km_args *oracle, int64_t i)
{
    const int64_t c = oracle->slot[KM_X].dim[1];
    const double *mean = oracle->slot[KM_MEAN].data, *variance = oracle->slot[KM_VARIANCE].data;
    const double *g = oracle->slot[KM_GRAD_Y].data;
    return (row){.x = (const double *)oracle->slot[KM_X].data + i * c,
                 .g = g ? g + i * c : NULL,
                 .weight = oracle->slot[KM_WEIGHT].count ? oracle->slot[KM_WEIGHT].data : NULL,
                 .bias = oracle->slot[KM_BIAS].count ? oracle->slot[KM_BIAS].data : NULL,
                 .mean = mean[i],
                 .rstd = reciprocal_root(oracle, variance[i]),
                 .c = c};
}

static double spread(const row *r, int64_t j)
{
    return (fabs(r->x[j]) + fabs(r->mean)) * r->rstd;
}

static double weighted(const row *r, int64_t j)
{
    return fabs(r->g[j]) * (r->weight ? fabs(r->weight[j]) : 1);
}

static void scale_y(const row *r, double *s)
{
    double size = 0;
    for (int64_t j = 0; j < r->c; j++)
        size += fabs(r->x[j]) / (double)r->c;
    for (int64_t j = 0; j < r->c; j++)
        s[j] = (fabs(r->x[j]) + size) * r->rstd * (r->weight ? fabs(r->weight[j]) : 1) +
               (r->bias ? fabs(r->bias[j]) : 0);
}

static void scale_grad_x(const row *r, double *s)
{
    double sum = 0, product = 0;
    for (int64_t j = 0; j < r->c; j++) {
        sum += weighted(r, j) / (double)r->c;
        product += weighted(r, j) * spread(r, j) / (double)r->c;
    }
    for (int64_t j = 0; j < r->c; j++)
        s[j] = r->rstd * (weighted(r, j) + sum + spread(r, j) * product);
}

/* Mean and variance of a row. */
static double scale_statistic(const row *r, km_slot slot)
{
    double size = 0, squares = 0;
    for (int64_t j = 0; j < r->c; j++) {
        size += fabs(r->x[j]) / (double)r->c;
        squares += (r->x[j] - r->mean) * (r->x[j] - r->mean) / (double)r->c;
    }
    return slot == KM_MEAN ? size : squares + size * fabs(r->mean) * 0x1p-20;
}

static void scale_column_sums(const km_args *oracle, km_slot slot, double *s)
{
    const int64_t c = oracle->slot[KM_X].dim[1];
    for (int64_t j = 0; j < c; j++)
        s[j] = 0;
    for (int64_t i = 0; i < oracle->slot[KM_X].dim[0]; i++) {
        const row r = row_of(oracle, i);
        for (int64_t j = 0; j < c; j++)
            s[j] += fabs(r.g[j]) * (slot == KM_GRAD_BIAS ? 1 : spread(&r, j));
    }
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    const int64_t rows = oracle->slot[KM_X].dim[0], c = oracle->slot[KM_X].dim[1];
    if (slot == KM_GRAD_WEIGHT || slot == KM_GRAD_BIAS) {
        scale_column_sums(oracle, slot, s);
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        const row r = row_of(oracle, i);
        if (slot == KM_Y)
            scale_y(&r, s + i * c);
        else if (slot == KM_GRAD_X)
            scale_grad_x(&r, s + i * c);
        else
            s[i] = scale_statistic(&r, slot);
    }
}

/* ---- description ----------------------------------------------------------------------------- */

/* c came from normalized_shape; all dimensions before it are rows. */
static const char *infer(const km_args *recorded, km_case *c)
{
    const km_tensor *x = &recorded->slot[KM_X];
    int64_t inner = 1;
    int d = x->ndim;
    while (d > 0 && inner < c->dim[KM_DIM_C])
        inner *= x->dim[--d];
    if (inner != c->dim[KM_DIM_C])
        return "the last dimensions of input 'x' are not normalized_shape";
    c->dim[KM_DIM_N] = 1;
    while (d > 0)
        c->dim[KM_DIM_N] *= x->dim[--d];
    c->attr[KM_AFFINE] = recorded->slot[KM_WEIGHT].ndim >= 0;
    return NULL;
}

static const char *const quick[] = {"n512c768", "n128c1024", "n4096c64", NULL};
static const char *const full[] = {"n4096c768", "n2048c1024", "n512c4096", "n512c100", NULL};
static const char *const edge[] = {"n1c1",          "n0c5",           "n3c1",           "n5c17",
                                   "n2c67_affine0", "n7c16_eps0.001", "n33c130_eps0.1", NULL};

/* clang-format off */
#define SUMS .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}
/* clang-format on */

const km_op KM_OP(layer_norm) = {
    .name = "layer_norm",
    .family = "normalisation",
    .summary = "layer normalisation of rows",
    .dims = 2,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1}, {KM_DIM_C, .min = 1, .fallback = -1}},
    .attrs = 2,
    .attr = {{KM_AFFINE, .fallback = 1, .min = 0, .max = 1, .integer = 1},
             {KM_EPS, .fallback = 1e-5, .min = 0, .max = 1}},
    .shape = shape,
    .infer = infer,
    .terms = terms,
    .sum_scale = sum_scale,
    .sweep = {KM_DIM_C, KM_DIM_N},
    .sweeps = 2,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 2,
    .pass = {{.name = "forward",
              .formula = "y = weight (x - mean)/sqrt(variance + eps) + bias",
              .use = {{KM_X, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_WEIGHT, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_BIAS, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_MEAN, KM_WRITE, SUMS, .saved = 1},
                      {KM_VARIANCE, KM_WRITE, SUMS, .saved = 1},
                      {KM_Y, KM_WRITE, SUMS, .in_place = 1, .in_place_of = KM_X}},
              .flops_each = 7},
             {.name = "backward",
              .formula = "grad_x = rstd (h - (sum h + xh sum (h xh))/c), h = weight g; "
                         "grad_weight = sum g xh, grad_bias = sum g",
              .use = {{KM_X, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_WEIGHT, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_MEAN, KM_READ, .fill = KM_FILL_SAVED},
                      {KM_VARIANCE, KM_READ, .fill = KM_FILL_SAVED},
                      {KM_GRAD_Y, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_GRAD_X, KM_WRITE, SUMS, .in_place = 1, .in_place_of = KM_GRAD_Y},
                      {KM_GRAD_WEIGHT, KM_WRITE, SUMS},
                      {KM_GRAD_BIAS, KM_WRITE, SUMS}},
              .flops_each = 13}},
};

const km_kernel KM_KERNELS(layer_norm)[] = {
    {.op = "layer_norm", .pass = "forward", .run = forward},
    {.op = "layer_norm", .pass = "backward", .run = backward},
    {0}};
