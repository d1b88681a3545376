/* args.h: are these the tensors that a pass works on? For whoever hands tensors of their own to a kernel, which itself
 * looks at nothing. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ARGS_H
#define KM_ARGS_H

#include <kernelmark.h>

#include "core/error.h"

/* -1 with the rule in error where args, of plain layout, break one: sizes and types are those of the case (of a list the
 * pieces' sum), what is written overlaps nothing else (km_use.in_place: unless it is the very same memory), and steps
 * count from 1. Data that is NULL overlaps nothing. */
int km_args_check(const km_op *op, const km_pass *pass, const km_args *args, km_error *error);

#endif
