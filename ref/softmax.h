/* softmax.h: what softmax and log_softmax share: x [n, c, h, w] and an axis `dim` of it, as
 * [outer, axis, inner].
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_SOFTMAX_H
#define KM_REF_SOFTMAX_H

#include "ref.h"

typedef struct axes {
    int64_t outer, axis, inner;
} axes;

/* A negative dim counts from the end. */
static inline axes axes_of(const int64_t *dim, int ndim, int at)
{
    axes a = {1, 1, 1};
    at += at < 0 ? ndim : 0;
    for (int d = 0; d < ndim; d++)
        *(d < at ? &a.outer : d == at ? &a.axis : &a.inner) *= dim[d];
    return a;
}

static inline axes softmax_axes(const km_case *c)
{
    return axes_of(&c->dim[KM_DIM_N], 4, (int)c->attr[KM_DIM]);
}

static inline void softmax_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    (void)slot;
    t->ndim = 4;
    for (int d = 0; d < 4; d++)
        t->dim[d] = c->dim[KM_DIM_N + d];
}

/* Of any number of dimensions; a scalar is one row of one element. */
static inline const char *softmax_infer(const km_args *recorded, km_case *c)
{
    const km_tensor *x = &recorded->slot[recorded->slot[KM_X].ndim < 0 ? KM_GRAD_Y : KM_X];
    const int ndim = x->ndim == 0 ? 1 : x->ndim, dim = (int)c->attr[KM_DIM];
    if (ndim < 0)
        return "input 'x' is not recorded";
    if (dim < -ndim || dim >= ndim)
        return "dim is no axis of x";
    const axes a = axes_of(x->dim, x->ndim, dim);
    c->dim[KM_DIM_N] = a.outer;
    c->dim[KM_DIM_C] = a.axis;
    c->dim[KM_DIM_H] = a.inner;
    c->dim[KM_DIM_W] = 1;
    c->attr[KM_DIM] = 1;
    return NULL;
}

/* f on each row: where it starts, its length and stride. */
typedef void softmax_row(const km_args *args, int64_t start, int64_t n, int64_t stride);

static inline void each_row(const km_args *args, softmax_row *f)
{
    const axes a = softmax_axes(args->params);
    for (int64_t o = 0; o < a.outer; o++)
        for (int64_t i = 0; i < a.inner; i++)
            f(args, o * a.axis * a.inner + i, a.axis, a.inner);
}

static inline real largest(const real *x, int64_t n, int64_t stride)
{
    real max = -INFINITY;
    for (int64_t j = 0; j < n; j++)
        max = x[j * stride] > max ? x[j * stride] : max;
    return max;
}

/* log of the sum of exp(x - max), and the mean distance from max that errors of x - max weigh with. */
typedef struct spread {
    double max, log_sum, distance;
} spread;

static inline spread spread_of(const double *x, int64_t n, int64_t stride)
{
    double max = -INFINITY, sum = 0, distance = 0;
    for (int64_t j = 0; j < n; j++)
        max = x[j * stride] > max ? x[j * stride] : max;
    for (int64_t j = 0; j < n; j++) {
        const double d = max - x[j * stride], e = exp(-d);
        sum += e;
        distance += e == 0 ? 0 : e * d;
    }
    return (spread){max, log(sum), distance / sum};
}

static const char *const softmax_quick[] = {"n64c1000", "n8192c10", "n8c30000", "n2c21h64w64",
                                            NULL};
static const char *const softmax_full[] = {"n4096c128",   "n1c1000000",          "n1c1000",
                                           "n8c64h56w56", "n64c12h128w128_dim3", NULL};
static const char *const softmax_edge[] = {
    "n0c7",      "n3c0h2",         "n5c1",          "n3c17",          "n2c129",    "n2c9000",
    "n7c5_dim0", "n2c3h5w7_dim-1", "n2c3h5w7_dim2", "n2c3h5w7_dim-3", "n2c5h3w33", NULL};

/* clang-format off */
#define SOFTMAX_CASES \
    .dims = 4, \
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1}, {KM_DIM_C, .min = 0, .fallback = 1}, \
            {KM_DIM_H, .min = 0, .fallback = 1}, {KM_DIM_W, .min = 0, .fallback = 1}}, \
    .attrs = 1, .attr = {{KM_DIM, .fallback = 1, .min = -4, .max = 3, .integer = 1}}, \
    .shape = softmax_shape, .infer = softmax_infer, \
    .sweep = {KM_DIM_C, KM_DIM_W}, .sweeps = 2, \
    .quick = softmax_quick, .full = softmax_full, .edge = softmax_edge

/* What goes through a logarithm of a sum: oneDNN's errs by up to 60 u near 1, for
 * which terms() adds LOG_TERMS; ours by less. */
enum { LOG_TERMS = 64 };
#define BOUND_LOG .gate = {.kind = KM_SUM}, .target = {KM_MIXED, 0, 0, 1e-6}, .scaled = 1
#define BOUND_SUM .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}
/* clang-format on */

#endif
