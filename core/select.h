/* select.h: which cells a command line means.
 *
 * PATTERN is a glob per segment of op/pass/case/backend; missing segments mean any. A case segment
 * also matches when it is another spelling of the same case. Cases given with --case replace the
 * listed ones; each may carry its own op and pass: CASE, OP/CASE or OP/PASS/CASE.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_SELECT_H
#define KM_SELECT_H

#include <kernelmark.h>
#include <stddef.h>

#include "core/case.h"
#include "core/error.h"
#include "core/text.h"

typedef struct km_cell {
    const km_op *op;
    const km_pass *pass;
    const km_backend *backend;
    const km_kernel *kernel;
    km_case params;
    char case_text[KM_CASE_TEXT];
    const char *tags; /* with commas between them */
    int threads;
    km_layout layout;
} km_cell;

enum km_suite { KM_SUITE_QUICK = 1, KM_SUITE_FULL = 2, KM_SUITE_EDGE = 4 };

typedef struct km_select {
    km_text_list patterns, cases, backends;
    km_text_list tags; /* globs: of the listed cases, those with such a tag */
    unsigned suites;   /* of km_suite, when cases is empty */
    int threads;       /* for KM_THREADED backends */
    km_layout layout;
} km_select;

typedef struct km_cells {
    km_cell *cell; /* ordered by op, pass, case, backend */
    size_t count;
} km_cells;

/* Expands the selection; fails with a did-you-mean when a pattern, case or backend matches nothing.
 */
int km_select_cells(const km_select *select, km_cells *cells, km_error *error);
void km_cells_free(km_cells *cells);

/* op/pass/case/backend */
void km_cell_id(const km_cell *cell, char *id, size_t size);

/* Whether two cells differ in their backend only. */
int km_same_case(const km_cell *a, const km_cell *b);

/* The cell's own reason not to run, or NULL: not offered, or the backend is unusable here. */
const char *km_cell_skip(const km_cell *cell);

#endif
