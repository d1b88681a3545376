/* race.c: backends side by side: each opened and calibrated, then timed in interleaved rounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/race.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/gbench.h"
#include "bench/stats.h"
#include "verify/bed.h"
#include "verify/isolate.h"

static const double timeout_seconds = 1800, long_ns = 1e8;
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

/* ---- the race ------------------------------------------------------------------------------- */

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

int km_race(const km_cell *cells, size_t count, const km_work *work,
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
