/* pool_native.h: native tensors, [image][channel / V][h][w][channel % V], of values, or of indices as a
 * byte each: which tap of its window was chosen. And an entry of the kernels' tables.
 * SPDX-License-Identifier: Apache-2.0 */
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

/* V is a multiple of four. */
static inline int64_t km_pool_native_count(const void *plan, km_slot slot)
{
    const km_pool *p = plan;
    const int64_t count = km_pool_blocks(p) * km_pool_plane(p, slot) * V;
    if (p->how != POOL_BLOCKS)
        return 0;
    return slot == KM_INDICES ? count / 4 : count;
}

/* Where element i of a plane of a native tensor's channel lies. */
static inline int64_t km_pool_place(const km_pool *p, int64_t image, int64_t c, int64_t plane,
                                    int64_t i)
{
    const int64_t blocks = (p->channels + V - 1) / V;
    return ((image * blocks + c / V) * plane + i) * V + c % V;
}

static inline uint8_t km_tap_of(const km_pool *p, int64_t window, int32_t index)
{
    const int64_t h = index / p->w.in - (window / p->w.out * p->h.stride - p->h.pad);
    const int64_t w = index % p->w.in - (window % p->w.out * p->w.stride - p->w.pad);
    return (uint8_t)(h / p->h.dilation * p->w.kernel + w / p->w.dilation);
}

static inline int32_t km_index_of(const km_pool *p, int64_t window, uint8_t tap)
{
    const int64_t h = window / p->w.out * p->h.stride - p->h.pad;
    const int64_t w = window % p->w.out * p->w.stride - p->w.pad;
    return (int32_t)((h + tap / p->w.kernel * p->h.dilation) * p->w.in + w +
                     tap % p->w.kernel * p->w.dilation);
}

static inline void km_pool_to_native(void *plan, km_slot slot, const void *plain, void *native)
{
    const km_pool *p = plan;
    const int64_t plane = km_pool_plane(p, slot);
    memset(native, 0, (size_t)km_pool_native_count(p, slot) * sizeof(float));
    for (int64_t k = 0; k < p->planes; k++)
        for (int64_t i = 0; i < plane; i++) {
            const int64_t at = km_pool_place(p, k / p->channels, k % p->channels, plane, i);
            if (slot == KM_INDICES)
                ((uint8_t *)native)[at] = km_tap_of(p, i, ((const int32_t *)plain)[k * plane + i]);
            else
                ((float *)native)[at] = ((const float *)plain)[k * plane + i];
        }
}

static inline void km_pool_from_native(void *plan, km_slot slot, const void *native, void *plain)
{
    const km_pool *p = plan;
    const int64_t plane = km_pool_plane(p, slot);
    for (int64_t k = 0; k < p->planes; k++)
        for (int64_t i = 0; i < plane; i++) {
            const int64_t at = km_pool_place(p, k / p->channels, k % p->channels, plane, i);
            if (slot == KM_INDICES)
                ((int32_t *)plain)[k * plane + i] =
                    km_index_of(p, i, ((const uint8_t *)native)[at]);
            else
                ((float *)plain)[k * plane + i] = ((const float *)native)[at];
        }
}

#define KM_POOL_KERNEL(name, pass_name, open_pass)                                                 \
    {                                                                                              \
        .op = name, .pass = pass_name, .open = open_pass, .run = run, .run_part = run_part,        \
        .close = km_pool_close, .describe = km_pool_describe,                                      \
        .native_count = km_pool_native_count, .to_native = km_pool_to_native,                      \
        .from_native = km_pool_from_native                                                         \
    }

#endif
