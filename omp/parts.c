/* parts.c: ops whose kernels know how to cut their own work: all threads call km_kernel.run_part.
 *
 * The kernel's plan is opened for the number of threads that the case is worth; phases are separated by a
 * barrier. Where the cuts lie is the kernel's business, and so is that they do not change bits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core/pass.h"
#include "core/registry.h"
#include "slice.h"

typedef struct plan {
    const km_kernel *inner;
    const km_backend *from;
    km_args args; /* what the inner plan was opened with; no data */
} plan;

/* In elements of KM_OMP_STREAM: what takes as long as 8 bytes of traffic or 8 flops on one core. */
static int64_t work_of(const char *op_name, const char *pass_name, const km_args *args)
{
    const km_op *op = km_op_find(op_name);
    const km_pass *pass = km_pass_find(op, pass_name);
    const double bytes = km_pass_bytes(op, pass, args->params);
    const double flops = km_pass_flops(op, pass, args->params);
    const double most = bytes > flops ? bytes : flops;
    return most < 0x1p60 ? (int64_t)(most / 8) : INT64_MAX / 16;
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (p && p->inner->close)
        p->inner->close(p->args.plan);
    free(p);
}

static const char *open(const km_args *args, void **out, const char *op, const char *pass)
{
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    p->inner = km_widest_kernel(op, pass, &p->from);
    p->args = *args;
    p->args.plan = NULL;
    p->args.threads = p->inner && p->inner->run_part
                          ? km_omp_threads(args, KM_OMP_STREAM, work_of(op, pass, args))
                          : 1;
    const char *reason = p->inner ? NULL : "no single-thread kernel to call";
    if (!reason && p->inner->open)
        reason = p->inner->open(&p->args, &p->args.plan);
    if (reason)
        free(p);
    else
        *out = p;
    return reason;
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    km_args own = *args;
    own.plan = p->args.plan;
    own.threads = p->args.threads;
    if (own.threads == 1) {
        p->inner->run(&own);
        return;
    }
    const int phases = p->inner->phases > 1 ? p->inner->phases : 1;
    for (int phase = 0; phase < phases; phase++) {
#pragma omp parallel for num_threads(own.threads) schedule(static, 1)
        for (int part = 0; part < own.threads; part++)
            p->inner->run_part(&own, phase, part);
    }
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    km_omp_describe(info, p->from, p->inner, p->args.plan, p->args.threads);
}

/* ---- native layouts are those of the inner kernel ---- */

static int64_t native_count(const void *plan_, km_slot slot)
{
    const plan *p = plan_;
    return p->inner->native_count ? p->inner->native_count(p->args.plan, slot) : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const plan *p = plan_;
    p->inner->to_native(p->args.plan, slot, plain, native);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const plan *p = plan_;
    p->inner->from_native(p->args.plan, slot, native, plain);
}

/* ---- op and pass ---- */

#define LINES(L)                                                                                   \
    L(conv2d, forward)                                                                             \
    L(conv2d, backward_data)                                                                       \
    L(conv2d, backward_weights)                                                                    \
    L(conv2d, backward_bias)                                                                       \
    L(linear, forward)                                                                             \
    L(linear, backward)                                                                            \
    L(linear, backward_data)                                                                       \
    L(linear, backward_weights)                                                                    \
    L(max_pool2d, forward)                                                                         \
    L(max_pool2d, backward)                                                                        \
    L(avg_pool2d, forward)                                                                         \
    L(avg_pool2d, backward)                                                                        \
    L(adaptive_avg_pool2d, forward)                                                                \
    L(adaptive_avg_pool2d, backward)                                                               \
    L(batch_norm, forward)                                                                         \
    L(batch_norm, backward)                                                                        \
    L(layer_norm, forward)                                                                         \
    L(layer_norm, backward)                                                                        \
    L(softmax, forward)                                                                            \
    L(softmax, backward)                                                                           \
    L(log_softmax, forward)                                                                        \
    L(log_softmax, backward)                                                                       \
    L(cross_entropy, forward)                                                                      \
    L(cross_entropy, backward)                                                                     \
    L(cross_entropy, forward_backward)                                                             \
    L(binary_cross_entropy, forward)                                                               \
    L(binary_cross_entropy, backward)                                                              \
    L(binary_cross_entropy_with_logits, forward)                                                   \
    L(binary_cross_entropy_with_logits, backward)                                                  \
    L(mse_loss, forward)                                                                           \
    L(mse_loss, backward)                                                                          \
    L(flatten, forward)                                                                            \
    L(flatten, backward)                                                                           \
    L(l1_penalty, forward)                                                                         \
    L(l1_penalty, forward_backward)                                                                \
    L(l2_penalty, forward)                                                                         \
    L(l2_penalty, forward_backward)                                                                \
    L(l2_half_penalty, forward)                                                                    \
    L(l2_half_penalty, forward_backward)                                                           \
    L(dropout, forward)                                                                            \
    L(dropout, backward)                                                                           \
    L(dropout, forward_backward)                                                                   \
    L(dropout, mask)                                                                               \
    L(clip_grad_value, forward)                                                                    \
    L(clip_grad_norm, forward)                                                                     \
    L(clip_grad_norm, norm)                                                                        \
    L(standardize_columns, forward)                                                                \
    L(standardize_columns, fit)                                                                    \
    L(standardize_columns, apply)                                                                  \
    L(standardize_columns, inverse)                                                                \
    L(min_max_columns, forward)                                                                    \
    L(min_max_columns, fit)                                                                        \
    L(min_max_columns, apply)                                                                      \
    L(min_max_columns, inverse)                                                                    \
    L(init, forward)                                                                               \
    L(sgd, step)                                                                                   \
    L(sgd_momentum, step)                                                                          \
    L(nag, step)                                                                                   \
    L(adagrad, step)                                                                               \
    L(rmsprop, step)                                                                               \
    L(adam, step)                                                                                  \
    L(adamw, step)                                                                                 \
    L(ewma, step)

/* open must know which op it is for: one entry point per op and pass. */
#define ENTRY(op, pass)                                                                            \
    static const char *op##_##pass(const km_args *args, void **out)                                \
    {                                                                                              \
        return open(args, out, #op, #pass);                                                        \
    }
LINES(ENTRY)

#define KERNEL(op, pass)                                                                           \
    {#op,                                                                                          \
     #pass,                                                                                        \
     op##_##pass,                                                                                  \
     run,                                                                                          \
     close,                                                                                        \
     describe,                                                                                     \
     .native_count = native_count,                                                                 \
     .to_native = to_native,                                                                       \
     .from_native = from_native},
const km_kernel km_omp_parts[] = {LINES(KERNEL){0}};
