/* report_charts.c: what the charts share, and the speed-up matrix.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_charts.h"
#include "report_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The Okabe-Ito palette in the order of best contrast on white; the baseline is always grey. */
static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#AA3377",
                                      "#B8860B", "#2A9FD6", "#000000"};
static const int markers[] = {7, 9, 5, 13, 11, 15, 4};
static const char *const dashes[] = {"solid",  "(8,3)", "(2,3)", "(8,3,2,3)",
                                     "(12,4)", "(4,2)", "solid"};
enum { STYLES = sizeof markers / sizeof *markers };

void km_chart_style(km_plot *plot, const km_group *g, size_t backend)
{
    if (backend == g->baseline) {
        fputs(" lc rgb '#6E6E6E' dt solid lw 1.5 pt 6", plot->script);
        return;
    }
    bool after_base = g->baseline != KM_NO_BACKEND && backend > g->baseline;
    size_t i = backend - after_base;
    size_t shape = (i + i / STYLES) % STYLES; /* past the last colour: another shape with it */
    fprintf(plot->script, " lc rgb '%s' dt %s lw 1.5 pt %d", colours[i % STYLES], dashes[shape],
            markers[shape]);
}

bool km_chart_shows(double value)
{
    return value > 1e-12 && value < 1e15;
}

void km_chart_frame(km_plot *plot)
{
    fputs("set border lw 0.75 lc rgb '#777777'\n"
          "set grid lw 0.5 lc rgb '#DDDDDD' dt solid\n"
          "set tics nomirror scale 0.5 textcolor rgb '#222222'\n"
          "set key off\n",
          plot->script);
}

/* ---- speed-up matrix ------------------------------------------------------------------------ */

enum { LABEL_WIDTH = 7, COLUMN = 86, LINE = 22, TOP = 30, LEGEND = 56, RIGHT = 20, LONGEST = 80 };

static int label_width(const km_group *g)
{
    size_t most = 8;
    for (size_t i = 0; i < g->row_count; i++) {
        size_t length = strlen(g->row[i].op) + strlen(g->row[i].pass) + 1;
        most = length > most ? length : most;
    }
    return 16 + LABEL_WIDTH * (int)(most < LONGEST ? most : LONGEST);
}

static int column_width(const km_group *g)
{
    size_t most = (COLUMN - 16) / LABEL_WIDTH;
    for (size_t b = 0; b < g->backend_count; b++)
        most = strlen(g->backend[b]) > most ? strlen(g->backend[b]) : most;
    return 16 + LABEL_WIDTH * (int)(most < LONGEST ? most : LONGEST);
}

/* x, y and log2 of each known speed-up, clipped to the colour scale. */
static void put_boxes(FILE *script, const km_group *g)
{
    fputs("$box << EOD\n", script);
    for (size_t r = 0; r < g->row_count; r++) {
        int x = 0;
        for (size_t b = 0; b < g->backend_count; b++) {
            if (b == g->baseline)
                continue;
            double speedup = g->row[r].entry[b].speedup;
            if (speedup > 0 && isfinite(speedup))
                fprintf(script, "%d %zu %.4f\n", x, r, fmin(6, fmax(-3, log2(speedup))));
            x++;
        }
    }
    fputs("EOD\n", script);
}

static void put_labels(km_plot *plot, const km_group *g)
{
    for (size_t r = 0; r < g->row_count; r++) {
        char name[420];
        snprintf(name, sizeof name, "%s %s", g->row[r].op, g->row[r].pass);
        fputs("set label ", plot->script);
        km_plot_text(plot, name);
        fprintf(plot->script, " at -0.58,%zu right\n", r);
        int x = 0;
        for (size_t b = 0; b < g->backend_count; b++) {
            double speedup = g->row[r].entry[b].speedup;
            if (b == g->baseline)
                continue;
            fprintf(plot->script, "set label '%s' at %d,%zu center front textcolor rgb '%s'\n",
                    km_text_speedup(speedup).s, x++, r,
                    log2(speedup) > 4.2 ? "#FFFFFF" : "#111111");
        }
    }
}

static int put_columns(km_plot *plot, const km_group *g)
{
    int x = 0;
    for (size_t b = 0; b < g->backend_count; b++) {
        if (b == g->baseline)
            continue;
        fputs("set label ", plot->script);
        km_plot_text(plot, g->backend[b]);
        fprintf(plot->script, " at %d,-0.85 center\n", x++);
    }
    return x;
}

bool km_chart_matrix(km_plot *plot, const km_group *g, size_t *index)
{
    size_t columns = g->backend_count - (g->baseline != KM_NO_BACKEND);
    if (!columns || !g->row_count || g->baseline == KM_NO_BACKEND)
        return false;
    int left = label_width(g), width = left + column_width(g) * (int)columns + RIGHT;
    int height = TOP + LINE * (int)g->row_count + LEGEND;
    *index = km_plot_begin(plot, width, height);
    km_chart_frame(plot);
    put_boxes(plot->script, g);
    put_labels(plot, g);
    put_columns(plot, g);
    fprintf(plot->script,
            "unset border\nunset tics\nunset grid\n"
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
            "set tmargin at screen %.5f\nset bmargin at screen %.5f\n"
            "set xrange [-0.5:%zu.5]\nset yrange [%zu.5:-0.5]\n",
            (double)left / width, (double)(width - RIGHT) / width, 1 - (double)TOP / height,
            (double)LEGEND / height, columns - 1, g->row_count - 1);
    /* Below 1x orange, 1x white, above blue: light to dark, so that it also reads in grey. */
    fprintf(plot->script,
            "set cbrange [-3:6]\n"
            "set palette defined (-3 '#C4520A', -1 '#F6C29B', 0 '#F7F7F7', 1 '#D3E4F2', "
            "3 '#6FA8D6', 4.5 '#1F6CAE', 6 '#0B3C6F')\n"
            "set colorbox horizontal user origin %.5f,%.5f size %.5f,%.5f\n"
            "set cbtics ('1/8×' -3, '1/4×' -2, '1/2×' -1, '1×' 0, '2×' 1, '4×' 2, '8×' 3, "
            "'16×' 4, '32×' 5, '64×' 6) scale 0 font ',11'\n"
            "set style fill solid noborder\n"
            "plot $box using 1:2:(0.48):(0.45):3 with boxxyerror lc palette notitle\n",
            (double)left / width, 28.0 / height, (double)(width - RIGHT - left) / width,
            10.0 / height);
    return true;
}

/* ---- all charts of a group ------------------------------------------------------------------ */

int km_charts_add(km_plot *plot, const km_run *run, const km_group *g, km_charts *charts)
{
    *charts = (km_charts){0};
    charts->has_matrix = km_chart_matrix(plot, g, &charts->matrix);
    charts->has_roofline = km_chart_roofline(plot, run, g, &charts->roofline);
    return km_chart_sweep(plot, g, charts);
}

void km_charts_free(km_charts *charts)
{
    free(charts->panel);
    *charts = (km_charts){0};
}
