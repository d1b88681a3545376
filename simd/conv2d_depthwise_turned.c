/* conv2d_depthwise_turned.c: plain tensors whose rows are shorter than a vector: V channels at a time are turned into a
 * plane with the channels side by side, and the results back. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_depthwise.h"
#include "conv2d_passes.h"

typedef struct plan {
    km_conv_shape shape;
    km_depth_plan depth;
    km_slot result;
    int64_t blocks, parts;
    int64_t x, y, taps; /* elements of a channel */
    int64_t work;       /* floats of a part: planes of x and y, weights */
    float *works;
} plan;

/* ---- turning ---- */

/* Few pixels: one by one. */
static void copy_pixels(float *plain, int64_t step, int64_t channels, int64_t pixels, float *turned,
                        int back)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < V; c++)
            if (!back)
                turned[i * V + c] = c < channels ? plain[c * step + i] : 0;
            else if (c < channels)
                plain[c * step + i] = turned[i * V + c];
}

/* V channels by V pixels, from_step and to_step apart: either way. */
KM_INLINE void turn_square(const float *from, int64_t from_step, float *to, int64_t to_step)
{
    vf r[V];
#pragma GCC unroll 16
    for (int i = 0; i < V; i++)
        r[i] = v_load(from + i * from_step);
    v_transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < V; i++)
        v_store(to + i * to_step, r[i]);
}

/* Channels that lie `step` floats apart. */
static void turn(const float *from, int64_t step, int64_t channels, int64_t pixels, float *to)
{
    for (; channels == V && pixels >= V; pixels -= V, from += V, to += V * V)
        turn_square(from, step, to, V);
    for (; pixels > V / 4; pixels -= V, from += V, to += V * V) {
        vf r[V];
        for (int c = 0; c < V; c++)
            r[c] = c < channels ? v_load_n(from + c * step, pixels) : v_set(0);
        v_transpose(r);
        for (int i = 0; i < V && i < pixels; i++)
            v_store(to + i * V, r[i]);
    }
    if (pixels > 0)
        copy_pixels((float *)from, step, channels, pixels, to, 0);
}

static void turn_back(const float *from, int64_t step, int64_t channels, int64_t pixels, float *to)
{
    for (; channels == V && pixels >= V; pixels -= V, from += V * V, to += V)
        turn_square(from, V, to, step);
    for (; pixels > V / 4; pixels -= V, from += V * V, to += V) {
        vf r[V];
        for (int i = 0; i < V; i++)
            r[i] = i < pixels ? v_load(from + i * V) : v_set(0);
        v_transpose(r);
        for (int c = 0; c < V && c < channels; c++)
            v_store_n(to + c * step, r[c], pixels);
    }
    if (pixels > 0)
        copy_pixels(to, step, channels, pixels, (float *)from, 1);
}

/* ---- units: a block of groups, or an image of it ---- */

typedef struct unit {
    const plan *p;
    const km_args *args;
    int64_t n, block, groups;
    float *x, *y, *w;
} unit;

/* Where channel k of the first group of the unit lies. */
static float *x_of(const unit *u, km_slot slot)
{
    const plan *p = u->p;
    return (float *)u->args->slot[slot].data + (u->n * p->shape.groups + u->block * V) * p->x;
}

static float *y_of(const unit *u, km_slot slot, int64_t k)
{
    const plan *p = u->p;
    return (float *)u->args->slot[slot].data +
           ((u->n * p->shape.groups + u->block * V) * p->shape.k + k) * p->y;
}

static float *w_of(const unit *u, km_slot slot, int64_t k)
{
    return (float *)u->args->slot[slot].data + (u->block * V * u->p->shape.k + k) * u->p->taps;
}

static void turn_weights(const unit *u)
{
    const plan *p = u->p;
    for (int64_t k = 0; k < p->shape.k; k++)
        turn(w_of(u, KM_WEIGHT, k), p->shape.k * p->taps, u->groups, p->taps,
             u->w + k * p->taps * V);
}

static void forward_unit(const unit *u)
{
    const plan *p = u->p;
    const int64_t m = p->shape.k;
    const km_tensor *bias = &u->args->slot[KM_BIAS];
    turn(x_of(u, KM_X), p->x, u->groups, p->x, u->x);
    for (int64_t k = 0; k < m; k++) {
        float start[V] = {0};
        for (int64_t i = 0; bias->count && i < u->groups; i++)
            start[i] = ((const float *)bias->data)[(u->block * V + i) * m + k];
        km_depth_run(&p->depth, u->x, u->w + k * p->taps * V, start, u->y);
        turn_back(u->y, m * p->y, u->groups, p->y, y_of(u, KM_Y, k));
    }
}

static void data_unit(const unit *u)
{
    static const float zeros[V];
    const plan *p = u->p;
    for (int64_t k = 0; k < p->shape.k; k++) {
        turn(y_of(u, KM_GRAD_Y, k), p->shape.k * p->y, u->groups, p->y, u->y);
        km_depth_run(&p->depth, u->y, u->w + k * p->taps * V, k ? NULL : zeros, u->x);
    }
    turn_back(u->x, p->x, u->groups, p->x, x_of(u, KM_GRAD_X));
}

static void weights_unit(unit *u)
{
    const plan *p = u->p;
    const int64_t m = p->shape.k;
    memset(u->w, 0, (size_t)(m * p->taps * V) * sizeof *u->w);
    for (u->n = 0; u->n < p->shape.n; u->n++) {
        turn(x_of(u, KM_X), p->x, u->groups, p->x, u->x);
        for (int64_t k = 0; k < m; k++) {
            turn(y_of(u, KM_GRAD_Y, k), m * p->y, u->groups, p->y, u->y);
            km_depth_sum(&p->depth, u->x, u->y, u->w + k * p->taps * V);
        }
    }
    for (int64_t k = 0; k < m; k++)
        turn_back(u->w + k * p->taps * V, m * p->taps, u->groups, p->taps,
                  w_of(u, KM_GRAD_WEIGHT, k));
}

static void run_part(const km_args *args, int phase, int part)
{
    (void)phase;
    const plan *p = args->plan;
    const int64_t images = p->result == KM_GRAD_WEIGHT ? 1 : p->shape.n;
    const int64_t units = p->blocks * images, first = units * part / p->parts;
    unit u = {.p = p, .args = args, .x = p->works + part * p->work};
    u.y = u.x + p->x * V;
    u.w = u.y + p->y * V;
    for (int64_t i = first; i < units * (part + 1) / p->parts; i++) {
        u.n = i % images;
        u.block = i / images;
        u.groups = km_min64(V, p->shape.groups - u.block * V);
        if (p->result != KM_GRAD_WEIGHT && (i == first || u.n == 0))
            turn_weights(&u);
        if (p->result == KM_Y)
            forward_unit(&u);
        else if (p->result == KM_GRAD_X)
            data_unit(&u);
        else
            weights_unit(&u);
    }
}

/* ---- plan ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    km_depth_close(&p->depth);
    free(p->works);
    free(p);
}

static int open_plan(plan *p)
{
    const km_conv_shape *s = &p->shape;
    p->x = s->h.in * s->w.in;
    p->y = s->h.out * s->w.out;
    p->taps = s->h.kernel * s->w.kernel;
    p->blocks = km_ceil_div(s->groups, V);
    p->work = km_round_up((p->x + p->y + s->k * p->taps) * V, ALIGN);
    p->works = aligned_alloc(ALIGN * sizeof(float), (size_t)(p->parts * p->work) * sizeof(float));
    return !p->works || km_depth_open(&p->depth, s, p->result == KM_GRAD_X) ? -1 : 0;
}

static int is_for_others(const km_conv_shape *s)
{
    return s->c != 1 || s->k == 0 || s->groups * 4 < km_round_up(s->groups, V) * 3;
}

static const char *open(const km_args *args, km_slot result, void **out)
{
    const km_conv_shape s = km_conv_shape_of(args->params);
    if (is_for_others(&s))
        return "not a channel to each group, or few groups";
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    *p = (plan){.shape = s, .result = result, .parts = km_max64(1, args->threads)};
    if (open_plan(p)) {
        close(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    static const char impl[] = "depthwise, channels turned";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = p->parts * p->work * (int64_t)sizeof(float);
}

const km_conv_algorithm km_conv_turned = {open, run_part, close, describe, 1};
