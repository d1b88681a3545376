/* columns.h: what normalisations of the columns of x [n, c] share. Passes: forward fits and applies; fit gives a
 * column's statistics alone (of the training data); apply uses given ones (on the test data); inverse goes back.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_COLUMNS_H
#define KM_REF_COLUMNS_H

#include "pointwise.h"

static inline void columns_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int table = slot == KM_X || slot == KM_Y;
    t->ndim = table ? 2 : 1;
    t->dim[0] = c->dim[table ? KM_DIM_N : KM_DIM_C];
    t->dim[1] = c->dim[KM_DIM_C];
}

/* All but the first dimension are columns. */
static inline const char *columns_infer(const km_args *recorded, km_case *c)
{
    const km_tensor *x = &recorded->slot[KM_X];
    if (x->ndim < 1)
        return "input 'x' is not recorded, or has no dimension";
    c->dim[KM_DIM_N] = x->dim[0];
    c->dim[KM_DIM_C] = 1;
    for (int d = 1; d < x->ndim; d++)
        c->dim[KM_DIM_C] *= x->dim[d];
    return NULL;
}

static inline const char *columns_check(const km_case *c)
{
    return c->attr[KM_DIM] ? "dim must be 0: that is what columns run along" : NULL;
}

static inline int64_t columns_terms(const km_case *c, km_slot slot)
{
    (void)slot;
    return c->dim[KM_DIM_N];
}

/* Of column j: the mean magnitude of x. */
static inline double mean_magnitude(const km_args *oracle, int64_t j)
{
    const km_tensor *x = &oracle->slot[KM_X];
    double sum = 0;
    for (int64_t i = 0; i < x->dim[0]; i++)
        sum += fabs(((const double *)x->data)[i * x->dim[1] + j]);
    return sum / (double)x->dim[0];
}

static const char *const columns_quick[] = {"n1000c13", "n4096c64", NULL};
static const char *const columns_full[] = {"n65536c16", "n16384c1024", "n1048576", NULL};
static const char *const columns_edge[] = {"n0c3", "n5c0", "n2", "n2053c3", "n300c70", NULL};

/* clang-format off */
#define COLUMNS_CASES \
    .family = "normalisation", \
    .dims = 2, .dim = {{KM_DIM_N, .min = 0, .fallback = -1}, {KM_DIM_C, .min = 0, .fallback = 1}}, \
    .shape = columns_shape, .infer = columns_infer, \
    .sweep = {KM_DIM_N, KM_DIM_C}, .sweeps = 2, \
    .quick = columns_quick, .full = columns_full, .edge = columns_edge

#define USE_STATISTIC(slot)   {slot, KM_READ, .fill = KM_FILL_SAVED}
#define USE_TABLE(slot, kind) {slot, KM_READ, .fill = kind}
/* clang-format on */

#endif
