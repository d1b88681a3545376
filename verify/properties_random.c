/* properties_random.c: dropout keeps its rate and its mask; initial weights have the distribution that their method
 * names; L1 makes weights exactly zero, L2 none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/properties.h"

#include <inttypes.h>
#include <kernelmark_train.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/random.h"
#include "verify/runner.h"

/* Standard deviations that a right generator strays by once in 16,000 seeds. */
static const double most_sigma = 4;

static void conclude(km_property_result *r, int holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void conclude(km_property_result *r, int holds, const char *format, ...)
{
    va_list list;
    r->status = holds ? KM_OK : KM_WRONG;
    va_start(list, format);
    vsnprintf(r->text, sizeof r->text, format, list);
    va_end(list);
}

/* 0 with an open runner; else the result says why not. */
static int open_runner(km_runner *k, const km_backend *backend, const char *op, const char *pass,
                       const char *text, km_property_result *result)
{
    km_error error;
    const int state = km_runner_open(k, backend, op, pass, text, &error);
    if (state) {
        result->status = state > 0 ? KM_SKIPPED : KM_WRONG;
        snprintf(result->text, sizeof result->text, "%.200s", error.text);
    }
    return state;
}

/* ---- dropout ---- */

/* How often forward, or backward with forward's mask, disagrees with the mask; x and grad_y are 1. */
static int64_t disagreements(km_runner *forward, km_runner *backward)
{
    const int64_t n = forward->args.slot[KM_X].count;
    const uint8_t *mask = forward->args.slot[KM_MASK].data;
    uint8_t *given = backward->args.slot[KM_MASK].data;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        given[i] = mask[i];
        km_runner_data(backward, KM_GRAD_Y)[i] = 1;
    }
    km_runner_run(backward);
    for (int64_t i = 0; i < n; i++)
        count += (km_runner_data(forward, KM_Y)[i] != 0) != mask[i] ||
                 (km_runner_data(backward, KM_GRAD_X)[i] != 0) != mask[i];
    return count;
}

static void test_rate(const km_property *p, const km_backend *backend, uint64_t seed,
                      km_property_result *result)
{
    const double drop = *(const double *)p->data;
    char text[100];
    km_runner forward, backward;
    snprintf(text, sizeof text, "n1048576_p%g_seed%" PRIu64, drop, seed % 1000000);
    if (open_runner(&forward, backend, "dropout", "forward", text, result))
        return;
    if (!open_runner(&backward, backend, "dropout", "backward", text, result)) {
        const int64_t n = forward.args.slot[KM_X].count;
        double dropped = 0;
        for (int64_t i = 0; i < n; i++)
            km_runner_data(&forward, KM_X)[i] = 1;
        km_runner_run(&forward);
        for (int64_t i = 0; i < n; i++)
            dropped += !((const uint8_t *)forward.args.slot[KM_MASK].data)[i];
        const double sigma = fabs(dropped - drop * (double)n) / sqrt(drop * (1 - drop) * (double)n);
        const int64_t apart = disagreements(&forward, &backward);
        conclude(result, sigma <= most_sigma && !apart,
                 "%.0f of %" PRId64 " dropped, %.2f sigma from p = %g; %" PRId64
                 " elements not as the mask says",
                 dropped, n, sigma, drop, apart);
        km_runner_close(&backward);
    }
    km_runner_close(&forward);
}

/* ---- init ---- */

typedef struct law {
    const char *method;
    int normal;
} law;

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double cumulative(const law *l, double z)
{
    return l->normal ? erfc(-z * sqrt(0.5)) / 2 : fmin(1, fmax(0, 0.5 + z / sqrt(12)));
}

static double std_of(const law *l, double fan)
{
    return l->method[0] == 'x'   ? km_xavier_normal_std(fan, fan, 1)
           : l->method[0] == 'h' ? km_he_normal_std(fan, 0)
                                 : km_lecun_normal_std(fan);
}

static double sum_of(const float *a, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i];
    return sum;
}

static double sum_of_products(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* Mean and variance in their standard deviations, and Kolmogorov's distance times sqrt n, which exceeds 1.95 once in
 * a thousand times. Neighbours must not be correlated. */
static void judge(const law *l, float *w, int64_t n, double std, km_property_result *result)
{
    const double count = (double)n, root = sqrt(count), kurtosis = l->normal ? 3 : 1.8;
    const double mean = sum_of(w, n) / (std * count), unit = std * std * count;
    const double variance = sum_of_products(w, w, n) / unit,
                 product = sum_of_products(w + 1, w, n - 1) / unit;
    double distance = 0;
    qsort(w, (size_t)n, sizeof *w, by_value);
    for (int64_t i = 0; i < n; i++) {
        const double f = cumulative(l, w[i] / std);
        const double below = f - (double)i / count, above = (double)(i + 1) / count - f;
        const double further = below > above ? below : above;
        distance = further > distance ? further : distance;
    }
    const double of_mean = fabs(mean) * root,
                 of_variance = fabs(variance - 1) * root / sqrt(kurtosis - 1);
    conclude(result,
             of_mean <= most_sigma && of_variance <= most_sigma && distance * root < 1.95 &&
                 fabs(product) * root <= most_sigma,
             "mean %.2f sigma off, variance %.2f, neighbours' correlation %.2f; Kolmogorov-Smirnov "
             "%.2f",
             of_mean, of_variance, fabs(product) * root, distance * root);
}

static void test_law(const km_property *p, const km_backend *backend, uint64_t seed,
                     km_property_result *result)
{
    const law *l = p->data;
    char text[100];
    km_runner k;
    snprintf(text, sizeof text, "c1024k1024_method=%s_seed%" PRIu64, l->method, seed % 1000000);
    if (open_runner(&k, backend, "init", "forward", text, result))
        return;
    km_runner_run(&k);
    judge(l, km_runner_data(&k, KM_WEIGHT), k.args.slot[KM_WEIGHT].count, std_of(l, 1024), result);
    km_runner_close(&k);
}

/* ---- penalties: the least of |w - t|^2 / 2 + penalty, by steps of gradient descent ---- */

enum { WEIGHTS = 1000, STEPS = 300 };
static const float rate = 0.1f;

/* After a step on the first term alone, the proximal step of L1: towards 0, and never past it. */
static void proximal(float *w, const float *slope)
{
    for (int i = 0; i < WEIGHTS; i++) {
        const float moved = w[i] - rate * slope[i];
        w[i] = w[i] * moved <= 0 ? 0 : moved;
    }
}

static void descend(km_runner *k, const float *target, int l1)
{
    float *w = km_runner_data(k, KM_WEIGHT);
    const float *slope = km_runner_data(k, KM_GRAD_WEIGHT);
    for (int step = 0; step < STEPS; step++) {
        if (!l1)
            km_runner_run(k);
        for (int i = 0; i < WEIGHTS; i++)
            w[i] -= rate * (w[i] - target[i] + (l1 ? 0 : slope[i]));
        if (l1) {
            km_runner_run(k);
            proximal(w, slope);
        }
    }
}

static void test_sparsity(const km_property *p, const km_backend *backend, uint64_t seed,
                          km_property_result *result)
{
    const int l1 = p->op[1] == '1';
    float target[WEIGHTS];
    int zeros = 0;
    km_runner k;
    if (open_runner(&k, backend, p->op, "forward_backward", "n1000_lambda0.5", result))
        return;
    km_fill_random(target, WEIGHTS, KM_FILL_NORMAL, km_stream(seed, "sparsity"));
    for (int i = 0; i < WEIGHTS; i++)
        km_runner_data(&k, KM_WEIGHT)[i] = target[i];
    descend(&k, target, l1);
    for (int i = 0; i < WEIGHTS; i++)
        zeros += km_runner_data(&k, KM_WEIGHT)[i] == 0;
    conclude(result, l1 ? zeros > WEIGHTS / 4 : zeros == 0, "%d of %d weights are exactly 0", zeros,
             WEIGHTS);
    km_runner_close(&k);
}

/* ---- the table ---- */

static const double tenth = 0.1, half = 0.5, most = 0.9;
static const law laws[] = {{"xavier_uniform", 0},
                           {"xavier_normal", 1},
                           {"he_uniform", 0},
                           {"he_normal", 1},
                           {"lecun_normal", 1}};

const km_property km_properties_random[] = {
    {"dropout", "rate 0.1, and one mask", test_rate, &tenth},
    {"dropout", "rate 0.5, and one mask", test_rate, &half},
    {"dropout", "rate 0.9, and one mask", test_rate, &most},
    {"init", "law of xavier_uniform", test_law, &laws[0]},
    {"init", "law of xavier_normal", test_law, &laws[1]},
    {"init", "law of he_uniform", test_law, &laws[2]},
    {"init", "law of he_normal", test_law, &laws[3]},
    {"init", "law of lecun_normal", test_law, &laws[4]},
    {"l1_penalty", "makes weights zero", test_sparsity, NULL},
    {"l2_penalty", "makes no weight zero", test_sparsity, NULL},
    {"l2_half_penalty", "makes no weight zero", test_sparsity, NULL},
    {0},
};
