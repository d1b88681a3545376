/* min_max_columns: y = range_min + (x - minimum) / (maximum - minimum) (range_max - range_min), column by column.
 * A constant column is divided by 1 and gives range_min; a NaN makes its column NaN.
 * sklearn.preprocessing.MinMaxScaler.
 * SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

/* How far a column reaches. */
static double divisor(double minimum, double maximum)
{
    return maximum == minimum ? 1 : maximum - minimum;
}

static double width(const km_args *args)
{
    return args->params->attr[KM_RANGE_MAX] - args->params->attr[KM_RANGE_MIN];
}

static void fit(const km_args *args)
{
    const real *x = in(args, KM_X);
    const int64_t n = args->slot[KM_X].dim[0], c = args->slot[KM_X].dim[1];
    for (int64_t j = 0; j < c; j++) {
        real least = n ? x[j] : (real)NAN, most = least;
        for (int64_t i = 0; i < n; i++) { /* false for a NaN that is there already */
            least = x[i * c + j] < least || isnan(x[i * c + j]) ? x[i * c + j] : least;
            most = x[i * c + j] > most || isnan(x[i * c + j]) ? x[i * c + j] : most;
        }
        out(args, KM_MINIMUM)[j] = least;
        out(args, KM_MAXIMUM)[j] = most;
    }
}

static void apply(const km_args *args)
{
    const real *x = in(args, KM_X), *least = in(args, KM_MINIMUM), *most = in(args, KM_MAXIMUM);
    const int64_t n = args->slot[KM_X].dim[0], c = args->slot[KM_X].dim[1];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            out(args, KM_Y)[i * c + j] = (real)(args->params->attr[KM_RANGE_MIN] +
                                                ((double)x[i * c + j] - least[j]) /
                                                    divisor(least[j], most[j]) * width(args));
}

static void forward(const km_args *args)
{
    fit(args);
    apply(args);
}

static void inverse(const km_args *args)
{
    const real *y = in(args, KM_Y), *least = in(args, KM_MINIMUM), *most = in(args, KM_MAXIMUM);
    const int64_t n = args->slot[KM_Y].dim[0], c = args->slot[KM_Y].dim[1];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            out(args, KM_X)[i * c + j] =
                (real)(least[j] + ((double)y[i * c + j] - args->params->attr[KM_RANGE_MIN]) /
                                      width(args) * divisor(least[j], most[j]));
}

static const char *check(const km_case *c)
{
    if (!(c->attr[KM_RANGE_MIN] < c->attr[KM_RANGE_MAX]))
        return "range_min must be below range_max";
    return columns_check(c);
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    const km_tensor *t = &oracle->slot[slot == KM_X ? KM_Y : KM_X];
    const double *value = t->data, *least = oracle->slot[KM_MINIMUM].data;
    const double *most = oracle->slot[KM_MAXIMUM].data, low = oracle->params->attr[KM_RANGE_MIN];
    const int64_t c = t->dim[1];
    for (int64_t i = 0; i < t->count; i++) {
        const double by = width(oracle) / divisor(least[i % c], most[i % c]);
        s[i] = slot == KM_X ? (fabs(value[i]) + fabs(low)) / by + fabs(least[i % c])
                            : (fabs(value[i]) + fabs(least[i % c])) * by + fabs(low);
    }
}

/* Half a unit and what is left of double where terms cancel. */
#define BOUND_SCALED .gate = MIXED(1e-6, 2.5e-7), .target = ULP(1), .scaled = 1
#define MAKE_STATISTICS                                                                            \
    {KM_MINIMUM, KM_WRITE, .saved = 1, BOUND_EXACT},                                               \
    {                                                                                              \
        KM_MAXIMUM, KM_WRITE, .saved = 1, BOUND_EXACT                                              \
    }
#define USE_STATISTICS USE_STATISTIC(KM_MINIMUM), USE_STATISTIC(KM_MAXIMUM)
#define MAKE_TABLE(slot, of)                                                                       \
    {                                                                                              \
        slot, KM_WRITE, BOUND_SCALED, .in_place = 1, .in_place_of = of                             \
    }

const km_op KM_OP(min_max_columns) = {
    .name = "min_max_columns",
    .summary = "columns stretched to a range",
    COLUMNS_CASES,
    .attrs = 3,
    .attr = {{KM_RANGE_MIN, .fallback = 0}, {KM_RANGE_MAX, .fallback = 1}, {KM_DIM, .integer = 1}},
    .check = check,
    .terms = columns_terms,
    .sum_scale = sum_scale,
    .passes = 4,
    .pass = {{.name = "forward",
              .formula = "minimum, maximum of each column; y = (x - minimum) / (maximum - minimum)",
              .use = {USE_TABLE(KM_X, KM_FILL_WIDE), MAKE_TABLE(KM_Y, KM_X), MAKE_STATISTICS},
              .flops_each = 4},
             {.name = "fit",
              .formula = "minimum, maximum of each column",
              .use = {USE_TABLE(KM_X, KM_FILL_WIDE), MAKE_STATISTICS},
              .flops_each = 2},
             {.name = "apply",
              .formula = "y = (x - minimum) / (maximum - minimum), over the range",
              .use = {USE_TABLE(KM_X, KM_FILL_WIDE), USE_STATISTICS, MAKE_TABLE(KM_Y, KM_X)},
              .flops_each = 2},
             {.name = "inverse",
              .formula = "x = minimum + y (maximum - minimum), y over the range",
              .use = {USE_TABLE(KM_Y, KM_FILL_SAVED), USE_STATISTICS, MAKE_TABLE(KM_X, KM_Y)},
              .flops_each = 2}},
};

const km_kernel KM_KERNELS(min_max_columns)[] = {
    {.op = "min_max_columns", .pass = "forward", .run = forward},
    {.op = "min_max_columns", .pass = "fit", .run = fit},
    {.op = "min_max_columns", .pass = "apply", .run = apply},
    {.op = "min_max_columns", .pass = "inverse", .run = inverse},
    {0}};
