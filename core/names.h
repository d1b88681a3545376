/* names.h: the names behind the enums of kernelmark.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_NAMES_H
#define KM_NAMES_H

#include <kernelmark.h>

extern const char *const km_slot_name[KM_SLOT_COUNT];
extern const char *const km_dim_name[KM_DIM_COUNT];
extern const char *const km_attr_name[KM_ATTR_COUNT];

/* The slot of this name, or -1. */
int km_slot_find(const char *name);

/* The slot holding the gradient with respect to `slot`, or -1. */
int km_slot_grad(km_slot slot);

#endif
