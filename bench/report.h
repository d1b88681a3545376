/* report.h: what a person or a spreadsheet reads of one or more runs.
 *
 * Each run is reported by itself, so that figures of two machines never meet in one mean. Within a
 * run, cells are grouped by layout and threads (report_model.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REPORT_H
#define KM_REPORT_H

#include "core/error.h"
#include "runfile.h"

#include <stdio.h>

typedef struct km_report {
    const km_run *const *run;
    size_t run_count;
    const char *baseline; /* what speed-ups are over; NULL: "ref" */
    const char *peer;     /* the library to beat; NULL: "onednn" */
} km_report;

/* All return -1 and say why; write errors of out are left for the caller (km_outfile_commit). */
int km_report_markdown(FILE *out, const km_report *report, km_error *e); /* at most 60,000 bytes */
int km_report_csv(FILE *out, const km_report *report, km_error *e);
int km_report_html(FILE *out, const km_report *report, km_error *e); /* needs gnuplot */

#endif
