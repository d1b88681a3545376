/* outfile.h: output files that appear whole or not at all.
 *
 * A file is written aside, in the folder where it will live, and renamed when it is complete; a
 * reader never sees half of it, and a full disk leaves the old file as it was. "-" is stdout, which
 * can only be checked, not taken back. A name that is no regular file (/dev/null, a pipe) is
 * written directly.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_OUTFILE_H
#define KM_OUTFILE_H

#include "error.h"

#include <stdio.h>

typedef struct km_outfile {
    FILE *stream;
    char *path;  /* what the caller named */
    char *aside; /* the temporary name; NULL: written directly */
} km_outfile;

/* Returns the stream to write to, or NULL. Follow with exactly one commit or abort. */
FILE *km_outfile_open(km_outfile *out, const char *path, km_error *e);

/* Checks every write so far, closes and renames. On failure the old file, if any, is untouched. */
int km_outfile_commit(km_outfile *out, km_error *e);

/* Drops what was written. */
void km_outfile_abort(km_outfile *out);

#endif
