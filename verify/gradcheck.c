/* gradcheck.c: central differences with a Gaussian cotangent.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/gradcheck.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"
#include "core/pass.h"
#include "core/random.h"
#include "core/registry.h"

enum { FULL_LIMIT = 2000, PROBES = 8, LARGE = 100000, PROBES_LARGE = 2 };
/* Flops of all forward passes of a full check; and of one, from which on fewer directions are tried. */
static const double full_cost = 1e9, large_cost = 1e8;
static const double full_tolerance = 1e-6, kinked_tolerance = 1e-4, projected_tolerance = 1e-7;

typedef struct check {
    const km_op *op;
    km_gradcheck_subject subject;
    km_args forward, backward; /* share the input tensors; each owns its outputs */
    double *y_plus, *y_minus;
    const double *cotangent; /* NULL: 1, of a pass that starts from its own y */
    km_args probe; /* forward with other tensors for all that it writes: what it saved once stays */
    double tolerance, step; /* cbrt of machine epsilon */
    double rounding; /* of a result, relative: of a sum of as many terms as there are inputs */
    double cost;     /* flops of a forward pass */
    uint64_t seed;
    km_gradcheck *result;
} check;

int km_gradcheck_applies(const km_op *op, const km_pass *pass)
{
    const km_pass *forward = km_pass_find(op, "forward");
    for (int s = 0; forward && s < KM_SLOT_COUNT; s++) {
        int grad = km_slot_grad((km_slot)s);
        const km_use *read = km_use_find(forward, (km_slot)s);
        const km_use *written = grad < 0 ? NULL : km_use_find(pass, (km_slot)grad);
        if (read && read->access == KM_READ && written && written->access != KM_READ)
            return 1;
    }
    return 0;
}

/* ---- data ----------------------------------------------------------------------------------- */

static int allocate(km_args *args)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (args->slot[s].ndim && !args->slot[s].data) {
            args->slot[s].data = calloc((size_t)args->slot[s].count + 1, sizeof(double));
            if (!args->slot[s].data)
                return -1;
        }
    return 0;
}

/* Moves x away from every kink by more than ten of the largest steps that will be taken. */
static void avoid_kinks(const km_op *op, const km_case *c, double *x, int64_t count)
{
    double kink[KM_MAX_KINKS], margin = 1e-3;
    int kinks = op->kinks;
    memcpy(kink, op->kink, sizeof kink);
    if (op->kinks_of)
        kinks = op->kinks_of(c, kink);
    for (int64_t i = 0; i < count; i++)
        for (int k = 0; k < kinks; k++)
            if (fabs(x[i] - kink[k]) < margin)
                x[i] = kink[k] + (x[i] < kink[k] ? -margin : margin);
}

/* A forward pass that writes whole numbers selects: where two candidates are nearer to each other than
 * a step, the selection jumps. Up to 2^24 elements, each gets a place of its own on a grid. */
static void keep_apart(const check *k, const km_pass *forward, double *x, int64_t count)
{
    int selects = 0, bits = 1;
    for (const km_use *use = forward->use; use->access != KM_END; use++)
        selects |= use->access == KM_WRITE && use->type == KM_INT32;
    while (bits < 24 && count > 1 << bits)
        bits++;
    const uint32_t mask = (1u << bits) - 1, key = (uint32_t)km_stream(k->seed, "grid");
    for (int64_t i = 0; selects && i < count; i++) {
        uint32_t place = (uint32_t)i & mask;
        for (int round = 0; round < 3;
             round++) { /* each step can be undone: places stay distinct */
            place = (place * 0x9E3779B5u + key) & mask;
            place ^= place >> (bits + 1) / 2;
        }
        x[i] = ((double)place - (mask >> 1)) * 0x1p-10;
    }
}

/* The input that an op is a function of. */
static km_slot lead_of(const km_op *op)
{
    const km_pass *forward = km_pass_find(op, "forward");
    return km_use_find(forward, KM_X) ? KM_X : forward->use[0].slot;
}

static void fill_input(const check *k, const km_use *use, const km_case *c)
{
    const km_tensor *t = &k->forward.slot[use->slot];
    double *data = t->data;
    char name[96];
    if (use->type == KM_INT32) {
        km_fill_classes(t->data, t->count, c->dim[KM_DIM_C], (int32_t)c->attr[KM_IGNORE_INDEX],
                        km_stream(k->seed, "classes"));
        return;
    }
    float *random = malloc((size_t)(t->count + 1) * sizeof *random);
    snprintf(name, sizeof name, "%s/%s/gradcheck", k->op->name, km_slot_name[use->slot]);
    if (random)
        km_fill_random(random, t->count, use->fill, km_stream(k->seed, name));
    for (int64_t i = 0; random && i < t->count; i++)
        data[i] = random[i];
    free(random);
    if (use->slot == lead_of(k->op)) {
        avoid_kinks(k->op, c, data, t->count);
        keep_apart(k, km_pass_find(k->op, "forward"), data, t->count);
    }
}

/* Inputs at random, y by the forward pass, grad_y Gaussian; every tensor that both passes know is one. */
static int fill(check *k, const km_pass *forward, const km_case *c)
{
    if (allocate(&k->forward))
        return -1;
    for (const km_use *use = forward->use; use->access != KM_END; use++)
        if (use->access != KM_WRITE)
            fill_input(k, use, c);
    k->subject.forward(&k->forward);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (k->backward.slot[s].ndim && k->forward.slot[s].data)
            k->backward.slot[s].data = k->forward.slot[s].data;
    if (allocate(&k->backward))
        return -1;
    const km_tensor *g = &k->backward.slot[KM_GRAD_Y];
    km_fill_gaussian(g->data, g->count, km_stream(k->seed, "cotangent"));
    k->cotangent = g->data;
    size_t bytes = (size_t)(k->forward.slot[KM_Y].count + 1) * sizeof(double);
    k->probe = k->forward;
    for (const km_use *use = forward->use; use->access != KM_END; use++)
        if (use->access != KM_READ)
            k->probe.slot[use->slot].data = NULL;
    if (allocate(&k->probe))
        return -1;
    for (const km_use *use = forward->use; use->access != KM_END; use++)
        if (use->access == KM_UPDATE)
            memcpy(k->probe.slot[use->slot].data, k->forward.slot[use->slot].data,
                   (size_t)k->forward.slot[use->slot].count * sizeof(double));
    k->y_plus = malloc(bytes);
    k->y_minus = malloc(bytes);
    return k->y_plus && k->y_minus ? 0 : -1;
}

static void release(check *k)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        if (k->backward.slot[s].data != k->forward.slot[s].data)
            free(k->backward.slot[s].data);
        if (k->probe.slot[s].data != k->forward.slot[s].data)
            free(k->probe.slot[s].data);
        free(k->forward.slot[s].data);
    }
    free(k->y_plus);
    free(k->y_minus);
}

/* ---- differences ---------------------------------------------------------------------------- */

static void forward_into(const check *k, double *y)
{
    km_args args = k->probe;
    args.slot[KM_Y].data = y;
    k->subject.forward(&args);
}

/* sum c_i (y+_i - y-_i): differences first, so that untouched elements cancel exactly. `noise`: what rounding may make of
 * it; a change of less than an ulp leaves no trace. */
static double difference(const check *k, double *noise)
{
    const double *c = k->cotangent;
    double sum = 0;
    *noise = 0;
    for (int64_t i = 0; i < k->forward.slot[KM_Y].count; i++) {
        const double plus = k->y_plus[i], minus = k->y_minus[i], weight = c ? c[i] : 1;
        sum += plus == minus ? 0 : weight * (plus - minus);
        *noise += (plus == minus ? DBL_EPSILON : k->rounding) * fabs(weight) *
                  fmax(fabs(plus), fabs(minus));
    }
    return sum;
}

/* A difference over its step, and what is not held against anybody. */
typedef struct slope {
    double value, noise;
} slope;

static slope numeric_at(const check *k, double *x, double h)
{
    /* volatile: the step that was taken, not the one that was asked for */
    volatile double plus = *x + h, minus = *x - h;
    double kept = *x, noise;
    *x = plus;
    forward_into(k, k->y_plus);
    *x = minus;
    forward_into(k, k->y_minus);
    *x = kept;
    const double change = difference(k, &noise);
    return (slope){change / (plus - minus), noise / (plus - minus)};
}

static double relative(double a, slope n, double largest)
{
    const double scale = fabs(a) + fabs(n.value) + 1e-3 * largest, error = fabs(a - n.value);
    const double noise = isfinite(n.noise) ? n.noise : 0;
    return error <= noise ? 0 : (error - noise) / scale;
}

/* The best of three steps: one may straddle a region where the others are right. */
static double element_error(const check *k, double *x, double a, slope numeric, double largest)
{
    static const double factors[] = {4, 0.25};
    double h = k->step * fmax(1, fabs(*x)), best = relative(a, numeric, largest);
    for (int i = 0; i < 2 && !(best <= k->tolerance); i++) {
        double other = relative(a, numeric_at(k, x, factors[i] * h), largest);
        best = other < best || isnan(best) ? other : best;
    }
    return best;
}

static int check_full(const check *k, km_slot slot, km_slot grad, km_error *error)
{
    double *x = k->forward.slot[slot].data, largest = 0;
    const double *a = k->backward.slot[grad].data;
    int64_t count = k->forward.slot[slot].count;
    slope *numeric = malloc((size_t)(count + 1) * sizeof *numeric);
    if (!numeric)
        return km_fail(error, "out of memory for the gradient check");
    for (int64_t i = 0; i < count; i++) {
        numeric[i] = numeric_at(k, &x[i], k->step * fmax(1, fabs(x[i])));
        largest = fmax(largest, fabs(numeric[i].value));
    }
    int failed = 0;
    for (int64_t i = 0; i < count && !failed; i++) {
        double rel = element_error(k, &x[i], a[i], numeric[i], largest);
        k->result->max_rel = fmax(k->result->max_rel, isnan(rel) ? INFINITY : rel);
        if (!(rel <= k->tolerance))
            failed =
                km_fail(error, "%s[%" PRId64 "] at %s = %.9g: analytic %.12g, numeric %.12g",
                        km_slot_name[grad], i, km_slot_name[slot], x[i], a[i], numeric[i].value);
    }
    k->result->directions += (int)count;
    free(numeric);
    return failed;
}

/* One direction: moves the whole tensor by +-h u and compares with <grad, u>. */
static int check_probe(const check *k, km_slot slot, km_slot grad, const double *u, double *kept,
                       km_error *error)
{
    double *x = k->forward.slot[slot].data, dot = 0, size = 0;
    const double *a = k->backward.slot[grad].data;
    int64_t count = k->forward.slot[slot].count;
    memcpy(kept, x, (size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++)
        x[i] = kept[i] + k->step * u[i];
    forward_into(k, k->y_plus);
    for (int64_t i = 0; i < count; i++) {
        volatile double plus = x[i], minus = kept[i] - k->step * u[i];
        double term = a[i] * ((plus - minus) / (2 * k->step));
        x[i] = minus;
        dot += term;
        size += fabs(term);
    }
    forward_into(k, k->y_minus);
    memcpy(x, kept, (size_t)count * sizeof *x);
    double noise, numeric = difference(k, &noise) / (2 * k->step),
                  rel = size > 0 ? fabs(dot - numeric) / size : fabs(numeric);
    k->result->max_rel = fmax(k->result->max_rel, isnan(rel) ? INFINITY : rel);
    k->result->directions++;
    if (!(rel <= projected_tolerance))
        return km_fail(error, "%s, projected: analytic %.12g, numeric %.12g", km_slot_name[grad],
                       dot, numeric);
    return 0;
}

static int check_projected(const check *k, km_slot slot, km_slot grad, km_error *error)
{
    size_t count = (size_t)k->forward.slot[slot].count;
    double *u = malloc(2 * count * sizeof *u);
    int failed = u ? 0 : km_fail(error, "out of memory for the gradient check");
    int probes = count > LARGE || k->cost > large_cost ? PROBES_LARGE : PROBES;
    for (int probe = 0; probe < probes && !failed; probe++) {
        char name[64];
        snprintf(name, sizeof name, "%s/probe%d", km_slot_name[slot], probe);
        km_fill_gaussian(u, (int64_t)count, km_stream(k->seed, name));
        failed = check_probe(k, slot, grad, u, u + count, error);
    }
    free(u);
    return failed;
}

/* ---- linearity ------------------------------------------------------------------------------ */

/* Runs backward on factor * cotangent; factor is a power of two or 0, so that scaling is exact. */
static int check_factor(const check *k, km_slot grad, double factor, km_error *error)
{
    km_args args = k->backward;
    const double *c = k->backward.slot[KM_GRAD_Y].data, *once = k->backward.slot[grad].data;
    size_t n = (size_t)args.slot[KM_GRAD_Y].count, m = (size_t)args.slot[grad].count;
    double *scaled = malloc((n + m + 1) * sizeof *scaled), *result = scaled + n;
    if (!scaled)
        return km_fail(error, "out of memory for the gradient check");
    for (size_t i = 0; i < n; i++)
        scaled[i] = factor * c[i];
    memset(result, 0xFF, m * sizeof *result); /* NaN: what was there must not count */
    args.slot[KM_GRAD_Y].data = scaled;
    args.slot[grad].data = result;
    k->subject.backward(&args);
    int failed = 0;
    for (size_t i = 0; i < m && !failed; i++)
        if (!(fabs(result[i] - factor * once[i]) <=
              1e-12 * fabs(once[i]) + 1e-300)) /* subnormals round */
            failed = km_fail(
                error,
                "%s is not linear in grad_y: element %zu is %.9g for grad_y, %.9g for %g times it",
                km_slot_name[grad], i, once[i], result[i], factor);
    free(scaled);
    k->subject.backward(&k->backward); /* the other gradients were overwritten with scaled ones */
    return failed;
}

static int check_slots(const check *k, const km_pass *pass, km_error *error)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        int grad = km_slot_grad((km_slot)s);
        const km_use *use = grad < 0 ? NULL : km_use_find(pass, (km_slot)grad);
        if (!use || use->access == KM_READ || !k->forward.slot[s].data)
            continue;
        int full = k->forward.slot[s].count <= FULL_LIMIT &&
                   k->forward.slot[KM_Y].count <= FULL_LIMIT &&
                   (double)k->forward.slot[s].count * k->cost <= full_cost;
        if ((full ? check_full : check_projected)(k, (km_slot)s, (km_slot)grad, error) ||
            (k->cotangent && (check_factor(k, (km_slot)grad, 0, error) ||
                              check_factor(k, (km_slot)grad, 2, error))))
            return -1;
    }
    return 0;
}

int km_gradcheck_subject_run(const km_op *op, const km_pass *pass, const km_case *c, uint64_t seed,
                             const km_gradcheck_subject *subject, km_gradcheck *result,
                             km_error *error)
{
    const km_pass *forward = km_pass_find(op, "forward");
    int smooth = !op->kinks && !op->kinks_of;
    check k = {
        .op = op, .subject = *subject, .step = cbrt(DBL_EPSILON), .seed = seed, .result = result};
    k.cost = km_pass_flops(op, forward, c);
    k.tolerance = smooth ? full_tolerance : kinked_tolerance;
    k.rounding = DBL_EPSILON * (4 + 2 * sqrt((double)km_pass_elements(op, forward, c)));
    *result = (km_gradcheck){0};
    km_args_shape(op, forward, c, &k.forward);
    km_args_shape(op, pass, c, &k.backward);
    int failed = fill(&k, forward, c) ? km_fail(error, "out of memory for the gradient check") : 0;
    if (!failed) {
        k.subject.backward(&k.backward);
        failed = check_slots(&k, pass, error);
    }
    release(&k);
    return failed;
}

int km_gradcheck_run(const km_op *op, const km_pass *pass, const km_case *c, uint64_t seed,
                     km_gradcheck *result, km_error *error)
{
    const km_gradcheck_subject oracle = {km_oracle_kernel(op->name, "forward")->run,
                                         km_oracle_kernel(op->name, pass->name)->run};
    return km_gradcheck_subject_run(op, pass, c, seed, &oracle, result, error);
}
