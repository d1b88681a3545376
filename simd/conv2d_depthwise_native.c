/* conv2d_depthwise_native.c: one input channel to each group, in tensors whose groups come in blocks of V.
 *
 * x: image, block of groups, pixel, lane. y: image, block, channel of the group, pixel, lane. Weights: block, channel of
 * the group, tap, lane. What is left of the last block is zeros. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_depthwise.h"

typedef struct plan {
    km_conv_shape shape;
    km_depth_plan depth;
    km_slot result;
    int64_t blocks, parts;
} plan;

static int64_t taps_of(const plan *p)
{
    return p->shape.h.kernel * p->shape.w.kernel;
}

/* ---- passes ---- */

static void forward_plane(const plan *p, const km_args *args, int64_t n, int64_t block, int64_t k)
{
    const km_conv_shape *s = &p->shape;
    const int64_t in = s->h.in * s->w.in * V, out = s->h.out * s->w.out * V;
    const float *bias = args->slot[KM_BIAS].count ? args->slot[KM_BIAS].data : NULL;
    const float *x = (const float *)args->slot[KM_X].data + (n * p->blocks + block) * in;
    const float *w =
        (const float *)args->slot[KM_WEIGHT].data + (block * s->k + k) * taps_of(p) * V;
    float start[V] = {0};
    for (int64_t i = 0; bias && i < V && block * V + i < s->groups; i++)
        start[i] = bias[(block * V + i) * s->k + k];
    km_depth_run(&p->depth, x, w, start,
                 (float *)args->slot[KM_Y].data + ((n * p->blocks + block) * s->k + k) * out);
}

static void data_plane(const plan *p, const km_args *args, int64_t n, int64_t block)
{
    static const float zeros[V];
    const km_conv_shape *s = &p->shape;
    const int64_t in = s->h.in * s->w.in * V, out = s->h.out * s->w.out * V;
    for (int64_t k = 0; k < s->k; k++)
        km_depth_run(
            &p->depth,
            (const float *)args->slot[KM_GRAD_Y].data + ((n * p->blocks + block) * s->k + k) * out,
            (const float *)args->slot[KM_WEIGHT].data + (block * s->k + k) * taps_of(p) * V,
            k ? NULL : zeros, (float *)args->slot[KM_GRAD_X].data + (n * p->blocks + block) * in);
}

/* Sums of an image in float, those of the images in order. */
static void weights_plane(const plan *p, const km_args *args, int64_t block, int64_t k)
{
    const km_conv_shape *s = &p->shape;
    const int64_t in = s->h.in * s->w.in * V, out = s->h.out * s->w.out * V, taps = taps_of(p);
    float *sums = (float *)args->slot[KM_GRAD_WEIGHT].data + (block * s->k + k) * taps * V;
    memset(sums, 0, (size_t)(taps * V) * sizeof *sums);
    for (int64_t n = 0; n < s->n; n++)
        km_depth_sum(&p->depth, (const float *)args->slot[KM_X].data + (n * p->blocks + block) * in,
                     (const float *)args->slot[KM_GRAD_Y].data +
                         ((n * p->blocks + block) * s->k + k) * out,
                     sums);
}

/* Units: channels of a group, in blocks, in images; of gradients of weights, of all images. */
static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    const int64_t channels = p->result == KM_GRAD_X ? 1 : p->shape.k;
    const int64_t units = (p->result == KM_GRAD_WEIGHT ? 1 : p->shape.n) * p->blocks * channels;
    const int64_t first = units * part / p->parts, end = units * (part + 1) / p->parts;
    int64_t k = first % channels, block = first / channels % p->blocks;
    int64_t n = first / channels / p->blocks;
    for (int64_t u = first; phase == 0 && u < end; u++) {
        if (p->result == KM_Y)
            forward_plane(p, args, n, block, k);
        else if (p->result == KM_GRAD_X)
            data_plane(p, args, n, block);
        else
            weights_plane(p, args, block, k);
        if (++k < channels)
            continue;
        k = 0;
        if (++block == p->blocks) {
            block = 0;
            n++;
        }
    }
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int part = 0; part < p->parts; part++)
        run_part(args, 0, part);
}

/* ---- native layouts ---- */

/* A tensor: images, channels of a group, elements of a channel. */
typedef struct layout {
    int64_t n, channels, elements;
} layout;

static layout layout_of(const plan *p, km_slot slot)
{
    const km_conv_shape *s = &p->shape;
    if (slot == KM_X || slot == KM_GRAD_X)
        return (layout){s->n, 1, s->h.in * s->w.in};
    if (slot == KM_Y || slot == KM_GRAD_Y)
        return (layout){s->n, s->k, s->h.out * s->w.out};
    return (layout){1, s->k, taps_of(p)};
}

/* Where element i of channel k of group g of image n lies in the plain tensor. */
static int64_t plain_at(const plan *p, const layout *l, int64_t n, int64_t g, int64_t k, int64_t i)
{
    return ((n * p->shape.groups + g) * l->channels + k) * l->elements + i;
}

static void copy(const plan *p, const layout *l, float *plain, float *native, int back)
{
    const int64_t groups = p->shape.groups;
    for (int64_t b = 0; b < l->n * p->blocks; b++)
        for (int64_t k = 0; k < l->channels; k++)
            for (int64_t i = 0; i < l->elements; i++)
                for (int64_t g = b % p->blocks * V; g < (b % p->blocks + 1) * V; g++, native++)
                    if (!back)
                        *native = g < groups ? plain[plain_at(p, l, b / p->blocks, g, k, i)] : 0;
                    else if (g < groups)
                        plain[plain_at(p, l, b / p->blocks, g, k, i)] = *native;
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    static const int is_native[KM_SLOT_COUNT] = {
        [KM_X] = 1,      [KM_Y] = 1,      [KM_WEIGHT] = 1,
        [KM_GRAD_X] = 1, [KM_GRAD_Y] = 1, [KM_GRAD_WEIGHT] = 1};
    const plan *p = plan_;
    const layout l = layout_of(p, slot);
    return is_native[slot] ? l.n * p->blocks * l.channels * l.elements * V : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const plan *p = plan_;
    const layout l = layout_of(p, slot);
    copy(p, &l, (float *)plain, native, 0);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const plan *p = plan_;
    const layout l = layout_of(p, slot);
    copy(p, &l, plain, (float *)native, 1);
}

/* ---- plan ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    km_depth_close(&p->depth);
    free(p);
}

static int open_plan(plan *p, const km_args *args)
{
    p->blocks = km_ceil_div(p->shape.groups, V);
    p->parts = km_max64(1, args->threads);
    return km_depth_open(&p->depth, &p->shape, p->result == KM_GRAD_X);
}

/* Plain tensors fill the vectors with pixels, however few groups there are. */
static int is_for_others(const km_conv_shape *s)
{
    return s->c != 1 || s->k == 0 || s->n == 0 || s->groups * 4 < km_round_up(s->groups, V) * 3;
}

static const char *open(const km_args *args, void **out, km_slot result)
{
    const km_conv_shape s = km_conv_shape_of(args->params);
    if (is_for_others(&s))
        return "not a channel to each group, or few groups";
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    p->shape = s;
    p->result = result;
    if (open_plan(p, args)) {
        close(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    (void)plan_;
    strcpy(info->impl, "depthwise, blocked groups");
}

#define OPEN(pass, result)                                                                         \
    static const char *open_##pass(const km_args *args, void **plan_)                              \
    {                                                                                              \
        return open(args, plan_, result);                                                          \
    }
OPEN(forward, KM_Y)
OPEN(backward_data, KM_GRAD_X)
OPEN(backward_weights, KM_GRAD_WEIGHT)

#define KERNEL(pass_name)                                                                          \
    {.op = "conv2d",                                                                               \
     .pass = #pass_name,                                                                           \
     .open = open_##pass_name,                                                                     \
     .run = run,                                                                                   \
     .close = close,                                                                               \
     .describe = describe,                                                                         \
     .run_part = run_part,                                                                         \
     .native_count = native_count,                                                                 \
     .to_native = to_native,                                                                       \
     .from_native = from_native},
const km_kernel km_depth_native[] = {KERNEL(forward) KERNEL(backward_data)
                                         KERNEL(backward_weights){0}};
