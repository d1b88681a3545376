/* compare.c: the error of one element, and the bounds it is held to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/compare.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const double unit_roundoff = 0x1p-24;

/* 0 finite, 1 +Inf, 2 -Inf, 3 NaN */
static int class_of(float v)
{
    return isnan(v) ? 3 : isinf(v) ? (v < 0 ? 2 : 1) : 0;
}

/* One unit in the last place of a float of this magnitude; infinity counts as the largest float. The power
 * of two below it is what a double keeps without its fraction; no branch, as all 2^32 floats come here. */
static inline double ulp_of(float v)
{
    double power = v;
    uint64_t bits;
    memcpy(&bits, &power, sizeof bits);
    bits &= 0x7ff0000000000000u;
    memcpy(&power, &bits, sizeof bits);
    const double ulp = power * 0x1p-23;
    return ulp < 0x1p-149 ? 0x1p-149 : ulp > 0x1p104 ? 0x1p104 : ulp;
}

static inline double ulp_error(float got, double want)
{
    const float rounded = (float)want;
    if (isfinite(got) && isfinite(rounded))
        return fabs(got - want) / ulp_of(rounded);
    /* just above FLT_MAX the expected value rounds to infinity: same class, no distance */
    return class_of(got) == class_of(rounded) ? 0 : INFINITY;
}

double km_ulp_error(float got, double want)
{
    return ulp_error(got, want);
}

int64_t km_worst_ulp(const float *got, const double *want, int64_t count, double *ulp)
{
    int64_t worst = 0;
    *ulp = 0;
    for (int64_t i = 0; i < count; i++) {
        const double own = ulp_error(got[i], want[i]);
        if (own > *ulp) {
            *ulp = own;
            worst = i;
        }
    }
    return worst;
}

double km_sure_ulp(const km_rule *rule)
{
    const km_bound *b = &rule->bound;
    switch (b->kind) {
    case KM_ULP:
        return b->ulp;
    case KM_MIXED: /* a unit is at most 2^-22 of the value, or 2^-149 */
        return rule->scale ? 0 : fmin(b->rtol * 0x1p22, b->atol * 0x1p149);
    case KM_EXACT:
    case KM_SUM:
    case KM_STEPS:
        break;
    }
    return 0;
}

double km_tolerance(const km_rule *rule, double want, int64_t i)
{
    const km_bound *b = &rule->bound;
    switch (b->kind) {
    case KM_EXACT:
        return 0;
    case KM_ULP:
        return b->ulp * ulp_of((float)want);
    case KM_MIXED:
        return b->rtol * fabs(want) + b->atol * (rule->scale ? rule->scale[i] : 1);
    case KM_SUM: {
        double k = (double)rule->terms, slow = 8 * sqrt(k) + 8;
        return (k + 8 < slow ? k + 8 : slow) * unit_roundoff * rule->scale[i] + 0x1p-126;
    }
    case KM_STEPS:
        return b->atol * rule->scale[i] + rule->slack[i] + 0x1p-126;
    }
    return 0;
}

/* A gradient (whose bound scales with grad_y) crosses zero where its terms cancel; there any kernel is
 * millions of units off, and the bound is absolute. Units count where the relative part of it decides. */
static int counts_ulp(const km_rule *rule, double want, int64_t i)
{
    const km_bound *b = &rule->bound;
    if (b->kind == KM_STEPS)
        return 0;
    return b->kind != KM_MIXED || !rule->scale || b->rtol * fabs(want) >= b->atol * rule->scale[i];
}

static void note_error(km_figures *f, double error, double want, double tolerance, double ulp)
{
    double rel = want != 0 ? error / fabs(want) : error > 0 ? INFINITY : 0;
    double used = tolerance > 0 ? error / tolerance : error > 0 ? INFINITY : 0;
    f->max_abs = fmax(f->max_abs, error);
    f->max_ulp = fmax(f->max_ulp, ulp);
    f->bound_used = fmax(f->bound_used, used);
    /* next to a zero, relative error says nothing */
    if (fabs(want) >= 0x1p-126)
        f->max_rel = fmax(f->max_rel, rel);
}

int km_compare_one(const km_rule *rule, double got, double want, int64_t i, km_figures *figures)
{
    float rounded = (float)want;
    int same_class = class_of((float)got) == class_of(rounded), right = same_class;
    if (same_class && class_of(rounded) == 0) {
        if (rule->bound.kind == KM_EXACT && !rule->whole)
            want = rounded;
        double error = fabs(got - want), tolerance = km_tolerance(rule, want, i);
        int flushed = rule->flush && got == 0 && fabs(want) < 0x1p-126;
        right = flushed || error <= tolerance; /* false for a NaN on either side */
        if (!flushed)
            note_error(figures, error, want, tolerance,
                       counts_ulp(rule, want, i) ? error / ulp_of(rounded) : 0);
    } else if (!same_class) {
        /* an overflow by rounding: FLT_MAX against infinity, within the bound */
        double error = fabs(got - want);
        right = isfinite(want) && isfinite(got) && error <= km_tolerance(rule, want, i);
        if (!right)
            figures->max_ulp = figures->bound_used = INFINITY;
    }
    figures->elements++;
    if (!right && figures->wrong++ == 0) {
        figures->first_wrong = i;
        figures->got = got;
        figures->want = want;
    }
    return right;
}

double km_element(const km_tensor *t, int64_t i)
{
    return t->type == KM_INT32   ? ((const int32_t *)t->data)[i]
           : t->type == KM_UINT8 ? ((const uint8_t *)t->data)[i]
                                 : (double)((const float *)t->data)[i];
}

void km_compare(const km_rule *rule, const km_tensor *got, const double *want, km_figures *figures)
{
    km_figures own = km_figures_none();
    for (int64_t i = 0; i < got->count; i++)
        km_compare_one(rule, km_element(got, i), want[i], i, &own);
    km_figures_add(figures, &own);
}

km_figures km_figures_none(void)
{
    return (km_figures){.first_wrong = -1};
}

void km_figures_add(km_figures *into, const km_figures *more)
{
    into->elements += more->elements;
    into->max_abs = fmax(into->max_abs, more->max_abs);
    into->max_rel = fmax(into->max_rel, more->max_rel);
    into->max_ulp = fmax(into->max_ulp, more->max_ulp);
    into->bound_used = fmax(into->bound_used, more->bound_used);
    if (!into->wrong && more->wrong) {
        into->first_wrong = more->first_wrong;
        into->got = more->got;
        into->want = more->want;
    }
    into->wrong += more->wrong;
}
