/* native.c: conversion to and from native layouts, outside of what is timed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/native.h"

#include <string.h>

#include "core/names.h"

static size_t bytes_of(const km_native *n, km_slot slot)
{
    return (size_t)n->count[slot] * sizeof(float);
}

int km_native_open(km_native *n, const km_kernel *kernel, const km_pass *pass, const km_args *args,
                   km_error *error)
{
    *n = (km_native){.kernel = kernel, .pass = pass};
    if (args->layout != KM_NATIVE || !kernel->native_count)
        return 0;
    for (const km_use *use = pass->use; use->access != KM_END; use++) {
        n->count[use->slot] = kernel->native_count(args->plan, use->slot);
        if (n->count[use->slot] && km_guard_open(&n->guard[use->slot], km_slot_name[use->slot],
                                                 bytes_of(n, use->slot), error)) {
            km_native_close(n);
            return -1;
        }
    }
    return 0;
}

void km_native_close(km_native *n)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (n->guard[s].map)
            km_guard_close(&n->guard[s]);
    *n = (km_native){0};
}

void km_native_lay(km_native *n, const km_args *args, km_side side, unsigned char prefill)
{
    if (!n->pass)
        return;
    for (const km_use *use = n->pass->use; use->access != KM_END; use++) {
        km_guard *g = &n->guard[use->slot];
        if (!n->count[use->slot])
            continue;
        km_guard_protect(g, 0);
        void *data = km_guard_place(g, bytes_of(n, use->slot), side, 0);
        memset(data, prefill, bytes_of(n, use->slot));
        if (use->access != KM_WRITE)
            n->kernel->to_native(args->plan, use->slot, args->slot[use->slot].data, data);
        km_guard_protect(g, use->access == KM_READ);
    }
}

km_args km_native_args(const km_native *n, const km_args *args)
{
    km_args own = *args;
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (n->count[s])
            own.slot[s].data = n->guard[s].data;
    return own;
}

int km_native_finish(const km_native *n, const km_args *args, km_error *error)
{
    if (!n->pass)
        return 0;
    for (const km_use *use = n->pass->use; use->access != KM_END; use++) {
        if (!n->count[use->slot])
            continue;
        if (use->access != KM_READ)
            n->kernel->from_native(args->plan, use->slot, n->guard[use->slot].data,
                                   args->slot[use->slot].data);
        if (km_guard_check(&n->guard[use->slot], error))
            return -1;
    }
    return 0;
}

void km_native_convert(km_native *n, const km_args *args)
{
    if (!n->pass)
        return;
    for (const km_use *use = n->pass->use; use->access != KM_END; use++) {
        void *native = n->guard[use->slot].data, *plain = args->slot[use->slot].data;
        if (!n->count[use->slot])
            continue;
        if (use->access != KM_WRITE)
            n->kernel->to_native(args->plan, use->slot, plain, native);
        if (use->access != KM_READ)
            n->kernel->from_native(args->plan, use->slot, native, plain);
    }
}
