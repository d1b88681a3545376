/* min_max_columns.c: y = range_min + (x - minimum) / (maximum - minimum) (range_max - range_min); 1 instead of a
 * difference of 0. SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

/* A NaN that is there stays, and one that comes is taken. */
KM_INLINE vf lesser(vf least, vf x)
{
    return v_select(v_unordered(least, least), least, v_min(least, x));
}

KM_INLINE vf greater(vf most, vf x)
{
    return v_select(v_unordered(most, most), most, v_max(most, x));
}

KM_INLINE void extremes_loop(double *first, double *second, const float *x, int64_t rows,
                             int64_t stride, int64_t n)
{
    vf least[GROUP], most[GROUP];
    for (int g = 0; g < GROUP; g++) {
        least[g] = v_set(INFINITY);
        most[g] = v_set(-INFINITY);
    }
    for (int64_t i = 0; i < rows; i++, x += stride)
        for (int g = 0; g < GROUP; g++) {
            const vf a = columns_load(x + g * V, n - g * V);
            least[g] = lesser(least[g], a);
            most[g] = greater(most[g], a);
        }
    for (int g = 0; g < GROUP; g++) {
        vw_store(first + g * V, vw_of(least[g]));
        vw_store(second + g * V, vw_of(most[g]));
    }
}

static void extremes_group(double *first, double *second, const float *x, const double *pivot,
                           int64_t rows, int64_t stride, int64_t n)
{
    (void)pivot;
    if (n >= GROUP * V)
        extremes_loop(first, second, x, rows, stride, GROUP * V);
    else
        extremes_loop(first, second, x, rows, stride, n);
}

static void extremes_one(double *first, double *second, float x, double pivot)
{
    (void)pivot;
    *first = x < *first || isnan(x) ? x : *first;
    *second = x > *second || isnan(x) ? x : *second;
}

static void fit_column(const km_args *args, int64_t j)
{
    const columns *p = args->plan;
    double least = p->n ? INFINITY : NAN, most = p->n ? -INFINITY : NAN;
    for (int64_t b = 0; p->n && b < p->blocks; b++)
        for (int64_t k = j; k < p->wide; k += p->c) {
            const double first = p->first[b * p->padded + k], second = p->second[b * p->padded + k];
            least = first < least || isnan(first) ? first : least;
            most = second > most || isnan(second) ? second : most;
        }
    ((float *)args->slot[KM_MINIMUM].data)[j] = (float)least;
    ((float *)args->slot[KM_MAXIMUM].data)[j] = (float)most;
}

/* Where the column starts, and how far it reaches. */
typedef struct reach {
    double least, width;
} reach;

static reach reach_of(const km_args *args, int64_t j, int fits)
{
    if (fits)
        fit_column(args, j);
    const double least = ((const float *)args->slot[KM_MINIMUM].data)[j];
    const double most = ((const float *)args->slot[KM_MAXIMUM].data)[j];
    return (reach){least, most == least ? 1 : most - least};
}

static columns_map finish(const km_args *args, int64_t j, int fits)
{
    const double low = args->params->attr[KM_RANGE_MIN], high = args->params->attr[KM_RANGE_MAX];
    const reach r = reach_of(args, j, fits);
    return (columns_map){r.least, (high - low) / r.width, low};
}

static columns_map finish_inverse(const km_args *args, int64_t j, int fits)
{
    const double low = args->params->attr[KM_RANGE_MIN], high = args->params->attr[KM_RANGE_MAX];
    const reach r = reach_of(args, j, fits);
    return (columns_map){low, r.width / (high - low), r.least};
}

COLUMNS_KERNELS(min_max_columns, extremes_group, extremes_one)
