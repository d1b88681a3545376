/* bench.c: kernelmark bench: verify each cell, time it beside its rivals, put it under its roof.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/gbench.h"
#include "bench/gbench_json.h"
#include "bench/noise.h"
#include "bench/suite.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/junit.h"
#include "core/pass.h"
#include "verify/isolate.h"
#include "verify/record.h"

typedef struct session {
    const km_options *options;
    km_cells cells;
    km_result *results;
    km_suite_options suite;
    km_roofs *roofs; /* in shared memory: a child measures them */
    km_error *roofs_error;
    int threads, roofs_renewed, above_roof;
    km_recorder recorder;
    FILE *text;
} session;

/* ---- roofs ---------------------------------------------------------------------------------- */

typedef struct roof_job {
    session *s;
    km_roofs_how how;
} roof_job;

static void get_roofs(void *job_)
{
    const roof_job *job = job_;
    km_error error = {""};
    if (km_roofs_get(job->s->roofs, job->s->threads, job->how, &error))
        *job->s->roofs = (km_roofs){0};
    *job->s->roofs_error = error;
}

static int read_roofs(session *s, km_roofs_how how)
{
    char reason[256];
    roof_job job = {s, how};
    km_progress_end();
    if (km_isolate(get_roofs, &job, 300, reason, sizeof reason)) {
        fprintf(stderr, "kernelmark: measuring the roofs failed: %s\n", reason);
        return -1;
    }
    if (*s->roofs_error->text)
        fprintf(stderr, "kernelmark: %s\n", s->roofs_error->text);
    return s->roofs->threads ? 0 : -1;
}

/* ---- output --------------------------------------------------------------------------------- */

/* 123 ns, 4.56 us, 7.89 ms */
static const char *format_ns(double ns, char text[24])
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    int u = 0;
    while (u < 3 && ns < units[u].unit)
        u++;
    double v = ns / units[u].unit;
    snprintf(text, 24, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[u].name);
    return text;
}

static void print_timed(const session *s, const km_cell *cell, const km_result *r)
{
    char median[24], low[24], high[24], speedup[24] = "", roof[40] = "";
    const km_timing *t = &r->timing;
    const int ulp = km_pass_in_ulp(cell->pass);
    if (t->speedup_vs_ref > 0)
        snprintf(speedup, sizeof speedup, "%.2fx", t->speedup_vs_ref);
    if (t->roof_bound)
        snprintf(roof, sizeof roof, "%.0f %% of %s", t->roof_percent, t->roof_bound);
    fprintf(s->text, "  %-10s %9s  [%s, %s]  %9s  %8.2f GB/s  %8.2f GF/s  %-16s %.3g%s\n",
            cell->backend->name, format_ns(t->median, median), format_ns(t->ci_low, low),
            format_ns(t->ci_high, high), speedup, t->gbps, t->gflops, roof,
            ulp ? r->figures.max_ulp : 100 * r->figures.bound_used, ulp ? " ulp" : " % of bound");
}

static void print_group(const session *s, size_t first, size_t end)
{
    const km_cell *c = &s->cells.cell[first];
    km_progress_end();
    fprintf(s->text, "%s/%s/%s\n", c->op->name, c->pass->name, c->case_text);
    for (size_t i = first; i < end; i++) {
        const km_result *r = &s->results[i];
        if (r->status == KM_OK && r->timing.samples)
            print_timed(s, &s->cells.cell[i], r);
        else
            fprintf(s->text, "  %-10s %s %s\n", s->cells.cell[i].backend->name,
                    km_status_word(r->status), r->reason);
        if (*r->reproduce)
            fprintf(s->text, "             %s\n", r->reproduce);
    }
    fflush(s->text);
}

/* ---- the run -------------------------------------------------------------------------------- */

static int roofs_exceeded(session *s, size_t first, size_t end)
{
    int exceeded = 0;
    for (size_t i = first; i < end; i++)
        if (s->results[i].status == KM_OK && s->results[i].timing.samples && s->suite.roofs)
            exceeded |= km_suite_roof(&s->cells.cell[i], s->suite.roofs, &s->results[i]);
    return exceeded;
}

/* The roof of a shared machine's outer caches and memory can double from one minute to the next, so one that
 * was measured in a slow moment is the likely cause: it is measured again, a few times in a run. */
static int renew_roofs(session *s, size_t first, size_t end)
{
    enum { RENEWALS = 3 };
    while (s->roofs_renewed < RENEWALS) {
        s->roofs_renewed++;
        fprintf(stderr, "kernelmark: a cell is above its roof; measuring the roofs again\n");
        if (read_roofs(s, KM_ROOFS_IMPROVE))
            break;
        if (!roofs_exceeded(s, first, end))
            return 0;
    }
    return -1;
}

/* What is above its roof even so is an error of the harness, and no record: it loses its time. */
static void check_roofs(session *s, size_t first, size_t end)
{
    if (!roofs_exceeded(s, first, end) || !renew_roofs(s, first, end))
        return;
    for (size_t i = first; i < end; i++) {
        km_result *r = &s->results[i];
        if (r->status != KM_OK || !r->timing.samples ||
            !km_suite_roof(&s->cells.cell[i], s->suite.roofs, r))
            continue;
        s->above_roof++;
        snprintf(r->reason, sizeof r->reason, "harness error: %.0f %% of the %s roof",
                 r->timing.roof_percent, r->timing.roof_bound);
        r->timing = (km_timing){0};
    }
}

static int run_group(session *s, size_t first, size_t end)
{
    km_error error;
    char what[300];
    snprintf(what, sizeof what, "%s/%s/%s", s->cells.cell[first].op->name,
             s->cells.cell[first].pass->name, s->cells.cell[first].case_text);
    km_progress(first, s->cells.count, what);
    if (km_suite_run(&s->cells.cell[first], end - first, &s->suite, &s->results[first], &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    check_roofs(s, first, end);
    print_group(s, first, end);
    for (size_t i = first; i < end; i++)
        km_record_cell(&s->recorder, &s->cells.cell[i], &s->results[i]);
    return 0;
}

static int run_groups(session *s)
{
    for (size_t first = 0, end; first < s->cells.count; first = end) {
        for (end = first;
             end < s->cells.count && km_same_case(&s->cells.cell[first], &s->cells.cell[end]);)
            end++;
        int code = run_group(s, first, end);
        if (code)
            return code;
    }
    return 0;
}

static int write_files(session *s, km_error *error)
{
    const km_options *o = s->options;
    return km_record_close(&s->recorder, error) ||
           (o->gbench &&
            km_gbench_json_write(o->gbench, s->cells.cell, s->results, s->cells.count, error)) ||
           (o->junit && km_junit_write(o->junit, &s->cells, s->results, error));
}

static int finish(session *s)
{
    km_error error;
    const km_counts *n = &s->recorder.counts;
    fprintf(s->text, "%d cells: %d ok, %d wrong, %d crashed, %d skipped\n", n->cells, n->ok,
            n->wrong, n->crashed, n->skipped);
    if (write_files(s, &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    int code = km_exit_of(n->ok, n->wrong, n->crashed, n->skipped, n->elements);
    return code == KM_EXIT_OK && s->above_roof ? KM_EXIT_INTERNAL : code;
}

static int open_session(session *s, const char *command, km_error *error)
{
    s->results = km_shared_open((s->cells.count + 1) * sizeof *s->results);
    s->roofs = km_shared_open(sizeof *s->roofs);
    s->roofs_error = km_shared_open(sizeof *s->roofs_error);
    if (!s->results || !s->roofs || !s->roofs_error)
        return km_fail(error, "out of memory");
    if (!read_roofs(s, s->options->measure_roofs ? KM_ROOFS_ANEW : KM_ROOFS_CACHED))
        s->suite.roofs = s->roofs;
    json_t *roofs = s->suite.roofs ? km_roofs_json(s->roofs) : NULL;
    const km_run_facts facts = {command, s->suite.verify.seed, s->threads, roofs, "usual"};
    int failed = km_record_open(&s->recorder, s->options->json, &facts, error);
    json_decref(roofs);
    return failed;
}

static int read_options(session *s, km_error *error)
{
    const km_options *o = s->options;
    long long seed, rounds, min_time, max_call;
    if (km_color_setup(o->color, error) || km_setup_threads(o, &s->threads, error) ||
        km_option_number("seed", o->seed, 0, INT64_MAX, 1, &seed, error) ||
        km_option_number("repetitions", o->repetitions, KM_MIN_ROUNDS, KM_MAX_SAMPLES, 11, &rounds,
                         error) ||
        km_option_number("min-time", o->min_time, 1, 10000, 4, &min_time, error) ||
        km_option_number("max-call", o->max_call, 1, 1000000, 1000, &max_call, error))
        return -1;
    s->suite = (km_suite_options){.rounds = (int)rounds,
                                  .min_sample_ns = 1e6 * (double)min_time,
                                  .max_call_ns = 1e6 * (double)max_call};
    s->suite.verify.seed = (uint64_t)seed;
    return km_setup(o, KM_SUITE_QUICK, &s->cells, error);
}

/* Says what would disturb the run; with --strict that ends it. */
static int refuse_noise(const km_options *options)
{
    km_noise noise;
    km_noise_read(&noise);
    for (int i = 0; i < noise.advices; i++)
        fprintf(stderr, "kernelmark: note: %s\n", noise.advice[i]);
    if (options->strict && noise.noisy)
        fprintf(stderr, "kernelmark: too noisy to measure, and --strict was given\n");
    return options->strict && noise.noisy;
}

int km_command_bench(const km_options *options)
{
    session s = {.options = options, .text = km_text_stream(options)};
    km_error error;
    char tail[400];
    if (read_options(&s, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    if (!km_gbench_version()) {
        km_fail(&error, "this build has no Google Benchmark: install it and reconfigure with "
                        "-Dbenchmark=enabled");
        return km_complain(KM_EXIT_INTERNAL, &error);
    }
    if (refuse_noise(options))
        return KM_EXIT_NOISY;
    km_command_tail(options, tail, sizeof tail);
    s.suite.verify.command_tail = tail;
    if (km_outfile_check(options->gbench, &error) || km_outfile_check(options->junit, &error) ||
        open_session(&s, "bench", &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    int code = run_groups(&s);
    if (code)
        km_record_abort(&s.recorder);
    else
        code = finish(&s);
    km_cells_free(&s.cells);
    return code;
}
