/* report_sweep.c: the size sweep: elements per second against elements, a panel per op and pass.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_charts.h"
#include "report_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 300, HEIGHT = 180, LEGEND_HEIGHT = 34, LEGEND_ENTRY = 120 };

typedef struct point {
    double elements, rate; /* rate in elements per ns, which is Gelem/s */
} point;

typedef struct extent {
    point low, high;
} extent;

static int by_elements(const void *a, const void *b)
{
    double x = ((const point *)a)->elements, y = ((const point *)b)->elements;
    return (x > y) - (x < y);
}

/* A backend's points of a panel in order of size; list holds case_count of them. */
static size_t find_points(const km_panel *panel, size_t backend, point *list)
{
    size_t count = 0;
    for (size_t c = 0; c < panel->row->case_count; c++) {
        const km_cell_record *cell = km_row_cell(panel->row, c, backend);
        double elements = km_case_elements(panel->row->case_text[c]);
        if (!km_cell_timed(cell) || !km_chart_shows(elements) ||
            !km_chart_shows(elements / cell->ns.median) ||
            strcmp(km_case_attributes(panel->row->case_text[c]), panel->attributes) != 0)
            continue;
        list[count++] = (point){elements, elements / cell->ns.median};
    }
    qsort(list, count, sizeof *list, by_elements);
    return count;
}

/* Worth a panel: at least two sizes of one attribute set. */
static bool has_sizes(const km_row *row, const char *attributes)
{
    double first = NAN;
    for (size_t c = 0; c < row->case_count; c++) {
        double elements = km_case_elements(row->case_text[c]);
        if (strcmp(km_case_attributes(row->case_text[c]), attributes) != 0 ||
            !km_chart_shows(elements))
            continue;
        if (isnan(first))
            first = elements;
        else if (elements != first)
            return true;
    }
    return false;
}

static bool is_first_of_attributes(const km_row *row, size_t which_case)
{
    const char *attributes = km_case_attributes(row->case_text[which_case]);
    for (size_t c = 0; c < which_case; c++)
        if (!strcmp(km_case_attributes(row->case_text[c]), attributes))
            return false;
    return true;
}

/* 1, 2, 5, 10 ... over less than two decades, else powers of ten: gnuplot itself marks decades
 * only, which leaves a flat panel with one number or none. */
static void put_ticks(km_plot *plot, char axis, double low, double high)
{
    static const double steps[] = {1, 2, 5};
    int each = axis == 'y' && high / low < 80 ? 3 : 1;
    const char *separator = "";
    fprintf(plot->script, "set %ctics (", axis);
    for (int decade = (int)floor(log10(low)); pow(10, decade) <= high; decade++)
        for (int i = 0; i < each; i++) {
            double at = steps[i] * pow(10, decade);
            if (at < low || at > high)
                continue;
            fprintf(plot->script, "%s'%s' %.6g", separator, km_text_short(at).s, at);
            separator = ", ";
        }
    fputs(")\n", plot->script);
}

static void put_axes(km_plot *plot, const extent *box)
{
    km_chart_frame(plot);
    fprintf(plot->script,
            "set logscale xy\nset mxtics 1\nset mytics 1\n"
            "set xrange [%.6g:%.6g]\n"
            "set yrange [%.6g:%.6g]\n"
            "set lmargin at screen 0.135\nset rmargin at screen 0.955\n"
            "set tmargin at screen 0.97\nset bmargin at screen 0.145\n",
            box->low.elements / 1.6, box->high.elements * 1.6, box->low.rate / 1.35,
            box->high.rate * 1.35);
    put_ticks(plot, 'x', box->low.elements / 1.6, box->high.elements * 1.6);
    put_ticks(plot, 'y', box->low.rate / 1.35, box->high.rate * 1.35);
}

static void widen(extent *box, point p)
{
    box->low.elements = fmin(box->low.elements, p.elements);
    box->low.rate = fmin(box->low.rate, p.rate);
    box->high.elements = fmax(box->high.elements, p.elements);
    box->high.rate = fmax(box->high.rate, p.rate);
}

/* Draws a panel; false if no backend has a point in it, and then nothing was begun. */
static bool add_panel(km_plot *plot, const km_group *g, km_panel *panel, point *list)
{
    bool begun = false;
    extent box = {{INFINITY, INFINITY}, {0, 0}};
    for (size_t b = 0; b < g->backend_count; b++) {
        size_t count = find_points(panel, b, list);
        if (!count)
            continue;
        if (!begun)
            panel->chart = km_plot_begin(plot, WIDTH, HEIGHT);
        begun = true;
        fprintf(plot->script, "$b%zu << EOD\n", b);
        for (size_t i = 0; i < count; i++) {
            fprintf(plot->script, "%.6g %.6g\n", list[i].elements, list[i].rate);
            widen(&box, list[i]);
        }
        fputs("EOD\n", plot->script);
    }
    if (!begun)
        return false;
    put_axes(plot, &box);
    const char *separator = "plot";
    for (size_t b = 0; b < g->backend_count; b++) {
        if (!find_points(panel, b, list))
            continue;
        fprintf(plot->script, "%s $b%zu with linespoints ps 0.6", separator, b);
        km_chart_style(plot, g, b);
        km_plot_title(plot, g->backend[b]);
        separator = ", \\\n ";
    }
    putc('\n', plot->script);
    return true;
}

static void add_legend(km_plot *plot, const km_group *g, km_charts *charts)
{
    int width = LEGEND_ENTRY * (int)(g->backend_count < 8 ? g->backend_count : 8);
    int lines = 1 + ((int)g->backend_count - 1) / 8;
    charts->legend = km_plot_begin(plot, width, LEGEND_HEIGHT * lines);
    fputs("set key at screen 0.5,0.5 center center horizontal maxcols 8 samplen 3 width 1 "
          "Left reverse\nunset border\nunset tics\nset margins 0,0,0,0\n"
          "set xrange [0:1]\nset yrange [0:1]\nplot",
          plot->script);
    for (size_t b = 0; b < g->backend_count; b++) {
        fputs(b ? ", NaN with linespoints ps 0.7" : " NaN with linespoints ps 0.7", plot->script);
        km_chart_style(plot, g, b);
        km_plot_title(plot, g->backend[b]);
    }
    putc('\n', plot->script);
}

static int add_row(km_plot *plot, const km_group *g, const km_row *row, km_charts *charts)
{
    point *list = calloc(row->case_count, sizeof *list);
    if (!list)
        return -1;
    for (size_t c = 0; c < row->case_count; c++) {
        km_panel panel = {.row = row, .attributes = km_case_attributes(row->case_text[c])};
        if (!is_first_of_attributes(row, c) || !has_sizes(row, panel.attributes) ||
            !add_panel(plot, g, &panel, list))
            continue;
        km_panel *grown = realloc(charts->panel, (charts->panel_count + 1) * sizeof *grown);
        if (!grown) {
            free(list);
            return -1;
        }
        charts->panel = grown;
        charts->panel[charts->panel_count++] = panel;
    }
    free(list);
    return 0;
}

int km_chart_sweep(km_plot *plot, const km_group *g, km_charts *charts)
{
    for (size_t i = 0; i < g->row_count; i++)
        if (add_row(plot, g, &g->row[i], charts))
            return -1;
    add_legend(plot, g, charts);
    return 0;
}
