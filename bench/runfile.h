/* runfile.h: a run file in memory (JSON Lines; docs/file-format.md).
 *
 * A run is one `run` line, `cell` lines and one `end` line. Everything here is what the file says;
 * a number the file leaves out is NAN (a count: -1) and a text it leaves out is "". The one table
 * km_cell_fields names every figure of a cell: the reader checks types by it and the CSV report
 * takes its columns from it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_RUNFILE_H
#define KM_RUNFILE_H

#include "core/error.h"
#include "verify/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KM_RUN_SCHEMA  "kernelmark-run"
#define KM_RUN_VERSION 1

typedef struct km_ns {
    double min, median, p90, mad, ci95[2];
    double *samples;
    size_t sample_count;
} km_ns;

typedef struct km_cell_record {
    const char *op, *pass, *case_text, *backend, *layout, *isa, *status_text, *reason, *impl;
    int64_t threads;
    int status; /* KM_OK ... */
    struct {
        double max_ulp, max_abs, max_rel, bound_used;
        const char *measure; /* "bound": not max_ulp tells how good it is, but bound_used */
        int64_t elements;
    } verify;
    struct {
        double max_rel;
        int64_t directions;
    } gradcheck;
    km_ns ns; /* median is NAN: not timed */
    double open_ns, flops, bytes, gflops, gbps, speedup_vs_ref;
    double convert_ns;
    int64_t workspace_bytes;
    struct {
        const char *bound;
        double limit, percent;
    } roof;
} km_cell_record;

/* The error that tells how good the cell is: max_ulp, or, where the cell is measured so, the share of its bound. */
bool km_cell_in_bounds(const km_cell_record *cell);
double km_cell_error(const km_cell_record *cell);

typedef struct km_named {
    const char *name, *text;
    double number;
} km_named;

typedef struct km_bandwidth {
    const char *level; /* L1, L2, L3, memory */
    int64_t reads, writes, threads;
    bool nt;
    double gbps;
} km_bandwidth;

typedef struct km_run {
    const char *path; /* where it was read */
    const char *tool, *compiler, *flags, *governor, *started, *timed_data;
    const char *commit;
    bool dirty;
    const char *cpu, *isas; /* isas: joined by spaces */
    int64_t cores, l1d, l2, l3, threads, seed;
    km_named *libraries; /* name and version */
    size_t library_count;
    int64_t roof_threads;
    km_named *fma; /* isa and GFLOP/s */
    size_t fma_count;
    km_bandwidth *bandwidth;
    size_t bandwidth_count;
    km_cell_record *cells;
    size_t cell_count;
    int64_t count[KM_STATUS_COUNT];
    struct json_t *lines; /* owns every text above */
    char *isas_buffer;
} km_run;

/* Reads a whole run; "-" is stdin. NULL, and one line in e that names file and line, if it is not
 * a complete run of this schema and version. The bytes are not trusted. */
km_run *km_run_read(const char *path, km_error *e);

void km_run_free(km_run *run);

/* ---- the fields of a line ------------------------------------------------------------------- */

typedef enum km_field_kind { KM_TEXT, KM_NAME, KM_REAL, KM_COUNT, KM_FLAG } km_field_kind;

typedef struct km_field {
    const char *section; /* the object within the line, or NULL for the line itself */
    const char *key;
    km_field_kind kind; /* KM_NAME: a text that is an identifier */
    bool required;
    size_t offset; /* in the struct that is filled */
} km_field;

/* Ends with a NULL key. ns.ci95 and ns.samples are arrays and stand outside. */
extern const km_field km_cell_fields[];

/* Fill a zeroed struct from a parsed line; -1 and the key that is wrong otherwise. */
int km_run_header_parse(struct json_t *line, km_run *run, km_error *e);
int km_cell_parse(struct json_t *line, km_cell_record *cell, km_error *e);

/* How many elements a case has: the product of its n, c, h and w; NAN if it names none. */
double km_case_elements(const char *case_text);

/* The attributes of a case text ("_approximate=tanh" or ""). */
const char *km_case_attributes(const char *case_text);

#endif
