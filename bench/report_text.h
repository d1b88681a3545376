/* report_text.h: figures as people write them, and texts escaped for where they go.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REPORT_TEXT_H
#define KM_REPORT_TEXT_H

#include "report.h"

typedef struct km_text {
    char s[96];
} km_text;

/* Each returns an en dash for what is not known. */
km_text km_text_number(double value, const char *unit); /* three digits: "1.23 unit" */
km_text km_text_speedup(double value);                  /* "12.3×" */
km_text km_text_error(double value, bool in_bounds);    /* "1.66 ulp", or "12 %" of the bound */
km_text km_text_cell_error(const km_cell_record *cell);
km_text km_text_time(double ns);            /* "1.23 µs" */
km_text km_text_interval(const km_ns *ns);  /* "1.21–1.25 µs" */
km_text km_text_bytes(int64_t bytes);       /* "48 KiB" */
km_text km_text_short(double value);        /* "10k", "0.5" */
km_text km_text_superscript(size_t number); /* a footnote's mark; "" for 0 */

/* How many of the first `most` bytes to print so that no UTF-8 character is cut. */
int km_cut(const char *text, int most);

/* Text from a run file: control characters become spaces, markup characters are escaped. */
void km_put_html(FILE *out, const char *text);
void km_put_markdown(FILE *out, const char *text);
void km_put_csv(FILE *out, const char *text); /* as it is, quoted where RFC 4180 asks for it */

/* What the run header says, one line each; put escapes its texts. */
typedef void km_put(FILE *out, const char *text);
void km_put_machine(FILE *out, const km_run *run, km_put *put);
void km_put_build(FILE *out, const km_run *run, km_put *put);

/* Cells of each status over all runs; returns how many in all. */
int64_t km_count_cells(const km_report *report, int64_t count[KM_STATUS_COUNT]);

/* "passed", "FAILED" or "NOTHING RAN", from the number of cells of each status. */
const char *km_verdict(const int64_t count[KM_STATUS_COUNT]);

#endif
