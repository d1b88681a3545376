/* suite.c: one case, all backends: verified one by one on two sets of data, then timed in interleaved rounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/gbench.h"
#include "bench/stats.h"
#include "core/case.h"
#include "verify/bed.h"
#include "verify/isolate.h"

static const double timeout_seconds = 1800, long_ns = 1e8, long_oracle_flops = 4e9;
enum { WARM_UP = 2 };

/* A backend under the clock. */
typedef struct contender {
    const km_cell *cell;
    km_result *result;
    km_args args; /* as the kernel gets them: with native tensors where the layout says so */
    km_native native;
} contender;

typedef struct race {
    const km_suite_options *options;
    const km_work *work;
    contender *contenders;
    size_t count;
    km_timed *timed; /* those that are quick enough */
    double *ns;
    size_t timed_count;
    km_error *error; /* in shared memory */
} race;

static void run_once(void *contender_)
{
    const contender *c = contender_;
    c->cell->kernel->run(&c->args);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static double took_ns(contender *c, int64_t calls)
{
    const double start = now_ns();
    for (int64_t i = 0; i < calls; i++)
        run_once(c);
    return now_ns() - start;
}

/* What seems to take enough may have been interrupted, or have started threads: once more, the lesser time counts. */
static double least_ns(contender *c, int64_t calls, double enough)
{
    const double took = took_ns(c, calls), again = took < enough ? took : took_ns(c, calls);
    return again < took ? again : took;
}

/* How many calls last at least min_ns, by doubling, in `timed`; and whether a call precedes each sample, so that it
 * starts with the caches and threads of its own. The first calls warm up; long ones need no other. Returns what one of
 * them took. */
static double calibrate(contender *c, double min_ns, km_timed *timed)
{
    int64_t n = 1;
    const double first = least_ns(c, n, min_ns / 2);
    double took = first;
    timed->warmup = took < long_ns;
    for (int i = 1; i < WARM_UP && timed->warmup; i++)
        run_once(c);
    for (; took < min_ns / 2 && n < (int64_t)1 << 30; took = least_ns(c, n, min_ns / 2))
        n *= 2;
    const double calls = (double)n * min_ns / (took > 1 ? took : 1);
    timed->iterations = calls < 1 ? 1 : (int64_t)(calls + 0.5);
    return first;
}

/* The contender takes part, unless it would hold up all others. */
static void enter(race *r, contender *c)
{
    const double limit = r->options->max_call_ns;
    km_timed *timed = &r->timed[r->timed_count];
    *timed = (km_timed){.name = c->cell->backend->name, .run = run_once, .context = c};
    const double took = calibrate(c, r->options->min_sample_ns, timed);
    if (took <= limit) {
        r->timed_count++;
        return;
    }
    c->result->status = KM_SKIPPED;
    snprintf(c->result->reason, sizeof c->result->reason,
             "not timed: a call takes %.0f ms, more than --max-call %.0f", 1e-6 * took,
             1e-6 * limit);
}

/* What converting all tensors of the pass takes; the least of some tries. */
static double convert_time(contender *c)
{
    double least = 0;
    int any = 0;
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        any |= c->native.count[s] != 0;
    for (int i = 0; i < WARM_UP + 3 && any; i++) {
        for (int s = 0; s < KM_SLOT_COUNT; s++)
            if (c->native.count[s])
                km_guard_protect(&c->native.guard[s], 0);
        double start = now_ns();
        km_native_convert(&c->native, &c->args);
        double took = now_ns() - start;
        least = i <= WARM_UP || took < least ? took : least;
    }
    return least;
}

/* All backends share the bed's tensors; each has its own plan. */
static int open_contender(race *r, const km_bed *bed, size_t i)
{
    contender *c = &r->contenders[i];
    const km_kernel *k = c->cell->kernel;
    c->args = km_pieces_args(&bed->pieces, &bed->args);
    c->args.threads = c->cell->threads;
    c->args.plan = NULL;
    const char *declined = k->open ? k->open(&c->args, &c->args.plan) : NULL;
    if (declined)
        return km_fail(r->error, "%s declined a case it had accepted: %s", c->cell->backend->name,
                       declined);
    if (km_native_open(&c->native, k, r->work->pass, &c->args, r->error))
        return -1;
    km_native_lay(&c->native, &c->args, KM_FLUSH_START, 0);
    c->result->convert_ns = convert_time(c);
    c->args = km_native_args(&c->native, &c->args);
    enter(r, c);
    return 0;
}

static void close_contender(contender *c)
{
    km_native_close(&c->native);
    if (c->cell->kernel->close)
        c->cell->kernel->close(c->args.plan);
}

static void reverse(km_timed *timed, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        km_timed kept = timed[i];
        timed[i] = timed[count - 1 - i];
        timed[count - 1 - i] = kept;
    }
}

static int run_rounds(race *r)
{
    for (int round = 0; round < r->options->rounds; round++) {
        if (km_gbench_round(r->timed, r->timed_count, r->ns, r->error))
            return -1;
        for (size_t i = 0; i < r->timed_count; i++) {
            const contender *c = r->timed[i].context;
            c->result->timing.sample[round] = r->ns[i];
        }
        reverse(r->timed, r->timed_count);
    }
    for (size_t i = 0; i < r->timed_count; i++) {
        const contender *c = r->timed[i].context;
        c->result->timing.samples = r->options->rounds;
    }
    return 0;
}

static void run_race(void *race_)
{
    race *r = race_;
    km_bed bed;
    const km_run_plan how = {KM_FLUSH_START, 0, 0, 0};
    if (km_bed_open(&bed, r->work, r->error))
        return;
    km_bed_lay(&bed, r->work, &how, r->contenders[0].cell);
    int failed = 0;
    for (size_t i = 0; i < r->count && !failed; i++)
        failed = open_contender(r, &bed, i);
    if (!failed && r->timed_count)
        run_rounds(r);
    for (size_t i = 0; i < r->count; i++)
        close_contender(&r->contenders[i]);
    km_bed_close(&bed);
}

/* ---- figures -------------------------------------------------------------------------------- */

static void summarise(km_result *r)
{
    km_timing *t = &r->timing;
    size_t n = (size_t)t->samples;
    km_interval ci = km_median_interval(t->sample, n);
    t->min = km_quantile(t->sample, n, 0);
    t->median = km_median(t->sample, n);
    t->p90 = km_quantile(t->sample, n, 0.9);
    t->mad = km_mad(t->sample, n);
    t->ci_low = ci.low;
    t->ci_high = ci.high;
    t->gflops = r->flops / t->median;
    t->gbps = r->bytes / t->median;
}

int km_suite_roof(const km_cell *cell, const km_roofs *roofs, km_result *result)
{
    km_args shape;
    km_roof_limit limit;
    km_timing *t = &result->timing;
    km_roof_load load = {
        .flops = result->flops, .isa = cell->backend->isa, .threads = cell->threads};
    km_args_shape(cell->op, cell->pass, &cell->params, &shape);
    for (const km_use *use = cell->pass->use; use->access != KM_END; use++) {
        double bytes = (double)shape.slot[use->slot].count * (double)km_element_size(use->type);
        load.read += use->access != KM_WRITE ? bytes : 0;
        load.written += use->access != KM_READ ? bytes : 0;
        load.in_place += use->access == KM_UPDATE ? bytes : 0;
    }
    km_roof_of_cell(roofs, &load, &limit);
    if (!(limit.ns > 0))
        return 0;
    t->roof_bound = limit.bound;
    t->roof_limit = limit.ns;
    t->roof_percent = 100 * limit.ns / t->median;
    return t->ci_high < limit.ns;
}

static void compare_with_ref(const race *r)
{
    const km_timing *ref = NULL;
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->contenders[i].cell->backend->name, "ref") &&
            r->contenders[i].result->timing.samples)
            ref = &r->contenders[i].result->timing;
    for (size_t i = 0; i < r->count && ref; i++)
        if (r->contenders[i].result->timing.samples)
            r->contenders[i].result->timing.speedup_vs_ref =
                ref->median / r->contenders[i].result->timing.median;
}

/* ---- the group ------------------------------------------------------------------------------ */

static void verify_all(const km_cell *cells, size_t count, const km_work *work,
                       const km_suite_options *options, km_result *results)
{
    km_verify_options how = options->verify;
    how.case_only = 1;
    for (size_t i = 0; i < count; i++) {
        km_verify_cell(&cells[i], work, &how, &results[i]);
        if (results[i].status == KM_OK && !results[i].figures.elements) {
            results[i].status = KM_SKIPPED;
            snprintf(results[i].reason, sizeof results[i].reason,
                     "nothing to time: the case has no elements");
        }
    }
}

/* The data to be timed must come out right too. `again` lies in shared memory. */
static void verify_again(const km_cell *cells, size_t count, const km_work *work,
                         const km_suite_options *options, km_result *results, km_result *again)
{
    km_verify_options how = options->verify;
    how.case_only = 1;
    for (size_t i = 0; i < count; i++) {
        if (results[i].status != KM_OK)
            continue;
        km_verify_cell(&cells[i], work, &how, again);
        km_figures_add(&again->figures, &results[i].figures);
        again->checks += results[i].checks;
        results[i] = *again;
    }
}

/* A crash while timing, after verification had passed: nobody's time can be trusted. */
static void fail_all(race *r, const char *reason)
{
    for (size_t i = 0; i < r->count; i++) {
        km_result *result = r->contenders[i].result;
        result->timing = (km_timing){0};
        result->status = KM_CRASHED;
        snprintf(result->reason, sizeof result->reason, "while timing: %.250s", reason);
    }
}

static int hold_race(race *r, km_error *error)
{
    char reason[256];
    if (km_isolate(run_race, r, timeout_seconds, reason, sizeof reason)) {
        fail_all(r, reason);
        return 0;
    }
    if (*r->error->text) {
        *error = *r->error;
        return -1;
    }
    for (size_t i = 0; i < r->count; i++)
        if (r->contenders[i].result->timing.samples)
            summarise(r->contenders[i].result);
    compare_with_ref(r);
    return 0;
}

static int time_all(const km_cell *cells, size_t count, const km_work *work,
                    const km_suite_options *options, km_result *results, km_error *error)
{
    race r = {.options = options, .work = work};
    r.contenders = calloc(count, sizeof *r.contenders);
    r.timed = calloc(count, sizeof *r.timed);
    r.ns = calloc(count, sizeof *r.ns);
    r.error = km_shared_open(sizeof *r.error);
    int failed = r.contenders && r.timed && r.ns && r.error ? 0 : km_fail(error, "out of memory");
    for (size_t i = 0; i < count && !failed; i++)
        if (results[i].status == KM_OK)
            r.contenders[r.count++] = (contender){.cell = &cells[i], .result = &results[i]};
    if (!failed && r.count)
        failed = hold_race(&r, error);
    km_shared_close(r.error, sizeof *r.error);
    free(r.contenders);
    free(r.timed);
    free(r.ns);
    return failed;
}

/* On the data that verify has. */
static int verify_wide(const km_cell *cells, size_t count, const km_suite_options *options,
                       km_result *results, km_error *error)
{
    km_work work;
    if (km_work_open(&work, cells->op, cells->pass, &cells->params, options->verify.seed, error))
        return -1;
    verify_all(cells, count, &work, options, results);
    km_work_close(&work);
    return 0;
}

/* On the data that are timed, too. Where the oracle takes seconds, these are enough. */
static int verify_and_time(const km_cell *cells, size_t count, const km_work *work,
                           const km_suite_options *options, km_result *results, int verified,
                           km_error *error)
{
    km_result *again = km_shared_open(sizeof *again);
    if (!again)
        return km_fail(error, "out of memory");
    if (verified)
        verify_again(cells, count, work, options, results, again);
    else
        verify_all(cells, count, work, options, results);
    km_shared_close(again, sizeof *again);
    return time_all(cells, count, work, options, results, error);
}

int km_suite_run(const km_cell *cells, size_t count, const km_suite_options *options,
                 km_result *results, km_error *error)
{
    km_work work;
    const int wide = km_pass_flops(cells->op, cells->pass, &cells->params) < long_oracle_flops;
    if (wide && verify_wide(cells, count, options, results, error))
        return -1;
    if (km_work_open_usual(&work, cells->op, cells->pass, &cells->params, options->verify.seed,
                           error))
        return -1;
    const int failed = verify_and_time(cells, count, &work, options, results, wide, error);
    km_work_close(&work);
    return failed;
}
