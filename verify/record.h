/* record.h: run files (JSON Lines, docs/file-format.md): a run header, a line per cell, an end line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_RECORD_H
#define KM_RECORD_H

#include <jansson.h>

#include "core/outfile.h"
#include "core/select.h"
#include "verify/result.h"

typedef struct km_counts {
    int cells, ok, wrong, crashed, skipped;
    int64_t elements;
} km_counts;

typedef struct km_recorder {
    km_outfile file;
    int open; /* zero: nobody wants a file; all calls do nothing */
    km_counts counts;
} km_recorder;

typedef struct km_run_facts {
    const char *command; /* verify, bench */
    uint64_t seed;
    int threads;
    const json_t *roofs;    /* may be NULL */
    const char *timed_data; /* what was timed: "usual"; NULL: nothing */
} km_run_facts;

/* Opens path ("-": standard output; NULL: none) and writes the header line. */
int km_record_open(km_recorder *recorder, const char *path, const km_run_facts *facts,
                   km_error *error);

/* Counts the cell and writes its line. */
void km_record_cell(km_recorder *recorder, const km_cell *cell, const km_result *result);

/* Writes the end line and commits the file; or, aborting, removes it. */
int km_record_close(km_recorder *recorder, km_error *error);
void km_record_abort(km_recorder *recorder);

#endif
