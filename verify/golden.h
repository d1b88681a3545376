/* golden.h: the command `kernelmark golden`: every backend on tensors recorded elsewhere.
 *
 * A golden set is a folder; each of its folders with a case.json is a case, and goes by the folder's
 * name (one with .npy files and no case.json is a damaged case). Every case and backend is one run,
 * of which one line tells: ok, wrong, crashed, skipped or error. A case that cannot be read is one
 * run, an error, without a backend. So runs = ok + wrong + crashed + skipped + error.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GOLDEN_H
#define KM_GOLDEN_H

#include <stdio.h>

#include "core/select.h"
#include "verify/golden_run.h"

typedef struct km_golden_options {
    const char *folder;
    km_text_list patterns; /* globs over case names; none: all */
    km_text_list backends; /* globs; none: every backend that lists the pass */
    int threads;           /* for KM_THREADED backends */
    const char *dump;      /* NULL, or the folder for BACKEND/CASE/FILE.npy as each computed it */
    FILE *out;             /* a line per run and the summary */
    FILE *json;            /* NULL, or for an object per run */
} km_golden_options;

typedef struct km_golden_counts {
    size_t cases, runs, status[KM_GOLDEN_STATUSES];
    int64_t elements; /* compared */
} km_golden_counts;

/* Returns the exit code: 0; 1 something was wrong, crashed or damaged, or nothing was compared; 2 a
 * folder that is no golden set, or a pattern or backend that matches nothing; 4 the dump or the JSON
 * could not be written; 77 everything was skipped. The message is empty where the lines say it all. */
enum km_exit km_golden(const km_golden_options *options, km_golden_counts *counts, km_error *error);

#endif
