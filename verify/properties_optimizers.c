/* properties_optimizers.c: every optimizer reaches the minimum of an ill-conditioned quadratic and of Rosenbrock's valley
 * within a number of steps, and momentum, NAG and Adam do so in fewer steps than plain gradient descent.
 *
 * The bounds are about twice what the references take. Rosenbrock, Computer J. 3 (1960).
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/properties.h"

#include <math.h>
#include <stdio.h>

#include "verify/runner.h"

enum { DIMENSIONS = 8, CONDITION = 1000 };

/* A function to be minimised, in double, of what float kernels move. */
typedef struct valley {
    const char *name;
    int n;
    double reached; /* f below this is the minimum found */
    void (*start)(float *x);
    double (*value)(const float *x, float *gradient);
} valley;

/* ---- f = 1/2 sum h_i y_i^2, h from 1 down to 1 / CONDITION, y = x - 1 mirrored at a diagonal plane ---- */

static void quadratic_start(float *x)
{
    for (int i = 0; i < DIMENSIONS; i++)
        x[i] = i % 2 ? 3.0f : -2.0f;
}

static void mirror(double *y)
{
    double mean = 0;
    for (int i = 0; i < DIMENSIONS; i++)
        mean += y[i] / DIMENSIONS;
    for (int i = 0; i < DIMENSIONS; i++)
        y[i] -= 2 * mean;
}

static double quadratic(const float *x, float *gradient)
{
    double y[DIMENSIONS], f = 0;
    for (int i = 0; i < DIMENSIONS; i++)
        y[i] = x[i] - 1.0;
    mirror(y);
    for (int i = 0; i < DIMENSIONS; i++) {
        const double h = pow(CONDITION, -(double)i / (DIMENSIONS - 1));
        f += 0.5 * h * y[i] * y[i];
        y[i] *= h;
    }
    mirror(y);
    for (int i = 0; i < DIMENSIONS; i++)
        gradient[i] = (float)y[i];
    return f;
}

/* ---- f = (1 - x)^2 + 100 (y - x^2)^2 ---- */

static void rosenbrock_start(float *x)
{
    x[0] = -1.2f;
    x[1] = 1;
}

static double rosenbrock(const float *p, float *gradient)
{
    const double x = p[0], y = p[1], across = y - x * x;
    gradient[0] = (float)(-2 * (1 - x) - 400 * x * across);
    gradient[1] = (float)(200 * across);
    return (1 - x) * (1 - x) + 100 * across * across;
}

static const valley bowl = {"quadratic", DIMENSIONS, 1e-6, quadratic_start, quadratic};
static const valley banana = {"rosenbrock", 2, 1e-4, rosenbrock_start, rosenbrock};

/* ---- descents ---- */

typedef struct descent {
    const char *op, *attributes;
    const valley *where;
    int steps; /* within which the minimum must be reached */
} descent;

/* Steps until the minimum is reached, or -1. *best: the least f met. KM_SKIPPED with its reason in the result. */
static int descend(const descent *d, const km_backend *backend, double *best,
                   km_property_result *result)
{
    char text[200];
    km_runner r;
    km_error error;
    int reached = -1;
    snprintf(text, sizeof text, "n%d%s", d->where->n, d->attributes);
    const int missing = km_runner_open(&r, backend, d->op, "step", text, &error);
    *best = INFINITY;
    if (missing) {
        result->status = missing > 0 ? KM_SKIPPED : KM_WRONG;
        snprintf(result->text, sizeof result->text, "%.200s", error.text);
        return -1;
    }
    float *param = km_runner_data(&r, KM_PARAM), *grad = km_runner_data(&r, KM_GRAD);
    d->where->start(param);
    for (int t = 0; t <= d->steps && reached < 0; t++) {
        const double f = d->where->value(param, grad);
        *best = f < *best ? f : *best;
        if (f <= d->where->reached)
            reached = t;
        else
            km_runner_run(&r);
    }
    km_runner_close(&r);
    return reached;
}

static void reaches(const km_property *p, const km_backend *backend, uint64_t seed,
                    km_property_result *result)
{
    const descent *d = p->data;
    double best;
    (void)seed;
    result->status = KM_OK;
    const int steps = descend(d, backend, &best, result);
    if (result->status != KM_OK)
        return;
    result->status = steps < 0 ? KM_WRONG : KM_OK;
    if (steps < 0)
        snprintf(result->text, sizeof result->text, "no nearer than f = %.3g in %d steps", best,
                 d->steps);
    else
        snprintf(result->text, sizeof result->text, "f <= %g after %d steps of at most %d",
                 d->where->reached, steps, d->steps);
}

/* ---- races ---- */

typedef struct race {
    const descent *fast, *slow;
} race;

static void beats(const km_property *p, const km_backend *backend, uint64_t seed,
                  km_property_result *result)
{
    const race *r = p->data;
    double best;
    (void)seed;
    result->status = KM_OK;
    const int fast = descend(r->fast, backend, &best, result);
    if (result->status != KM_OK)
        return;
    const int slow = descend(r->slow, backend, &best, result);
    if (result->status != KM_OK)
        return;
    result->status = fast >= 0 && slow >= 0 && fast < slow ? KM_OK : KM_WRONG;
    snprintf(result->text, sizeof result->text, "%d steps, %s %d", fast, r->slow->op, slow);
}

/* ---- the table ---- */

#define DESCENTS(D)                                                                                \
    D(sgd, bowl, "_lr1.8", 5000)                                                                   \
    D(sgd_momentum, bowl, "_lr1", 1000)                                                            \
    D(nag, bowl, "_lr1", 1000)                                                                     \
    D(adagrad, bowl, "_lr1", 6000)                                                                 \
    D(rmsprop, bowl, "_lr0.001", 12000)                                                            \
    D(adam, bowl, "_lr0.1", 3000)                                                                  \
    D(adamw, bowl, "_lr0.1_weight_decay0", 3000)                                                   \
    D(sgd, banana, "_lr0.001", 20000)                                                              \
    D(sgd_momentum, banana, "_lr0.001", 2000)                                                      \
    D(nag, banana, "_lr0.001", 2000)                                                               \
    D(adagrad, banana, "_lr0.5", 10000)                                                            \
    D(rmsprop, banana, "_lr0.0003", 20000)                                                         \
    D(adam, banana, "_lr0.1_beta20.99", 1000)                                                      \
    D(adamw, banana, "_lr0.1_beta20.99_weight_decay0", 1000)

#define DESCENT(op, where, attributes, steps)                                                      \
    static const descent op##_##where = {#op, attributes, &where, steps};
DESCENTS(DESCENT)

#define RACES(R)                                                                                   \
    R(sgd_momentum, bowl)                                                                          \
    R(nag, bowl)                                                                                   \
    R(adam, bowl)                                                                                  \
    R(sgd_momentum, banana)                                                                        \
    R(nag, banana)                                                                                 \
    R(adam, banana)

#define RACE(op, where) static const race op##_race_##where = {&op##_##where, &sgd_##where};
RACES(RACE)

#define bowl_NAME   "quadratic"
#define banana_NAME "rosenbrock"
#define DESCENT_ROW(op, where, attributes, steps)                                                  \
    {#op, "reaches_minimum_" where##_NAME, reaches, &op##_##where},
#define RACE_ROW(op, where) {#op, "beats_sgd_" where##_NAME, beats, &op##_race_##where},

const km_property km_properties_optimizers[] = {DESCENTS(DESCENT_ROW) RACES(RACE_ROW){0}};
