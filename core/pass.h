/* pass.h: the tensors that a case implies for a pass, and what the pass moves and computes at least.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_PASS_H
#define KM_PASS_H

#include <kernelmark.h>
#include <stddef.h>
#include <string.h>

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
