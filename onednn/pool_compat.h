/* pool_compat.h: pooling in the C APIs v2 and v3, as dnnl_compat.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ONEDNN_POOL_COMPAT_H
#define KM_ONEDNN_POOL_COMPAT_H

#include "dnnl_compat.h"

#if DNNL_VERSION_MAJOR >= 3

static inline dnnl_status_t desc_workspace(desc *d, dnnl_primitive_desc_t pd, size_t *bytes)
{
    const_dnnl_memory_desc_t own = dnnl_primitive_desc_query_md(pd, dnnl_query_workspace_md, 0);
    *bytes = own ? dnnl_memory_desc_get_size(own) : 0;
    return dnnl_memory_desc_clone(&d->md, own);
}

static inline dnnl_status_t pooling_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            dnnl_alg_kind_t alg, const desc *x, const desc *y,
                                            const dnnl_dims_t *at)
{
    return dnnl_pooling_forward_primitive_desc_create(pd, engine, dnnl_forward_training, alg, x->md,
                                                      y->md, at[0], at[1], at[2], at[3], at[4],
                                                      NULL);
}

static inline dnnl_status_t pooling_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             dnnl_alg_kind_t alg, const desc *x, const desc *y,
                                             const dnnl_dims_t *at, dnnl_primitive_desc_t forward)
{
    return dnnl_pooling_backward_primitive_desc_create(pd, engine, alg, x->md, y->md, at[0], at[1],
                                                       at[2], at[3], at[4], forward, NULL);
}

#else

static inline dnnl_status_t desc_workspace(desc *d, dnnl_primitive_desc_t pd, size_t *bytes)
{
    const dnnl_memory_desc_t *own = dnnl_primitive_desc_query_md(pd, dnnl_query_workspace_md, 0);
    *bytes = own ? dnnl_memory_desc_get_size(own) : 0;
    if (own)
        d->md = *own;
    return own ? dnnl_success : dnnl_invalid_arguments;
}

static inline dnnl_status_t pooling_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            dnnl_alg_kind_t alg, const desc *x, const desc *y,
                                            const dnnl_dims_t *at)
{
    dnnl_pooling_v2_desc_t op;
    dnnl_status_t status = dnnl_pooling_v2_forward_desc_init(
        &op, dnnl_forward_training, alg, &x->md, &y->md, at[0], at[1], at[2], at[3], at[4]);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t pooling_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             dnnl_alg_kind_t alg, const desc *x, const desc *y,
                                             const dnnl_dims_t *at, dnnl_primitive_desc_t forward)
{
    dnnl_pooling_v2_desc_t op;
    dnnl_status_t status = dnnl_pooling_v2_backward_desc_init(&op, alg, &x->md, &y->md, at[0],
                                                              at[1], at[2], at[3], at[4]);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

#endif
#endif
