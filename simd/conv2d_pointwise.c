/* conv2d_pointwise.c: 1x1 convolutions of stride 1 over plain tensors: a product of matrices for each image and group,
 * weights by pixels, or their transpose for backward_data. Nothing is turned: pixels lie along vectors as they are.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d_passes.h"
#include "gemm.h"
#include "parts.h"

enum { ALIGN = 64 };

typedef struct plan {
    km_gemm g;
    km_slot source, result;
    int64_t images, groups;
    int parts,
        apart;    /* apart: parts have images or groups of their own, else all share each product */
    int64_t work; /* floats of a part */
    float *memory;
} plan;

/* Planes of few pixels leave lanes empty, and weights are read for few of them; few channels would leave more. */
static int is_pointwise(const km_case *c, int forward)
{
    enum { FEW = 128 };
    const int64_t *d = c->dim;
    const double *a = c->attr;
    const int64_t results = d[forward ? KM_DIM_K : KM_DIM_C] / (int64_t)a[KM_GROUPS];
    const int few_channels = results * 4 < km_round_up(results, V) * 3;
    return (d[KM_DIM_H] * d[KM_DIM_W] >= FEW || few_channels) && d[KM_DIM_R] == 1 &&
           d[KM_DIM_S] == 1 && a[KM_STRIDE] == 1 && a[KM_STRIDE_W] == 1 && a[KM_PAD] == 0 &&
           a[KM_PAD_W] == 0;
}

static km_gemm product_of(const km_case *c, int forward)
{
    const int64_t *d = c->dim, groups = (int64_t)c->attr[KM_GROUPS];
    const int64_t plane = d[KM_DIM_H] * d[KM_DIM_W];
    const int64_t sources = d[KM_DIM_C] / groups, results = d[KM_DIM_K] / groups;
    return (km_gemm){.m = forward ? results : sources,
                     .n = plane,
                     .k = forward ? sources : results,
                     .lda = sources,
                     .ldb = plane,
                     .ldc = plane,
                     .a_along_k = forward,
                     .bias_by_row = 1};
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (p)
        free(p->memory);
    free(p);
}

static const char *open_work(plan *p, void **out)
{
    const size_t bytes = (size_t)(p->work * p->parts) * sizeof(float);
    p->memory = bytes ? aligned_alloc(ALIGN, km_round_up((int64_t)bytes, ALIGN)) : NULL;
    if (bytes && !p->memory) {
        close(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static const char *open(const km_args *args, void **out, int forward)
{
    const km_case *c = args->params;
    if (!is_pointwise(c, forward) || args->layout != KM_PLAIN)
        return "not pointwise";
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    p->g = product_of(c, forward);
    p->source = forward ? KM_X : KM_GRAD_Y;
    p->result = forward ? KM_Y : KM_GRAD_X;
    p->images = c->dim[KM_DIM_N];
    p->groups = (int64_t)c->attr[KM_GROUPS];
    p->parts = args->threads > 1 ? args->threads : 1;
    p->apart = p->images * p->groups >= 2 * p->parts;
    p->g.parts = p->apart ? 1 : p->parts;
    km_gemm_plan(&p->g);
    p->work = p->g.work;
    return open_work(p, out);
}

static const char *open_forward(const km_args *args, void **out)
{
    return open(args, out, 1);
}

static const char *open_data(const km_args *args, void **out)
{
    return open(args, out, 0);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    strcpy(info->impl, "direct, ");
    strcat(info->impl, km_gemm_words(&p->g));
    info->workspace_bytes = p->work * p->parts * (int64_t)sizeof(float);
}

/* Product `unit` of all images' groups. */
static void run_unit(const km_args *args, int64_t unit, int part, int cut)
{
    const plan *p = args->plan;
    const km_gemm *g = &p->g;
    const int64_t group = unit % p->groups;
    const float *bias = args->slot[KM_BIAS].count ? args->slot[KM_BIAS].data : NULL;
    km_gemm_run(g, (const float *)args->slot[KM_WEIGHT].data + group * g->m * g->k,
                (const float *)args->slot[p->source].data + unit * g->k * g->n,
                bias ? bias + group * g->m : NULL,
                (float *)args->slot[p->result].data + unit * g->m * g->n,
                p->memory + part * p->work, cut);
}

static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    const int64_t units = p->images * p->groups;
    const km_range own = p->apart ? km_share(units, part, p->parts) : (km_range){0, units};
    (void)phase;
    for (int64_t i = own.from; i < own.to; i++)
        run_unit(args, i, part, p->apart ? 0 : part);
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int part = 0; part < p->parts; part++)
        run_part(args, 0, part);
}

#define KERNEL(pass_name, open_pass)                                                               \
    {                                                                                              \
        .op = "conv2d", .pass = pass_name, .open = open_pass, .run = run, .close = close,          \
        .describe = describe, .run_part = run_part, .phases = 1                                    \
    }
const km_kernel km_conv_pointwise[] = {
    KERNEL("forward", open_forward), KERNEL("backward_data", open_data), {0}};
