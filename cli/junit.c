/* junit.c: the JUnit XML that CI servers read: failure for wrong and crashed, skipped with its reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/junit.h"

#include <stdio.h>

#include "core/outfile.h"

/* XML 1.0 has no way to write most control characters: they become '?'. */
static void put_escaped(FILE *f, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc((unsigned char)*text < ' ' ? '?' : *text, f);
        }
}

static void put_case(FILE *f, const km_cell *cell, const km_result *r)
{
    char id[400];
    km_cell_id(cell, id, sizeof id);
    fprintf(f, "  <testcase classname=\"kernelmark.%s.%s\" name=\"", cell->op->name,
            cell->backend->name);
    put_escaped(f, id);
    fputs("\"", f);
    if (r->status == KM_OK) {
        fputs("/>\n", f);
        return;
    }
    const char *element = r->status == KM_SKIPPED ? "skipped" : "failure";
    fprintf(f, "><%s message=\"", element);
    put_escaped(f, r->reason);
    fputs("\">", f);
    put_escaped(f, r->reproduce);
    fprintf(f, "</%s></testcase>\n", element);
}

/* Writes the suite of the op that starts at i; returns where the next one starts. */
static size_t put_suite(FILE *f, const km_cells *cells, const km_result *results, size_t i)
{
    const km_op *op = cells->cell[i].op;
    size_t end = i, failures = 0, skipped = 0;
    for (; end < cells->count && cells->cell[end].op == op; end++) {
        failures += results[end].status == KM_WRONG || results[end].status == KM_CRASHED;
        skipped += results[end].status == KM_SKIPPED;
    }
    fprintf(f, " <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\">\n",
            op->name, end - i, failures, skipped);
    for (; i < end; i++)
        put_case(f, &cells->cell[i], &results[i]);
    fputs(" </testsuite>\n", f);
    return end;
}

int km_junit_write(const char *path, const km_cells *cells, const km_result *results,
                   km_error *error)
{
    km_outfile out;
    if (km_outfile_open(&out, path, error))
        return -1;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out.stream);
    for (size_t i = 0; i < cells->count;)
        i = put_suite(out.stream, cells, results, i);
    fputs("</testsuites>\n", out.stream);
    return km_outfile_commit(&out, error);
}
