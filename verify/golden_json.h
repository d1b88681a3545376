/* golden_json.h: what case.json says, in terms of our ops, passes, slots and attributes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GOLDEN_JSON_H
#define KM_GOLDEN_JSON_H

#include <stdio.h>

#include "verify/golden_case.h"

/* Fills everything but the sizes in params, saved_by and the data of the arrays; whether shapes
 * fit the op and whether all that the pass needs is there is not looked at. */
int km_golden_json_read(FILE *file, km_golden_case *c, km_error *error);

/* 1 if the text is the name of one entry of a folder: not empty, no '/', neither "." nor "..". */
int km_golden_is_name(const char *text);

#endif
