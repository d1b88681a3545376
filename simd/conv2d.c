/* conv2d.c: convolution of plain NCHW tensors. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "conv2d.h"
#include "conv2d_passes.h"

/* ---- backward_bias: grad_bias[k] = sum of grad_y's planes k ---- */

enum { PART = 4096 }; /* elements summed in lanes of float before they go to the total in double */

static double part_sum(const float *g, int64_t n)
{
    vf sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    int64_t i = 0;
    for (; i + 4 * V <= n; i += 4 * V)
        for (int j = 0; j < 4; j++)
            sum[j] = v_add(sum[j], v_load(g + i + j * V));
    for (; i < n; i += V)
        sum[0] = v_add(sum[0], v_load_n(g + i, n - i));
    return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

static void backward_bias(const km_args *args)
{
    const km_tensor *g = &args->slot[KM_GRAD_Y];
    const int64_t channels = g->dim[1], plane = g->dim[2] * g->dim[3];
    float *grad_bias = args->slot[KM_GRAD_BIAS].data;
    for (int64_t k = 0; k < channels; k++) {
        double sum = 0;
        for (int64_t n = 0; n < g->dim[0]; n++) {
            const float *from = (const float *)g->data + (n * channels + k) * plane;
            for (int64_t i = 0; i < plane; i += PART)
                sum += part_sum(from + i, plane - i < PART ? plane - i : PART);
        }
        grad_bias[k] = (float)sum;
    }
}

/* ---- the other passes: the plan of an algorithm ---- */

typedef struct plan {
    const km_conv_algorithm *algorithm;
    void *own;
    int parts;
} plan;

/* The first of the algorithms that takes the case. */
static const char *open(const km_args *args, km_slot result, void **out,
                        const km_conv_algorithm *const *list)
{
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    p->parts = args->threads > 1 ? args->threads : 1;
    const char *reason = "";
    for (; *list && reason; list++) {
        p->algorithm = *list;
        reason = p->algorithm->open(args, result, &p->own);
    }
    if (reason)
        free(p);
    else
        *out = p;
    return reason;
}

#define OPEN(pass, result, ...)                                                                    \
    static const char *open_##pass(const km_args *args, void **out)                                \
    {                                                                                              \
        static const km_conv_algorithm *const list[] = {__VA_ARGS__, NULL};                        \
        return open(args, result, out, list);                                                      \
    }
OPEN(forward, KM_Y, &km_conv_rows, &km_conv_turned, &km_conv_depthwise, &km_conv_strips_of,
     &km_conv_tiles)
OPEN(backward_data, KM_GRAD_X, &km_conv_rows, &km_conv_turned, &km_conv_depthwise,
     &km_conv_strips_of, &km_conv_tiles)
OPEN(backward_weights, KM_GRAD_WEIGHT, &km_conv_dots, &km_conv_turned, &km_conv_depthwise,
     &km_conv_weights)

static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    km_args own = *args;
    own.plan = p->own;
    if (phase < p->algorithm->phases)
        p->algorithm->part(&own, phase, part);
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int phase = 0; phase < p->algorithm->phases; phase++)
        for (int part = 0; part < p->parts; part++)
            run_part(args, phase, part);
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (p)
        p->algorithm->close(p->own);
    free(p);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    p->algorithm->describe(p->own, info);
}

#define PASS(name)                                                                                 \
    {                                                                                              \
        "conv2d", #name, open_##name, run, close, describe, .run_part = run_part, .phases = 2      \
    }
const km_kernel km_conv_plain[] = {
    PASS(forward),
    PASS(backward_data),
    PASS(backward_weights),
    {.op = "conv2d", .pass = "backward_bias", .run = backward_bias},
    {0},
};
