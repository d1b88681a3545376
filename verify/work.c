/* work.c: random inputs, saved outputs of the forward pass, and the oracle's answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/work.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"
#include "core/pass.h"
#include "core/random.h"
#include "core/registry.h"

/* malloc(0) may be NULL without being an error */
static void *allocate(int64_t count, size_t size)
{
    return malloc((size_t)(count ? count : 1) * size);
}

static size_t oracle_size(const km_tensor *t)
{
    return t->type == KM_REAL_TYPE ? sizeof(double) : km_element_size(t->type);
}

/* From a kernel's tensor to the oracle's: float becomes double, whole numbers stay. */
static void widen(const void *from, const km_tensor *to)
{
    const float *f = from;
    if (to->type != KM_REAL_TYPE && to->count)
        memcpy(to->data, from, (size_t)to->count * km_element_size(to->type));
    else
        for (int64_t i = 0; i < to->count; i++)
            ((double *)to->data)[i] = (double)f[i];
}

/* The oracle's result as double, whatever its type; takes over the tensor's memory. NULL when out of it. */
static double *take_result(km_tensor *t)
{
    void *data = t->data;
    if (t->type != KM_REAL_TYPE) {
        double *wide = allocate(t->count, sizeof *wide);
        for (int64_t i = 0; wide && i < t->count; i++)
            wide[i] = km_element(t, i);
        free(data);
        data = wide;
    }
    t->data = NULL;
    return data;
}

void km_oracle_run(const km_op *op, const km_pass *pass, km_args *args)
{
    km_oracle_kernel(op->name, pass->name)->run(args);
}

static void fill_state(km_work *w, km_slot slot)
{
    const float value = w->op->initial ? (float)w->op->initial(&w->params, slot) : 0;
    for (int64_t i = 0; i < w->shape.slot[slot].count; i++)
        ((float *)w->input[slot])[i] = value;
}

/* Later steps have streams of their own. */
static uint64_t stream_of(const km_work *w, const km_use *use, uint64_t seed)
{
    char name[96];
    const int n = snprintf(name, sizeof name, "%s/%s", w->op->name, km_slot_name[use->slot]);
    if (w->shape.step > 1)
        snprintf(name + n, sizeof name - (size_t)n, "/%d", (int)w->shape.step);
    return km_stream(seed, name);
}

static void fill_slot(km_work *w, const km_use *use, uint64_t seed)
{
    const km_tensor *t = &w->shape.slot[use->slot];
    const uint64_t key = stream_of(w, use, seed);
    if (use->fill == KM_FILL_STATE)
        fill_state(w, use->slot);
    else if (use->type == KM_INT32)
        km_fill_classes(w->input[use->slot], t->count, w->params.dim[KM_DIM_C],
                        (int32_t)w->params.attr[KM_IGNORE_INDEX], key);
    else if (use->type == KM_UINT8)
        km_fill_mask(w->input[use->slot], t->count, key);
    else if (w->data == KM_DATA_USUAL)
        km_fill_usual(w->input[use->slot], t->count, use->fill, key);
    else
        km_fill_random(w->input[use->slot], t->count,
                       w->data == KM_DATA_INTEGERS ? KM_FILL_INTEGER : use->fill, key);
}

/* A double tensor per slot of `shape`; -1 when out of memory. */
static int open_double(km_args *args, const km_args *shape)
{
    *args = *shape;
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        args->slot[s].data = shape->slot[s].ndim
                                 ? allocate(shape->slot[s].count, oracle_size(&shape->slot[s]))
                                 : NULL;
        if (shape->slot[s].ndim && !args->slot[s].data)
            return -1;
    }
    return 0;
}

static void close_double(km_args *args)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        free(args->slot[s].data);
}

static int work_open(km_work *w, const km_op *op, const km_pass *pass, const km_case *c,
                     km_data data, uint64_t seed, km_error *error);
static int open_travel(km_work *w, km_error *error);
static void close_travel(km_travel *t);
static void measure_step(km_work *w, const km_use *use, const double *want);

enum { WARM_UP = 2 };

static void narrow(const double *from, void *to, const km_tensor *t)
{
    for (int64_t i = 0; i < t->count; i++)
        if (t->type == KM_INT32)
            ((int32_t *)to)[i] = (int32_t)from[i];
        else if (t->type == KM_UINT8)
            ((uint8_t *)to)[i] = (uint8_t)from[i];
        else
            ((float *)to)[i] = (float)from[i];
}

/* Slots the forward pass saved: rounded to float, as a float forward pass would hand them on. */
static int fill_saved(km_work *w, uint64_t seed, km_error *error)
{
    const km_pass *forward = km_pass_find(w->op, "forward");
    km_work saved;
    if (!forward || work_open(&saved, w->op, forward, &w->params, w->data, seed, error))
        return -1;
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access == KM_READ && use->fill == KM_FILL_SAVED)
            narrow(saved.want[use->slot], w->input[use->slot], &w->shape.slot[use->slot]);
    km_work_close(&saved);
    return 0;
}

static int fill_inputs(km_work *w, uint64_t seed, km_error *error)
{
    int saved = 0;
    for (const km_use *use = w->pass->use; use->access != KM_END; use++) {
        if (use->access == KM_WRITE)
            continue;
        w->input[use->slot] = allocate(w->shape.slot[use->slot].count, km_element_size(use->type));
        if (!w->input[use->slot])
            return km_fail(error, "out of memory for %s", km_slot_name[use->slot]);
        if (use->fill == KM_FILL_SAVED)
            saved = 1;
        else
            fill_slot(w, use, seed);
    }
    return saved ? fill_saved(w, seed, error) : 0;
}

static int work_open(km_work *w, const km_op *op, const km_pass *pass, const km_case *c,
                     km_data data, uint64_t seed, km_error *error)
{
    *w = (km_work){.op = op, .pass = pass, .params = *c, .data = data, .seed = seed};
    km_args_shape(op, pass, c, &w->shape);
    w->shape.step = km_pass_steps(pass);
    if (fill_inputs(w, seed, error) || (w->shape.step && open_travel(w, error)) ||
        km_work_oracle(w, error)) {
        km_work_close(w);
        return -1;
    }
    w->shape.params = NULL; /* it would point into the caller's copy of this struct */
    return 0;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static int open_travel(km_work *w, km_error *error)
{
    for (const km_use *use = w->pass->use; use->access != KM_END; use++) {
        const int64_t count = w->shape.slot[use->slot].count;
        if (use->access == KM_READ)
            continue;
        w->travel.moved[use->slot] = calloc((size_t)count + 1, sizeof(float));
        w->travel.most[use->slot] = calloc((size_t)count + 1, sizeof(float));
        w->travel.slack[use->slot] = allocate(count, sizeof(double));
        if (!w->travel.moved[use->slot] || !w->travel.most[use->slot] ||
            !w->travel.slack[use->slot])
            return km_fail(error, "out of memory for the steps of %s", w->op->name);
    }
    return 0;
}

static void close_travel(km_travel *t)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        free(t->exact[s]);
        free(t->moved[s]);
        free(t->most[s]);
        free(t->slack[s]);
    }
}

/* Where element i of a written slot is before the present step. */
static double before_step(const km_work *w, const km_use *use, int64_t i)
{
    if (use->access == KM_WRITE)
        return 0;
    const double *exact = w->travel.exact[use->slot];
    return exact ? exact[i] : (double)((const float *)w->input[use->slot])[i];
}

/* D and 16 t u M with the present step, which the oracle has just made. */
static void measure_step(km_work *w, const km_use *use, const double *want)
{
    const int64_t count = w->shape.slot[use->slot].count;
    double *scale = allocate(count, sizeof *scale);
    for (int64_t i = 0; scale && i < count; i++) {
        const double before = before_step(w, use, i);
        const double most = fmax(fmax(fabs(before), fabs(want[i])), w->travel.most[use->slot][i]);
        scale[i] = w->travel.moved[use->slot][i] + fabs(want[i] - before);
        w->travel.slack[use->slot][i] = 16 * (double)w->shape.step * 0x1p-24 * most;
    }
    w->scale[use->slot] = scale;
}

/* The present step is past: its figures are kept, its results are where the oracle goes on from. */
static void pass_step(km_work *w, const km_use *use)
{
    const km_slot s = use->slot;
    const double unit = 16 * (double)w->shape.step * 0x1p-24;
    for (int64_t i = 0; i < w->shape.slot[s].count; i++) {
        w->travel.moved[s][i] = (float)w->scale[s][i];
        w->travel.most[s][i] = (float)(w->travel.slack[s][i] / unit);
    }
    if (use->access == KM_UPDATE) {
        free(w->travel.exact[s]);
        w->travel.exact[s] = w->want[s];
        w->want[s] = NULL;
    }
}

int km_work_advance(km_work *w, km_error *error)
{
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ)
            pass_step(w, use);
    w->shape.step++;
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access == KM_READ)
            fill_slot(w, use, w->seed);
    return km_work_oracle(w, error);
}

/* Two steps on, with everything rounded to float: a state as kernels find it. */
static int warm_up(km_work *w, km_error *error)
{
    for (int i = 0; i < WARM_UP; i++)
        if (km_work_advance(w, error))
            return -1;
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access == KM_UPDATE) {
            narrow(w->travel.exact[use->slot], w->input[use->slot], &w->shape.slot[use->slot]);
            free(w->travel.exact[use->slot]);
            w->travel.exact[use->slot] = NULL;
        }
    return km_work_oracle(w, error);
}

int km_work_open_start(km_work *w, const km_op *op, const km_pass *pass, const km_case *c,
                       uint64_t seed, km_error *error)
{
    return work_open(w, op, pass, c, KM_DATA_WIDE, seed, error);
}

static int open_warm(km_work *w, const km_op *op, const km_pass *pass, const km_case *c,
                     km_data data, uint64_t seed, km_error *error)
{
    if (work_open(w, op, pass, c, data, seed, error))
        return -1;
    if (!km_pass_steps(pass) || !warm_up(w, error))
        return 0;
    km_work_close(w);
    return -1;
}

int km_work_open(km_work *w, const km_op *op, const km_pass *pass, const km_case *c, uint64_t seed,
                 km_error *error)
{
    return open_warm(w, op, pass, c, KM_DATA_WIDE, seed, error);
}

int km_work_open_integers(km_work *w, const km_op *op, const km_pass *pass, const km_case *c,
                          uint64_t seed, km_error *error)
{
    return open_warm(w, op, pass, c, KM_DATA_INTEGERS, seed, error);
}

int km_work_open_usual(km_work *w, const km_op *op, const km_pass *pass, const km_case *c,
                       uint64_t seed, km_error *error)
{
    return open_warm(w, op, pass, c, KM_DATA_USUAL, seed, error);
}

/* How the bound of a slot scales: S of a sum; for gradients, whose bounds are stated for |grad_y| <= 2,
 * by a larger grad_y. */
static double *make_scale(const km_work *w, const km_args *oracle, const km_use *use)
{
    const km_tensor *g = &oracle->slot[KM_GRAD_Y];
    int64_t count = w->shape.slot[use->slot].count;
    int sum = use->gate.kind == KM_SUM || use->scaled, by_gradient = g->data && g->count == count;
    if ((!sum && !by_gradient) || !count)
        return NULL;
    double *scale = allocate(count, sizeof *scale);
    if (scale && sum)
        w->op->sum_scale(oracle, use->slot, scale);
    for (int64_t i = 0; scale && !sum && i < count; i++)
        scale[i] = fmax(1, fabs(((const double *)g->data)[i]) / 2);
    return scale;
}

int km_work_oracle(km_work *w, km_error *error)
{
    km_args oracle;
    km_args shape = w->shape;
    shape.params = &w->params;
    if (open_double(&oracle, &shape)) {
        close_double(&oracle);
        return km_fail(error, "out of memory for the oracle of %s", w->op->name);
    }
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (w->travel.exact[s])
            memcpy(oracle.slot[s].data, w->travel.exact[s],
                   (size_t)oracle.slot[s].count * sizeof(double));
        else if (w->input[s])
            widen(w->input[s], &oracle.slot[s]);
    km_oracle_run(w->op, w->pass, &oracle);
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ) {
            free(w->scale[use->slot]);
            w->scale[use->slot] = NULL;
            if (w->travel.moved[use->slot])
                measure_step(w, use, oracle.slot[use->slot].data);
            else
                w->scale[use->slot] = make_scale(w, &oracle, use);
        }
    /* all scales first: they may look at any tensor */
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ) {
            free(w->want[use->slot]);
            w->want[use->slot] = take_result(&oracle.slot[use->slot]);
        }
    close_double(&oracle);
    return 0;
}

void km_work_close(km_work *w)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        free(w->input[s]);
        free(w->want[s]);
        free(w->scale[s]);
    }
    close_travel(&w->travel);
    *w = (km_work){0};
}

km_rule km_work_rule(const km_work *w, km_slot slot, int target)
{
    const km_use *use = km_use_find(w->pass, slot);
    if (w->data == KM_DATA_INTEGERS)
        return (km_rule){.bound.kind = KM_EXACT, .whole = use->type != KM_REAL_TYPE};
    km_rule rule = {
        .bound = target ? use->target : use->gate, .scale = w->scale[slot], .flush = !target};
    rule.whole = use->type != KM_REAL_TYPE;
    rule.slack = w->travel.slack[slot];
    if (rule.bound.kind == KM_SUM)
        rule.terms = w->op->terms(&w->params, slot);
    return rule;
}
