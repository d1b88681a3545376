/* names.c: slot, size and attribute names, from the lists in kernelmark.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/names.h"

#include <stdio.h>
#include <string.h>

#define NAME(id, name) name,
const char *const km_slot_name[KM_SLOT_COUNT] = {KM_SLOTS(NAME)};
const char *const km_dim_name[KM_DIM_COUNT] = {KM_DIMS(NAME)};
const char *const km_attr_name[KM_ATTR_COUNT] = {KM_ATTRS(NAME)};
#undef NAME

int km_slot_find(const char *name)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (!strcmp(km_slot_name[s], name))
            return s;
    return -1;
}

int km_slot_grad(km_slot slot)
{
    char name[64];
    snprintf(name, sizeof name, "grad_%s", km_slot_name[slot]);
    return km_slot_find(name);
}
