/* golden_json.h: what case.json says, in terms of our ops, passes, slots and attributes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GOLDEN_JSON_H
#define KM_GOLDEN_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "verify/golden_case.h"

/* Fills everything but the sizes in params, saved_by and the data of the arrays; whether shapes
 * fit the op and whether all that the pass needs is there is not looked at. */
int km_golden_json_read(FILE *file, km_golden_case *c, km_error *error);

/* 1 if the text is the name of one entry of a folder: not empty, no '/', neither "." nor "..". */
int km_golden_is_name(const char *text);

/* ---- parts, for golden_json.c and golden_tensors.c ---- */

/* The field, if it has this type; else NULL with a message. */
json_t *km_golden_field(const json_t *object, const char *key, json_type type, km_error *error);
const char *km_golden_word(const json_t *object, const char *key, km_error *error);

/* Fails with "unknown WHAT 'NAME'" and, unless NULL, the name that may be meant. */
int km_golden_unknown(const char *what, const char *name, const char *near, km_error *error);

/* Fills the case: attributes, and sizes where params hold any. */
int km_golden_read_params(json_t *params, km_golden_case *c, km_error *error);

int km_golden_read_rule(const json_t *json, km_golden_rule *rule, km_error *error);

int km_golden_read_tensors(const json_t *tensors, km_golden_case *c, km_error *error);

/* After the tensors: every expected one needs a rule. */
int km_golden_read_tolerance(json_t *tolerance, km_golden_case *c, km_error *error);

#endif
