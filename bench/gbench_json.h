/* gbench_json.h: results in Google Benchmark's JSON form, for dashboards that read it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GBENCH_JSON_H
#define KM_GBENCH_JSON_H

#include "core/select.h"
#include "verify/result.h"

/* One entry per timed cell: the median, named by the cell id. Importers that take every row as a benchmark
 * of its own (most do) see each cell once; cells without a time are left out, not written as 0. */
int km_gbench_json_write(const char *path, const km_cell *cells, const km_result *results,
                         size_t count, km_error *error);

#endif
