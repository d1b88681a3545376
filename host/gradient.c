/* gradient.c: central differences of sum c_i y_i, with Gaussian c, against the gradient that is claimed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <kernelmark_train.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct check {
    const km_gradient_problem *p;
    double *x, *grad_x, *numeric;  /* inputs */
    double *grad_y, *plus, *minus; /* outputs */
    double rounding;               /* what that of y leaves of a difference */
} check;

/* In (0, 1): Steele, Lea and Flood's SplitMix64, 2014. */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static void fill_gaussian(double *data, int64_t count, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++) {
        const double r = sqrt(-2 * log(uniform(&seed)));
        data[i] = r * cos(6.283185307179586 * uniform(&seed));
    }
}

static int open_check(check *k, const km_gradient_problem *p, const double *x)
{
    const size_t in = (size_t)p->inputs + 1, out = (size_t)p->outputs + 1;
    *k = (check){.p = p, .x = calloc(3 * in + 3 * out, sizeof(double))};
    if (!k->x)
        return -1;
    k->grad_x = k->x + in;
    k->numeric = k->grad_x + in;
    k->grad_y = k->numeric + in;
    k->plus = k->grad_y + out;
    k->minus = k->plus + out;
    if (p->inputs)
        memcpy(k->x, x, (size_t)p->inputs * sizeof *x);
    fill_gaussian(k->grad_y, p->outputs, p->seed);
    p->forward(k->x, k->plus, p->context);
    for (int64_t i = 0; i < p->outputs; i++)
        k->rounding += DBL_EPSILON * fabs(k->grad_y[i] * k->plus[i]);
    p->backward(k->x, k->grad_y, k->grad_x, p->context);
    return 0;
}

static double numeric_at(check *k, int64_t i, double step)
{
    /* volatile: the step that was taken, not the one that was asked for */
    volatile double plus = k->x[i] + step, minus = k->x[i] - step;
    const double kept = k->x[i];
    double sum = 0;
    k->x[i] = plus;
    k->p->forward(k->x, k->plus, k->p->context);
    k->x[i] = minus;
    k->p->forward(k->x, k->minus, k->p->context);
    k->x[i] = kept;
    for (int64_t j = 0; j < k->p->outputs; j++)
        if (k->plus[j] != k->minus[j])
            sum += k->grad_y[j] * (k->plus[j] - k->minus[j]);
    return sum / (plus - minus);
}

static double step_at(const check *k, int64_t i)
{
    return cbrt(DBL_EPSILON) * fmax(1, fabs(k->x[i]));
}

/* Relative, with a floor: what is small beside the largest element, or lost to rounding. NaN is infinitely wrong. */
static double error_of(const check *k, int64_t i, double numeric, double largest, double tolerance)
{
    const double a = k->grad_x[i];
    const double floor = 1e-3 * largest + k->rounding / (step_at(k, i) * tolerance);
    const double error = a == numeric ? 0 : fabs(a - numeric) / (fabs(a) + fabs(numeric) + floor);
    return isnan(error) ? INFINITY : error;
}

/* The best of three steps: one may straddle a place where the others are right. */
static double best_error(check *k, int64_t i, double largest, double tolerance)
{
    double best = error_of(k, i, k->numeric[i], largest, tolerance);
    for (int t = 0; t < 2 && !(best <= tolerance); t++)
        best = fmin(best, error_of(k, i, numeric_at(k, i, (t ? 0.25 : 4) * step_at(k, i)), largest,
                                   tolerance));
    return best;
}

int km_check_gradient(const km_gradient_problem *p, const double *x, km_gradient_verdict *verdict)
{
    const double tolerance = p->tolerance > 0 ? p->tolerance : 1e-6;
    double largest = 0;
    check k;
    *verdict = (km_gradient_verdict){.worst = -1};
    if (open_check(&k, p, x))
        return -1;
    for (int64_t i = 0; i < p->inputs; i++) {
        k.numeric[i] = numeric_at(&k, i, step_at(&k, i));
        largest = fmax(largest, fabs(k.numeric[i]));
    }
    for (int64_t i = 0; i < p->inputs; i++) {
        const double error = best_error(&k, i, largest, tolerance);
        if (verdict->worst < 0 || error > verdict->error)
            *verdict = (km_gradient_verdict){i, k.grad_x[i], k.numeric[i], error};
    }
    free(k.x);
    return verdict->error <= tolerance ? 0 : 1;
}
