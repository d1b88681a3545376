/* report_csv.c: one line per cell with every figure, for a spreadsheet or a data frame.
 *
 * Columns are km_cell_fields in their order; new ones are only ever added at the end of a line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void put_heading(FILE *out)
{
    fputs("run,commit,cpu", out);
    for (const km_field *f = km_cell_fields; f->key; f++)
        fprintf(out, ",%s%s%s", f->section ? f->section : "", f->section ? "_" : "", f->key);
    fputs(",ns_ci95_low,ns_ci95_high,ns_samples\n", out);
}

/* The shortest text that reads back as the same double. */
static void put_real(FILE *out, double value)
{
    char text[40];
    if (!isfinite(value))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, out);
}

static void put_field(FILE *out, const km_field *f, const km_cell_record *cell)
{
    const void *at = (const char *)cell + f->offset;
    putc(',', out);
    switch (f->kind) {
    case KM_TEXT:
    case KM_NAME:
        km_put_csv(out, *(const char *const *)at);
        break;
    case KM_REAL:
        put_real(out, *(const double *)at);
        break;
    case KM_COUNT:
        if (*(const int64_t *)at >= 0)
            fprintf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case KM_FLAG:
        fputs(*(const bool *)at ? "true" : "false", out);
        break;
    }
}

static void put_cell(FILE *out, const km_run *run, const km_cell_record *cell)
{
    km_put_csv(out, run->path);
    putc(',', out);
    km_put_csv(out, run->commit);
    putc(',', out);
    km_put_csv(out, run->cpu);
    for (const km_field *f = km_cell_fields; f->key; f++)
        put_field(out, f, cell);
    for (int i = 0; i < 2; i++) {
        putc(',', out);
        put_real(out, cell->ns.ci95[i]);
    }
    fprintf(out, ",%zu\n", cell->ns.sample_count);
}

int km_report_csv(FILE *out, const km_report *report, km_error *e)
{
    (void)e;
    put_heading(out);
    for (size_t i = 0; i < report->run_count; i++)
        for (size_t c = 0; c < report->run[i]->cell_count; c++)
            put_cell(out, report->run[i], &report->run[i]->cells[c]);
    return 0;
}
