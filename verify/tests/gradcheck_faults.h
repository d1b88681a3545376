/* gradcheck_faults.h: wrong backward passes on the oracle's tensors: in any op, and in single ones.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_GRADCHECK_FAULTS_H
#define KM_TEST_GRADCHECK_FAULTS_H

#include <math.h>
#include <string.h>

#include "core/case.h"
#include "core/names.h"
#include "core/registry.h"

/* The op under test: a pass has no context of its own. */
static const km_op *op;

static inline void oracle(const km_args *args)
{
    km_oracle_kernel(op->name, "backward")->run(args);
}

#define OUT ((double *)args->slot[KM_GRAD_X].data)
#define G   ((const double *)args->slot[KM_GRAD_Y].data)
#define X   ((const double *)args->slot[KM_X].data)
#define N   (args->slot[KM_GRAD_X].count)

/* ---- wrong in any op -------------------------------------------------------------------------- */

static inline void factor_two(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= 2;
}

static inline void sign(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = -OUT[i];
}

static inline void zero(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = 0;
}

static inline void largest_one_percent(const km_args *args)
{
    int64_t largest = 0;
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        largest = fabs(OUT[i]) > fabs(OUT[largest]) ? i : largest;
    OUT[largest] *= 1.01;
}

static inline void all_per_mille(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= 1.001;
}

static inline void constant_added(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] += 1e-3;
}

static inline void upstream_ignored(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] /= G[i];
}

static inline void upstream_twice(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= G[i];
}

static inline void upstream_size(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= G[i] < 0 ? -1 : 1;
}

static inline void clipped(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = fmin(1, fmax(-1, OUT[i]));
}

static inline void pairs_swapped(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i + 1 < N; i += 2) {
        double kept = OUT[i];
        OUT[i] = OUT[i + 1];
        OUT[i + 1] = kept;
    }
}

static inline void reversed(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N / 2; i++) {
        double kept = OUT[i];
        OUT[i] = OUT[N - 1 - i];
        OUT[N - 1 - i] = kept;
    }
}

static inline void summed_up(const km_args *args)
{
    double sum = 0;
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = sum += OUT[i];
}

static inline void accumulated(const km_args *args)
{
    static double kept[1 << 13];
    memcpy(kept, OUT, (size_t)N * sizeof *kept);
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] += kept[i];
}

static inline void one_nan(const km_args *args)
{
    oracle(args);
    OUT[N - 1] = NAN;
}

static int calls;

/* Right for the cotangent of the first call, whatever comes later. */
static inline void remembered(const km_args *args)
{
    static double kept[1 << 13];
    if (calls++ == 0) {
        oracle(args);
        memcpy(kept, OUT, (size_t)N * sizeof *kept);
    }
    memcpy(OUT, kept, (size_t)N * sizeof *kept);
}

static inline void not_zero_at_zero(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] += G[i] == 0 ? 1e-9 : 0;
}

static inline void nothing(const km_args *args)
{
    (void)args;
}

/* ---- wrong in one op -------------------------------------------------------------------------- */

static inline void tanh_for_erf(const km_args *args)
{
    km_args other = *args;
    km_case params = *args->params;
    params.attr[KM_APPROXIMATE] = 1;
    other.params = &params;
    oracle(&other);
}

static inline void attributes_ignored(const km_args *args)
{
    km_args other = *args;
    km_case params;
    km_case_default(op, &params);
    other.params = &params;
    oracle(&other);
}

static inline void silu_term_missing(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i] / (1 + exp(-X[i]));
}

static inline void hardswish_term_missing(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i] * (X[i] > 3 ? 1 : X[i] < -3 ? 0 : 2 * X[i] / 6);
}

static inline void tanh_without_square(const km_args *args)
{
    const double *y = args->slot[KM_Y].data;
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i] * (1 - fabs(y[i]));
}

static inline void slope_forgotten(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i];
}

static inline void weight_without_mask(const km_args *args)
{
    double *w = args->slot[KM_GRAD_WEIGHT].data;
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        w[0] += X[i] > 0 ? G[i] * X[i] : 0;
}

static inline void weights_swapped(const km_args *args)
{
    double *w = args->slot[KM_GRAD_WEIGHT].data;
    oracle(args);
    double kept = w[0];
    w[0] = w[1];
    w[1] = kept;
}

static inline void weight_averaged(const km_args *args)
{
    double *w = args->slot[KM_GRAD_WEIGHT].data;
    oracle(args);
    w[2] /= (double)N;
}

/* ---- wrong in one gradient of any pass ---------------------------------------------------------- */

enum { ONE_PER_MILLE, LARGEST_TURNED, FIRST_FOR_LAST, FAULTY_WAYS };
static int faulty_slot, faulty_way;
static const char *faulty_pass;
static double
    faulty_change; /* the largest, relative to the largest element: 0 if there was nothing to spoil */

static inline void one_slot_wrong(const km_args *args)
{
    const km_tensor *t = &args->slot[faulty_slot];
    double *a = t->data, largest = 0;
    const km_use *use = km_use_find(km_pass_find(op, faulty_pass), (km_slot)faulty_slot);
    km_oracle_kernel(op->name, faulty_pass)->run(args);
    if (strncmp(km_slot_name[faulty_slot], "grad_", 5) || !use || use->access == KM_READ ||
        t->type == KM_INT32 || !t->count)
        return;
    int64_t at = 0;
    for (int64_t i = 0; i < t->count; i++)
        if (fabs(a[i]) > largest)
            largest = fabs(a[at = i]);
    const double first = a[0], last = a[t->count - 1];
    if (largest == 0)
        return;
    for (int64_t i = 0; faulty_way == ONE_PER_MILLE && i < t->count; i++)
        a[i] *= 1.001;
    if (faulty_way == LARGEST_TURNED)
        a[at] = -a[at];
    if (faulty_way == FIRST_FOR_LAST)
        a[0] = last;
    const double change = faulty_way == FIRST_FOR_LAST ? fabs(first - last) / largest : 1;
    faulty_change = fmax(faulty_change, change);
}

#endif
