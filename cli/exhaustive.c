/* exhaustive.c: kernelmark verify --exhaustive: all floats through the backends of one op, a line for each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/exhaustive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "core/cpu.h"

typedef struct session {
    km_sample sample;
    int processes, code;
} session;

static void show_progress(double done)
{
    km_progress((size_t)(done * 1000), 1000, "of all floats, per thousand");
}

/* What failed counts for more than what is good, and that more than what was skipped. */
static void add_code(session *s, int code)
{
    if (s->code == KM_EXIT_SKIPPED || (code && code != KM_EXIT_SKIPPED))
        s->code = code;
}

static void complain(session *s, const km_cell *cell, const char *what)
{
    char id[400];
    km_error error;
    km_cell_id(cell, id, sizeof id);
    km_fail(&error, "%.150s: %s", id, what);
    add_code(s, km_complain(KM_EXIT_FAILED, &error));
}

static void print_result(session *s, const km_cell *cell, const km_exhaustive *r)
{
    char id[400];
    km_cell_id(cell, id, sizeof id);
    if (!r->inputs) {
        complain(s, cell, "the kernel declined the case");
        return;
    }
    printf("%s %s  %" PRIu64
           " inputs: max %.3f ulp at x = %.9g (%a): got %.9g, want %.17g; digest %016" PRIx64 "\n",
           km_status_word(r->wrong ? KM_WRONG : KM_OK), id, r->inputs, r->max_ulp, r->worst_x,
           r->worst_x, r->worst_got, r->worst_want, r->digest);
    if (r->wrong)
        printf("        %" PRIu64 " outside the bound, such as x = %.9g\n", r->wrong,
               r->first_wrong_x);
    add_code(s, r->wrong ? KM_EXIT_FAILED : KM_EXIT_OK);
}

/* Cells that differ in their backend only. A crash takes the others with it, so they run again, one by one. */
static void run_together(session *s, const km_cell *cells, size_t count)
{
    km_error error;
    char id[400];
    km_exhaustive *results = calloc(count, sizeof *results);
    km_cell_id(cells, id, sizeof id);
    km_progress(0, 1000, id);
    int failed = !results ? km_fail(&error, "out of memory")
                          : km_exhaustive_run(cells, count, s->processes, s->sample, show_progress,
                                              results, &error);
    km_progress_end();
    for (size_t i = 0; i < count; i++)
        if (!failed)
            print_result(s, &cells[i], &results[i]);
        else if (count > 1)
            run_together(s, &cells[i], 1);
        else
            complain(s, &cells[i], error.text);
    free(results);
}

/* Prints why cells cannot run, moves the others to the front and returns how many they are. */
static size_t drop_skipped(km_cell *cells, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        char id[400];
        const char *skip = km_cell_skip(&cells[i]);
        km_cell_id(&cells[i], id, sizeof id);
        if (skip)
            printf("%s %s  %s\n", km_status_word(KM_SKIPPED), id, skip);
        else
            cells[kept++] = cells[i];
    }
    return kept;
}

static void run_groups(session *s, const km_cells *cells)
{
    for (size_t first = 0, end; first < cells->count; first = end) {
        for (end = first;
             end < cells->count && km_same_case(&cells->cell[first], &cells->cell[end]);)
            end++;
        const size_t usable = drop_skipped(&cells->cell[first], end - first);
        if (usable)
            run_together(s, &cells->cell[first], usable);
        fflush(stdout);
    }
}

/* The forward pass of the op, in one case if none was given: every size runs the same floats. */
static int select_cells(const km_options *options, km_cells *cells, km_error *error)
{
    km_options own = *options;
    char pattern[128];
    snprintf(pattern, sizeof pattern, "%.60s/forward", options->exhaustive);
    own.words = (km_text_list){0};
    km_text_add(&own.words, pattern);
    if (!own.cases.count)
        km_text_add(&own.cases, "n65536");
    const int failed = km_setup(&own, KM_SUITE_QUICK, cells, error);
    km_text_free(&own.words);
    if (!options->cases.count)
        km_text_free(&own.cases);
    if (failed)
        return -1;
    for (size_t i = 0; i < cells->count; i++)
        if (!km_exhaustive_applies(cells->cell[i].pass)) {
            km_fail(error, "%s/forward is not a function of x alone: --exhaustive cannot run it",
                    cells->cell[i].op->name);
            km_cells_free(cells);
            return -1;
        }
    return 0;
}

int km_run_exhaustive(const km_options *options, uint64_t seed)
{
    session s = {.code = KM_EXIT_SKIPPED};
    km_cells cells;
    km_error error;
    km_cpu cpu;
    long long step;
    if (km_option_number("sample", options->sample, 1, 65536, 1, &step, &error) ||
        select_cells(options, &cells, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    km_cpu_read(&cpu);
    s.processes = cpu.cores;
    s.sample = (km_sample){.step = (uint32_t)step, .seed = (uint32_t)(seed % (uint64_t)step)};
    run_groups(&s, &cells);
    km_cells_free(&cells);
    return s.code;
}
