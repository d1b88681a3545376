/* report_html_tables.c: the tables of the HTML report.
 *
 * End tags that HTML lets one omit are omitted: with a thousand cells they are a tenth of the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_html.h"
#include "report_text.h"

#include <inttypes.h>
#include <math.h>

/* ---- speed-ups ------------------------------------------------------------------------------ */

static void put_note(FILE *out, size_t run, size_t note)
{
    if (note)
        fprintf(out, "<sup><a href=\"#n%zu-%zu\">%zu</a></sup>", run, note, note);
}

static size_t fastest(const km_group *g, const km_row *row)
{
    size_t best = KM_NO_BACKEND;
    for (size_t b = 0; b < g->backend_count; b++)
        if (row->entry[b].speedup > 0 &&
            (best == KM_NO_BACKEND || row->entry[b].speedup > row->entry[best].speedup))
            best = b;
    return best;
}

static void put_peer(FILE *out, const km_group *g, const km_peer_ratio *r)
{
    if (g->peer == KM_NO_BACKEND)
        return;
    fprintf(out, "<td>%s", km_text_speedup(r->value).s);
    if (isfinite(r->low))
        fprintf(out, " <span class=i>[%.2f, %.2f]</span>", r->low, r->high);
    fputs("<td class=t>", out);
    if (isfinite(r->value))
        km_put_html(out, g->backend[r->best]);
}

static void put_speedup_row(FILE *out, size_t run, const km_group *g, const km_row *row)
{
    size_t best = fastest(g, row);
    fputs("<tr><th scope=row>", out);
    km_put_html(out, row->op);
    putc(' ', out);
    km_put_html(out, row->pass);
    for (size_t b = 0; b < g->backend_count; b++) {
        if (b == g->baseline)
            continue;
        fprintf(out, "<td%s>%s", b == best ? " class=best" : "",
                km_text_speedup(row->entry[b].speedup).s);
        put_note(out, run, row->entry[b].note);
    }
    put_peer(out, g, &row->peer);
    if (row->worst == KM_NO_BACKEND) {
        fputs("<td>–<td class=t>", out);
    } else {
        fprintf(out, "<td>%s<td class=t>",
                km_text_error(row->entry[row->worst].error, row->in_bounds).s);
        km_put_html(out, g->backend[row->worst]);
    }
    fprintf(out, "<td>%zu of %zu\n", row->common, row->case_count);
}

static void put_speedup_head(FILE *out, const km_group *g)
{
    fputs("<thead><tr><th scope=col class=t>op and pass", out);
    for (size_t b = 0; b < g->backend_count; b++) {
        if (b == g->baseline)
            continue;
        fputs("<th scope=col>", out);
        km_put_html(out, g->backend[b]);
    }
    if (g->peer != KM_NO_BACKEND) {
        fputs("<th scope=col>best vs ", out);
        km_put_html(out, g->backend[g->peer]);
        fputs("<th scope=col class=t>best", out);
    }
    fputs("<th scope=col>largest error<th scope=col class=t>of<th scope=col>cases\n<tbody>\n", out);
}

void km_html_speedups(FILE *out, size_t run, const km_group *g)
{
    fputs("<div class=scroll><table><caption>Geometric mean of the speed-up over ", out);
    km_put_html(out, g->baseline == KM_NO_BACKEND ? "ref" : g->backend[g->baseline]);
    fputs(", ", out);
    km_html_group_name(out, g);
    fputs(". The fastest of a row is bold. Intervals are 95 %.</caption>\n", out);
    put_speedup_head(out, g);
    for (size_t i = 0; i < g->row_count; i++)
        put_speedup_row(out, run, g, &g->row[i]);
    if (g->total_cases) {
        fputs("<tfoot><tr><th scope=row>all rows with every backend", out);
        for (size_t b = 0; b < g->backend_count; b++)
            if (b != g->baseline)
                fprintf(out, "<td>%s", km_text_speedup(g->total[b]).s);
        fprintf(out, "%s<td><td><td>%zu\n", g->peer == KM_NO_BACKEND ? "" : "<td><td>",
                g->total_cases);
    }
    fputs("</table></div>\n", out);
}

void km_html_notes(FILE *out, size_t run, const km_view *v)
{
    if (!v->note_count)
        return;
    fputs("<ol class=notes>\n", out);
    for (size_t i = 0; i < v->note_count; i++) {
        fprintf(out, "<li id=n%zu-%zu>", run, i + 1);
        km_put_html(out, v->note[i]);
        putc('\n', out);
    }
    fputs("</ol>\n", out);
}

/* ---- cells ---------------------------------------------------------------------------------- */

static void put_id(FILE *out, const km_cell_record *c)
{
    fputs("<tr><th scope=row>", out);
    km_put_html(out, c->op);
    putc(' ', out);
    km_put_html(out, c->pass);
    fputs("<td class=t>", out);
    km_put_html(out, c->case_text);
    fputs("<td class=t>", out);
    km_put_html(out, c->backend);
    fprintf(out, "<td>%" PRId64, c->threads);
}

static bool has_native(const km_run *run)
{
    for (size_t i = 0; i < run->cell_count; i++)
        if (run->cells[i].layout[0] != run->cells[0].layout[0])
            return true;
    return false;
}

void km_html_not_ok(FILE *out, const km_run *run)
{
    if ((size_t)run->count[KM_OK] == run->cell_count) {
        fputs("<p>Every cell is ok.</p>\n", out);
        return;
    }
    fputs("<div class=scroll><table><caption>Cells without a figure, and why.</caption>\n"
          "<thead><tr><th scope=col class=t>op and pass<th scope=col class=t>case"
          "<th scope=col class=t>backend<th scope=col>threads<th scope=col class=t>status"
          "<th scope=col class=t>reason\n<tbody>\n",
          out);
    for (int s = KM_WRONG; s < KM_STATUS_COUNT; s++)
        for (size_t i = 0; i < run->cell_count; i++) {
            const km_cell_record *c = &run->cells[i];
            if (c->status != s)
                continue;
            put_id(out, c);
            fprintf(out, "<td class=t>%s<td class=\"t w\">", km_status_names[s]);
            km_put_html(out, c->reason);
            putc('\n', out);
        }
    fputs("</table></div>\n", out);
}

static void put_roof(FILE *out, const km_cell_record *c)
{
    if (c->roof.percent >= 0)
        fprintf(out, "<td>%.0f %%<td class=t>", c->roof.percent);
    else
        fputs("<td>–<td class=t>", out);
    km_put_html(out, c->roof.bound);
}

static void put_cell(FILE *out, const km_cell_record *c, bool layouts)
{
    put_id(out, c);
    if (layouts) {
        fputs("<td class=t>", out);
        km_put_html(out, c->layout);
    }
    if (km_cell_timed(c)) {
        fprintf(out, "<td>%s<td class=i>%s<td>%s", km_text_time(c->ns.median).s,
                km_text_interval(&c->ns).s, km_text_speedup(c->speedup_vs_ref).s);
        put_roof(out, c);
    } else {
        fprintf(out, "<td>%s<td><td><td><td>", km_status_names[c->status]);
    }
    fprintf(out, "<td>%s\n", km_text_cell_error(c).s);
}

void km_html_cells(FILE *out, const km_run *run)
{
    bool layouts = has_native(run);
    fprintf(out,
            "<div class=\"scroll long\"><table><caption>Median time with its 95 %% interval, "
            "speed-up over "
            "the reference, share of the roof that bounds the cell, and largest error."
            "</caption>\n<thead><tr><th scope=col class=t>op and pass<th scope=col class=t>case"
            "<th scope=col class=t>backend<th scope=col>threads%s<th scope=col>time"
            "<th scope=col>interval<th scope=col>speed-up<th scope=col>of roof"
            "<th scope=col class=t>bound<th scope=col>largest error\n<tbody>\n",
            layouts ? "<th scope=col class=t>layout" : "");
    for (size_t i = 0; i < run->cell_count; i++)
        put_cell(out, &run->cells[i], layouts);
    fputs("</table></div>\n", out);
}
