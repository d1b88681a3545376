/* case.h: the text form of a case.
 *
 *     CASE  := SIZE+ ("_" ATTR)*          n8c64h56w56_num_parameters64
 *     SIZE  := letter digits              the op's size letters, any order, each at most once
 *     ATTR  := name ["="] value           the op's attributes; value: a number, a choice's name, or
 *                                         of a pair one number for both or HEIGHTxWIDTH
 *
 * Short form in: sizes with a default and attributes may be left out. Canonical form out: every
 * size in the op's order (l only above 1), then each attribute that differs from its default, numbers as short as
 * possible. Attributes that aren't whole numbers are rounded to float, as every float kernel receives them, but for
 * those that are marked precise.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CASE_H
#define KM_CASE_H

#include <kernelmark.h>
#include <stddef.h>

#include "core/error.h"

enum { KM_CASE_TEXT = 200, KM_MOST_PIECES = 4096 };

/* A case of `op` with every attribute at its default and every size at its default or minimum. */
void km_case_default(const km_op *op, km_case *c);

/* Parses and checks; on failure the message names the part and the rule that it breaks. */
int km_case_parse(const km_op *op, const char *text, km_case *c, km_error *error);

/* Takes an entry of an op's list apart: its case text, and its tags ("" if it has none). */
const char *km_case_listed(const char *entry, char text[KM_CASE_TEXT]);

/* Writes the canonical form. */
void km_case_format(const km_op *op, const km_case *c, char text[KM_CASE_TEXT]);

/* Ranges, the op's own rule, and that the tensors fit into this machine's memory. */
int km_case_check(const km_op *op, const km_case *c, km_error *error);

#endif
