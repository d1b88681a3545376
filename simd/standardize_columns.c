/* standardize_columns.c: y = (x - mean) / std, column by column; 1 instead of a std of 0.
 * SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

KM_INLINE void moments_loop(double *first, double *second, const float *x, const double *pivot,
                            int64_t rows, int64_t stride, int64_t n)
{
    vw s[GROUP], q[GROUP], p[GROUP];
    for (int g = 0; g < GROUP; g++) {
        s[g] = q[g] = vw_zero();
        p[g] = vw_load(pivot + g * V);
    }
    for (int64_t i = 0; i < rows; i++, x += stride)
        for (int g = 0; g < GROUP; g++) {
            const vw d = vw_minus(vw_of(columns_load(x + g * V, n - g * V)), p[g]);
            s[g] = vw_plus(s[g], d);
            q[g] = vw_muladd(d, d, q[g]);
        }
    for (int g = 0; g < GROUP; g++) {
        vw_store(first + g * V, s[g]);
        vw_store(second + g * V, q[g]);
    }
}

static void moments_group(double *first, double *second, const float *x, const double *pivot,
                          int64_t rows, int64_t stride, int64_t n)
{
    if (n >= GROUP * V)
        moments_loop(first, second, x, pivot, rows, stride, GROUP * V);
    else
        moments_loop(first, second, x, pivot, rows, stride, n);
}

static void moments_one(double *first, double *second, float x, double pivot)
{
    const double d = x - pivot;
    *first += d;
    *second += d * d;
}

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
