/* pointwise.h: what the descriptors of element-by-element ops share: one size n, all tensors of
 * that length, and the lists of cases.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_POINTWISE_H
#define KM_REF_POINTWISE_H

#include "ref.h"

static inline void pointwise_shape(const km_case *c, km_slot slot, km_tensor *t)
{
    (void)slot;
    t->ndim = 1;
    t->dim[0] = c->dim[KM_DIM_N];
}

/* L1, L2 and L3 or memory; --full adds the call overhead and memory. */
static const char *const pointwise_quick[] = {"n4096", "n65536", "n1048576", NULL};
static const char *const pointwise_full[] = {"n1000", "n16777216", NULL};

/* Nothing; one element; a length that no vector divides. verify sweeps 0 to 67 on each of them. */
static const char *const pointwise_edge[] = {"n0", "n1", "n1037", NULL};

/* clang-format off */
#define POINTWISE_N .dims = 1, .dim = {{KM_DIM_N, .min = 0, .fallback = -1}}, .shape = pointwise_shape, \
                    .quick = pointwise_quick, .full = pointwise_full

/* y = f(x): y may be x. Gradients by x from x, or from the saved y; grad_x may be grad_y. */
#define USE_X         {KM_X, KM_READ, .fill = KM_FILL_WIDE}
#define USE_Y         {KM_Y, KM_READ, .fill = KM_FILL_SAVED}
#define USE_GRAD_Y    {KM_GRAD_Y, KM_READ, .fill = KM_FILL_NORMAL}
#define MAKE_Y(...)      {KM_Y, KM_WRITE, .in_place = 1, .in_place_of = KM_X, __VA_ARGS__}
#define MAKE_GRAD_X(...) {KM_GRAD_X, KM_WRITE, .in_place = 1, .in_place_of = KM_GRAD_Y, __VA_ARGS__}

#define EXACT        {KM_EXACT, 0, 0, 0}
#define ULP(n)       {KM_ULP, n, 0, 0}
#define MIXED(r, a)  {KM_MIXED, 0, r, a}
#define BOUND_EXACT  .gate = EXACT, .target = EXACT
#define BOUND_ULP(n) .gate = ULP(n), .target = ULP(n)

/* Exp-class: any right kernel meets the gate; the target is what kernelmark's own promise. */
#define BOUND_FORWARD(ulp)  .gate = MIXED(1e-5, 1e-6), .target = ULP(ulp)
#define BOUND_BACKWARD      .gate = MIXED(2e-5, 4e-6), .target = MIXED(4e-6, 5e-7)
/* clang-format on */

#endif
