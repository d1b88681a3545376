/* standardize_columns: y = (x - mean) / std, column by column; std from the sum of squares over n - correction
 * (0: of the data, 1: of what they are a sample of). A constant column is divided by 1 and gives 0.
 * sklearn.preprocessing.StandardScaler is correction 0.
 * SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

static double divisor(double std)
{
    return std == 0 ? 1 : std;
}

static void fit(const km_args *args)
{
    const real *x = in(args, KM_X);
    const int64_t n = args->slot[KM_X].dim[0], c = args->slot[KM_X].dim[1];
    const double degrees = (double)n - args->params->attr[KM_CORRECTION];
    for (int64_t j = 0; j < c; j++) {
        double sum = 0, squares = 0; /* of differences to the first row: equal elements give 0 */
        for (int64_t i = 0; i < n; i++) {
            const double d = (double)x[i * c + j] - x[j];
            sum += d;
            squares += d * d;
        }
        const double variance = (squares - sum * sum / (double)n) / degrees;
        out(args, KM_MEAN)[j] = (real)(sum / (double)n + (n ? x[j] : 0));
        out(args, KM_STD)[j] = (real)sqrt(variance < 0 ? 0 : variance);
    }
}

static void apply(const km_args *args)
{
    const real *x = in(args, KM_X), *mean = in(args, KM_MEAN), *std = in(args, KM_STD);
    const int64_t n = args->slot[KM_X].dim[0], c = args->slot[KM_X].dim[1];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            out(args, KM_Y)[i * c + j] = (real)(((double)x[i * c + j] - mean[j]) / divisor(std[j]));
}

static void forward(const km_args *args)
{
    fit(args);
    apply(args);
}

static void inverse(const km_args *args)
{
    const real *y = in(args, KM_Y), *mean = in(args, KM_MEAN), *std = in(args, KM_STD);
    const int64_t n = args->slot[KM_Y].dim[0], c = args->slot[KM_Y].dim[1];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            out(args, KM_X)[i * c + j] = (real)((double)y[i * c + j] * divisor(std[j]) + mean[j]);
}

static const char *check(const km_case *c)
{
    const int64_t n = c->dim[KM_DIM_N];
    if (n && c->attr[KM_CORRECTION] >= (double)n)
        return "correction must be below n";
    return columns_check(c);
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    const km_tensor *t = &oracle->slot[slot == KM_X ? KM_Y : KM_X];
    const double *value = t->data, *mean = oracle->slot[KM_MEAN].data;
    const double *std = oracle->slot[KM_STD].data;
    const int64_t n = t->dim[0], c = t->dim[1];
    for (int64_t j = 0; j < c; j++) {
        const double by = divisor(std[j]);
        const double typical = slot == KM_X ? fabs(mean[j]) : mean_magnitude(oracle, j);
        if (slot == KM_MEAN || slot == KM_STD)
            s[j] = typical + (slot == KM_STD ? std[j] : 0);
        else
            for (int64_t i = 0; i < n; i++)
                s[i * c + j] = slot == KM_X ? fabs(value[i * c + j]) * by + typical
                                            : (fabs(value[i * c + j]) + typical) / by;
    }
}

#define BOUND_SUM .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}
#define MAKE_STATISTICS                                                                            \
    {KM_MEAN, KM_WRITE, .saved = 1, BOUND_SUM},                                                    \
    {                                                                                              \
        KM_STD, KM_WRITE, .saved = 1, BOUND_SUM                                                    \
    }
#define USE_STATISTICS USE_STATISTIC(KM_MEAN), USE_STATISTIC(KM_STD)

const km_op KM_OP(standardize_columns) = {
    .name = "standardize_columns",
    .summary = "columns of mean 0 and standard deviation 1",
    COLUMNS_CASES,
    .attrs = 2,
    .attr = {{KM_CORRECTION, .min = 0, .max = 0x1p30, .integer = 1}, {KM_DIM, .integer = 1}},
    .check = check,
    .terms = columns_terms,
    .sum_scale = sum_scale,
    .passes = 4,
    .pass = {{.name = "forward",
              .formula = "mean, std of each column; y = (x - mean) / std",
              .use = {USE_TABLE(KM_X, KM_FILL_WIDE),
                      {KM_Y, KM_WRITE, BOUND_SUM, .in_place = 1, .in_place_of = KM_X},
                      MAKE_STATISTICS},
              .flops_each = 6},
             {.name = "fit",
              .formula = "mean, std of each column",
              .use = {USE_TABLE(KM_X, KM_FILL_WIDE), MAKE_STATISTICS},
              .flops_each = 4},
             {.name = "apply",
              .formula = "y = (x - mean) / std",
              .use = {USE_TABLE(KM_X, KM_FILL_WIDE),
                      USE_STATISTICS,
                      {KM_Y, KM_WRITE, .gate = MIXED(1e-6, 2.5e-7), .target = ULP(1), .scaled = 1,
                       .in_place = 1, .in_place_of = KM_X}},
              .flops_each = 2},
             {.name = "inverse",
              .formula = "x = y std + mean",
              .use = {USE_TABLE(KM_Y, KM_FILL_SAVED),
                      USE_STATISTICS,
                      {KM_X, KM_WRITE, .gate = MIXED(1e-6, 2.5e-7), .target = ULP(1), .scaled = 1,
                       .in_place = 1, .in_place_of = KM_Y}},
              .flops_each = 2}},
};

const km_kernel KM_KERNELS(standardize_columns)[] = {
    {.op = "standardize_columns", .pass = "forward", .run = forward},
    {.op = "standardize_columns", .pass = "fit", .run = fit},
    {.op = "standardize_columns", .pass = "apply", .run = apply},
    {.op = "standardize_columns", .pass = "inverse", .run = inverse},
    {0}};
