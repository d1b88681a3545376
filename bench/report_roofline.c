/* report_roofline.c: every timed cell against the machine's measured limits.
 *
 * Across: arithmetic per byte that the op must move (each tensor once). Up: GFLOP/s reached. A cell
 * cannot lie above the arithmetic limit of its ISA, nor above the bandwidth of the level its
 * tensors fit in. SPDX-License-Identifier: Apache-2.0 */
#include "report_charts.h"
#include "report_text.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 760, HEIGHT = 500 };
static const double left = 0.085, right = 0.98, top = 0.975, bottom = 0.115;

typedef struct limits {
    double x0, x1, y0, y1; /* of the axes */
    double peak;           /* highest arithmetic roof; NAN: none measured */
} limits;

static bool has_point(const km_cell_record *c)
{
    return km_cell_timed(c) && c->bytes > 0 && km_chart_shows(c->flops / c->bytes) &&
           km_chart_shows(c->gflops);
}

/* The roofs of this thread count if there are any, else all. */
static bool applies(const km_run *run, const km_group *g, const km_bandwidth *roof)
{
    if (!km_chart_shows(roof->gbps) || roof->threads < 0 || roof->threads == g->threads)
        return km_chart_shows(roof->gbps);
    for (size_t i = 0; i < run->bandwidth_count; i++)
        if (run->bandwidth[i].threads == g->threads)
            return false;
    return true;
}

/* A level has a figure for each mix of reads and writes: the fastest one that writes is the roof.
 */
static bool is_roof(const km_run *run, const km_group *g, size_t which)
{
    const km_bandwidth *roof = &run->bandwidth[which];
    if (!applies(run, g, roof))
        return false;
    for (size_t i = 0; i < run->bandwidth_count; i++) {
        const km_bandwidth *other = &run->bandwidth[i];
        if (i == which || strcmp(other->level, roof->level) != 0 || !applies(run, g, other))
            continue;
        bool writes = roof->writes > 0, other_writes = other->writes > 0;
        if (other_writes != writes
                ? other_writes
                : other->gbps > roof->gbps || (other->gbps == roof->gbps && i < which))
            return false;
    }
    return true;
}

static void widen(limits *l, double x, double y)
{
    l->x0 = fmin(l->x0, x);
    l->x1 = fmax(l->x1, x);
    l->y0 = fmin(l->y0, y);
    l->y1 = fmax(l->y1, y);
}

/* Room for the points, for the names of the flat roofs right of them, and for the corner where the
 * slowest roof meets the peak. */
static limits find_limits(const km_run *run, const km_group *g)
{
    limits l = {INFINITY, 0, INFINITY, 0, NAN};
    for (size_t r = 0; r < g->row_count; r++) {
        const km_row *row = &g->row[r];
        for (size_t i = 0; i < row->case_count * KM_REPORT_BACKENDS; i++)
            if (has_point(row->grid[i]))
                widen(&l, row->grid[i]->flops / row->grid[i]->bytes, row->grid[i]->gflops);
    }
    if (!(l.x1 > 0))
        return l;
    for (size_t i = 0; i < run->fma_count; i++)
        if (km_chart_shows(run->fma[i].number))
            l.peak = fmax(l.peak, run->fma[i].number);
    for (size_t i = 0; i < run->bandwidth_count; i++)
        if (is_roof(run, g, i) && l.peak > 0)
            widen(&l, fmin(l.peak / run->bandwidth[i].gbps, l.x1 * 30), l.peak);
    return (limits){l.x0 / 2, l.x1 * 5, l.y0 / 2, fmax(l.y1, l.peak > 0 ? l.peak : 0) * 1.7,
                    l.peak};
}

static void put_points(km_plot *plot, const km_group *g, size_t backend)
{
    fprintf(plot->script, "$p%zu << EOD\n", backend);
    for (size_t r = 0; r < g->row_count; r++)
        for (size_t c = 0; c < g->row[r].case_count; c++) {
            const km_cell_record *cell = km_row_cell(&g->row[r], c, backend);
            if (has_point(cell))
                fprintf(plot->script, "%.5g %.5g\n", cell->flops / cell->bytes, cell->gflops);
        }
    fputs("NaN NaN\nEOD\n", plot->script); /* a block without lines would be an error */
}

static void put_line(km_plot *plot, double x0, double y0, double x1, double y1)
{
    fprintf(plot->script,
            "set arrow from %.6g,%.6g to %.6g,%.6g nohead back lw 1.25 lc rgb '#444444'\n", x0, y0,
            x1, y1);
}

/* Where the roof of a level begins, so that it is drawn inside the axes only. */
static double enter(const limits *l, double gbps)
{
    return fmax(l->x0, l->y0 / gbps);
}

static void put_bandwidth(km_plot *plot, const limits *l, const km_bandwidth *roof)
{
    double end = fmin(l->x1, (l->peak > 0 ? l->peak : l->y1) / roof->gbps);
    double start = enter(l, roof->gbps);
    if (!(end > start))
        return;
    put_line(plot, start, start * roof->gbps, end, end * roof->gbps);
    double across = WIDTH * (right - left) / log10(l->x1 / l->x0);
    double up = HEIGHT * (top - bottom) / log10(l->y1 / l->y0);
    char text[320];
    snprintf(text, sizeof text, "%.24s %s", roof->level, km_text_number(roof->gbps, " GB/s").s);
    fputs("set label ", plot->script);
    km_plot_text(plot, text);
    /* Along the line, from where it enters, just above it. */
    fprintf(plot->script,
            " at %.6g,%.6g left rotate by %.1f offset character 0.6,1.1 font ',11' "
            "textcolor rgb '#444444'\n",
            start, start * roof->gbps, atan2(up, across) * 180 / M_PI);
}

static void put_peak(km_plot *plot, const km_run *run, const km_group *g, const limits *l,
                     const km_named *roof)
{
    double fastest = 0;
    for (size_t i = 0; i < run->bandwidth_count; i++)
        fastest = is_roof(run, g, i) ? fmax(fastest, run->bandwidth[i].gbps) : fastest;
    double start = fastest > 0 ? fmax(l->x0, roof->number / fastest) : l->x0;
    if (!km_chart_shows(roof->number) || !(roof->number > l->y0) || !(start < l->x1))
        return;
    put_line(plot, start, roof->number, l->x1, roof->number);
    char text[320];
    snprintf(text, sizeof text, "%.24s FMA %s", roof->name,
             km_text_number(roof->number, " GFLOP/s").s);
    fputs("set label ", plot->script);
    km_plot_text(plot, text);
    fprintf(plot->script,
            " at %.6g,%.6g right offset character -0.5,0.55 font ',11' textcolor rgb '#444444'\n",
            l->x1, roof->number);
}

static void put_axes(km_plot *plot, const limits *l)
{
    km_chart_frame(plot);
    fprintf(plot->script,
            "set logscale xy\nset mxtics 10\nset mytics 10\n"
            "set xrange [%.6g:%.6g]\nset yrange [%.6g:%.6g]\n"
            "set format '%%g'\n"
            "set xlabel 'FLOP per byte' offset 0,0.4\nset ylabel 'GFLOP/s' offset 1,0\n"
            "set lmargin at screen %g\nset rmargin at screen %g\n"
            "set tmargin at screen %g\nset bmargin at screen %g\n",
            l->x0, l->x1, l->y0, l->y1, left, right, top, bottom);
}

bool km_chart_roofline(km_plot *plot, const km_run *run, const km_group *g, size_t *index)
{
    limits l = find_limits(run, g);
    if (!isfinite(l.x0) || !(l.y0 > 0))
        return false;
    *index = km_plot_begin(plot, WIDTH, HEIGHT);
    put_axes(plot, &l);
    for (size_t i = 0; i < run->bandwidth_count; i++)
        if (is_roof(run, g, i))
            put_bandwidth(plot, &l, &run->bandwidth[i]);
    for (size_t i = 0; i < run->fma_count; i++)
        put_peak(plot, run, g, &l, &run->fma[i]);
    for (size_t b = 0; b < g->backend_count; b++)
        put_points(plot, g, b);
    for (size_t b = 0; b < g->backend_count; b++) {
        fprintf(plot->script, "%s $p%zu with points ps 0.55", b ? ", \\\n" : "plot", b);
        km_chart_style(plot, g, b);
        km_plot_title(plot, g->backend[b]);
    }
    putc('\n', plot->script);
    return true;
}
