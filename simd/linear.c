/* linear.c: y = x weight^T + bias, and its gradients: three matrix products (gemm.h) and a sum of rows.
 *
 * All matrices are used where they lie; what is transposed or packed, and for which shapes, is gemm.c's decision, made
 * in open. In the native layout the weights of forward are packed once. Parts are cut along any size but the
 * one that is summed over. grad_bias adds the rows of grad_y in order, in blocks of BLOCK rows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gemm.h"

#include <kernelmark.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 256, WIDE = 8, PRODUCTS = 2, ALIGN = 64 };

/* A product of a pass: the slots of c = a b. */
typedef struct product {
    km_gemm g;
    km_slot a, b, c;
} product;

typedef struct plan {
    product product[PRODUCTS];
    int products;
    int64_t work; /* floats for each part */
    float *memory;
} plan;

/* ---- the three products ---- */

static product forward_product(const km_case *c)
{
    const int64_t *d = c->dim;
    return (product){{.m = d[KM_DIM_N],
                      .n = d[KM_DIM_K],
                      .k = d[KM_DIM_C],
                      .lda = d[KM_DIM_C],
                      .ldb = d[KM_DIM_C],
                      .ldc = d[KM_DIM_K],
                      .a_along_k = 1,
                      .b_along_k = 1},
                     KM_X,
                     KM_WEIGHT,
                     KM_Y};
}

/* Of one feature, gradients are a row by a matrix, not a matrix by a column that would leave all lanes but one empty. */
static product row_product(int64_t n, int64_t k, km_slot a, km_slot c)
{
    return (product){{.m = 1, .n = n, .k = k, .lda = k, .ldc = n, .a_along_k = 1}, a, KM_GRAD_Y, c};
}

static product data_product(const km_case *c)
{
    const int64_t *d = c->dim;
    if (d[KM_DIM_C] == 1) {
        product turned = row_product(d[KM_DIM_N], d[KM_DIM_K], KM_WEIGHT, KM_GRAD_X);
        turned.g.b_along_k = 1;
        turned.g.ldb = d[KM_DIM_K];
        return turned;
    }
    return (product){{.m = d[KM_DIM_N],
                      .n = d[KM_DIM_C],
                      .k = d[KM_DIM_K],
                      .lda = d[KM_DIM_K],
                      .ldb = d[KM_DIM_C],
                      .ldc = d[KM_DIM_C],
                      .a_along_k = 1},
                     KM_GRAD_Y,
                     KM_WEIGHT,
                     KM_GRAD_X};
}

static product weights_product(const km_case *c)
{
    const int64_t *d = c->dim;
    if (d[KM_DIM_C] == 1) {
        product turned = row_product(d[KM_DIM_K], d[KM_DIM_N], KM_X, KM_GRAD_WEIGHT);
        turned.g.ldb = d[KM_DIM_K];
        return turned;
    }
    return (product){{.m = d[KM_DIM_K],
                      .n = d[KM_DIM_C],
                      .k = d[KM_DIM_N],
                      .lda = d[KM_DIM_K],
                      .ldb = d[KM_DIM_C],
                      .ldc = d[KM_DIM_C]},
                     KM_GRAD_Y,
                     KM_X,
                     KM_GRAD_WEIGHT};
}

/* ---- plans ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (p)
        free(p->memory);
    free(p);
}

static const char *open(const km_args *args, void **out, const product *products, int count)
{
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    for (p->products = 0; p->products < count; p->products++) {
        product *one = &p->product[p->products];
        *one = products[p->products];
        one->g.parts = args->threads > 0 ? args->threads : 1;
        km_gemm_plan(&one->g);
        if (p->work < one->g.work)
            p->work = one->g.work;
    }
    const size_t bytes = (size_t)p->work * (size_t)p->product[0].g.parts * sizeof(float);
    p->memory = bytes ? aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN * ALIGN) : NULL;
    if (bytes && !p->memory) {
        close(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static const char *open_forward(const km_args *args, void **out)
{
    product forward = forward_product(args->params);
    forward.g.b_packed = args->layout == KM_NATIVE;
    return open(args, out, &forward, 1);
}

static const char *open_data(const km_args *args, void **out)
{
    const product data = data_product(args->params);
    return open(args, out, &data, 1);
}

static const char *open_weights(const km_args *args, void **out)
{
    const product weights = weights_product(args->params);
    return open(args, out, &weights, 1);
}

static const char *open_backward(const km_args *args, void **out)
{
    const product both[] = {data_product(args->params), weights_product(args->params)};
    return open(args, out, both, 2);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    int used = 0;
    info->workspace_bytes = p->work * p->product[0].g.parts * (int64_t)sizeof(float);
    for (int i = 0; i < p->products; i++)
        used += snprintf(info->impl + used, sizeof info->impl - (size_t)used, "%s%s", i ? ", " : "",
                         km_gemm_words(&p->product[i].g));
}

/* ---- runs ---- */

/* Some vectors of grad_bias from channel j on, the last one of `lanes` lanes: sums that do not wait for each other. */
KM_INLINE void sum_channels(const km_args *args, int64_t j, int vectors, int64_t lanes)
{
    const int64_t *d = args->params->dim, n = d[KM_DIM_N], k = d[KM_DIM_K];
    const float *grad_y = (const float *)args->slot[KM_GRAD_Y].data + j;
    float *grad_bias = (float *)args->slot[KM_GRAD_BIAS].data + j;
    vf total[WIDE];
    for (int v = 0; v < vectors; v++)
        total[v] = v_set(0);
    for (int64_t i = 0; i < n;) {
        vf sum[WIDE];
        for (int v = 0; v < vectors; v++)
            sum[v] = v_set(0);
        for (const int64_t end = i + BLOCK < n ? i + BLOCK : n; i < end; i++)
            for (int v = 0; v < vectors; v++)
                sum[v] = v_add(sum[v], lanes < V ? v_load_n(grad_y + i * k + v * V, lanes)
                                                 : v_load(grad_y + i * k + v * V));
        for (int v = 0; v < vectors; v++)
            total[v] = v_add(total[v], sum[v]);
    }
    for (int v = 0; v < vectors; v++)
        v_store_n(grad_bias + v * V, total[v], lanes);
}

/* Channels [from, to) of grad_bias. */
static void sum_rows(const km_args *args, int64_t from, int64_t to)
{
    int64_t j = from;
    for (; j + WIDE * V <= to; j += WIDE * V)
        sum_channels(args, j, WIDE, V);
    for (; j < to; j += V)
        sum_channels(args, j, 1, to - j);
}

static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    const int64_t channels = args->slot[KM_GRAD_BIAS].count, parts = args->threads;
    const float *bias = args->slot[KM_BIAS].count ? args->slot[KM_BIAS].data : NULL;
    (void)phase;
    for (int i = 0; i < p->products; i++) {
        const product *one = &p->product[i];
        km_gemm_run(&one->g, args->slot[one->a].data, args->slot[one->b].data, bias,
                    args->slot[one->c].data, p->memory + p->work * part, part);
    }
    sum_rows(args, channels * part / parts, channels * (part + 1) / parts);
}

static void run(const km_args *args)
{
    run_part(args, 0, 0);
}

/* ---- weights packed ahead ---- */

static int64_t native_count(const void *plan_, km_slot slot)
{
    const km_gemm *g = &((const plan *)plan_)->product[0].g;
    return slot == KM_WEIGHT && g->b_packed ? km_gemm_packed(g) : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const plan *p = plan_;
    (void)slot;
    km_gemm_pack(&p->product[0].g, plain, native);
}

extern const km_kernel KM_KERNELS(linear)[];
const km_kernel KM_KERNELS(linear)[] = {
    {.op = "linear",
     .pass = "forward",
     .open = open_forward,
     .run = run,
     .close = close,
     .describe = describe,
     .run_part = run_part,
     .native_count = native_count,
     .to_native = to_native},
#define BACKWARD(name, open_pass)                                                                  \
    {.op = "linear",                                                                               \
     .pass = name,                                                                                 \
     .open = open_pass,                                                                            \
     .run = run,                                                                                   \
     .close = close,                                                                               \
     .describe = describe,                                                                         \
     .run_part = run_part},
    BACKWARD("backward", open_backward) BACKWARD("backward_data", open_data)
        BACKWARD("backward_weights", open_weights){0},
};
