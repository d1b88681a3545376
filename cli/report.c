/* report.c: kernelmark report: run files in, tables and charts out.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bench/report.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "core/outfile.h"

typedef int writer(FILE *out, const km_report *report, km_error *error);

/* Writes one form to path; a NULL path means nobody asked for it. */
static int write_form(const char *path, writer *write, const km_report *report, km_error *error)
{
    km_outfile out;
    if (!path)
        return 0;
    if (km_outfile_open(&out, path, error))
        return -1;
    if (write(out.stream, report, error)) {
        km_outfile_abort(&out);
        return -1;
    }
    return km_outfile_commit(&out, error);
}

static int write_forms(const km_options *o, const km_report *report, km_error *error)
{
    const char *markdown = o->markdown || o->html || o->csv ? o->markdown : "-";
    return write_form(markdown, km_report_markdown, report, error) ||
                   write_form(o->csv, km_report_csv, report, error) ||
                   write_form(o->html, km_report_html, report, error)
               ? -1
               : 0;
}

/* Reads every run; the first that cannot be read ends it. */
static km_run **read_runs(const km_text_list *paths, km_error *error)
{
    km_run **runs = calloc(paths->count + 1, sizeof *runs);
    for (size_t i = 0; runs && i < paths->count; i++)
        if (!(runs[i] = km_run_read(paths->text[i], error))) {
            while (i-- > 0)
                km_run_free(runs[i]);
            free(runs);
            return NULL;
        }
    if (!runs)
        km_fail(error, "out of memory");
    return runs;
}

int km_command_report(const km_options *options)
{
    km_error error;
    if (!options->words.count) {
        km_fail(&error, "report needs a run file, such as results/latest.jsonl");
        return km_complain(KM_EXIT_USAGE, &error);
    }
    km_run **runs = read_runs(&options->words, &error);
    if (!runs)
        return km_complain(KM_EXIT_INTERNAL, &error);
    const km_report report = {.run = (const km_run *const *)runs,
                              .run_count = options->words.count};
    int failed = write_forms(options, &report, &error);
    for (size_t i = 0; i < options->words.count; i++)
        km_run_free(runs[i]);
    free(runs);
    return failed ? km_complain(KM_EXIT_INTERNAL, &error) : KM_EXIT_OK;
}
