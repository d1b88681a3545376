/* error.h: one line of text that says why something failed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ERROR_H
#define KM_ERROR_H

typedef struct km_error {
    char text[400];
} km_error;

/* Writes the text (cut to fit; e may be NULL) and returns -1, so that a caller can return it. */
int km_fail(km_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
