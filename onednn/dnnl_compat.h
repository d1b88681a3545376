/* dnnl_compat.h: one spelling for the calls that differ between oneDNN 2.x and 3.x.
 *
 * 2.x fills an operation descriptor and passes memory descriptors by value; 3.x creates the
 * primitive descriptor in one call, from opaque memory descriptors and with one of these per
 * tensor. Functions return the library's status. No other file asks for the version.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_DNNL_COMPAT_H
#define KM_DNNL_COMPAT_H

#include <stddef.h>

#include <oneapi/dnnl/dnnl.h>

/* A float tensor in row-major order. */
typedef struct desc {
    dnnl_memory_desc_t md; /* 3.x: a handle that desc_destroy releases */
} desc;

static inline void row_major(int ndims, const dnnl_dims_t dims, dnnl_dims_t strides)
{
    dnnl_dim_t stride = 1;
    for (int i = ndims - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

#if DNNL_VERSION_MAJOR >= 3

/* What the eltwise algorithms want beyond their mathematical definition. */
static const float hardswish_alpha = 1.0f / 6, hardswish_beta = 0.5f;
enum { soft_relu_has_alpha = 1 };

static inline dnnl_status_t desc_create(desc *d, int ndims, const dnnl_dims_t dims)
{
    dnnl_dims_t strides;
    row_major(ndims, dims, strides);
    return dnnl_memory_desc_create_with_strides(&d->md, ndims, dims, dnnl_f32, strides);
}

/* The same, of bytes. */
static inline dnnl_status_t desc_bytes(desc *d, int ndims, const dnnl_dims_t dims)
{
    dnnl_dims_t strides;
    row_major(ndims, dims, strides);
    return dnnl_memory_desc_create_with_strides(&d->md, ndims, dims, dnnl_u8, strides);
}

static inline void desc_destroy(desc *d)
{
    if (d->md)
        dnnl_memory_desc_destroy(d->md);
    d->md = NULL;
}

static inline dnnl_status_t memory_create(dnnl_memory_t *memory, const desc *d,
                                          dnnl_engine_t engine)
{
    return dnnl_memory_create(memory, d->md, engine, DNNL_MEMORY_NONE);
}

static inline dnnl_status_t eltwise_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            dnnl_alg_kind_t alg, const desc *data, float alpha,
                                            float beta)
{
    return dnnl_eltwise_forward_primitive_desc_create(pd, engine, dnnl_forward_training, alg,
                                                      data->md, data->md, alpha, beta, NULL);
}

static inline dnnl_status_t eltwise_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             dnnl_alg_kind_t alg, const desc *data, float alpha,
                                             float beta, dnnl_primitive_desc_t forward)
{
    return dnnl_eltwise_backward_primitive_desc_create(pd, engine, alg, data->md, data->md,
                                                       data->md, alpha, beta, forward, NULL);
}

static inline dnnl_status_t binary(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                   dnnl_alg_kind_t alg, const desc *a, const desc *b,
                                   const desc *dst, dnnl_primitive_attr_t attr)
{
    return dnnl_binary_primitive_desc_create(pd, engine, alg, a->md, b->md, dst->md, attr);
}

static inline dnnl_status_t prelu_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const desc *data, const desc *weight)
{
    return dnnl_prelu_forward_primitive_desc_create(pd, engine, dnnl_forward_training, data->md,
                                                    weight->md, data->md, NULL);
}

static inline dnnl_status_t prelu_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                           const desc *data, const desc *weight,
                                           dnnl_primitive_desc_t forward)
{
    return dnnl_prelu_backward_primitive_desc_create(pd, engine, data->md, weight->md, data->md,
                                                     weight->md, data->md, forward, NULL);
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha,
                                           float beta)
{
    return dnnl_post_ops_append_eltwise(ops, alg, alpha, beta);
}

static inline dnnl_status_t append_binary(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, const desc *rhs)
{
    return dnnl_post_ops_append_binary(ops, alg, rhs->md);
}

/* ---- layouts: any strides, the library's choice, what it chose, conversion ---- */

static inline dnnl_status_t desc_strided(desc *d, int ndims, const dnnl_dims_t dims,
                                         const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(&d->md, ndims, dims, dnnl_f32, strides);
}

static inline dnnl_status_t desc_tagged(desc *d, int ndims, const dnnl_dims_t dims,
                                        dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(&d->md, ndims, dims, dnnl_f32, tag);
}

static inline dnnl_status_t desc_any(desc *d, int ndims, const dnnl_dims_t dims)
{
    return dnnl_memory_desc_create_with_tag(&d->md, ndims, dims, dnnl_f32, dnnl_format_tag_any);
}

static inline dnnl_status_t desc_chosen(desc *d, dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_memory_desc_clone(&d->md, dnnl_primitive_desc_query_md(pd, what, 0));
}

static inline size_t desc_size(const desc *d)
{
    return dnnl_memory_desc_get_size(d->md);
}

static inline int desc_equal(const desc *a, const desc *b)
{
    return dnnl_memory_desc_equal(a->md, b->md);
}

static inline dnnl_status_t reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                    const desc *from, const desc *to)
{
    return dnnl_reorder_primitive_desc_create(pd, from->md, engine, to->md, engine, NULL);
}

/* ---- products; a bias without a descriptor is none ---- */

static inline dnnl_status_t inner_product_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  dnnl_prop_kind_t kind, const desc *x,
                                                  const desc *weight, const desc *bias,
                                                  const desc *y)
{
    return dnnl_inner_product_forward_primitive_desc_create(pd, engine, kind, x->md, weight->md,
                                                            bias ? bias->md : NULL, y->md, NULL);
}

static inline dnnl_status_t inner_product_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const desc *x, const desc *weight, const desc *y,
                                               dnnl_primitive_desc_t forward)
{
    return dnnl_inner_product_backward_data_primitive_desc_create(pd, engine, x->md, weight->md,
                                                                  y->md, forward, NULL);
}

static inline dnnl_status_t inner_product_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  const desc *x, const desc *weight,
                                                  const desc *bias, const desc *y,
                                                  dnnl_primitive_desc_t forward)
{
    return dnnl_inner_product_backward_weights_primitive_desc_create(
        pd, engine, x->md, weight->md, bias ? bias->md : NULL, y->md, forward, NULL);
}

static inline dnnl_status_t matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const desc *a,
                                   const desc *b, const desc *bias, const desc *c)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, a->md, b->md, bias ? bias->md : NULL,
                                             c->md, NULL);
}

/* ---- rows: softmax, alg accurate or log ---- */

static inline dnnl_status_t softmax_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            dnnl_alg_kind_t alg, const desc *data, int axis)
{
    return dnnl_softmax_forward_primitive_desc_create(pd, engine, dnnl_forward_training, alg,
                                                      data->md, data->md, axis, NULL);
}

static inline dnnl_status_t softmax_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             dnnl_alg_kind_t alg, const desc *data, int axis,
                                             dnnl_primitive_desc_t forward)
{
    return dnnl_softmax_backward_primitive_desc_create(pd, engine, alg, data->md, data->md,
                                                       data->md, axis, forward, NULL);
}

#else

static const float hardswish_alpha = 0, hardswish_beta = 0;
enum { soft_relu_has_alpha = 0 };

static inline dnnl_status_t desc_create(desc *d, int ndims, const dnnl_dims_t dims)
{
    dnnl_dims_t strides;
    row_major(ndims, dims, strides);
    return dnnl_memory_desc_init_by_strides(&d->md, ndims, dims, dnnl_f32, strides);
}

/* The same, of bytes. */
static inline dnnl_status_t desc_bytes(desc *d, int ndims, const dnnl_dims_t dims)
{
    dnnl_dims_t strides;
    row_major(ndims, dims, strides);
    return dnnl_memory_desc_init_by_strides(&d->md, ndims, dims, dnnl_u8, strides);
}

static inline void desc_destroy(desc *d)
{
    (void)d;
}

static inline dnnl_status_t memory_create(dnnl_memory_t *memory, const desc *d,
                                          dnnl_engine_t engine)
{
    return dnnl_memory_create(memory, &d->md, engine, DNNL_MEMORY_NONE);
}

static inline dnnl_status_t eltwise_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            dnnl_alg_kind_t alg, const desc *data, float alpha,
                                            float beta)
{
    dnnl_eltwise_desc_t op;
    dnnl_status_t status =
        dnnl_eltwise_forward_desc_init(&op, dnnl_forward_training, alg, &data->md, alpha, beta);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t eltwise_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             dnnl_alg_kind_t alg, const desc *data, float alpha,
                                             float beta, dnnl_primitive_desc_t forward)
{
    dnnl_eltwise_desc_t op;
    dnnl_status_t status =
        dnnl_eltwise_backward_desc_init(&op, alg, &data->md, &data->md, alpha, beta);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

static inline dnnl_status_t binary(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                   dnnl_alg_kind_t alg, const desc *a, const desc *b,
                                   const desc *dst, dnnl_primitive_attr_t attr)
{
    dnnl_binary_desc_t op;
    dnnl_status_t status = dnnl_binary_desc_init(&op, alg, &a->md, &b->md, &dst->md);
    return status ? status : dnnl_primitive_desc_create(pd, &op, attr, engine, NULL);
}

static inline dnnl_status_t prelu_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const desc *data, const desc *weight)
{
    dnnl_prelu_desc_t op;
    dnnl_status_t status =
        dnnl_prelu_forward_desc_init(&op, dnnl_forward_training, &data->md, &weight->md);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t prelu_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                           const desc *data, const desc *weight,
                                           dnnl_primitive_desc_t forward)
{
    dnnl_prelu_desc_t op;
    dnnl_status_t status =
        dnnl_prelu_backward_desc_init(&op, &data->md, &weight->md, &data->md, &weight->md);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha,
                                           float beta)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0f, alg, alpha, beta);
}

static inline dnnl_status_t append_binary(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, const desc *rhs)
{
    return dnnl_post_ops_append_binary(ops, alg, &rhs->md);
}

static inline dnnl_status_t desc_strided(desc *d, int ndims, const dnnl_dims_t dims,
                                         const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(&d->md, ndims, dims, dnnl_f32, strides);
}

static inline dnnl_status_t desc_tagged(desc *d, int ndims, const dnnl_dims_t dims,
                                        dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(&d->md, ndims, dims, dnnl_f32, tag);
}

static inline dnnl_status_t desc_any(desc *d, int ndims, const dnnl_dims_t dims)
{
    return dnnl_memory_desc_init_by_tag(&d->md, ndims, dims, dnnl_f32, dnnl_format_tag_any);
}

static inline dnnl_status_t desc_chosen(desc *d, dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    d->md = *dnnl_primitive_desc_query_md(pd, what, 0);
    return dnnl_success;
}

static inline size_t desc_size(const desc *d)
{
    return dnnl_memory_desc_get_size(&d->md);
}

static inline int desc_equal(const desc *a, const desc *b)
{
    return dnnl_memory_desc_equal(&a->md, &b->md);
}

static inline dnnl_status_t reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                    const desc *from, const desc *to)
{
    return dnnl_reorder_primitive_desc_create(pd, &from->md, engine, &to->md, engine, NULL);
}

static inline dnnl_status_t inner_product_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  dnnl_prop_kind_t kind, const desc *x,
                                                  const desc *weight, const desc *bias,
                                                  const desc *y)
{
    dnnl_inner_product_desc_t op;
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(&op, kind, &x->md, &weight->md,
                                                                bias ? &bias->md : NULL, &y->md);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t inner_product_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const desc *x, const desc *weight, const desc *y,
                                               dnnl_primitive_desc_t forward)
{
    dnnl_inner_product_desc_t op;
    dnnl_status_t status =
        dnnl_inner_product_backward_data_desc_init(&op, &x->md, &weight->md, &y->md);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

static inline dnnl_status_t inner_product_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  const desc *x, const desc *weight,
                                                  const desc *bias, const desc *y,
                                                  dnnl_primitive_desc_t forward)
{
    dnnl_inner_product_desc_t op;
    dnnl_status_t status = dnnl_inner_product_backward_weights_desc_init(
        &op, &x->md, &weight->md, bias ? &bias->md : NULL, &y->md);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

static inline dnnl_status_t matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const desc *a,
                                   const desc *b, const desc *bias, const desc *c)
{
    dnnl_matmul_desc_t op;
    dnnl_status_t status =
        dnnl_matmul_desc_init(&op, &a->md, &b->md, bias ? &bias->md : NULL, &c->md);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t softmax_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            dnnl_alg_kind_t alg, const desc *data, int axis)
{
    dnnl_softmax_v2_desc_t op;
    dnnl_status_t status = dnnl_softmax_v2_forward_desc_init(&op, dnnl_forward_training, alg,
                                                             &data->md, &data->md, axis);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, NULL);
}

static inline dnnl_status_t softmax_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             dnnl_alg_kind_t alg, const desc *data, int axis,
                                             dnnl_primitive_desc_t forward)
{
    dnnl_softmax_v2_desc_t op;
    dnnl_status_t status =
        dnnl_softmax_v2_backward_desc_init(&op, alg, &data->md, &data->md, &data->md, axis);
    return status ? status : dnnl_primitive_desc_create(pd, &op, NULL, engine, forward);
}

#endif
#endif
