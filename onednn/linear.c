/* linear.c: y = x weight^T + bias and its gradients, as inner_product or matmul.
 *
 * On plain tensors three ways are tried in open, and the fastest one is kept: inner_product on the weights as they lie,
 * inner_product on the layout that the library would choose with the conversion inside the timing, and matmul.
 * In the native layout the weights of forward and backward_data are converted ahead. Products without terms or
 * results, which the library does not take, are filled in here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fastest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum direction { FORWARD, DATA, WEIGHTS } direction;
typedef enum route { AS_IT_LIES, CONVERTED, MATMUL, AHEAD } route;

typedef struct recipe {
    direction pass;
    route way;
    int64_t *native; /* build_conversion: floats of the converted weights */
} recipe;

/* What a kernel of this file keeps: a plan for each product, and the conversions of its weights. */
typedef struct products {
    recipe recipe[2];
    plan *plan[2]; /* NULL where there is nothing to multiply */
    int count;
    int64_t native;   /* floats of the converted weights */
    plan *conversion; /* to that layout: from slot KM_WEIGHT to KM_GRAD_WEIGHT */
} products;

/* ---- tensors ---- */

typedef struct tensors {
    desc x, y, bias, weight; /* plain */
    desc chosen;             /* weights as the primitive wants them */
} tensors;

static dnnl_status_t describe(tensors *t, const km_args *args, route way)
{
    const int64_t *d = args->params->dim, n = d[KM_DIM_N], c = d[KM_DIM_C], k = d[KM_DIM_K];
    *t = (tensors){0};
    dnnl_status_t status = desc_create(&t->x, 2, (const dnnl_dims_t){n, c});
    if (!status)
        status = desc_create(&t->y, 2, (const dnnl_dims_t){n, k});
    if (!status)
        status = way == MATMUL ? desc_create(&t->bias, 2, (const dnnl_dims_t){1, k})
                               : desc_create(&t->bias, 1, (const dnnl_dims_t){k});
    if (!status)
        status = desc_create(&t->weight, 2, (const dnnl_dims_t){k, c});
    if (!status)
        status = way == AS_IT_LIES ? desc_create(&t->chosen, 2, (const dnnl_dims_t){k, c})
                                   : desc_any(&t->chosen, 2, (const dnnl_dims_t){k, c});
    return status;
}

static void destroy(tensors *t)
{
    desc_destroy(&t->x);
    desc_destroy(&t->y);
    desc_destroy(&t->bias);
    desc_destroy(&t->weight);
    desc_destroy(&t->chosen);
}

static int has_bias(const km_args *args)
{
    return args->params->attr[KM_WITH_BIAS] != 0;
}

/* ---- inner products ---- */

static dnnl_status_t inner_product(dnnl_primitive_desc_t *pd, const plan *p, const tensors *t,
                                   const km_args *args, direction pass)
{
    const desc *bias = has_bias(args) ? &t->bias : NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status;
    if (pass == FORWARD)
        return inner_product_forward(pd, p->engine, dnnl_forward_inference, &t->x, &t->chosen, bias,
                                     &t->y);
    status = inner_product_forward(&hint, p->engine, dnnl_forward_training, &t->x, &t->chosen, bias,
                                   &t->y);
    if (!status && pass == DATA)
        status = inner_product_data(pd, p->engine, &t->x, &t->chosen, &t->y, hint);
    else if (!status)
        status = inner_product_weights(pd, p->engine, &t->x, &t->chosen, bias, &t->y, hint);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

/* One step from one layout of the weights to the other. */
static const char *convert(plan *p, const desc *from, int from_slot, const desc *to, int to_slot)
{
    dnnl_primitive_desc_t pd = NULL;
    if (reorder(&pd, p->engine, from, to))
        return "oneDNN cannot convert the weights";
    const dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, km_onednn_memory(p, from, from_slot, 0)},
                                   {DNNL_ARG_TO, km_onednn_memory(p, to, to_slot, 0)}};
    const char *reason = km_onednn_step(p, pd, arg, 2);
    dnnl_primitive_desc_destroy(pd);
    return reason;
}

static const char *multiply(plan *p, const tensors *t, const km_args *args, direction pass,
                            dnnl_primitive_desc_t pd, int weights)
{
    const int backward = pass != FORWARD, last = has_bias(args) && pass != DATA;
    const dnnl_exec_arg_t arg[] = {
        {pass == DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
         km_onednn_memory(p, &t->x, pass == DATA ? KM_GRAD_X : KM_X, 0)},
        {pass == WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
         km_onednn_memory(p, &t->chosen, weights, 0)},
        {backward ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST,
         km_onednn_memory(p, &t->y, backward ? KM_GRAD_Y : KM_Y, 0)},
        {backward ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS,
         last ? km_onednn_memory(p, &t->bias, backward ? KM_GRAD_BIAS : KM_BIAS, 0) : NULL}};
    return km_onednn_step(p, pd, arg, last ? 4 : 3);
}

static const char *build_inner_product(plan *p, const km_args *args, const tensors *plain,
                                       const recipe *r)
{
    tensors t = *plain;
    dnnl_primitive_desc_t pd = NULL;
    const int slot = r->pass == WEIGHTS ? KM_GRAD_WEIGHT : KM_WEIGHT;
    const char *reason = "oneDNN has no inner_product for these sizes";
    if (inner_product(&pd, p, &t, args, r->pass))
        return reason;
    t.chosen = (desc){0};
    reason = "oneDNN does not say which layout it chose";
    if (!desc_chosen(&t.chosen, pd,
                     r->pass == WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md)) {
        const int moved = r->way == CONVERTED && !desc_equal(&t.chosen, &t.weight);
        const int own = moved ? SCRATCH_SLOT : slot;
        reason = NULL;
        if (moved)
            reason = km_onednn_scratch(p, (int64_t)(desc_size(&t.chosen) / sizeof(float)));
        if (!reason && moved && r->pass != WEIGHTS)
            reason = convert(p, &t.weight, slot, &t.chosen, SCRATCH_SLOT);
        if (!reason)
            reason = multiply(p, &t, args, r->pass, pd, own);
        if (!reason && moved && r->pass == WEIGHTS)
            reason = convert(p, &t.chosen, SCRATCH_SLOT, &t.weight, slot);
    }
    desc_destroy(&t.chosen);
    dnnl_primitive_desc_destroy(pd);
    return reason;
}

/* ---- matmul: of the transposed weights, or of grad_y by the weights ---- */

static const char *build_matmul(plan *p, const km_args *args, const tensors *t, direction pass)
{
    const int64_t *d = args->params->dim, c = d[KM_DIM_C], k = d[KM_DIM_K];
    const desc *bias = pass == FORWARD && has_bias(args) ? &t->bias : NULL;
    const desc *a = pass == FORWARD ? &t->x : &t->y, *out = pass == FORWARD ? &t->y : &t->x;
    desc turned = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no matmul for these sizes";
    if (desc_strided(&turned, 2, (const dnnl_dims_t){c, k}, (const dnnl_dims_t){1, c}))
        return reason;
    const desc *b = pass == FORWARD ? &turned : &t->weight;
    if (!matmul(&pd, p->engine, a, b, bias, out)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, a, pass == FORWARD ? KM_X : KM_GRAD_Y, 0)},
            {DNNL_ARG_WEIGHTS, km_onednn_memory(p, b, KM_WEIGHT, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, out, pass == FORWARD ? KM_Y : KM_GRAD_X, 0)},
            {DNNL_ARG_BIAS, bias ? km_onednn_memory(p, bias, KM_BIAS, 0) : NULL}};
        reason = km_onednn_step(p, pd, arg, bias ? 4 : 3);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&turned);
    return reason;
}

static const char *build(plan *p, const km_args *args, const void *recipe_)
{
    const recipe *r = recipe_;
    tensors t;
    const char *reason = "oneDNN cannot describe the tensors";
    if (!describe(&t, args, r->way))
        reason = r->way == MATMUL ? build_matmul(p, args, &t, r->pass)
                                  : build_inner_product(p, args, &t, r);
    destroy(&t);
    return reason;
}

/* The conversion of the weights alone, for those who do it ahead. */
static const char *build_conversion(plan *p, const km_args *args, const void *recipe_)
{
    const recipe *r = recipe_;
    tensors t;
    desc chosen = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN does not say which layout it chose";
    if (!describe(&t, args, AHEAD) && !inner_product(&pd, p, &t, args, r->pass) &&
        !desc_chosen(&chosen, pd, dnnl_query_weights_md)) {
        *r->native = (int64_t)(desc_size(&chosen) / sizeof(float));
        reason = convert(p, &t.weight, KM_WEIGHT, &chosen, KM_GRAD_WEIGHT);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&chosen);
    destroy(&t);
    return reason;
}

/* ---- the fastest way ---- */

static const char *open_fastest(const km_args *args, recipe *r, plan **fastest)
{
    plan *made[AHEAD];
    recipe by[AHEAD];
    int64_t floats[KM_SLOT_COUNT];
    int count = 0;
    for (int i = 0; i < (r->pass == WEIGHTS ? MATMUL : AHEAD); i++) {
        void *opened = NULL;
        by[count] = (recipe){r->pass, (route)i, NULL};
        if (!km_onednn_open(args, build, &by[count], &opened))
            made[count++] = opened;
    }
    if (!count)
        return "oneDNN has no way to compute this";
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        floats[s] = args->slot[s].count;
    const int best = km_onednn_fastest(made, count, args, floats);
    for (int i = 0; i < count; i++)
        if (i != best)
            km_onednn_close(made[i]);
    if (best < 0)
        return "out of memory";
    *r = by[best];
    *fastest = made[best];
    return NULL;
}

/* ---- kernels ---- */

static void close(void *products_)
{
    products *p = products_;
    if (!p)
        return;
    for (int i = 0; i < p->count; i++)
        km_onednn_close(p->plan[i]);
    km_onednn_close(p->conversion);
    free(p);
}

/* Weights converted ahead: the product, and the conversion. */
static const char *open_ahead(const km_args *args, products *p)
{
    void *product = NULL, *conversion = NULL;
    p->recipe[0].way = AHEAD;
    p->recipe[0].native = &p->native;
    const char *reason = km_onednn_open(args, build, &p->recipe[0], &product);
    if (!reason)
        reason = km_onednn_open(args, build_conversion, &p->recipe[0], &conversion);
    p->plan[0] = product;
    p->conversion = conversion;
    return reason;
}

static const char *open(const km_args *args, void **out, products start)
{
    const int64_t *d = args->params->dim;
    products *p = malloc(sizeof *p);
    const char *reason = NULL;
    if (!p)
        return "out of memory";
    *p = start;
    const int empty = d[KM_DIM_N] == 0 || d[KM_DIM_C] == 0 || d[KM_DIM_K] == 0;
    const int ahead = args->layout == KM_NATIVE && p->count == 1 && p->recipe[0].pass != WEIGHTS;
    if (!empty && ahead)
        reason = open_ahead(args, p);
    else
        for (int i = 0; i < p->count && !empty && !reason; i++)
            reason = open_fastest(args, &p->recipe[i], &p->plan[i]);
    if (reason) {
        close(p);
        p = NULL;
    }
    *out = p;
    return reason;
}

static const char *open_forward(const km_args *args, void **out)
{
    return open(args, out, (products){.recipe = {{.pass = FORWARD}}, .count = 1});
}

static const char *open_data(const km_args *args, void **out)
{
    return open(args, out, (products){.recipe = {{.pass = DATA}}, .count = 1});
}

static const char *open_weights(const km_args *args, void **out)
{
    return open(args, out, (products){.recipe = {{.pass = WEIGHTS}}, .count = 1});
}

static const char *open_backward(const km_args *args, void **out)
{
    return open(args, out, (products){.recipe = {{.pass = DATA}, {.pass = WEIGHTS}}, .count = 2});
}

/* Sums without terms: zeros, and y is the bias. */
static void fill_empty(const km_args *args)
{
    static const km_slot sums[] = {KM_Y, KM_GRAD_X, KM_GRAD_WEIGHT, KM_GRAD_BIAS};
    const km_tensor *y = &args->slot[KM_Y], *bias = &args->slot[KM_BIAS];
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        const km_tensor *t = &args->slot[sums[i]];
        if (t->count)
            memset(t->data, 0, (size_t)t->count * sizeof(float));
    }
    for (int64_t i = 0; bias->count && i < y->count; i++)
        ((float *)y->data)[i] = ((const float *)bias->data)[i % bias->count];
    const km_tensor *g = &args->slot[KM_GRAD_Y], *sum = &args->slot[KM_GRAD_BIAS];
    for (int64_t i = 0; sum->count && i < g->count; i++)
        ((float *)sum->data)[i % sum->count] += ((const float *)g->data)[i];
}

static void run(const km_args *args)
{
    const products *p = args->plan;
    km_args own = *args;
    if (!p->plan[0])
        fill_empty(args);
    for (int i = 0; i < p->count && p->plan[i]; i++) {
        own.plan = p->plan[i];
        km_onednn_run(&own);
    }
}

static void describe_products(const void *products_, km_kernel_info *info)
{
    const products *p = products_;
    size_t used = 0;
    for (int i = 0; i < p->count && p->plan[i]; i++) {
        km_kernel_info one = {0};
        km_onednn_describe(p->plan[i], &one);
        info->workspace_bytes += one.workspace_bytes;
        used +=
            (size_t)snprintf(info->impl + used, sizeof info->impl - used, "%s%s%s", i ? ", " : "",
                             p->recipe[i].way == MATMUL ? "matmul " : "", one.impl);
        if (used >= sizeof info->impl)
            break;
    }
}

static int64_t native_count(const void *products_, km_slot slot)
{
    return slot == KM_WEIGHT ? ((const products *)products_)->native : 0;
}

static void to_native(void *products_, km_slot slot, const void *plain, void *native)
{
    products *p = products_;
    km_args own = {.plan = p->conversion};
    (void)slot;
    own.slot[KM_WEIGHT].data = (void *)plain;
    own.slot[KM_GRAD_WEIGHT].data = native;
    km_onednn_run(&own);
}

#define KERNEL(pass, open_pass)                                                                    \
    {                                                                                              \
        "linear", pass, open_pass, run, close, describe_products, .native_count = native_count,    \
                                                                  .to_native = to_native           \
    }
const km_kernel km_onednn_linear[] = {
    KERNEL("forward", open_forward),
    KERNEL("backward", open_backward),
    KERNEL("backward_data", open_data),
    KERNEL("backward_weights", open_weights),
    {0},
};
