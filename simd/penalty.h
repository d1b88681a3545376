/* penalty.h: value and gradient of a penalty in one pass over the weights.
 *
 * Sums are formed in pieces of PIECE elements, each in chunks as sums.h has it, and the pieces are added in
 * order: bits do not depend on who forms them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_PENALTY_H
#define KM_PENALTY_H

#include <stdlib.h>

#include "parts.h"
#include "sums.h"

enum { PIECE = 65536 };

typedef struct penalty {
    km_term term;
    km_made *slope;     /* of w and slope_scale lambda */
    double value_scale; /* y is this times lambda times the sum */
    double slope_scale;
} penalty;

typedef struct penalty_plan {
    int64_t pieces;
    double *sum; /* of each piece */
} penalty_plan;

static const char *penalty_open(const km_args *args, void **out)
{
    const int64_t pieces = (args->slot[KM_WEIGHT].count + PIECE - 1) / PIECE;
    penalty_plan *p = malloc(sizeof *p + (size_t)pieces * sizeof(double));
    if (!p)
        return "out of memory";
    *p = (penalty_plan){pieces, (double *)(p + 1)};
    *out = p;
    return NULL;
}

static void penalty_describe(const void *plan, km_kernel_info *info)
{
    info->workspace_bytes = ((const penalty_plan *)plan)->pieces * (int64_t)sizeof(double);
}

KM_INLINE double penalty_piece(const penalty *e, km_made *make, const km_args *args, int64_t i,
                               int64_t n, km_reach reach)
{
    const vf k = v_set((float)(e->slope_scale * args->params->attr[KM_LAMBDA]));
    float *grad = args->slot[KM_GRAD_WEIGHT].data;
    return km_sum(e->term, make, k, make ? grad + i : 0,
                  (const float *)args->slot[KM_WEIGHT].data + i, n, reach);
}

static inline void penalty_finish(const penalty *e, const km_args *args)
{
    const penalty_plan *p = args->plan;
    double sum = 0;
    for (int64_t i = 0; i < p->pieces; i++)
        sum += p->sum[i];
    *(float *)args->slot[KM_Y].data = (float)(e->value_scale * args->params->attr[KM_LAMBDA] * sum);
}

/* Phases: pieces, and their sum. */
KM_INLINE void penalty_part(const penalty *e, km_made *make, const km_args *args, int phase,
                            int part)
{
    const penalty_plan *p = args->plan;
    const int64_t count = args->slot[KM_WEIGHT].count;
    const km_range pieces = km_share(p->pieces, part, args->threads);
    const float *grad = make ? args->slot[KM_GRAD_WEIGHT].data : 0;
    const km_span span = {.a = args->slot[KM_WEIGHT].data, .inputs = 1};
    km_reach reach = km_reach_of(span, count);
    if (reach == KM_PAST && (!make || (uintptr_t)grad % sizeof(vf)))
        reach = KM_FAR;
    if (phase == 1 && part == 0)
        penalty_finish(e, args);
    for (int64_t i = pieces.from; phase == 0 && i < pieces.to; i++) {
        const int64_t at = i * PIECE, n = count - at < PIECE ? count - at : PIECE;
        p->sum[i] = reach == KM_NEAR  ? penalty_piece(e, make, args, at, n, KM_NEAR)
                    : reach == KM_FAR ? penalty_piece(e, make, args, at, n, KM_FAR)
                                      : penalty_piece(e, make, args, at, n, KM_PAST);
    }
    if (reach == KM_PAST)
        v_fence();
}

/* The kernels of an op from its `static const penalty it`. */
#define PENALTY_KERNELS(name)                                                                      \
    static void forward_part(const km_args *args, int phase, int part)                             \
    {                                                                                              \
        penalty_part(&it, 0, args, phase, part);                                                   \
    }                                                                                              \
    static void both_part(const km_args *args, int phase, int part)                                \
    {                                                                                              \
        penalty_part(&it, it.slope, args, phase, part);                                            \
    }                                                                                              \
    KM_RUN_PARTS(forward, 2)                                                                       \
    KM_RUN_PARTS(both, 2)                                                                          \
    extern const km_kernel KM_KERNELS(name)[];                                                     \
    const km_kernel KM_KERNELS(name)[] = {                                                         \
        {.op = #name,                                                                              \
         .pass = "forward",                                                                        \
         .open = penalty_open,                                                                     \
         .run = forward,                                                                           \
         .close = free,                                                                            \
         .describe = penalty_describe,                                                             \
         .run_part = forward_part,                                                                 \
         .phases = 2},                                                                             \
        {.op = #name,                                                                              \
         .pass = "forward_backward",                                                               \
         .open = penalty_open,                                                                     \
         .run = both,                                                                              \
         .close = free,                                                                            \
         .describe = penalty_describe,                                                             \
         .run_part = both_part,                                                                    \
         .phases = 2},                                                                             \
        {0},                                                                                       \
    };

#endif
