/* pool.h: where windows lie, and what oneDNN's record of a maximum means.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ONEDNN_POOL_H
#define KM_ONEDNN_POOL_H

#include "pool_compat.h"
#include <kernelmark.h>

/* A layout of [n, c, h, w] by name; channels in blocks where block > 1, and last where block is 0. */
typedef struct layout {
    dnnl_format_tag_t tag;
    int block;
    const char *name;
} layout;

typedef struct windows {
    int64_t n, c, h, w, p, q, r, s;
    int64_t stride[2], pad[2], dilation[2];
    int32_t *place; /* of each tap in the plane, from tap 0 */
    uint8_t *tap;   /* the way back, where that is unique; else NULL */
} windows;

/* Where element [n, c, h, w] of a tensor with planes of h w elements lies. */
static inline int64_t offset_of(const layout *l, const windows *g, int64_t image, int64_t channel,
                                int64_t at, int64_t plane)
{
    const int64_t block = l->block ? l->block : g->c;
    const int64_t blocks = (g->c + block - 1) / block;
    return ((image * blocks + channel / block) * plane + at) * block + channel % block;
}

/* Indices from the workspace of a forward pass, whose elements have `size` bytes, and back. */
const char *km_onednn_index_open(windows *g);
void km_onednn_index_close(windows *g);
void km_onednn_to_indices(const windows *g, const layout *l, const void *workspace, int size,
                          int32_t *indices, int threads);
void km_onednn_from_indices(const windows *g, const layout *l, void *workspace, int size,
                            const int32_t *indices, int threads);

typedef struct pool {
    windows at;
    layout layout;
    dnnl_alg_kind_t alg;
    int max, backward, threads, native;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    desc plain[2], own[2], record; /* of input and output of this pass; of the workspace */
    dnnl_primitive_t main, convert[2];
    dnnl_memory_t plain_memory[2], own_memory[2], record_memory;
    void *buffer[2], *record_buffer;
    int record_size; /* bytes of an element of the workspace */
    int64_t bytes;
    const char *impl;
} pool;

/* Elements of the larger or the smaller tensor in the primitive's layout. */
static inline int64_t count_of(const pool *p, int output)
{
    const windows *g = &p->at;
    const int64_t block = p->layout.block > 1 ? p->layout.block : 1;
    return g->n * ((g->c + block - 1) / block * block) * (output ? g->p * g->q : g->h * g->w);
}

/* Primitive, conversions and memory of a pool whose first members are set, up to `native`; why not, or NULL. */
const char *km_onednn_pool_make(pool *p);
void km_onednn_pool_run(const pool *p, const km_args *args);
void km_onednn_pool_close(void *plan);

#endif
