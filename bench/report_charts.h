/* report_charts.h: the charts of a group, as gnuplot scripts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REPORT_CHARTS_H
#define KM_REPORT_CHARTS_H

#include "report_gnuplot.h"
#include "report_model.h"

/* One panel of the size sweep: a row's cases that differ in size only. */
typedef struct km_panel {
    const km_row *row;
    const char *attributes; /* what the cases have in common, "" or "_approximate=tanh" */
    size_t chart;
} km_panel;

typedef struct km_charts {
    bool has_matrix, has_roofline;
    size_t matrix, roofline, legend; /* indices of charts */
    km_panel *panel;
    size_t panel_count;
} km_charts;

/* Add a group's charts to the script; -1: out of memory. */
int km_charts_add(km_plot *plot, const km_run *run, const km_group *group, km_charts *charts);
void km_charts_free(km_charts *charts);

/* The parts, each in its own file. */
bool km_chart_matrix(km_plot *plot, const km_group *group, size_t *index);
bool km_chart_roofline(km_plot *plot, const km_run *run, const km_group *group, size_t *index);
int km_chart_sweep(km_plot *plot, const km_group *group, km_charts *charts);

/* A backend's colour, dash and marker, the same in every chart: " lc rgb '#..' dt 1 lw 1.5 pt 7".
 * The shapes carry the distinction too; the colours are told apart by colour-blind readers. */
void km_chart_style(km_plot *plot, const km_group *group, size_t backend);

/* Whether a figure belongs on a logarithmic axis: above 0, and no file can stretch the axis beyond
 * what a machine could mean. */
bool km_chart_shows(double value);

/* What all charts share: thin grey frame and grid, no key. */
void km_chart_frame(km_plot *plot);

#endif
