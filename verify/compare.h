/* compare.h: element by element against the oracle. The class (NaN, +Inf, -Inf, finite) must match
 * first, then the error must lie within the bound; never a norm over the tensor.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_COMPARE_H
#define KM_COMPARE_H

#include <kernelmark.h>
#include <stddef.h>

/* Errors over all comparisons that were added up. */
typedef struct km_figures {
    int64_t elements; /* compared */
    int64_t wrong;    /* outside the bound, or of another class */
    double max_ulp;   /* in units in the last place of the expected value as float; of gradients
                       * only where the relative part of their bound decides */
    double max_abs, max_rel;
    double bound_used;   /* largest error / bound; above 1 is wrong */
    int64_t first_wrong; /* index; -1: none */
    double got, want;    /* there */
} km_figures;

/* What decides about one tensor. */
typedef struct km_rule {
    km_bound bound;
    int64_t terms; /* K of KM_SUM */
    /* Element by element: S of KM_SUM; D of KM_STEPS; of KM_MIXED a factor of atol, NULL meaning 1. */
    const double *scale;
    const double *slack; /* of KM_STEPS: 16 t u M */
    int whole;           /* nonzero: whole numbers of 32 bits, not to be rounded to float */
    int flush;           /* nonzero: an expected value below 2^-126 may come out as 0 */
} km_rule;

/* Distance in units in the last place of `want` rounded to float (2^-149 in the subnormal range);
 * infinity when the classes differ. */
double km_ulp_error(float got, double want);

/* The element of count with the largest km_ulp_error, the first of equals, and that error. */
int64_t km_worst_ulp(const float *got, const double *want, int64_t count, double *ulp);

/* So many units in the last place are within the rule's bound whatever the value; 0 if none is known. */
double km_sure_ulp(const km_rule *rule);

/* The tolerance of the rule for element i; 0 for KM_EXACT. */
double km_tolerance(const km_rule *rule, double want, int64_t i);

/* Whether got is right, adding to the figures; i selects S. */
int km_compare_one(const km_rule *rule, double got, double want, int64_t i, km_figures *figures);

/* Element i of a tensor of float or int32_t. */
double km_element(const km_tensor *t, int64_t i);

/* Compares all elements of a kernel's tensor and adds to the figures; indexes reported are those of this
 * call. */
void km_compare(const km_rule *rule, const km_tensor *got, const double *want, km_figures *figures);

/* Empty figures. */
km_figures km_figures_none(void);

/* Keeps the worst of both and adds the counts; the first wrong element of `into` stays if it has
 * one. */
void km_figures_add(km_figures *into, const km_figures *more);

#endif
