/* golden_report.h: what a golden run leaves behind: a line, a JSON object, and dumped tensors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GOLDEN_REPORT_H
#define KM_GOLDEN_REPORT_H

#include <stdio.h>

#include "verify/golden_run.h"

typedef struct km_golden_record {
    const char *name;          /* of the case: its folder */
    const km_golden_case *c;   /* op is NULL if the case could not be read */
    const km_backend *backend; /* NULL: of no backend, as a damaged case */
    const km_golden_run *run;
} km_golden_record;

extern const char *const km_golden_status_name[KM_GOLDEN_STATUSES];

void km_golden_print(FILE *out, const km_golden_record *r);

/* One line of JSON. What is empty or no finite number is left out; elements got and wanted that JSON
 * has no number for are "nan", "inf" and "-inf". */
int km_golden_print_json(FILE *out, const km_golden_record *r, km_error *error);

/* Writes what was computed to folder/BACKEND/CASE/FILE in the recorded shape, as float. Where nothing
 * was, removes what an earlier run left under these names. */
int km_golden_dump(const char *folder, const km_golden_record *r, km_error *error);

#endif
