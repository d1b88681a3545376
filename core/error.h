/* error.h: one-line error messages that name the thing, and the nearest valid one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ERROR_H
#define KM_ERROR_H

#include <stddef.h>

/* What went wrong, without trailing newline. An empty text means nothing did. */
typedef struct km_error {
    char text[400];
} km_error;

/* Exit codes of the command line; docs/design.md section 4. */
enum km_exit {
    KM_EXIT_OK = 0,
    KM_EXIT_FAILED = 1, /* a gate failed: wrong result, damaged golden, nothing compared */
    KM_EXIT_USAGE = 2,
    KM_EXIT_NOT_COMPARABLE = 3,
    KM_EXIT_INTERNAL = 4, /* I/O, memory, a harness error */
    KM_EXIT_NOISY = 5,
    KM_EXIT_SKIPPED = 77, /* every cell was skipped */
};

/* Formats the message, control characters made harmless; returns -1 so that callers can return it.
 */
int km_fail(km_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The candidate nearest to `word` by edit distance, or NULL if none is near. `candidate(i, ctx)`
 * returns the i-th name, NULL after the last. */
const char *km_nearest(const char *word, const char *(*candidate)(size_t i, const void *ctx),
                       const void *ctx);

#endif
