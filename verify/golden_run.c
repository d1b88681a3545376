/* golden_run.c: the child lays recorded inputs between guard pages, runs the kernel as a user would
 * and copies what it wrote to shared memory; the parent compares.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pass.h"
#include "core/registry.h"
#include "verify/bed.h"
#include "verify/isolate.h"

enum { TIMEOUT_SECONDS = 120 };

/* What the child tells; its results follow in the same memory. */
typedef struct verdict {
    int finished; /* 0: a kernel ended the process by itself */
    int computed; /* the kernel ran: there are results */
    km_golden_status status;
    char reason[400];
    char impl[96];
} verdict;

typedef struct stage {
    const km_golden_case *c;
    const km_backend *backend;
    int threads;
    verdict *verdict;
    void *result[KM_SLOT_COUNT]; /* in shared memory; elements of four bytes */
} stage;

/* ---- in the child --------------------------------------------------------------------------- */

/* The pass on recorded inputs, in the form that a test bed lays out. */
static km_work work_of(const km_golden_case *c, const km_pass *pass)
{
    km_work w = {.op = c->op, .pass = pass, .params = c->params};
    km_args_shape(c->op, pass, &c->params, &w.shape);
    for (const km_use *use = pass->use; use->access != KM_END; use++)
        if (use->access != KM_WRITE)
            w.input[use->slot] = c->tensor[KM_GOLDEN_INPUT][use->slot].data;
    return w;
}

static void fill_unwritten(const km_golden_case *c, km_bed *bed);

/* ---- steps ---- */

static size_t bytes_of(const km_work *w, km_slot slot)
{
    return (size_t)w->shape.slot[slot].count * sizeof(float);
}

/* Memory of its own for what a pass `step` moves: as recorded, or as the op starts. */
static int own_updated(km_work *w, km_error *error)
{
    for (const km_use *use = w->pass->use; use->access != KM_END; use++) {
        const float value = w->op->initial ? (float)w->op->initial(&w->params, use->slot) : 0;
        const float *recorded = w->input[use->slot];
        if (use->access != KM_UPDATE)
            continue;
        float *own = malloc(bytes_of(w, use->slot) + 1);
        if (!own)
            return km_fail(error, "out of memory for %s", w->op->name);
        for (int64_t i = 0; i < w->shape.slot[use->slot].count; i++)
            own[i] = recorded ? recorded[i] : value;
        w->input[use->slot] = own;
    }
    return 0;
}

static void free_updated(km_work *w)
{
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access == KM_UPDATE)
            free(w->input[use->slot]);
}

/* What was recorded for this step. */
static void take_rows(const stage *s, km_work *w)
{
    for (const km_use *use = w->pass->use; use->access != KM_END; use++) {
        const km_golden_tensor *t = &s->c->tensor[KM_GOLDEN_INPUT][use->slot];
        if (t->each_step)
            w->input[use->slot] =
                (char *)t->data + (size_t)(w->shape.step - 1) * bytes_of(w, use->slot);
    }
}

/* The kernel's results go to the parent, and into the next step. */
static void keep_rows(const stage *s, const km_bed *bed, km_work *w)
{
    for (const km_use *use = w->pass->use; use->access != KM_END; use++) {
        const km_golden_tensor *t = &s->c->tensor[KM_GOLDEN_EXPECTED][use->slot];
        const size_t bytes = bytes_of(w, use->slot);
        if (t->recorded && t->each_step)
            memcpy((char *)s->result[use->slot] + (size_t)(w->shape.step - 1) * bytes,
                   bed->args.slot[use->slot].data, bytes);
        if (use->access == KM_UPDATE)
            memcpy(w->input[use->slot], bed->args.slot[use->slot].data, bytes);
    }
}

static int run_steps(const stage *s, const km_kernel *kernel, km_work *w, km_bed *bed,
                     const km_cell *cell, km_error *error)
{
    const km_run_plan how = {.side = KM_FLUSH_END, .prefill = 0xFF};
    int failed = 0;
    for (w->shape.step = 1; w->shape.step <= s->c->steps && !failed; w->shape.step++) {
        take_rows(s, w);
        km_bed_lay(bed, w, &how, cell);
        fill_unwritten(s->c, bed);
        failed = km_bed_run(bed, kernel, error);
        keep_rows(s, bed, w);
    }
    return failed;
}

/* No element may pass because nobody wrote it: NaN, unless NaN is what is expected. */
static void fill_unwritten(const km_golden_case *c, km_bed *bed)
{
    for (const km_use *use = bed->work->pass->use; use->access != KM_END; use++) {
        const double *want = c->tensor[KM_GOLDEN_EXPECTED][use->slot].array.data;
        const km_tensor *t = &bed->args.slot[use->slot];
        float *data = t->data;
        if (use->access == KM_WRITE && t->type != KM_REAL_TYPE)
            memset(data, 0x80, (size_t)t->count * km_element_size(t->type)); /* no index, no mask */
        for (int64_t i = 0; use->access == KM_WRITE && t->type == KM_REAL_TYPE && i < t->count; i++)
            data[i] = want && isnan(want[i]) ? 0x1p100f : NAN;
    }
}

static void copy_impl(const km_kernel *kernel, const void *plan, char impl[96])
{
    km_kernel_info info = {0};
    if (kernel->describe)
        kernel->describe(plan, &info);
    snprintf(impl, 96, "%s", info.impl);
}

/* Runs one pass of one backend as a user would. The bed stays open: the results lie in it. */
static km_golden_status run_pass(const stage *s, const km_backend *backend, km_work *work,
                                 km_bed *bed, km_error *error)
{
    const km_kernel *kernel = km_kernel_find(backend, work->op->name, work->pass->name);
    const km_run_plan how = {.side = KM_FLUSH_END, .prefill = 0xFF};
    const km_cell cell = {.threads = backend->flags & KM_THREADED ? s->threads : 1,
                          .layout = KM_PLAIN};
    const char *declined;
    if (km_bed_open(bed, work, error))
        return KM_GOLDEN_ERROR;
    km_bed_lay(bed, work, &how, &cell);
    fill_unwritten(s->c, bed);
    km_bed_plan(bed, kernel, &declined);
    if (declined) {
        km_fail(error, "%s", declined);
        km_bed_close(bed);
        return KM_GOLDEN_SKIPPED;
    }
    int misbehaved = s->c->steps ? run_steps(s, kernel, work, bed, &cell, error)
                                 : km_bed_run(bed, kernel, error);
    copy_impl(kernel, bed->args.plan, s->verdict->impl);
    km_bed_unplan(bed, kernel);
    return misbehaved ? KM_GOLDEN_WRONG : KM_GOLDEN_OK;
}

/* Runs the saving pass by the backend's own kernel, or by ref's where it has none that takes it, and
 * hands its results to the pass that reads them. */
static km_golden_status save(const stage *s, km_work *work, km_error *error)
{
    static km_bed bed; /* the results live in it until the child ends */
    static km_work saving;
    const km_backend *tries[] = {s->backend, km_backend_find("ref")};
    km_golden_status status = KM_GOLDEN_SKIPPED;
    km_error why = {"no backend has it"};
    saving = work_of(s->c, s->c->saved_by);
    for (size_t i = 0; i < 2 && status == KM_GOLDEN_SKIPPED; i++) {
        const km_kernel *kernel =
            tries[i] ? km_kernel_find(tries[i], saving.op->name, saving.pass->name) : NULL;
        if (kernel && kernel->run)
            status = run_pass(s, tries[i], &saving, &bed, &why);
    }
    if (status != KM_GOLDEN_OK)
        km_fail(error, "%s for what it saves: %s", saving.pass->name, why.text);
    for (const km_use *use = work->pass->use; use->access != KM_END; use++)
        if (use->access == KM_READ && !work->input[use->slot])
            work->input[use->slot] = bed.args.slot[use->slot].data;
    return status;
}

static void hand_over(const stage *s, const km_bed *bed)
{
    for (int i = 0; i < KM_SLOT_COUNT; i++)
        if (s->result[i] && !s->c->tensor[KM_GOLDEN_EXPECTED][i].each_step)
            memcpy(s->result[i], bed->args.slot[i].data,
                   (size_t)bed->args.slot[i].count * km_element_size(bed->args.slot[i].type));
}

static void child(void *context)
{
    const stage *s = context;
    const km_golden_case *c = s->c;
    km_work work = work_of(c, c->pass);
    km_bed bed = {0};
    km_error error = {0};
    km_golden_status status = c->saved_by ? save(s, &work, &error) : KM_GOLDEN_OK;
    if (c->steps && own_updated(&work, &error))
        status = KM_GOLDEN_ERROR;
    if (status == KM_GOLDEN_OK) {
        status = run_pass(s, s->backend, &work, &bed, &error);
        s->verdict->computed = status == KM_GOLDEN_OK || status == KM_GOLDEN_WRONG;
    }
    if (s->verdict->computed)
        hand_over(s, &bed);
    if (c->steps)
        free_updated(&work);
    s->verdict->status = status;
    snprintf(s->verdict->reason, sizeof s->verdict->reason, "%s",
             status == KM_GOLDEN_OK ? "" : error.text);
    s->verdict->finished = 1;
}

/* ---- in the parent -------------------------------------------------------------------------- */

static km_rule element_rule(const km_golden_rule *rule, const float *scale, int64_t i)
{
    if (rule->scaled)
        return (km_rule){.bound = {.kind = KM_MIXED,
                                   .atol = rule->coef * 0x1p-24 * (double)scale[i] + 0x1p-126}};
    return (km_rule){.bound = rule->bound};
}

static double expected_element(const km_npy *a, int64_t i)
{
    return a->type == KM_NPY_I8 ? (double)((const int64_t *)a->data)[i]
                                : ((const double *)a->data)[i];
}

/* Of element i, which of a list lies in one of its tensors. */
static const km_golden_rule *rule_of(const km_golden_case *c, km_slot slot, int64_t i)
{
    const km_golden_tensor *t = &c->tensor[KM_GOLDEN_EXPECTED][slot];
    int piece = 0;
    while (piece < t->pieces && i >= t->piece[piece].array.count)
        i -= t->piece[piece++].array.count;
    return piece < t->pieces ? &t->piece[piece].rule : &c->rule[slot];
}

void km_golden_compare(const km_golden_case *c, km_slot slot, const void *got_data,
                       km_figures *figures, km_golden_worst *worst)
{
    const km_tensor got = {.data = (void *)got_data, .type = km_golden_type(c->op, slot)};
    const km_npy *expected = &c->tensor[KM_GOLDEN_EXPECTED][slot].array;
    const int64_t *mask = c->tensor[KM_GOLDEN_MASK][slot].array.data;
    const float *scale = c->tensor[KM_GOLDEN_SCALE][slot].array.data;
    for (int64_t i = 0; i < expected->count; i++) {
        const double want = expected_element(expected, i);
        if (mask && !mask[i])
            continue;
        km_figures one = km_figures_none();
        km_rule rule = element_rule(rule_of(c, slot, i), scale, i);
        rule.whole = got.type != KM_REAL_TYPE;
        km_compare_one(&rule, km_element(&got, i), want, i, &one);
        km_figures_add(figures, &one);
        if (worst->slot < 0 || one.bound_used > worst->used ||
            (one.bound_used == worst->used && one.max_ulp > worst->ulp))
            *worst = (km_golden_worst){.slot = (int)slot,
                                       .index = i,
                                       .got = km_element(&got, i),
                                       .want = want,
                                       .ulp = one.max_ulp,
                                       .used = one.bound_used};
    }
}

static void judge(km_golden_run *run, const km_golden_case *c)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (run->got[s])
            km_golden_compare(c, (km_slot)s, run->got[s], &run->figures, &run->worst);
    if (run->status == KM_GOLDEN_OK && run->figures.wrong) {
        run->status = KM_GOLDEN_WRONG;
        snprintf(run->reason, sizeof run->reason, "%lld of %lld elements outside the tolerance",
                 (long long)run->figures.wrong, (long long)run->figures.elements);
    }
}

/* Every result gets a place behind the verdict. */
static int share(km_golden_run *run, stage *s)
{
    size_t floats = 0, at = 0;
    for (int i = 0; i < KM_SLOT_COUNT; i++)
        floats += (size_t)s->c->tensor[KM_GOLDEN_EXPECTED][i].array.count;
    run->shared_bytes = sizeof(verdict) + floats * sizeof(float);
    run->shared = km_shared_open(run->shared_bytes);
    if (!run->shared)
        return -1;
    s->verdict = run->shared;
    for (int i = 0; i < KM_SLOT_COUNT; i++) {
        const km_golden_tensor *t = &s->c->tensor[KM_GOLDEN_EXPECTED][i];
        if (t->recorded)
            s->result[i] = (int32_t *)(s->verdict + 1) + at;
        at += (size_t)t->array.count;
    }
    return 0;
}

static void collect(km_golden_run *run, const stage *s, const char *crash)
{
    const verdict *v = s->verdict;
    run->status = crash ? KM_GOLDEN_CRASHED : v->status;
    snprintf(run->reason, sizeof run->reason, "%s", crash ? crash : v->reason);
    memcpy(run->impl, v->impl, sizeof run->impl);
    run->impl[sizeof run->impl - 1] = 0;
    if (crash || !v->computed)
        return;
    for (int i = 0; i < KM_SLOT_COUNT; i++)
        run->got[i] = s->result[i];
    judge(run, s->c);
}

/* NULL, or why this backend cannot be asked. */
static const char *skip_reason(const km_golden_case *c, const km_backend *backend)
{
    const km_kernel *kernel = km_kernel_find(backend, c->op->name, c->pass->name);
    if (!kernel)
        return "the backend has no such kernel";
    const char *unusable = km_backend_unusable(backend);
    if (unusable)
        return unusable;
    return kernel->run ? NULL : kernel->note ? kernel->note : "not offered";
}

void km_golden_run_open(km_golden_run *run, const km_golden_case *c, const km_backend *backend,
                        int threads)
{
    stage s = {.c = c, .backend = backend, .threads = threads < 1 ? 1 : threads};
    char crash[320];
    const char *skip = skip_reason(c, backend);
    *run = (km_golden_run){.figures = km_figures_none(), .worst.slot = -1};
    if (skip) {
        run->status = KM_GOLDEN_SKIPPED;
        snprintf(run->reason, sizeof run->reason, "%s", skip);
    } else if (share(run, &s)) {
        run->status = KM_GOLDEN_ERROR;
        snprintf(run->reason, sizeof run->reason, "no memory to share with a child process");
    } else if (km_isolate(child, &s, TIMEOUT_SECONDS, crash, sizeof crash)) {
        collect(run, &s, crash);
    } else {
        collect(run, &s, s.verdict->finished ? NULL : "the kernel ended its process");
    }
}

void km_golden_run_close(km_golden_run *run)
{
    km_shared_close(run->shared, run->shared_bytes);
    *run = (km_golden_run){0};
}
