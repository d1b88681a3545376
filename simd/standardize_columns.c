/* standardize_columns.c: y = (x - mean) / std, column by column; 1 instead of a std of 0.
 * SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

typedef struct moments {
    double mean, std;
} moments;

static moments fitted(const km_args *args, int64_t j)
{
    const columns *p = args->plan;
    const double n = (double)p->n, degrees = n - args->params->attr[KM_CORRECTION];
    double sum = 0, squares = 0;
    for (int64_t b = 0; b < p->blocks; b++)
        for (int64_t k = j; k < p->wide; k += p->c) {
            sum += p->first[b * p->padded + k];
            squares += p->second[b * p->padded + k];
        }
    const double variance = (squares - sum * sum / n) / degrees;
    return (moments){sum / n + (p->n ? p->shift[j] : 0), sqrt(variance < 0 ? 0 : variance)};
}

static moments moments_of(const km_args *args, int64_t j, int fits)
{
    float *mean = args->slot[KM_MEAN].data, *std = args->slot[KM_STD].data;
    if (!fits)
        return (moments){mean[j], std[j]};
    const moments m = fitted(args, j);
    mean[j] = (float)m.mean;
    std[j] = (float)m.std;
    return m;
}

static columns_map finish(const km_args *args, int64_t j, int fits)
{
    const moments m = moments_of(args, j, fits);
    return (columns_map){m.mean, m.std == 0 ? 1 : 1 / m.std, 0};
}

static columns_map finish_inverse(const km_args *args, int64_t j, int fits)
{
    const moments m = moments_of(args, j, fits);
    return (columns_map){0, m.std == 0 ? 1 : m.std, m.mean};
}

COLUMNS_KERNELS(standardize_columns, moments_group, moments_one)
