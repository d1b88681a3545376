/* batch_norm: y = weight (x - m) rstd + bias per channel of x [n, c, h, w], rstd = 1/sqrt(v + eps).
 * Training: m and v are mean and biased variance of the channel's n h w values, kept in mean and variance;
 * running = (1 - momentum) running + momentum (m, unbiased v). Inference: m and v are the running ones.
 * With the sums over the channel, xh = (x - m) rstd and M = n h w:
 * grad_bias = sum g, grad_weight = sum g xh, and
 * grad_x = weight rstd (g - (grad_bias + xh grad_weight)/M), in inference weight rstd g.
 * Ioffe and Szegedy, ICML 2015 (arXiv 1502.03167); torch.nn.BatchNorm2d.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models.h"
#include "ref.h"

static int trains(const km_case *c)
{
    return c->attr[KM_TRAINING] != 0;
}

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int is_affine =
        slot == KM_WEIGHT || slot == KM_BIAS || slot == KM_GRAD_WEIGHT || slot == KM_GRAD_BIAS;
    if ((is_affine && c->attr[KM_AFFINE] == 0) ||
        ((slot == KM_MEAN || slot == KM_VARIANCE) && !trains(c)))
        return;
    if (slot == KM_X || slot == KM_Y || slot == KM_GRAD_Y || slot == KM_GRAD_X) {
        t->ndim = 4;
        for (int d = 0; d < 4; d++)
            t->dim[d] = c->dim[KM_DIM_N + d];
        return;
    }
    t->ndim = 1;
    t->dim[0] = c->dim[KM_DIM_C];
}

static const char *check(const km_case *c)
{
    const int64_t values = c->dim[KM_DIM_N] * c->dim[KM_DIM_H] * c->dim[KM_DIM_W];
    return trains(c) && values < 2 ? "training needs at least two values per channel" : NULL;
}

/* ---- one channel ---------------------------------------------------------------------------- */

typedef struct channel {
    int64_t index, images, plane, stride; /* the channel's planes lie `stride` elements apart */
    double mean, rstd;
    real weight, bias;
} channel;

static int64_t values(const channel *k)
{
    return k->images * k->plane;
}

/* Position of value i of the channel, in the order of memory. */
static int64_t at(const channel *k, int64_t i)
{
    return i / k->plane * k->stride + k->index * k->plane + i % k->plane;
}

static channel channel_of(const km_args *args, int64_t index)
{
    const km_tensor *x = &args->slot[KM_X], *w = &args->slot[KM_WEIGHT], *b = &args->slot[KM_BIAS];
    const int64_t plane = x->dim[2] * x->dim[3];
    return (channel){.index = index,
                     .images = x->dim[0],
                     .plane = plane,
                     .stride = plane * x->dim[1],
                     .weight = w->count ? in(args, KM_WEIGHT)[index] : 1,
                     .bias = b->count ? in(args, KM_BIAS)[index] : 0};
}

static double reciprocal_root(const km_args *args, double variance)
{
    return 1 / sqrt(variance + args->params->attr[KM_EPS]);
}

/* ---- passes ---------------------------------------------------------------------------------- */

/* Mean first, then squares of differences: no cancellation however large the mean. */
static void find_statistics(const km_args *args, channel *k)
{
    const real *x = in(args, KM_X);
    double sum = 0, squares = 0, m = args->params->attr[KM_MOMENTUM];
    for (int64_t i = 0; i < values(k); i++)
        sum += x[at(k, i)];
    k->mean = sum / (double)values(k);
    for (int64_t i = 0; i < values(k); i++)
        squares += (x[at(k, i)] - k->mean) * (x[at(k, i)] - k->mean);
    const double variance = squares / (double)values(k);
    const double unbiased = squares / (double)(values(k) - 1);
    real *mean = &out(args, KM_RUNNING_MEAN)[k->index], *var = &out(args, KM_RUNNING_VAR)[k->index];
    k->rstd = reciprocal_root(args, variance);
    out(args, KM_MEAN)[k->index] = (real)k->mean;
    out(args, KM_VARIANCE)[k->index] = (real)variance;
    *mean = (real)((1 - m) * *mean + m * k->mean);
    *var = (real)((1 - m) * *var + m * unbiased);
}

/* The statistics that a pass was given: saved ones of the batch, or the running ones. */
static void take_statistics(const km_args *args, channel *k)
{
    const int training = trains(args->params);
    k->mean = in(args, training ? KM_MEAN : KM_RUNNING_MEAN)[k->index];
    k->rstd = reciprocal_root(args, in(args, training ? KM_VARIANCE : KM_RUNNING_VAR)[k->index]);
}

static void forward(const km_args *args)
{
    const real *x = in(args, KM_X);
    real *y = out(args, KM_Y);
    for (int64_t c = 0; c < args->slot[KM_X].dim[1]; c++) {
        channel k = channel_of(args, c);
        if (trains(args->params))
            find_statistics(args, &k);
        else
            take_statistics(args, &k);
        for (int64_t i = 0; i < values(&k); i++)
            y[at(&k, i)] = (real)((x[at(&k, i)] - k.mean) * k.rstd * k.weight + k.bias);
    }
}

static void backward(const km_args *args)
{
    const real *x = in(args, KM_X), *g = in(args, KM_GRAD_Y);
    real *grad_x = out(args, KM_GRAD_X);
    for (int64_t c = 0; c < args->slot[KM_X].dim[1]; c++) {
        channel k = channel_of(args, c);
        double grad_bias = 0, grad_weight = 0;
        take_statistics(args, &k);
        for (int64_t i = 0; i < values(&k); i++) {
            grad_bias += g[at(&k, i)];
            grad_weight += g[at(&k, i)] * (x[at(&k, i)] - k.mean) * k.rstd;
        }
        for (int64_t i = 0; i < values(&k); i++) {
            const double xh = (x[at(&k, i)] - k.mean) * k.rstd;
            const double through_statistics =
                trains(args->params) ? (grad_bias + xh * grad_weight) / (double)values(&k) : 0;
            grad_x[at(&k, i)] = (real)(k.weight * k.rstd * (g[at(&k, i)] - through_statistics));
        }
        if (args->slot[KM_GRAD_WEIGHT].count) {
            out(args, KM_GRAD_WEIGHT)[c] = (real)grad_weight;
            out(args, KM_GRAD_BIAS)[c] = (real)grad_bias;
        }
    }
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* What a float sum over a channel costs; elementwise results of inference have four roundings. */
static int64_t terms(const km_case *c, km_slot slot)
{
    const int64_t all = c->dim[KM_DIM_N] * c->dim[KM_DIM_H] * c->dim[KM_DIM_W];
    const int sums = slot == KM_GRAD_WEIGHT || slot == KM_GRAD_BIAS;
    return trains(c) || sums ? all : 4;
}

/* Sums of magnitudes over a channel. */
typedef struct sizes {
    double x, xx, g, gx; /* |x|, (x - m)^2, |g|, |g| (|x| + |m|) rstd: means but for the last two */
} sizes;

static sizes sizes_of(const km_args *oracle, const channel *k)
{
    const double *x = oracle->slot[KM_X].data, *g = oracle->slot[KM_GRAD_Y].data;
    const double count = (double)values(k);
    sizes s = {0};
    for (int64_t i = 0; i < values(k); i++) {
        const double v = x[at(k, i)], d = fabs(v - k->mean);
        s.x += fabs(v) / count;
        s.xx += d * d / count;
        if (g) {
            s.g += fabs(g[at(k, i)]);
            s.gx += fabs(g[at(k, i)]) * (fabs(v) + fabs(k->mean)) * k->rstd;
        }
    }
    return s;
}

static channel oracle_channel(const km_args *oracle, int64_t index)
{
    const km_tensor *x = &oracle->slot[KM_X];
    const int training = trains(oracle->params);
    const double *mean = oracle->slot[training ? KM_MEAN : KM_RUNNING_MEAN].data;
    const double *var = oracle->slot[training ? KM_VARIANCE : KM_RUNNING_VAR].data;
    const double *w = oracle->slot[KM_WEIGHT].data, *b = oracle->slot[KM_BIAS].data;
    return (channel){.index = index,
                     .images = x->dim[0],
                     .plane = x->dim[2] * x->dim[3],
                     .stride = x->dim[1] * x->dim[2] * x->dim[3],
                     .mean = mean[index],
                     .rstd = reciprocal_root(oracle, var[index]),
                     .weight = oracle->slot[KM_WEIGHT].count ? (real)w[index] : 1,
                     .bias = oracle->slot[KM_BIAS].count ? (real)b[index] : 0};
}

static void scale_elements(const km_args *oracle, km_slot slot, const channel *k, sizes s,
                           double *to)
{
    const double *x = oracle->slot[KM_X].data, *g = oracle->slot[KM_GRAD_Y].data;
    const double w = fabs((double)k->weight), count = (double)values(k);
    const int training = trains(oracle->params);
    for (int64_t i = 0; i < values(k); i++) {
        const double v = fabs(x[at(k, i)]), xh = (v + fabs(k->mean)) * k->rstd;
        const double centre = training ? s.x : fabs(k->mean);
        if (slot == KM_Y)
            to[at(k, i)] = (v + centre) * k->rstd * w + fabs((double)k->bias);
        else
            to[at(k, i)] =
                w * k->rstd * (fabs(g[at(k, i)]) + (training ? (s.g + xh * s.gx) / count : 0));
    }
}

static double scale_of_channel(const km_args *oracle, km_slot slot, const channel *k, sizes s)
{
    const double *mean = oracle->slot[KM_RUNNING_MEAN].data;
    const double *var = oracle->slot[KM_RUNNING_VAR].data;
    /* inference leaves the running statistics as they are */
    if (!trains(oracle->params) && (slot == KM_RUNNING_MEAN || slot == KM_RUNNING_VAR))
        return fabs(slot == KM_RUNNING_MEAN ? mean[k->index] : var[k->index]);
    switch (slot) {
    case KM_MEAN:
        return s.x;
    case KM_VARIANCE:
        return s.xx + s.x * fabs(k->mean) * 0x1p-20;
    case KM_RUNNING_MEAN:
        return fabs(mean[k->index]) + s.x;
    case KM_RUNNING_VAR:
        return fabs(var[k->index]) + 2 * s.xx;
    case KM_GRAD_BIAS:
        return s.g;
    default:
        return s.gx;
    }
}

static void sum_scale(const km_args *oracle, km_slot slot, double *to)
{
    for (int64_t c = 0; c < oracle->slot[KM_X].dim[1]; c++) {
        const channel k = oracle_channel(oracle, c);
        const sizes s = sizes_of(oracle, &k);
        if (slot == KM_Y || slot == KM_GRAD_X)
            scale_elements(oracle, slot, &k, s, to);
        else
            to[c] = scale_of_channel(oracle, slot, &k, s);
    }
}

/* ---- description ----------------------------------------------------------------------------- */

static const char *infer(const km_args *recorded, km_case *c)
{
    const km_tensor *x = &recorded->slot[KM_X];
    if (x->ndim < 2)
        return "input 'x' needs a batch and a channel dimension";
    for (int d = 0; d < 4; d++)
        c->dim[KM_DIM_N + d] = d < x->ndim ? x->dim[d] : 1;
    for (int d = 4; d < x->ndim; d++)
        c->dim[KM_DIM_W] *= x->dim[d];
    c->attr[KM_AFFINE] = recorded->slot[KM_WEIGHT].ndim >= 0;
    return NULL;
}

static const char *const quick[] = {"n8c64h28w28", "n8c64h28w28_training0", "n1c3h112w112",
                                    "n32c256", NULL};
static const char *const full[] = {"n8c64h112w112 @resnet50",
                                   "n8c256h56w56 @resnet50",
                                   "n8c512h28w28 @resnet50",
                                   "n8c1024h14w14 @resnet50",
                                   "n8c2048h7w7 @resnet50",
                                   "n32c100h14w14",
                                   "n8c17h33w33",
                                   "n8c256h56w56_training0",
                                   NULL};
static const char *const edge[] = {"n2c1",
                                   "n2c17h1w1",
                                   "n1c3h1w2",
                                   "n5c7h3w3_affine0",
                                   "n3c2h5w7_training0",
                                   "n0c3h2w2_training0",
                                   "n2c0h3w3",
                                   "n3c2h5w7_training0_affine0",
                                   "n2c3h4w4_eps0.1_momentum0.9",
                                   NULL};

/* clang-format off */
#define SUMS         .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}
#define USE_STATE    {KM_RUNNING_MEAN, KM_READ, .fill = KM_FILL_NORMAL}, {KM_RUNNING_VAR, KM_READ, .fill = KM_FILL_UNIT}
/* clang-format on */

const km_op KM_OP(batch_norm) = {
    .name = "batch_norm",
    .family = "normalisation",
    .summary = "batch normalisation",
    .dims = 4,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1},
            {KM_DIM_C, .min = 0, .fallback = -1},
            {KM_DIM_H, .min = 1, .fallback = 1},
            {KM_DIM_W, .min = 1, .fallback = 1}},
    .attrs = 4,
    .attr = {{KM_TRAINING, .fallback = 1, .min = 0, .max = 1, .integer = 1},
             {KM_AFFINE, .fallback = 1, .min = 0, .max = 1, .integer = 1},
             {KM_EPS, .fallback = 1e-5, .min = 0, .max = 1},
             {KM_MOMENTUM, .fallback = 0.1, .min = 0, .max = 1}},
    .check = check,
    .shape = shape,
    .infer = infer,
    .terms = terms,
    .sum_scale = sum_scale,
    .sweep = {KM_DIM_C, KM_DIM_W},
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
                      {KM_RUNNING_MEAN, KM_UPDATE, .fill = KM_FILL_NORMAL, SUMS, .saved = 1},
                      {KM_RUNNING_VAR, KM_UPDATE, .fill = KM_FILL_UNIT, SUMS, .saved = 1},
                      {KM_MEAN, KM_WRITE, SUMS, .saved = 1},
                      {KM_VARIANCE, KM_WRITE, SUMS, .saved = 1},
                      {KM_Y, KM_WRITE, SUMS, .in_place = 1, .in_place_of = KM_X}},
              .flops_each = 7},
             {.name = "backward",
              .formula = "grad_x = weight rstd (g - (grad_bias + xh grad_weight)/M), "
                         "grad_weight = sum g xh, grad_bias = sum g",
              .use = {{KM_X, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_WEIGHT, KM_READ, .fill = KM_FILL_NORMAL},
                      USE_STATE,
                      {KM_MEAN, KM_READ, .fill = KM_FILL_SAVED},
                      {KM_VARIANCE, KM_READ, .fill = KM_FILL_SAVED},
                      {KM_GRAD_Y, KM_READ, .fill = KM_FILL_NORMAL},
                      {KM_GRAD_X, KM_WRITE, SUMS, .in_place = 1, .in_place_of = KM_GRAD_Y},
                      {KM_GRAD_WEIGHT, KM_WRITE, SUMS},
                      {KM_GRAD_BIAS, KM_WRITE, SUMS}},
              .flops_each = 9}},
};

const km_kernel KM_KERNELS(batch_norm)[] = {
    {.op = "batch_norm", .pass = "forward", .run = forward},
    {.op = "batch_norm", .pass = "backward", .run = backward},
    {0}};
