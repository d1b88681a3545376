/* report_html.h: the parts of the HTML report.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REPORT_HTML_H
#define KM_REPORT_HTML_H

#include "report_charts.h"

/* The style sheet and everything before the first section. */
extern const char km_html_head[];

/* "2 threads, plain layout" */
void km_html_group_name(FILE *out, const km_group *group);

/* report_html_text.c */
void km_html_verdict(FILE *out, const km_report *report);
void km_html_machine(FILE *out, const km_run *run);
void km_html_reproduce(FILE *out, const km_run *run);

/* report_html_tables.c */
void km_html_speedups(FILE *out, size_t run, const km_group *group); /* run: its number, for ids */
void km_html_notes(FILE *out, size_t run, const km_view *view);
void km_html_not_ok(FILE *out, const km_run *run);
void km_html_cells(FILE *out, const km_run *run);

#endif
