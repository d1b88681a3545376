/* conv2d_layouts.c: which of the ways to convolve computes a case, by pass, layout and shape.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_depthwise.h"
#include "conv2d_native.h"
#include "conv2d_passes.h"
#include "conv2d_windows.h"
#include "conv2d_winograd.h"

typedef struct plan {
    const km_kernel *kernel;
    void *plan; /* that kernel's */
} plan;

/* The first that has the pass and takes the case computes it; the last one takes all. */
static const struct engine {
    const km_kernel *list;
    int plain, native; /* layouts of the caller's tensors that it is asked for */
} engines[] = {
    {km_conv_winograd, 1, 1},       /* what asks for it */
    {km_conv_pointwise, 1, 0},      /* 1x1 */
    {km_depth_native, 0, 1},        /* groups of one channel */
    {km_conv_native, 1, 1},         /* forward, backward_data */
    {km_conv_windows, 1, 1},        /* backward_weights of few, odd or grouped channels */
    {km_conv_native_weights, 0, 1}, /* and of whole blocks */
    {km_conv_plain, 1, 1},          /* anything */
};

static const char *open_one(plan *p, const km_kernel *list, const km_args *args, const char *pass)
{
    const km_kernel *k = list;
    while (k->op && strcmp(k->pass, pass) != 0)
        k++;
    *p = (plan){.kernel = k};
    if (!k->op)
        return "no such kernel";
    return k->open ? k->open(args, &p->plan) : NULL;
}

static const char *open(const km_args *args, void **out, const char *pass)
{
    plan *p = malloc(sizeof *p);
    if (!p)
        return "out of memory";
    const char *reason = "no such kernel";
    for (size_t i = 0; i < sizeof engines / sizeof *engines && reason; i++)
        if (args->layout == KM_NATIVE ? engines[i].native : engines[i].plain)
            reason = open_one(p, engines[i].list, args, pass);
    if (reason)
        free(p);
    else
        *out = p;
    return reason;
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (p && p->kernel->close)
        p->kernel->close(p->plan);
    free(p);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    if (p->kernel->describe)
        p->kernel->describe(p->plan, info);
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    km_args own = *args;
    own.plan = p->plan;
    p->kernel->run(&own);
}

static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    km_args own = *args;
    own.plan = p->plan;
    if (p->kernel->run_part && phase < (p->kernel->phases ? p->kernel->phases : 1))
        p->kernel->run_part(&own, phase, part);
    else if (!p->kernel->run_part && phase == 0 && part == 0)
        p->kernel->run(&own);
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    const plan *p = plan_;
    return p->kernel->native_count ? p->kernel->native_count(p->plan, slot) : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const plan *p = plan_;
    p->kernel->to_native(p->plan, slot, plain, native);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const plan *p = plan_;
    p->kernel->from_native(p->plan, slot, native, plain);
}

/* open must know which pass it is for. As many phases as any of them has. */
#define PASSES(P) P(forward) P(backward_data) P(backward_weights) P(backward_bias)
#define OPEN(pass)                                                                                 \
    static const char *open_##pass(const km_args *args, void **plan_)                              \
    {                                                                                              \
        return open(args, plan_, #pass);                                                           \
    }
PASSES(OPEN)

#define KERNEL(pass_name)                                                                          \
    {.op = "conv2d",                                                                               \
     .pass = #pass_name,                                                                           \
     .open = open_##pass_name,                                                                     \
     .run = run,                                                                                   \
     .close = close,                                                                               \
     .describe = describe,                                                                         \
     .run_part = run_part,                                                                         \
     .phases = 2,                                                                                  \
     .native_count = native_count,                                                                 \
     .to_native = to_native,                                                                       \
     .from_native = from_native},
extern const km_kernel KM_KERNELS(conv2d)[];
const km_kernel KM_KERNELS(conv2d)[] = {PASSES(KERNEL){0}};
