/* report_html.c: the report as one page that needs no network and no script.
 *
 * All charts are drawn before the first byte is written, so that a missing gnuplot leaves nothing
 * half done.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_html.h"
#include "report_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One run of the page. */
typedef struct chapter {
    km_view *view;
    km_charts *charts; /* one per group */
} chapter;

typedef struct book {
    const km_report *report;
    chapter *chapter;
    km_plot plot;
    bool defined; /* the marker shapes are on the page */
} book;

void km_html_group_name(FILE *out, const km_group *g)
{
    fprintf(out, "%" PRId64 " thread%s, ", g->threads, g->threads == 1 ? "" : "s");
    km_put_html(out, g->layout);
    fputs(" layout", out);
}

static void put_chart(FILE *out, book *b, size_t index, const char *label)
{
    km_plot_put(out, &b->plot, index, !b->defined, label);
    b->defined = true;
}

/* ---- charts --------------------------------------------------------------------------------- */

static bool put_matrix(FILE *out, book *b, const km_group *g, const km_charts *c)
{
    if (!c->has_matrix)
        return false;
    fputs("<figure><figcaption>", out);
    km_html_group_name(out, g);
    fputs("</figcaption>\n", out);
    put_chart(out, b, c->matrix,
              "Speed-up of each backend for each op and pass; the summary table has the same "
              "figures");
    fputs("</figure>\n", out);
    return true;
}

static void put_key(FILE *out, book *b, const km_group *g, const km_charts *c)
{
    fputs("<figcaption>", out);
    km_html_group_name(out, g);
    fputs("</figcaption>\n", out);
    put_chart(out, b, c->legend, "Key: colour, dash and marker of each backend");
}

static void put_panel(FILE *out, book *b, const km_panel *p)
{
    char name[700];
    snprintf(name, sizeof name, "%s %s%s%s", p->row->op, p->row->pass, *p->attributes ? " " : "",
             p->attributes + (*p->attributes == '_'));
    fputs("<div><p>", out);
    km_put_html(out, name);
    fputs("</p>", out);
    put_chart(out, b, p->chart, name);
    fputs("</div>\n", out);
}

static bool put_sweep(FILE *out, book *b, const km_group *g, const km_charts *c)
{
    if (!c->panel_count)
        return false;
    fputs("<figure class=grid>", out);
    put_key(out, b, g, c);
    fputs("<div class=panels>\n", out);
    for (size_t i = 0; i < c->panel_count; i++)
        put_panel(out, b, &c->panel[i]);
    fputs("</div></figure>\n", out);
    return true;
}

static bool put_roofline(FILE *out, book *b, const km_group *g, const km_charts *c)
{
    if (!c->has_roofline)
        return false;
    fputs("<figure class=\"scroll wide\">", out);
    put_key(out, b, g, c);
    put_chart(out, b, c->roofline,
              "GFLOP per second by FLOP per byte of every cell, with the measured limits; the "
              "table of every cell has the share of the roof");
    fputs("</figure>\n", out);
    return true;
}

/* The sections that charts fill, a chart or more per group. */
static const struct {
    const char *id, *heading, *lead;
    bool (*put)(FILE *, book *, const km_group *, const km_charts *);
} sections[] = {
    {"matrix", "Speed-up matrix",
     "Geometric mean of the speed-up over the reference: blue is faster, orange slower, and the "
     "number is the figure. A dash has its reason in the notes above.",
     put_matrix},
    {"sweep", "Speed by size",
     "Billion elements per second (up) by number of elements (across), both logarithmic. Cases "
     "of one size only are in the last table.",
     put_sweep},
    {"roofline", "Roofline",
     "Each point is a cell, each line a limit measured on this machine. A point near the line of "
     "the level that holds its tensors, or near the arithmetic line of its ISA, leaves little to "
     "gain.",
     put_roofline},
};

/* ---- the page ------------------------------------------------------------------------------- */

static void put_heading(FILE *out, const book *b, size_t run, const char *id, const char *text)
{
    fprintf(out, "<h2 id=%s%zu>%s", id, run, text);
    if (b->report->run_count > 1) {
        fputs(": ", out);
        km_put_html(out, b->report->run[run]->path);
    }
    fputs("</h2>\n", out);
}

/* A section whose charts have no data says so rather than stand empty. */
static void put_sections(FILE *out, book *b, size_t run)
{
    const chapter *c = &b->chapter[run];
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        bool any = false;
        put_heading(out, b, run, sections[i].id, sections[i].heading);
        fprintf(out, "<p>%s</p>\n<div class=%s>\n", sections[i].lead, sections[i].id);
        for (size_t g = 0; g < c->view->group_count; g++)
            any |= sections[i].put(out, b, &c->view->group[g], &c->charts[g]);
        fputs(any ? "</div>\n" : "<p>This run has no figures for it.</p></div>\n", out);
    }
}

/* Links to the sections, or with several runs to where each begins. */
static void put_contents(FILE *out, const km_report *report)
{
    static const char *const section[][2] = {
        {"summary", "Summary"},
        {"machine", "Machine and method"},
        {"matrix", "Speed-up matrix"},
        {"sweep", "Speed by size"},
        {"roofline", "Roofline"},
        {"notok", "Cells that are not ok"},
        {"reproduce", "How to reproduce"},
        {"cells", "Every cell"},
    };
    fputs("<nav aria-label=Contents><ul>\n", out);
    if (report->run_count == 1)
        for (size_t i = 0; i < sizeof section / sizeof *section; i++)
            fprintf(out, "<li><a href=\"#%s0\">%s</a>\n", section[i][0], section[i][1]);
    for (size_t i = 0; report->run_count > 1 && i < report->run_count; i++) {
        fprintf(out, "<li><a href=\"#summary%zu\">", i);
        km_put_html(out, report->run[i]->path);
        fputs("</a>\n", out);
    }
    fputs("</ul></nav>\n", out);
}

static void put_chapter(FILE *out, book *b, size_t i)
{
    km_view *v = b->chapter[i].view;
    put_heading(out, b, i, "summary", "Summary");
    for (size_t g = 0; g < v->group_count; g++)
        km_html_speedups(out, i, &v->group[g]);
    km_html_notes(out, i, v);
    put_heading(out, b, i, "machine", "Machine and method");
    km_html_machine(out, v->run);
    put_sections(out, b, i);
    put_heading(out, b, i, "notok", "Cells that are not ok");
    km_html_not_ok(out, v->run);
    put_heading(out, b, i, "reproduce", "How to reproduce");
    km_html_reproduce(out, v->run);
    put_heading(out, b, i, "cells", "Every cell");
    km_html_cells(out, v->run);
}

static int prepare(book *b, km_error *e)
{
    b->chapter = calloc(b->report->run_count + 1, sizeof *b->chapter);
    if (!b->chapter)
        return km_fail(e, "out of memory");
    for (size_t i = 0; i < b->report->run_count; i++) {
        chapter *c = &b->chapter[i];
        c->view = km_view_of(b->report->run[i], b->report, e);
        if (!c->view)
            return -1;
        c->charts = calloc(c->view->group_count + 1, sizeof *c->charts);
        for (size_t g = 0; g < c->view->group_count; g++)
            if (!c->charts ||
                km_charts_add(&b->plot, c->view->run, &c->view->group[g], &c->charts[g]))
                return km_fail(e, "out of memory");
    }
    return km_plot_render(&b->plot, e);
}

static void release(book *b)
{
    for (size_t i = 0; b->chapter && i < b->report->run_count; i++) {
        chapter *c = &b->chapter[i];
        for (size_t g = 0; c->charts && g < c->view->group_count; g++)
            km_charts_free(&c->charts[g]);
        free(c->charts);
        km_view_free(c->view);
    }
    free(b->chapter);
    km_plot_close(&b->plot);
}

int km_report_html(FILE *out, const km_report *report, km_error *e)
{
    book b = {.report = report};
    int bad = km_plot_open(&b.plot, e);
    if (!bad)
        bad = prepare(&b, e);
    if (!bad) {
        fputs(km_html_head, out);
        fputs("<h1>kernelmark report</h1>\n", out);
        km_html_verdict(out, report);
        put_contents(out, report);
        for (size_t i = 0; i < report->run_count; i++)
            put_chapter(out, &b, i);
        fputs("</body>\n</html>\n", out);
    }
    release(&b);
    return bad;
}
