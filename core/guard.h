/* guard.h: tensor memory between unreadable pages, surrounded by canaries.
 *
 *     | no access | canary | data | canary | no access |
 *
 * Touching a guard page faults, and km_guard_blame tells from the address which tensor was left and
 * by how far. Bytes between data and guard page hold a NaN pattern whose change km_guard_check
 * reports; read as floats, they poison any result that they leak into.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GUARD_H
#define KM_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

typedef enum km_side { KM_FLUSH_START, KM_FLUSH_END } km_side;

typedef struct km_guard {
    char *map;   /* first guard page */
    size_t room; /* bytes between the guard pages, a multiple of the page size */
    char *data;
    size_t bytes;
    const char *name; /* of the tensor, for messages; static */
} km_guard;

/* Maps room for `bytes` plus 64 bytes of displacement. */
int km_guard_open(km_guard *g, const char *name, size_t bytes, km_error *error);
void km_guard_close(km_guard *g);

/* Lays data of `bytes` against one guard page, `shift` bytes away from it, and renews the canaries.
 */
void *km_guard_place(km_guard *g, size_t bytes, km_side side, size_t shift);

/* Makes the whole buffer read-only (an input), or writable again. */
void km_guard_protect(const km_guard *g, int read_only);

/* 0, or -1 with a message when a canary was overwritten. */
int km_guard_check(const km_guard *g, km_error *error);

/* Describes a faulting address in terms of the open guards; -1 if it belongs to none. Safe in a
 * signal handler. `write` is 1 for a write, 0 for a read, -1 if unknown. */
int km_guard_blame(const void *address, int write, char *text, size_t size);

#endif
