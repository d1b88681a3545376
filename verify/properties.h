/* properties.h: what must hold of an op beyond its formula: that an optimizer finds a minimum, that a dropout rate is kept.
 * Each is tried on the kernels of every backend, in a process of its own.
 *
 * A family of them is a file properties_FAMILY.c with the table km_properties_FAMILY, ended by a row without a name, and
 * a line in properties.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_PROPERTIES_H
#define KM_PROPERTIES_H

#include <kernelmark.h>
#include <stddef.h>

#include "verify/result.h"

typedef struct km_property km_property;

/* What came of it: KM_OK or KM_WRONG with what was measured in `text`, KM_SKIPPED with the reason. */
typedef struct km_property_result {
    km_status status;
    char text[240];
} km_property_result;

struct km_property {
    const char *op, *name;
    /* Whether it holds of this backend. */
    void (*test)(const km_property *p, const km_backend *backend, uint64_t seed,
                 km_property_result *result);
    const void *data; /* for test: what distinguishes the rows of a table that share it */
};

/* The index-th of all properties, or NULL beyond the last one. */
const km_property *km_property_at(size_t index);

/* Tests one in a child process; the result is always filled in. A crash is KM_CRASHED. */
void km_property_run(const km_property *p, const km_backend *backend, uint64_t seed,
                     km_property_result *result);

#endif
