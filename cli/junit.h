/* junit.h: results as JUnit XML: a suite per op, a test case per cell.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_JUNIT_H
#define KM_JUNIT_H

#include "core/select.h"
#include "verify/result.h"

/* Writes the results of these cells, a suite per run of cells of one op. */
int km_junit_write(const char *path, const km_cells *cells, const km_result *results,
                   km_error *error);

#endif
