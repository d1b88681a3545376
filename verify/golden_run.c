/* golden_run.c: the child lays recorded inputs between guard pages, runs the kernel as a user would
 * and copies what it wrote to shared memory; the parent compares.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/case.h"
#include "core/guard.h"
#include "core/names.h"
#include "core/registry.h"
#include "verify/isolate.h"

static const double timeout_seconds = 120;

/* What the child tells; its results follow in the same memory. */
typedef struct verdict {
    int finished; /* 0: a kernel ended the process by itself */
    km_golden_status status;
    char reason[400];
    char impl[96];
} verdict;

typedef struct stage {
    const km_golden_case *c;
    const km_backend *backend;
    int threads;
    verdict *verdict;
    float *result[KM_SLOT_COUNT];  /* in shared memory */
    km_guard guard[KM_SLOT_COUNT]; /* of the slots that the pass, or the one that saves, declares */
} stage;

/* ---- in the child --------------------------------------------------------------------------- */

static void shape_args(stage *s, const km_backend *backend, const km_pass *pass, km_args *args)
{
    km_args_shape(s->c->op, pass, &s->c->params, args);
    args->threads = backend->flags & KM_THREADED ? s->threads : 1;
    args->layout = KM_PLAIN;
}

/* No element may pass because nobody wrote it: NaN, unless NaN is what is expected. */
static void fill_unwritten(const stage *s, km_slot slot, float *data, int64_t count)
{
    const double *want = s->c->tensor[KM_GOLDEN_EXPECTED][slot].array.data;
    for (int64_t i = 0; i < count; i++)
        data[i] = want && isnan(want[i]) ? 0x1p100f : NAN;
}

static int place(stage *s, km_slot slot, int64_t count, km_error *error)
{
    const km_npy *input = &s->c->tensor[KM_GOLDEN_INPUT][slot].array;
    const km_use *use = km_use_find(s->c->pass, slot);
    const size_t bytes = (size_t)count * sizeof(float);
    km_guard *g = &s->guard[slot];
    if (g->map)
        return 0;
    if (km_guard_open(g, km_slot_name[slot], bytes, error))
        return -1;
    float *data = km_guard_place(g, bytes, KM_FLUSH_END, 0);
    if (!input->data || (use && use->access == KM_WRITE)) {
        fill_unwritten(s, slot, data, count);
        return 0;
    }
    memcpy(data, input->data, bytes);
    if (!use || use->access == KM_READ)
        km_guard_protect(g, 1);
    return 0;
}

/* Gives every declared slot its memory. */
static int place_all(stage *s, const km_pass *pass, km_args *args, km_error *error)
{
    for (const km_use *use = pass->use; use->access != KM_END; use++) {
        km_tensor *t = &args->slot[use->slot];
        if (place(s, use->slot, t->count, error))
            return -1;
        t->data = s->guard[use->slot].data;
    }
    return 0;
}

/* NULL, or why the kernel declines. */
static const char *run_kernel(const km_kernel *kernel, km_args *args, char impl[96])
{
    const char *declined = kernel->open ? kernel->open(args, &args->plan) : NULL;
    if (declined)
        return declined;
    kernel->run(args);
    km_kernel_info info = {0};
    if (impl && kernel->describe) {
        kernel->describe(args->plan, &info);
        snprintf(impl, 96, "%s", info.impl);
    }
    if (kernel->close)
        kernel->close(args->plan);
    return NULL;
}

/* Runs the saving pass by the backend's own kernel, or by ref's where it has none that takes it. */
static int make_saved(stage *s, km_error *error)
{
    const km_pass *pass = s->c->saved_by;
    const km_backend *tries[] = {s->backend, km_backend_find("ref")};
    const char *declined = "no backend has it";
    for (size_t i = 0; pass && i < 2; i++) {
        const km_kernel *kernel =
            tries[i] ? km_kernel_find(tries[i], s->c->op->name, pass->name) : NULL;
        km_args args;
        if (!kernel || !kernel->run)
            continue;
        shape_args(s, tries[i], pass, &args);
        if (place_all(s, pass, &args, error))
            return -1;
        declined = run_kernel(kernel, &args, NULL);
        if (!declined)
            break;
    }
    for (const km_use *use = s->c->pass->use; pass && use->access != KM_END; use++)
        if (use->access == KM_READ && s->guard[use->slot].map)
            km_guard_protect(&s->guard[use->slot], 1);
    return pass && declined ? km_fail(error, "%s for saved tensors: %s", pass->name, declined) : 0;
}

static void decide(verdict *v, km_golden_status status, const char *reason)
{
    v->status = status;
    snprintf(v->reason, sizeof v->reason, "%s", reason);
}

static void hand_over(stage *s)
{
    km_error error;
    for (int i = 0; i < KM_SLOT_COUNT; i++) {
        const km_guard *g = &s->guard[i];
        if (g->map && km_guard_check(g, &error))
            decide(s->verdict, KM_GOLDEN_WRONG, error.text);
        if (s->result[i])
            memcpy(s->result[i], g->data, g->bytes);
    }
}

static void child(void *context)
{
    stage *s = context;
    verdict *v = s->verdict;
    const km_golden_case *c = s->c;
    const km_kernel *kernel = km_kernel_find(s->backend, c->op->name, c->pass->name);
    const char *declined = NULL;
    km_error error;
    km_args args;
    shape_args(s, s->backend, c->pass, &args);
    if (make_saved(s, &error) || place_all(s, c->pass, &args, &error))
        decide(v, KM_GOLDEN_ERROR, error.text);
    else if ((declined = run_kernel(kernel, &args, v->impl)))
        decide(v, KM_GOLDEN_SKIPPED, declined);
    else
        hand_over(s);
    v->finished = 1;
}

/* ---- in the parent -------------------------------------------------------------------------- */

static km_rule element_rule(const km_golden_rule *rule, const float *scale, int64_t i)
{
    if (rule->scaled)
        return (km_rule){.bound = {.kind = KM_MIXED,
                                   .atol = rule->coef * 0x1p-24 * (double)scale[i] + 0x1p-126}};
    return (km_rule){.bound = rule->bound};
}

void km_golden_compare(const km_golden_case *c, km_slot slot, const float *got,
                       km_figures *figures, km_golden_worst *worst)
{
    const km_npy *expected = &c->tensor[KM_GOLDEN_EXPECTED][slot].array;
    const int64_t *mask = c->tensor[KM_GOLDEN_MASK][slot].array.data;
    const float *scale = c->tensor[KM_GOLDEN_SCALE][slot].array.data;
    const double *want = expected->data;
    for (int64_t i = 0; i < expected->count; i++) {
        if (mask && !mask[i])
            continue;
        km_figures one = km_figures_none();
        km_rule rule = element_rule(&c->rule[slot], scale, i);
        km_compare_one(&rule, got[i], want[i], i, &one);
        km_figures_add(figures, &one);
        if (worst->slot < 0 || one.bound_used > worst->used ||
            (one.bound_used == worst->used && one.max_ulp > worst->ulp))
            *worst = (km_golden_worst){.slot = (int)slot,
                                       .index = i,
                                       .got = (double)got[i],
                                       .want = want[i],
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
        snprintf(run->reason, sizeof run->reason,
                 "%lld of %lld elements outside the tolerance", (long long)run->figures.wrong,
                 (long long)run->figures.elements);
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
            s->result[i] = (float *)(s->verdict + 1) + at;
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
    if (run->status != KM_GOLDEN_OK && run->status != KM_GOLDEN_WRONG)
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
    } else if (km_isolate(child, &s, timeout_seconds, crash, sizeof crash)) {
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
