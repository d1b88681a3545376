/* report_model.h: the cells of a run, arranged as the reports show them.
 *
 * A group is one table: cells of one layout and thread count, a row per op and pass, a column per
 * backend. A backend that has cells for one thread only joins every group of its layout, so that
 * single-thread kernels stand beside threaded ones.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REPORT_MODEL_H
#define KM_REPORT_MODEL_H

#include "report.h"

enum { KM_REPORT_BACKENDS = 64 };
#define KM_NO_BACKEND ((size_t)-1)

/* One backend in one row. */
typedef struct km_entry {
    double speedup; /* geometric mean over the row's common cases; NAN: none */
    double error;   /* the largest of its ok cells, as km_cell_error gives it; NAN: none verified */
    size_t count[KM_STATUS_COUNT];
    size_t timed; /* ok cells with a time; 0: the backend is not listed in this row */
    size_t note;  /* footnote that says what is missing; 0: nothing */
} km_entry;

/* How many times faster the row's best other backend is than the peer, over the common cases. The
 * interval carries the 95 % intervals of the medians through the mean. */
typedef struct km_peer_ratio {
    double value, low, high; /* NAN: not known */
    size_t best;             /* KM_NO_BACKEND: none */
} km_peer_ratio;

typedef struct km_row {
    const char *op, *pass;
    size_t case_count, common; /* common: cases that every listed backend has a time for */
    const char **case_text;
    const km_cell_record **grid; /* [case * KM_REPORT_BACKENDS + backend]; NULL: no such cell */
    km_entry entry[KM_REPORT_BACKENDS];
    km_peer_ratio peer;
    size_t worst;   /* the backend with the largest error, the baseline left out */
    bool in_bounds; /* errors are shares of their bounds, not ulps */
} km_row;

typedef struct km_group {
    const char *layout;
    int64_t threads;
    size_t backend_count, row_count;
    const char *backend[KM_REPORT_BACKENDS];
    size_t baseline, peer; /* index or KM_NO_BACKEND */
    km_row *row;
    /* Over the common cases of the rows that list every backend. */
    double total[KM_REPORT_BACKENDS];
    size_t total_cases;
} km_group;

typedef struct km_view {
    const km_run *run;
    km_group *group;
    size_t group_count;
    char **note; /* [0] is footnote 1 */
    size_t note_count;
} km_view;

/* NULL and a reason if the run has more backends than a table can show. */
km_view *km_view_of(const km_run *run, const km_report *report, km_error *e);
void km_view_free(km_view *view);

/* The cell, or NULL; and whether it is ok and has a time. */
const km_cell_record *km_row_cell(const km_row *row, size_t which_case, size_t backend);
bool km_cell_timed(const km_cell_record *cell);

/* Over the baseline's cell of the same case, else what the run recorded; NAN if neither is known.
 */
double km_cell_speedup(const km_group *group, const km_row *row, size_t which_case, size_t backend);

/* report_stats.c: fill in the figures of a group whose grids are complete. */
void km_group_figures(km_group *group);

/* report_notes.c: fill in the footnotes; -1: out of memory. */
int km_view_notes(km_view *view);

#endif
