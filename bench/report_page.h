/* report_page.h: a page of limited length whose tables drop lines rather than overflow.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REPORT_PAGE_H
#define KM_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct km_page {
    FILE *out;       /* into memory */
    long mark;       /* where the current table line began */
    size_t dropped;  /* lines of the current table */
    size_t sections; /* tables */
} km_page;

/* Whether to begin one more table, with its heading. */
bool km_page_has_room(km_page *p);

/* Around a table: every line between them is written to p->out and ended by km_page_end_line, which
 * takes it back if the page is full; the end says how many were. */
void km_page_begin_table(km_page *p);
void km_page_end_line(km_page *p);
void km_page_end_table(km_page *p, const char *what);

/* The line under a table's heading: texts to the left, figures to the right. */
void km_page_rule(km_page *p, size_t texts, size_t figures);

#endif
