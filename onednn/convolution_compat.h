/* convolution_compat.h: dnnl_compat.h for convolutions and reductions.
 *
 * A bias without a descriptor is none. The algorithm is never `auto`, which may choose Winograd: that is not exact
 * on small integers, and only cases that ask for it get it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONVOLUTION_COMPAT_H
#define KM_CONVOLUTION_COMPAT_H

#include "dnnl_compat.h"

/* Of a convolution: its tensors and, for h and w, what oneDNN wants to know beside them. */
typedef struct convolution {
    desc image, filter, result, bias;
    int has_bias;
    dnnl_alg_kind_t algorithm;
    dnnl_dims_t stride, dilation, pad; /* oneDNN counts dilation from 0 */
} convolution;

#if DNNL_VERSION_MAJOR >= 3

static inline dnnl_status_t convolution_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                dnnl_prop_kind_t kind, const convolution *c)
{
    return dnnl_convolution_forward_primitive_desc_create(
        pd, engine, kind, c->algorithm, c->image.md, c->filter.md, c->has_bias ? c->bias.md : NULL,
        c->result.md, c->stride, c->dilation, c->pad, c->pad, NULL);
}

static inline dnnl_status_t convolution_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             const convolution *c, dnnl_primitive_desc_t forward)
{
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, engine, c->algorithm, c->image.md, c->filter.md, c->result.md, c->stride, c->dilation,
        c->pad, c->pad, forward, NULL);
}

static inline dnnl_status_t convolution_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                const convolution *c, dnnl_primitive_desc_t forward)
{
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, engine, c->algorithm, c->image.md, c->filter.md, NULL, c->result.md, c->stride,
        c->dilation, c->pad, c->pad, forward, NULL);
}

static inline dnnl_status_t reduction_sum(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const desc *from, const desc *to)
{
    return dnnl_reduction_primitive_desc_create(pd, engine, dnnl_reduction_sum, from->md, to->md, 0,
                                                0, NULL);
}

#else

static inline dnnl_status_t convolution_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                dnnl_prop_kind_t kind, const convolution *c)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &op, kind, c->algorithm, &c->image.md, &c->filter.md, c->has_bias ? &c->bias.md : NULL,
        &c->result.md, c->stride, c->dilation, c->pad, c->pad);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t convolution_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             const convolution *c, dnnl_primitive_desc_t forward)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &op, c->algorithm, &c->image.md, &c->filter.md, &c->result.md, c->stride, c->dilation,
        c->pad, c->pad);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

static inline dnnl_status_t convolution_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                const convolution *c, dnnl_primitive_desc_t forward)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &op, c->algorithm, &c->image.md, &c->filter.md, NULL, &c->result.md, c->stride, c->dilation,
        c->pad, c->pad);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

static inline dnnl_status_t reduction_sum(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const desc *from, const desc *to)
{
    dnnl_reduction_desc_t op;
    dnnl_status_t status =
        dnnl_reduction_desc_init(&op, dnnl_reduction_sum, &from->md, &to->md, 0, 0);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

#endif
#endif
