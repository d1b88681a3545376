/* report_gnuplot.h: charts drawn by gnuplot, as SVG to put into a page.
 *
 * All charts of a page go through one gnuplot process: km_plot_begin starts each, the caller writes
 * commands and data to plot->script, km_plot_render runs it. Texts from a run file go in through
 * km_plot_text only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REPORT_GNUPLOT_H
#define KM_REPORT_GNUPLOT_H

#include "core/error.h"

#include <stdio.h>

/* The name of a line or a set of points, which the page shows when the mouse is over it. */
typedef struct km_plot_name {
    size_t chart;
    const char *text;
} km_plot_name;

typedef struct km_plot {
    FILE *script;
    char **svg; /* after km_plot_render: count of them, each "<svg ...>...</svg>" from gnuplot */
    size_t count;
    char *output;
    km_plot_name *name;
    size_t name_count;
} km_plot;

int km_plot_open(km_plot *plot, km_error *e);
void km_plot_close(km_plot *plot);

/* Starts a chart of this size in pixels; returns its index. */
size_t km_plot_begin(km_plot *plot, int width, int height);

/* A quoted gnuplot string in which nothing is special. */
void km_plot_text(km_plot *plot, const char *text);

/* Ends one element of a plot command with its title; name must outlive the plot. */
void km_plot_title(km_plot *plot, const char *name);

/* Runs gnuplot on the script. Fails if it is missing, complains or draws too few charts. */
int km_plot_render(km_plot *plot, km_error *e);

/* Puts a chart into a page. Only the page's first chart (define) keeps the marker shapes that all
 * others refer to. label is what a screen reader says. */
void km_plot_put(FILE *out, const km_plot *plot, size_t chart, int define, const char *label);

#endif
