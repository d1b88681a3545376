/* outfile.h: output that appears under its name only when it is complete.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_OUTFILE_H
#define KM_OUTFILE_H

#include <stdio.h>

#include "core/error.h"

typedef struct km_outfile {
    FILE *stream;
    char path[4096];      /* final name; "-" is standard output */
    char temporary[4112]; /* beside it, until commit */
} km_outfile;

/* Whether path (NULL and "-": always) can be written at all: asked before the work whose result goes there. */
int km_outfile_check(const char *path, km_error *error);

/* Opens a temporary file beside path; "-" opens standard output. SIGINT and SIGTERM remove it. */
int km_outfile_open(km_outfile *out, const char *path, km_error *error);

/* Flushes, checks for write errors (a full disk) and renames. On failure nothing is left behind. */
int km_outfile_commit(km_outfile *out, km_error *error);

/* Removes the temporary file. Harmless when nothing is open. */
void km_outfile_abort(km_outfile *out);

#endif
