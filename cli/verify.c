/* verify.c: kernelmark verify: every selected cell examined, results as a table of the largest errors.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "cli/junit.h"
#include "core/pass.h"
#include "core/registry.h"
#include "verify/cell.h"
#include "verify/gradcheck.h"
#include "verify/isolate.h"
#include "verify/record.h"

typedef struct session {
    const km_options *options;
    km_cells cells;
    km_result *results;
    km_verify_options verify;
    km_recorder recorder;
    FILE *text;
    int unexamined; /* a pass whose data could not even be made: an internal error */
} session;

/* ---- output --------------------------------------------------------------------------------- */

static void print_cell(const session *s, const km_cell *cell, const km_result *r)
{
    char id[400];
    int bad = r->status == KM_WRONG || r->status == KM_CRASHED;
    if (!bad && !s->options->verbose)
        return;
    km_progress_end();
    km_cell_id(cell, id, sizeof id);
    fprintf(s->text, "%s %s", km_status_word(r->status), id);
    if (r->checks)
        fprintf(s->text, "  max %.3g ulp, %.3g of the bound, %" PRId64 " elements in %d runs",
                r->figures.max_ulp, r->figures.bound_used, r->figures.elements, r->checks);
    if (r->gradcheck.directions)
        fprintf(s->text, ", gradient %.1e", r->gradcheck.max_rel);
    fprintf(s->text, "%s%s\n", *r->reason ? "\n        " : "", r->reason);
    if (*r->reproduce)
        fprintf(s->text, "        %s\n", r->reproduce);
}

/* The worst of all cells of one op, pass and backend, as a word of the table. */
static void table_word(const session *s, const km_op *op, const km_pass *pass,
                       const km_backend *backend, char *word, size_t size)
{
    double worst = -1;
    const char *status = "-";
    for (size_t i = 0; i < s->cells.count; i++) {
        const km_cell *c = &s->cells.cell[i];
        const km_result *r = &s->results[i];
        if (c->op != op || c->pass != pass || c->backend != backend)
            continue;
        if (r->status == KM_WRONG || r->status == KM_CRASHED) {
            snprintf(word, size, "%s", r->status == KM_WRONG ? "WRONG" : "CRASHED");
            return;
        }
        if (r->status == KM_SKIPPED && worst < 0)
            status = "skipped";
        else if (r->status == KM_OK)
            worst = fmax(worst,
                         km_pass_in_ulp(pass) ? r->figures.max_ulp : 100 * r->figures.bound_used);
    }
    if (worst < 0)
        snprintf(word, size, "%s", status);
    else
        snprintf(word, size,
                 !km_pass_in_ulp(pass) ? "%.2g %%"
                 : worst < 1000        ? "%.2f"
                                       : "%.1e",
                 worst);
}

static void print_table(const session *s)
{
    fprintf(s->text, "largest error over all cases: in ulp, or in per cent of the bound\n%-24s",
            "op/pass");
    for (size_t b = 0; b < km_backend_count(); b++)
        fprintf(s->text, " %9s", km_backend_at(b)->name);
    fputc('\n', s->text);
    for (size_t i = 0; i < s->cells.count; i++) {
        const km_cell *c = &s->cells.cell[i];
        char name[80], word[32];
        if (i && c[-1].op == c->op && c[-1].pass == c->pass)
            continue;
        snprintf(name, sizeof name, "%s/%s", c->op->name, c->pass->name);
        fprintf(s->text, "%-24s", name);
        for (size_t b = 0; b < km_backend_count(); b++) {
            table_word(s, c->op, c->pass, km_backend_at(b), word, sizeof word);
            fprintf(s->text, " %9s", word);
        }
        fputc('\n', s->text);
    }
}

static int same_reason(const session *s, size_t i, size_t j)
{
    return s->results[j].status == KM_SKIPPED &&
           s->cells.cell[i].backend == s->cells.cell[j].backend &&
           !strcmp(s->results[i].reason, s->results[j].reason);
}

/* Each reason once per backend, with its count. */
static void print_skips(const session *s)
{
    for (size_t i = 0; i < s->cells.count; i++) {
        size_t before = 0, all = 0;
        for (size_t j = 0; s->results[i].status == KM_SKIPPED && j < s->cells.count; j++) {
            before += j < i && same_reason(s, i, j);
            all += same_reason(s, i, j);
        }
        if (all && !before)
            fprintf(s->text, "skipped: %zu of %s: %s\n", all, s->cells.cell[i].backend->name,
                    s->results[i].reason);
    }
}

static void print_edges(const session *s)
{
    for (size_t i = 0; i < s->cells.count; i++) {
        const km_cell *c = &s->cells.cell[i];
        const km_result *r = &s->results[i];
        int first = r->edge_deviations > 0;
        for (size_t j = 0; j < i && first; j++)
            first = !(s->cells.cell[j].pass == c->pass && s->cells.cell[j].backend == c->backend &&
                      s->results[j].edge_deviations);
        if (first)
            fprintf(s->text, "edges: %s of %s/%s deviates at %d special values, first: %s\n",
                    c->backend->name, c->op->name, c->pass->name, r->edge_deviations, r->edge_note);
    }
}

static void print_summary(const session *s)
{
    const km_counts *n = &s->recorder.counts;
    fprintf(s->text,
            "%d cells: %d ok, %d wrong, %d crashed, %d skipped; %" PRId64 " elements compared\n",
            n->cells, n->ok, n->wrong, n->crashed, n->skipped, n->elements);
}

/* ---- the run -------------------------------------------------------------------------------- */

/* A wrong derivative in the oracle makes every backend's backward pass meaningless. */
static void add_gradcheck(session *s, size_t first, size_t end)
{
    const km_cell *c = &s->cells.cell[first];
    km_gradcheck grad;
    km_error error;
    if (!km_gradcheck_applies(c->op, c->pass))
        return;
    int failed = km_gradcheck_run(c->op, c->pass, &c->params, s->verify.seed, &grad, &error);
    for (size_t i = first; i < end; i++) {
        km_result *r = &s->results[i];
        r->gradcheck = grad;
        if (failed && r->status != KM_SKIPPED) {
            r->status = KM_WRONG;
            snprintf(r->reason, sizeof r->reason, "gradient check of the reference: %.250s",
                     error.text);
        }
    }
}

/* Cases that differ in size alone shrink to the same short ones: one sweep serves them all. */
static int was_swept(const session *s, size_t i)
{
    const km_cell *c = &s->cells.cell[i];
    for (size_t j = i; j-- > 0 && s->cells.cell[j].pass == c->pass;)
        if (s->cells.cell[j].backend == c->backend && s->results[j].status != KM_SKIPPED &&
            km_same_sweep(c, &s->cells.cell[j]))
            return 1;
    return 0;
}

/* The cells of one op, pass and case: [first, end). */
static void verify_group(session *s, size_t first, size_t end)
{
    const km_cell *c = &s->cells.cell[first];
    km_work work;
    km_error error;
    if (km_work_open(&work, c->op, c->pass, &c->params, s->verify.seed, &error)) {
        s->unexamined = 1;
        km_complain(0, &error);
        return;
    }
    for (size_t i = first; i < end; i++) {
        char id[400];
        km_cell_id(&s->cells.cell[i], id, sizeof id);
        km_progress(i, s->cells.count, id);
        km_verify_options how = s->verify;
        how.no_sweep = was_swept(s, i);
        km_verify_cell(&s->cells.cell[i], &work, &how, &s->results[i]);
    }
    km_work_close(&work);
    add_gradcheck(s, first, end);
    for (size_t i = first; i < end; i++) {
        print_cell(s, &s->cells.cell[i], &s->results[i]);
        km_record_cell(&s->recorder, &s->cells.cell[i], &s->results[i]);
    }
}

static int finish(session *s)
{
    km_error error;
    const km_counts *n = &s->recorder.counts;
    km_progress_end();
    print_table(s);
    print_edges(s);
    print_skips(s);
    print_summary(s);
    if (km_record_close(&s->recorder, &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    if (s->options->junit && km_junit_write(s->options->junit, &s->cells, s->results, &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    return s->unexamined ? KM_EXIT_INTERNAL
                         : km_exit_of(n->ok, n->wrong, n->crashed, n->skipped, n->elements);
}

static int run_cells(session *s)
{
    km_error error;
    int threads;
    s->results = km_shared_open((s->cells.count + 1) * sizeof *s->results);
    if (!s->results || km_setup_threads(s->options, &threads, &error))
        return KM_EXIT_INTERNAL;
    const km_run_facts facts = {.command = "verify", .seed = s->verify.seed, .threads = threads};
    if (km_outfile_check(s->options->junit, &error) ||
        km_record_open(&s->recorder, s->options->json, &facts, &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    for (size_t first = 0, end; first < s->cells.count; first = end) {
        for (end = first;
             end < s->cells.count && km_same_case(&s->cells.cell[first], &s->cells.cell[end]);)
            end++;
        verify_group(s, first, end);
    }
    int code = finish(s);
    km_shared_close(s->results, (s->cells.count + 1) * sizeof *s->results);
    return code;
}

int km_command_verify(const km_options *options)
{
    session s = {.options = options, .text = km_text_stream(options)};
    km_error error;
    char tail[400];
    long long seed, offset;
    if (km_color_setup(options->color, &error) ||
        km_option_number("seed", options->seed, 0, INT64_MAX, 1, &seed, &error) ||
        km_option_number("offset", options->offset, 0, 15, 0, &offset, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    if (options->exhaustive)
        return km_run_exhaustive(options, (uint64_t)seed);
    if (options->properties)
        return km_run_properties(options, (uint64_t)seed);
    km_command_tail(options, tail, sizeof tail);
    s.verify =
        (km_verify_options){.seed = (uint64_t)seed, .offset = (int)offset, .command_tail = tail};
    s.verify.one_thread = options->threads && !strcmp(options->threads, "1");
    if (km_setup(options, KM_SUITE_QUICK | KM_SUITE_EDGE, &s.cells, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    int code = run_cells(&s);
    km_cells_free(&s.cells);
    return code;
}
