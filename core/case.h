/* case.h: the text form of a case, and the tensors it implies.
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
#include <string.h>

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

/* Where piece i of a list of `pieces` tensors with count elements in all starts; for i = pieces, count. Their sizes
 * are as 1, 3, 5, ... */
int64_t km_piece_start(int64_t count, int pieces, int i);

/* In how many pieces the slots of the pass that are marked km_use.list lie; 0: they are no lists. */
int km_pass_pieces(const km_pass *pass, const km_case *c);

/* Whether this is a pass `step`. */
static inline int km_pass_steps(const km_pass *pass)
{
    return !strcmp(pass->name, "step");
}

/* Sets the shape of every slot the pass declares (data stays NULL) and the params pointer. */
void km_args_shape(const km_op *op, const km_pass *pass, const km_case *c, km_args *args);

/* Of a kernel's tensor, in bytes. */
size_t km_element_size(km_type type);

/* Bytes that the pass must move: each tensor read or written once, updated ones twice. */
double km_pass_bytes(const km_op *op, const km_pass *pass, const km_case *c);

/* Floating-point operations of the pass as its op declares them. */
double km_pass_flops(const km_op *op, const km_pass *pass, const km_case *c);

/* Whether the errors of the pass mean something in units in the last place: where its target is stated in them. Near the
 * zeros of a derivative, and of sums that cancel, they do not: there per cent of the bound do. */
int km_pass_in_ulp(const km_pass *pass);

/* Elements in all tensors of the pass; INT64_MAX when that overflows. */
int64_t km_pass_elements(const km_op *op, const km_pass *pass, const km_case *c);

#endif
