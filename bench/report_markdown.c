/* report_markdown.c: the report as a comment or job summary shows it: verdict first, details
 * folded.
 *
 * Comments end at 65,536 characters, so every table line goes through a budget; what does not fit
 * is counted and named, never silently gone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_model.h"
#include "report_page.h"
#include "report_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* ---- verdict and machine -------------------------------------------------------------------- */

static void put_verdict(FILE *out, const km_report *report)
{
    int64_t count[KM_STATUS_COUNT];
    int64_t cells = km_count_cells(report, count);
    fprintf(out, "**kernelmark: %s**, %" PRId64 " of %" PRId64 " cells ok", km_verdict(count),
            count[KM_OK], cells);
    for (int s = KM_WRONG; s < KM_STATUS_COUNT; s++)
        fprintf(out, ", %" PRId64 " %s", count[s], km_status_names[s]);
    fputs("\n\n", out);
}

static void put_machine(FILE *out, const km_run *run)
{
    fputs("- Machine: ", out);
    km_put_machine(out, run, km_put_markdown);
    fputs("\n- Build: ", out);
    km_put_build(out, run, km_put_markdown);
    fputs("\n\n", out);
}

/* ---- the speed-up table --------------------------------------------------------------------- */

static void put_peer(FILE *out, const km_group *g, const km_row *row)
{
    if (g->peer == KM_NO_BACKEND)
        return;
    fprintf(out, " %s", km_text_speedup(row->peer.value).s);
    if (isfinite(row->peer.low))
        fprintf(out, " [%.2f, %.2f]", row->peer.low, row->peer.high);
    if (isfinite(row->peer.value)) {
        putc(' ', out);
        km_put_markdown(out, g->backend[row->peer.best]);
    }
    fputs(" |", out);
}

static void put_error(FILE *out, const km_group *g, const km_row *row)
{
    if (row->worst == KM_NO_BACKEND) {
        fputs(" – |", out);
        return;
    }
    fprintf(out, " %s ", km_text_error(row->entry[row->worst].error, row->in_bounds).s);
    km_put_markdown(out, g->backend[row->worst]);
    fputs(" |", out);
}

static void put_row(km_page *p, const km_group *g, const km_row *row)
{
    fputs("| ", p->out);
    km_put_markdown(p->out, row->op);
    putc(' ', p->out);
    km_put_markdown(p->out, row->pass);
    fputs(" |", p->out);
    for (size_t b = 0; b < g->backend_count; b++)
        if (b != g->baseline)
            fprintf(p->out, " %s%s |", km_text_speedup(row->entry[b].speedup).s,
                    km_text_superscript(row->entry[b].note).s);
    put_peer(p->out, g, row);
    put_error(p->out, g, row);
    fprintf(p->out, " %zu of %zu |", row->common, row->case_count);
    km_page_end_line(p);
}

static void put_total(km_page *p, const km_group *g)
{
    if (!g->total_cases)
        return;
    fputs("| **all** |", p->out);
    for (size_t b = 0; b < g->backend_count; b++)
        if (b != g->baseline)
            fprintf(p->out, " **%s** |", km_text_speedup(g->total[b]).s);
    fprintf(p->out, "%s | %zu |", g->peer == KM_NO_BACKEND ? "" : " |", g->total_cases);
    km_page_end_line(p);
}

static size_t put_backends(FILE *out, const km_group *g, size_t leave_out)
{
    size_t columns = 0;
    for (size_t b = 0; b < g->backend_count; b++) {
        if (b == leave_out)
            continue;
        putc(' ', out);
        km_put_markdown(out, g->backend[b]);
        fputs(" |", out);
        columns++;
    }
    return columns;
}

static void put_heading(km_page *p, const km_group *g)
{
    size_t columns = 2;
    fputs("| op pass |", p->out);
    columns += put_backends(p->out, g, g->baseline);
    if (g->peer != KM_NO_BACKEND) {
        fputs(" best vs ", p->out);
        km_put_markdown(p->out, g->backend[g->peer]);
        fputs(" [95 %] |", p->out);
        columns++;
    }
    fputs(" largest error | common cases |", p->out);
    km_page_end_line(p);
    km_page_rule(p, 1, columns);
}

static void put_group(km_page *p, const km_group *g)
{
    fprintf(p->out, "### Speed-up over %s, %" PRId64 " thread%s, %s layout\n\n",
            g->baseline == KM_NO_BACKEND ? "ref (as recorded)" : g->backend[g->baseline],
            g->threads, g->threads == 1 ? "" : "s", g->layout);
    km_page_begin_table(p);
    put_heading(p, g);
    for (size_t i = 0; i < g->row_count; i++)
        put_row(p, g, &g->row[i]);
    put_total(p, g);
    km_page_end_table(p, "rows");
}

/* ---- notes and folded details --------------------------------------------------------------- */

static void put_notes(km_page *p, const km_view *v)
{
    km_page_begin_table(p);
    for (size_t i = 0; i < v->note_count; i++) {
        fprintf(p->out, "%s ", km_text_superscript(i + 1).s);
        km_put_markdown(p->out, v->note[i]);
        fputs(i + 1 < v->note_count ? "  " : "", p->out); /* two spaces: a line break */
        km_page_end_line(p);
    }
    km_page_end_table(p, "notes");
}

static void put_time_line(km_page *p, const km_group *g, const km_row *row, size_t which_case)
{
    fputs("| ", p->out);
    km_put_markdown(p->out, row->op);
    putc(' ', p->out);
    km_put_markdown(p->out, row->pass);
    putc(' ', p->out);
    km_put_markdown(p->out, row->case_text[which_case]);
    fputs(" |", p->out);
    for (size_t b = 0; b < g->backend_count; b++) {
        const km_cell_record *cell = km_row_cell(row, which_case, b);
        bool timed = km_cell_timed(cell);
        fprintf(p->out, " %s |",
                timed                           ? km_text_time(cell->ns.median).s
                : cell && cell->status != KM_OK ? km_status_names[cell->status]
                                                : "–");
    }
    km_page_end_line(p);
}

static void put_times(km_page *p, const km_group *g)
{
    fprintf(p->out,
            "<details><summary>Median time of every case, %" PRId64 " thread%s, %s layout"
            "</summary>\n\n",
            g->threads, g->threads == 1 ? "" : "s", g->layout);
    km_page_begin_table(p);
    fputs("| op pass case |", p->out);
    put_backends(p->out, g, KM_NO_BACKEND);
    km_page_end_line(p);
    km_page_rule(p, 1, g->backend_count);
    for (size_t i = 0; i < g->row_count; i++)
        for (size_t c = 0; c < g->row[i].case_count; c++)
            put_time_line(p, g, &g->row[i], c);
    km_page_end_table(p, "lines");
    fputs("</details>\n\n", p->out);
}

static const char method[] =
    "<details><summary>How to read this</summary>\n\n"
    "A speed-up is a geometric mean over the common cases: those that every backend with a figure "
    "in the row has an ok cell for. Every timed cell was verified first; a cell that is not ok has "
    "no time. \"Best\" is the fastest backend of the row other than the baseline and the library "
    "it is compared with; its interval carries the 95 % intervals of the medians through the "
    "mean. The largest error of the row is in units in the last place or, where sums cancel, in "
    "per "
    "cent of the bound; and whose it is.\n\n</details>\n";

/* ---- all of it ------------------------------------------------------------------------------ */

static void put_summary(km_page *p, const km_view *v, const km_report *report)
{
    if (!km_page_has_room(p))
        return;
    if (report->run_count > 1) {
        fputs("## ", p->out);
        km_put_markdown(p->out, v->run->path);
        fputs("\n\n", p->out);
    }
    put_machine(p->out, v->run);
    for (size_t i = 0; i < v->group_count; i++)
        if (km_page_has_room(p))
            put_group(p, &v->group[i]);
    if (v->note_count && km_page_has_room(p))
        put_notes(p, v);
}

static void put_details(km_page *p, const km_view *v, const km_report *report)
{
    (void)report; /* a section like put_summary */
    for (size_t i = 0; i < v->group_count; i++)
        if (km_page_has_room(p))
            put_times(p, &v->group[i]);
}

/* Headings are outside the budget of table lines, so a section begins only where there is room. */
static int put_runs(km_page *p, const km_report *report,
                    void section(km_page *, const km_view *, const km_report *), km_error *e)
{
    for (size_t i = 0; i < report->run_count; i++) {
        km_view *v = km_view_of(report->run[i], report, e);
        if (!v)
            return -1;
        section(p, v, report);
        km_view_free(v);
    }
    return 0;
}

static int put_all(km_page *p, const km_report *report, km_error *e)
{
    put_verdict(p->out, report);
    if (put_runs(p, report, put_summary, e) || put_runs(p, report, put_details, e))
        return -1;
    if (p->sections)
        fprintf(p->out, "%zu tables left out here for length; `--csv` and `--html` have all.\n\n",
                p->sections);
    fputs(method, p->out);
    return 0;
}

int km_report_markdown(FILE *out, const km_report *report, km_error *e)
{
    char *text = NULL;
    size_t size = 0;
    km_page p = {.out = open_memstream(&text, &size)};
    if (!p.out)
        return km_fail(e, "out of memory");
    int bad = put_all(&p, report, e);
    if (fclose(p.out) && !bad)
        bad = km_fail(e, "out of memory");
    if (!bad)
        fwrite(text, 1, size, out);
    free(text);
    return bad;
}
