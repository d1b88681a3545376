/* cell.c: the case itself, and what surrounds a cell's examination: the child process, the verdict.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/cell.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/case.h"
#include "core/names.h"
#include "core/pass.h"
#include "core/registry.h"
#include "verify/isolate.h"

enum { TIMEOUT = 300 };

/* ---- verdict ------------------------------------------------------------------------------- */

/* Data as timed is what bench makes. */
static void write_reproduce(const km_exam *exam, const km_work *work, int offset)
{
    const km_cell *cell = exam->cell;
    km_result *r = exam->result;
    char text[KM_CASE_TEXT];
    km_case_format(cell->op, &work->params, text);
    int n = snprintf(r->reproduce, sizeof r->reproduce,
                     "kernelmark %s %s/%s --backend %s --case %s --seed %" PRIu64,
                     work->data == KM_DATA_USUAL ? "bench" : "verify", cell->op->name,
                     cell->pass->name, cell->backend->name, text, exam->options->seed);
    if (offset && n < (int)sizeof r->reproduce)
        n += snprintf(r->reproduce + n, sizeof r->reproduce - (size_t)n, " --offset %d", offset);
    if (cell->threads > 1 && n < (int)sizeof r->reproduce)
        n += snprintf(r->reproduce + n, sizeof r->reproduce - (size_t)n, " --threads %d",
                      cell->threads);
    if (cell->layout == KM_NATIVE && n < (int)sizeof r->reproduce)
        n += snprintf(r->reproduce + n, sizeof r->reproduce - (size_t)n, " --layout native");
    if (exam->options->command_tail && n < (int)sizeof r->reproduce)
        snprintf(r->reproduce + n, sizeof r->reproduce - (size_t)n, "%s",
                 exam->options->command_tail);
}

int km_exam_fail(const km_exam *exam, const km_work *work, int offset, const char *format, ...)
{
    km_result *r = exam->result;
    va_list list;
    if (r->status == KM_WRONG)
        return -1;
    r->status = KM_WRONG;
    va_start(list, format);
    vsnprintf(r->reason, sizeof r->reason, format, list);
    va_end(list);
    write_reproduce(exam, work, offset);
    return -1;
}

/* ---- values -------------------------------------------------------------------------------- */

int km_exam_run(const km_exam *exam, km_bed *bed)
{
    km_error error;
    exam->result->checks++;
    if (!km_bed_run(bed, exam->cell->kernel, &error))
        return 0;
    return km_exam_fail(exam, bed->work, 0, "%s", error.text);
}

int km_exam_slot(const km_exam *exam, const km_bed *bed, km_slot slot, const char *where)
{
    const km_work *w = bed->work;
    km_rule rule = km_work_rule(w, slot, exam->target);
    km_figures f = km_figures_none();
    km_compare(&rule, &bed->args.slot[slot], w->want[slot], &f);
    km_figures_add(&exam->result->figures, &f);
    if (!f.wrong)
        return 0;
    return km_exam_fail(exam, w, exam->options->offset,
                        "%s: %" PRId64 " of %" PRId64 " elements of %s wrong; first [%" PRId64
                        "]: got %.9g, want %.9g, error %.3g times the bound",
                        where, f.wrong, f.elements, km_slot_name[slot], f.first_wrong, f.got,
                        f.want, f.bound_used);
}

int km_exam_values(const km_exam *exam, const km_bed *bed, const char *where)
{
    for (const km_use *use = bed->work->pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ && km_exam_slot(exam, bed, use->slot, where))
            return -1;
    return 0;
}

/* Copies of the written tensors, to compare further runs with bit by bit. */
typedef struct snapshot {
    void *data[KM_SLOT_COUNT];
} snapshot;

static int take_snapshot(const km_bed *bed, snapshot *s)
{
    *s = (snapshot){0};
    for (const km_use *use = bed->work->pass->use; use->access != KM_END; use++) {
        size_t bytes = (size_t)bed->args.slot[use->slot].count * km_element_size(use->type);
        if (use->access == KM_READ)
            continue;
        s->data[use->slot] = malloc(bytes + 1);
        if (!s->data[use->slot])
            return -1;
        memcpy(s->data[use->slot], bed->args.slot[use->slot].data, bytes);
    }
    return 0;
}

static void drop_snapshot(snapshot *s)
{
    for (int i = 0; i < KM_SLOT_COUNT; i++)
        free(s->data[i]);
}

int km_same_element(const km_tensor *a, const km_tensor *b, int64_t i)
{
    const char *p = a->data, *q = b->data;
    const size_t size = km_element_size(a->type), at = (size_t)i * size;
    return !memcmp(p + at, q + at, size) || (isnan(km_element(a, i)) && isnan(km_element(b, i)));
}

/* Whether the outputs equal the snapshot; a difference is reported as `what`. */
static int same_bits(const km_exam *exam, const km_bed *bed, const snapshot *s, const char *what)
{
    for (int slot = 0; slot < KM_SLOT_COUNT; slot++) {
        const km_tensor *now = &bed->args.slot[slot];
        km_tensor then = *now;
        then.data = s->data[slot];
        for (int64_t i = 0; then.data && i < now->count; i++)
            if (!km_same_element(now, &then, i))
                return km_exam_fail(
                    exam, bed->work, exam->options->offset, "%s: %s[%" PRId64 "] is %.9g, was %.9g",
                    what, km_slot_name[slot], i, km_element(now, i), km_element(&then, i));
    }
    return 0;
}

static int run_again(const km_exam *exam, km_bed *bed, const km_run_plan *how,
                     const snapshot *first, const char *what)
{
    km_bed_lay(bed, bed->work, how, exam->cell);
    return km_exam_run(exam, bed) || same_bits(exam, bed, first, what);
}

/* Opens a plan per thread count; results must not depend on it, or where their bits may, be right. */
static int try_threads(const km_exam *exam, km_bed *bed, const snapshot *first)
{
    static const int counts[] = {1, 2, 3, 7};
    const km_run_plan how = {KM_FLUSH_END, exam->options->offset, 0, 0xFF};
    km_cell other = *exam->cell;
    const unsigned flags = km_backend_flags(exam->cell->backend);
    if (!(flags & KM_THREADED))
        return 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const char *declined;
        char what[64];
        snprintf(what, sizeof what,
                 flags & KM_SAME_BITS ? "%d threads change the bits" : "with %d threads",
                 counts[i]);
        other.threads = counts[i];
        km_bed_unplan(bed, exam->cell->kernel);
        km_bed_lay(bed, bed->work, &how, &other);
        km_bed_plan(bed, exam->cell->kernel, &declined);
        if (declined)
            return km_exam_fail(exam, bed->work, 0, "declines %d threads: %s", counts[i], declined);
        if (km_exam_run(exam, bed) || (flags & KM_SAME_BITS ? same_bits(exam, bed, first, what)
                                                            : km_exam_values(exam, bed, what)))
            return -1;
    }
    return 0;
}

/* The same case with the tensors in the plan's own layout: right, too, though bits may differ. */
static int try_native(const km_exam *exam, km_bed *bed)
{
    const km_run_plan how = {KM_FLUSH_END, exam->options->offset, 0, 0xFF};
    const char *declined;
    km_cell native = *exam->cell;
    if (native.layout == KM_NATIVE || !native.kernel->native_count)
        return 0;
    native.layout = KM_NATIVE;
    const km_exam own = {&native, exam->options, exam->result, exam->target};
    km_bed_unplan(bed, native.kernel);
    km_bed_lay(bed, bed->work, &how, &native);
    km_bed_plan(bed, native.kernel, &declined);
    return declined ? 0 : km_exam_run(&own, bed) || km_exam_values(&own, bed, "native layout");
}

static int exam_variants(const km_exam *exam, km_bed *bed, const snapshot *first)
{
    const int o = exam->options->offset;
    return run_again(exam, bed, &(km_run_plan){KM_FLUSH_START, o, 0, 0x11}, first,
                     "a second run, elsewhere in memory and over other bytes, differs") ||
                   run_again(exam, bed, &(km_run_plan){KM_FLUSH_END, o, 1, 0xFF}, first,
                             "in place, the result differs") ||
                   try_threads(exam, bed, first) || try_native(exam, bed)
               ? -1
               : 0;
}

/* Small whole numbers leave no room for rounding: what a bound would hide, such as a tap too few among
 * thousands, shows. */
static int exam_integers(const km_exam *exam, km_bed *bed)
{
    const km_run_plan how = {KM_FLUSH_END, exam->options->offset, 0, 0xFF};
    const km_work *own = bed->work;
    km_error error;
    km_work work;
    if (!own->pass->exact_on_integers || bed->info.transforms)
        return 0;
    if (km_work_open_integers(&work, own->op, own->pass, &own->params, exam->options->seed, &error))
        return km_exam_fail(exam, own, 0, "%s", error.text);
    km_bed_lay(bed, &work, &how, exam->cell);
    int failed = km_exam_run(exam, bed) || km_exam_values(exam, bed, "whole numbers");
    bed->work = own;
    km_work_close(&work);
    return failed;
}

/* The case itself, on an opened plan. */
static int exam_case(const km_exam *exam, km_bed *bed)
{
    snapshot first = {0};
    if (km_exam_run(exam, bed) || km_exam_values(exam, bed, "case"))
        return -1;
    if (exam->options->case_only)
        return 0;
    int failed =
        take_snapshot(bed, &first) || exam_integers(exam, bed) || exam_variants(exam, bed, &first);
    drop_snapshot(&first);
    return failed;
}

/* ---- the child ------------------------------------------------------------------------------ */

typedef struct job {
    km_exam exam;
    const km_work *work;
} job;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* Opens the plan, timed; -1 if the kernel declines the case. */
static int open_plan(const km_exam *exam, km_bed *bed)
{
    const char *declined;
    km_result *r = exam->result;
    double start = now_ns();
    km_bed_plan(bed, exam->cell->kernel, &declined);
    r->open_ns = now_ns() - start;
    if (declined) {
        r->status = KM_SKIPPED;
        snprintf(r->reason, sizeof r->reason, "%s", declined);
        return -1;
    }
    snprintf(r->impl, sizeof r->impl, "%s", bed->info.impl);
    r->workspace_bytes = bed->info.workspace_bytes;
    return 0;
}

static void examine(void *job_)
{
    const job *j = job_;
    const km_exam *exam = &j->exam;
    km_error error;
    km_bed bed;
    const km_run_plan how = {KM_FLUSH_END, exam->options->offset, 0, 0xFF};
    if (km_bed_open(&bed, j->work, &error)) {
        exam->result->status = KM_SKIPPED;
        snprintf(exam->result->reason, sizeof exam->result->reason, "%.300s", error.text);
        return;
    }
    km_bed_lay(&bed, j->work, &how, exam->cell);
    int done = open_plan(exam, &bed) || exam_case(exam, &bed);
    km_bed_unplan(&bed, exam->cell->kernel);
    km_bed_close(&bed);
    if (!done && !exam->options->case_only && km_pass_steps(exam->cell->pass))
        done = km_exam_trajectory(exam);
    if (!done && !exam->options->case_only && !exam->options->no_sweep && !km_exam_sweep(exam))
        km_exam_specials(exam);
}

void km_verify_cell(const km_cell *cell, const km_work *work, const km_verify_options *options,
                    km_result *result)
{
    char reason[256];
    const char *skip = km_cell_skip(cell);
    job j = {
        .exam = {cell, options, result, (km_backend_flags(cell->backend) & KM_HOLDS_TARGET) != 0},
        .work = work};
    *result = (km_result){.figures = km_figures_none()};
    result->flops = km_pass_flops(cell->op, cell->pass, &cell->params);
    result->bytes = km_pass_bytes(cell->op, cell->pass, &cell->params);
    if (skip) {
        result->status = KM_SKIPPED;
        snprintf(result->reason, sizeof result->reason, "%s", skip);
    } else if (km_isolate(examine, &j, options->timeout ? options->timeout : TIMEOUT, reason,
                          sizeof reason)) {
        result->status = KM_CRASHED;
        snprintf(result->reason, sizeof result->reason, "%s", reason);
        write_reproduce(&j.exam, work, options->offset);
    }
}
