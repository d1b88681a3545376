/* pool_native.h: native tensors, [image][channel / V][h][w][channel % V], of values or indices; and an
 * entry of the kernels' tables. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POOL_NATIVE_H
#define KM_POOL_NATIVE_H

#include "pool.h"

static inline int64_t km_pool_blocks(const km_pool *p)
{
    return p->images * ((p->channels + V - 1) / V);
}

static inline int64_t km_pool_plane(const km_pool *p, km_slot slot)
{
    return slot == KM_X || slot == KM_GRAD_X ? p->h.in * p->w.in : p->h.out * p->w.out;
}

static inline int64_t km_pool_native_count(const void *plan, km_slot slot)
{
    const km_pool *p = plan;
    return p->how == POOL_BLOCKS ? km_pool_blocks(p) * km_pool_plane(p, slot) * V : 0;
}

/* Elements of four bytes, floats or not. */
static inline void km_pool_copy(const km_pool *p, km_slot slot, int32_t *plain, int32_t *native,
                                int back)
{
    const int64_t plane = km_pool_plane(p, slot), blocks = (p->channels + V - 1) / V;
    for (int64_t b = 0; b < p->images * blocks; b++)
        for (int64_t i = 0; i < plane * V; i++) {
            const int64_t c = b % blocks * V + i % V;
            int32_t *own = plain + (b / blocks * p->channels + c) * plane + i / V;
            if (!back)
                native[b * plane * V + i] = c < p->channels ? *own : 0;
            else if (c < p->channels)
                *own = native[b * plane * V + i];
        }
}

static inline void km_pool_to_native(void *plan, km_slot slot, const void *plain, void *native)
{
    km_pool_copy(plan, slot, (int32_t *)plain, native, 0);
}

static inline void km_pool_from_native(void *plan, km_slot slot, const void *native, void *plain)
{
    km_pool_copy(plan, slot, plain, (int32_t *)native, 1);
}

#define KM_POOL_KERNEL(name, pass_name, open_pass)                                                 \
    {                                                                                              \
        .op = name, .pass = pass_name, .open = open_pass, .run = run, .run_part = run_part,        \
        .close = km_pool_close, .describe = km_pool_describe,                                      \
        .native_count = km_pool_native_count, .to_native = km_pool_to_native,                      \
        .from_native = km_pool_from_native                                                         \
    }

#endif
