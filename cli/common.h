/* common.h: what subcommands share: setting up from options, progress, colour.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_COMMON_H
#define KM_COMMON_H

#include "cli/options.h"
#include "verify/result.h"

/* Loads plugins, caps the ISA, reads numbers and case files, and expands the selection. `suites` is used
 * when --full and --quick say nothing. Returns 0, or -1 with the message for exit code 2. */
int km_setup(const km_options *options, unsigned suites, km_cells *cells, km_error *error);

/* The part of it that needs no cells. */
int km_setup_backends(const km_options *options, km_error *error);
int km_setup_threads(const km_options *options, int *threads, km_error *error);

/* Prints "kernelmark: text" to stderr and returns the code. */
int km_complain(int code, const km_error *error);

/* " --plugin FILE" and the like: what a command that reproduces a failure must repeat. */
void km_command_tail(const km_options *options, char *tail, size_t size);

/* ---- progress and colour ---- */

/* A line on stderr with done/total and time left; only on a terminal. */
void km_progress(size_t done, size_t total, const char *what);
void km_progress_end(void);

/* Reads --color, NO_COLOR and TERM; stdout decides for auto. -1 for an unknown word. */
int km_color_setup(const char *when, km_error *error);

/* The status as a word of seven columns, coloured when colour is on. */
const char *km_status_word(km_status status);

/* Where text for people goes: stdout, or stderr when a data file was sent to stdout. */
FILE *km_text_stream(const km_options *options);

/* The exit code for these counts: failed, nothing ran, nothing compared, or good. */
int km_exit_of(int ok, int wrong, int crashed, int skipped, int64_t elements);

#endif
