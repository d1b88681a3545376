/* dnnl_norm.h: normalisation primitives in one spelling for oneDNN 2.x and 3.x, as dnnl_compat.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_DNNL_NORM_H
#define KM_DNNL_NORM_H

#include "dnnl_compat.h"

/* A kind of normalisation primitive. `stat` is of layer normalisation only; without it: of a batch. */
typedef struct norm {
    const desc *data, *stat;
    float eps;
    unsigned flags;
    dnnl_prop_kind_t forward, backward;
} norm;

#if DNNL_VERSION_MAJOR >= 3

static inline dnnl_status_t norm_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                         const norm *n)
{
    const dnnl_memory_desc_t x = n->data->md;
    if (n->stat)
        return dnnl_layer_normalization_forward_primitive_desc_create(
            pd, engine, n->forward, x, x, n->stat->md, n->eps, n->flags, NULL);
    return dnnl_batch_normalization_forward_primitive_desc_create(pd, engine, n->forward, x, x,
                                                                  n->eps, n->flags, NULL);
}

static inline dnnl_status_t norm_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const norm *n, dnnl_primitive_desc_t hint)
{
    const dnnl_memory_desc_t x = n->data->md;
    if (n->stat)
        return dnnl_layer_normalization_backward_primitive_desc_create(
            pd, engine, n->backward, x, x, x, n->stat->md, n->eps, n->flags, hint, NULL);
    return dnnl_batch_normalization_backward_primitive_desc_create(pd, engine, n->backward, x, x, x,
                                                                   n->eps, n->flags, hint, NULL);
}

#else

static inline dnnl_status_t norm_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                         const norm *n)
{
    union {
        dnnl_layer_normalization_desc_t layer;
        dnnl_batch_normalization_desc_t batch;
    } op;
    const dnnl_status_t status =
        n->stat ? dnnl_layer_normalization_forward_desc_init(&op.layer, n->forward, &n->data->md,
                                                             &n->stat->md, n->eps, n->flags)
                : dnnl_batch_normalization_forward_desc_init(&op.batch, n->forward, &n->data->md,
                                                             n->eps, n->flags);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t norm_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const norm *n, dnnl_primitive_desc_t hint)
{
    union {
        dnnl_layer_normalization_desc_t layer;
        dnnl_batch_normalization_desc_t batch;
    } op;
    const dnnl_memory_desc_t *x = &n->data->md;
    const dnnl_status_t status =
        n->stat ? dnnl_layer_normalization_backward_desc_init(&op.layer, n->backward, x, x,
                                                              &n->stat->md, n->eps, n->flags)
                : dnnl_batch_normalization_backward_desc_init(&op.batch, n->backward, x, x, n->eps,
                                                              n->flags);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, hint);
}

#endif
#endif
