/* conv2d_winograd.h: the cases of conv2d that ask for Winograd's algorithm, and how far from the sum it may lie.
 *
 * F(4,3) gives 4 results as A^T ((G g) * (B^T d)) from 6 pixels d and 3 taps g, along either axis. Each of its roundings
 * errs by at most u = 2^-24 of what is rounded. Roundings are taken as independent of each other, as they are in the
 * bounds of long sums: result o then errs like the root of the sum of squares over all of its products
 * A[o][t] G[t][r] B[t][l] g[r] d[l]. Of a pair of channels that is at most
 *     |g|_2 rho,  rho^2 = sum over l of reach[l - o] d[l]^2,  reach[l - o] = max over r of sum over t of (A G B)^2,
 * and S is the sum of it over the channels. Where in its tile a result lies is the kernel's business, so reach is the
 * largest over all o. In two dimensions both axes multiply. F(2,3) amplifies less and is held to the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_CONV2D_WINOGRAD_H
#define KM_REF_CONV2D_WINOGRAD_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d_shape.h"

/* All give the same sums; Winograd's rounds otherwise, and its results are held to a bound of their own. */
enum { DIRECT, WINOGRAD };
static const char *const algorithms[] = {"direct", "winograd", NULL};

static inline int is_for_winograd(const km_case *c)
{
    static const km_attr ones[] = {KM_STRIDE, KM_STRIDE_W, KM_DILATION, KM_DILATION_W, KM_GROUPS};
    int fits = c->dim[KM_DIM_R] == 3 && c->dim[KM_DIM_S] == 3;
    for (int i = 0; i < 5; i++)
        fits &= c->attr[ones[i]] == 1;
    return fits;
}

/* The passes that an algorithm other than the direct one computes. */
static inline int by_winograd(const km_case *c, km_slot written)
{
    return c->attr[KM_ALGORITHM] == WINOGRAD && (written == KM_Y || written == KM_GRAD_X);
}

/* Multiplications for each pair of channels by F(m,3). */
static inline double winograd_products(int64_t h, int64_t w, int64_t m)
{
    return (double)(((h + m - 1) / m) * ((w + m - 1) / m) * (m + 2) * (m + 2));
}

/* ---- the bound ---- */

/* Roundings on the way from a pixel or a tap to a result, beside the sum over the channels. */
enum { WINOGRAD_ROUNDINGS = 24, WINOGRAD_BACK = 3, WINOGRAD_REACH = 9 };

/* Interpolation at 0, a, -a, b, -b and infinity with a = 3/4, b = 3/2. */
static const double winograd_a[4][6] = {{1, 1, 1, 1, 1, 0},
                                        {0, 0.75, -0.75, 1.5, -1.5, 0},
                                        {0, 0.5625, 0.5625, 2.25, 2.25, 0},
                                        {0, 0.421875, -0.421875, 3.375, -3.375, 1}};
static const double winograd_b[6][6] = {
    {1.265625, 0, -2.8125, 0, 1, 0},   {0, -1.6875, -2.25, 0.75, 1, 0},
    {0, 1.6875, -2.25, -0.75, 1, 0},   {0, -0.84375, -0.5625, 1.5, 1, 0},
    {0, 0.84375, -0.5625, -1.5, 1, 0}, {0, 1.265625, 0, -2.8125, 0, 1}};
static const double winograd_g[6][3] = {{1 / 1.265625, 0, 0},
                                        {1 / -1.8984375, 0.75 / -1.8984375, 0.5625 / -1.8984375},
                                        {1 / -1.8984375, -0.75 / -1.8984375, 0.5625 / -1.8984375},
                                        {1 / 7.59375, 1.5 / 7.59375, 2.25 / 7.59375},
                                        {1 / 7.59375, -1.5 / 7.59375, 2.25 / 7.59375},
                                        {0, 0, 1}};

/* reach[l - o + WINOGRAD_BACK] */
static void winograd_reach(double reach[WINOGRAD_REACH])
{
    memset(reach, 0, WINOGRAD_REACH * sizeof *reach);
    for (int o = 0; o < 4; o++)
        for (int l = 0; l < 6; l++)
            for (int r = 0; r < 3; r++) {
                double sum = 0, *most = &reach[l - o + WINOGRAD_BACK];
                for (int t = 0; t < 6; t++)
                    sum += pow(winograd_a[o][t] * winograd_g[t][r] * winograd_b[t][l], 2);
                *most = fmax(*most, sum);
            }
}

/* What the pass convolves: x or grad_y, whose result at i lies at pixel i - pad. */
typedef struct winograd_view {
    km_slot source, result;
    int64_t h, w, p, q, pad_h, pad_w; /* of the source; of the result */
    int64_t c, k;                     /* channels of both */
    int64_t w_c, w_k;                 /* their steps in the weights */
} winograd_view;

static winograd_view winograd_view_of(const km_case *c, km_slot result)
{
    const geometry g = geometry_of(c);
    if (result == KM_Y)
        return (winograd_view){KM_X,    KM_Y,    g.h.in, g.w.in, g.h.out, g.w.out,
                               g.h.pad, g.w.pad, g.c,    g.k,    9,       g.c * 9};
    return (winograd_view){KM_GRAD_Y,   KM_GRAD_X,   g.h.out, g.w.out, g.h.in,  g.w.in,
                           2 - g.h.pad, 2 - g.w.pad, g.k,     g.c,     g.c * 9, 9};
}

/* One axis: to[i] = sum of reach x at the pixels around i, neighbours `step` apart. A reach of 0 meets nothing. */
static void winograd_smear(const double reach[WINOGRAD_REACH], const double *x, int64_t n,
                           int64_t pad, double *to, int64_t results, int64_t step)
{
    for (int64_t i = 0; i < results; i++) {
        double sum = 0;
        for (int d = 0; d < WINOGRAD_REACH; d++) {
            const int64_t at = i - pad + d - WINOGRAD_BACK;
            if (at >= 0 && at < n && reach[d] > 0)
                sum += reach[d] * x[at * step];
        }
        to[i * step] = sum;
    }
}

/* rho of one channel of the source. work: of h * (w + q) doubles. */
static void winograd_rho(const winograd_view *v, const real *x, double *work, double *rho)
{
    double reach[WINOGRAD_REACH], *square = work, *half = work + v->h * v->w;
    winograd_reach(reach);
    for (int64_t i = 0; i < v->h * v->w; i++)
        square[i] = (double)x[i] * x[i];
    for (int64_t i = 0; i < v->h; i++)
        winograd_smear(reach, square + i * v->w, v->w, v->pad_w, half + i * v->q, v->q, 1);
    for (int64_t j = 0; j < v->q; j++)
        winograd_smear(reach, half + j, v->h, v->pad_h, rho + j, v->p, v->q);
    for (int64_t i = 0; i < v->p * v->q; i++)
        rho[i] = sqrt(rho[i]);
}

/* |g|_2 of the filter between two channels. */
static double winograd_norm(const real *g)
{
    double sum = 0;
    for (int i = 0; i < 9; i++)
        sum += (double)g[i] * g[i];
    return sqrt(sum);
}

/* Adds S of one image: norm * rho for every pair of channels. */
static void winograd_add(const winograd_view *v, const real *x, const real *weight, double *work,
                         double *s)
{
    double *rho = work + v->h * (v->w + v->q);
    for (int64_t c = 0; c < v->c; c++) {
        winograd_rho(v, x + c * v->h * v->w, work, rho);
        for (int64_t k = 0; k < v->k; k++) {
            const double norm = winograd_norm(weight + c * v->w_c + k * v->w_k);
            for (int64_t i = 0; i < v->p * v->q; i++)
                s[k * v->p * v->q + i] += norm * rho[i];
        }
    }
}

/* S of the slot, which holds y or grad_x; the bias counts with its magnitude. -1 when out of memory. */
static int winograd_scale(const km_args *args, km_slot slot, double *s)
{
    const winograd_view v = winograd_view_of(args->params, slot);
    const int64_t plane = v.p * v.q, n = args->params->dim[KM_DIM_N];
    const real *bias = slot == KM_Y ? in(args, KM_BIAS) : NULL;
    double *work = malloc((size_t)(v.h * (v.w + v.q) + plane) * sizeof *work);
    for (int64_t i = 0; i < n * v.k * plane; i++)
        s[i] = bias ? fabs(bias[i / plane % v.k]) : 0;
    for (int64_t i = 0; i < n && work; i++)
        winograd_add(&v, in(args, v.source) + i * v.c * v.h * v.w, in(args, KM_WEIGHT), work,
                     s + i * v.k * plane);
    free(work);
    return work ? 0 : -1;
}

#endif
