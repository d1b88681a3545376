/* cell_faults_transform.h: a transform algorithm, Winograd's F(2,3) as in a textbook, right and wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_CELL_FAULTS_TRANSFORM_H
#define KM_TEST_CELL_FAULTS_TRANSFORM_H

#include <stdio.h>

#include "cell_faults.h"

typedef struct transform {
    float half; /* in the filter's transform; 1/2 */
    int lost;   /* channels at the end that are left out */
} transform;

static inline void describe_transform(const void *plan, km_kernel_info *info)
{
    (void)plan;
    snprintf(info->impl, sizeof info->impl, "winograd F(2,3)");
    info->transforms = 1;
}

static inline void pixels_to_points(const float *d, int step, float *to, int to_step)
{
    to[0] = d[0] - d[2 * step];
    to[to_step] = d[step] + d[2 * step];
    to[2 * to_step] = d[2 * step] - d[step];
    to[3 * to_step] = d[3 * step] - d[step];
}

static inline void taps_to_points(const float *g, int step, float half, float *to, int to_step)
{
    to[0] = g[0];
    to[to_step] = half * (g[0] + g[step] + g[2 * step]);
    to[2 * to_step] = half * (g[0] - g[step] + g[2 * step]);
    to[3 * to_step] = g[2 * step];
}

/* Adds the products of one pair of channels for the tile at (i, j). */
static inline void add_points(const km_args *args, const transform *t, const float *x,
                              const float *g, int64_t i, int64_t j, float m[16])
{
    const int64_t h = args->slot[KM_X].dim[2], w = args->slot[KM_X].dim[3];
    const int64_t pad_h = (int64_t)args->params->attr[KM_PAD],
                  pad_w = (int64_t)args->params->attr[KM_PAD_W];
    float d[16], half[16], v[16], filter[12], u[16];
    for (int r = 0; r < 16; r++) {
        const int64_t a = i - pad_h + r / 4, b = j - pad_w + r % 4;
        d[r] = a >= 0 && a < h && b >= 0 && b < w ? x[a * w + b] : 0;
    }
    for (int r = 0; r < 4; r++)
        pixels_to_points(d + r, 4, half + r, 4);
    for (int r = 0; r < 3; r++)
        taps_to_points(g + r, 3, t->half, filter + r, 3);
    for (int r = 0; r < 4; r++) {
        pixels_to_points(half + 4 * r, 1, v + 4 * r, 1);
        taps_to_points(filter + 3 * r, 1, t->half, u + 4 * r, 1);
    }
    for (int r = 0; r < 16; r++)
        m[r] += u[r] * v[r];
}

/* Results (i, j) to (i + 1, j + 1) of channel k of image n. */
static inline void transform_tile(const km_args *args, const transform *t, int64_t n, int64_t k,
                                  int64_t i, int64_t j)
{
    const int64_t c = args->slot[KM_X].dim[1],
                  plane = args->slot[KM_X].dim[2] * args->slot[KM_X].dim[3];
    const int64_t *y = args->slot[KM_Y].dim;
    const float *weight = args->slot[KM_WEIGHT].data, *bias = args->slot[KM_BIAS].data;
    float m[16] = {0}, half[8];
    for (int64_t b = 0; b < c - t->lost; b++)
        add_points(args, t, X + (n * c + b) * plane, weight + (k * c + b) * 9, i, j, m);
    for (int r = 0; r < 4; r++) {
        half[r] = m[r] + m[4 + r] + m[8 + r];
        half[4 + r] = m[4 + r] - m[8 + r] + m[12 + r];
    }
    for (int r = 0; r < 4; r++) {
        const float *p = half + r / 2 * 4;
        const float sum = r % 2 ? p[1] - p[2] + p[3] : p[0] + p[1] + p[2];
        if (i + r / 2 < y[2] && j + r % 2 < y[3])
            Y[((n * y[1] + k) * y[2] + i + r / 2) * y[3] + j + r % 2] = sum + bias[k];
    }
}

static inline void transform_all(const km_args *args, const transform *t)
{
    const int64_t *y = args->slot[KM_Y].dim;
    for (int64_t n = 0; n < y[0]; n++)
        for (int64_t k = 0; k < y[1]; k++)
            for (int64_t i = 0; i < y[2]; i += 2)
                for (int64_t j = 0; j < y[3]; j += 2)
                    transform_tile(args, t, n, k, i, j);
}

static inline void right_transform(const km_args *args)
{
    transform_all(args, &(transform){0.5f, 0});
}

static inline void undeclared_transform(const km_args *args)
{
    right_transform(args);
}

/* A thousandth too much at the points 1 and -1. */
static inline void transform_off(const km_args *args)
{
    transform_all(args, &(transform){0.5005f, 0});
}

static inline void transform_loses_one(const km_args *args)
{
    transform_all(args, &(transform){0.5f, args->slot[KM_X].dim[1] > 4});
}

/* A NaN comes out in another image, too. */
static inline void transform_smears(const km_args *args)
{
    const km_tensor *y = &args->slot[KM_Y];
    right_transform(args);
    for (int64_t i = 0; i < y->count; i++)
        if (isnan(Y[i]))
            Y[y->count - 1] = Y[i];
}

#endif
