/* cell_faults_more.h: more faulty kernels: lanes, processor and process, accuracy, gradients.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_CELL_FAULTS_MORE_H
#define KM_TEST_CELL_FAULTS_MORE_H

#include "cell_faults.h"

#include <fenv.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/fpstate.h"

/* ---- lanes -------------------------------------------------------------------------------- */

/* One NaN in eight lanes takes the slow path, which is wrong for the others. */
static inline void lane_cross_talk(const km_args *args)
{
    right(args);
    for (int64_t i = 0; i + 8 <= N; i += 8)
        for (int lane = 0; lane < 8; lane++)
            if (isnan(X[i + lane]))
                Y[i + (lane + 1) % 8] = NAN;
}

static inline void huge_neighbour(const km_args *args)
{
    right(args);
    for (int64_t i = 0; i + 1 < N; i++)
        if (X[i] > 1e18f)
            Y[i + 1] = nextafterf(Y[i + 1], 1);
}

/* ---- processor and process --------------------------------------------------------------------- */

static inline void leaves_flush_mode(const km_args *args)
{
#if defined __x86_64__
    km_fpstate_restore(km_fpstate() | 0x8040);
#else
    km_fpstate_restore(km_fpstate() | 1 << 24);
#endif
    right(args);
}

static inline void leaves_rounding(const km_args *args)
{
    fesetround(FE_TOWARDZERO);
    right(args);
}

static inline void illegal(const km_args *args)
{
    right(args);
    raise(SIGILL);
}

static inline void divides(const km_args *args)
{
    right(args);
    raise(SIGFPE);
}

static inline void aborts(const km_args *args)
{
    (void)args;
    abort();
}

static inline void leaves(const km_args *args)
{
    right(args);
    _exit(0);
}

static inline void hangs(const km_args *args)
{
    for (;;)
        right(args);
}

static inline void three_threads(const km_args *args)
{
    right_silu(args);
    if (args->threads == 3 && N)
        Y[N - 1] = nextafterf(Y[N - 1], 1e30f);
}

static inline void seven_threads(const km_args *args)
{
    right_silu(args);
    if (args->threads == 7 && N)
        Y[N - 1] += 1;
}

/* ---- accuracy ---------------------------------------------------------------------------------- */

static inline void five_millionths(const km_args *args)
{
    right_silu(args);
    for (int64_t i = 0; i < N; i++)
        Y[i] *= fabsf(Y[i]) < 1e38f ? 1 + 5e-6f : 1;
}

static inline void estimate(const km_args *args)
{
    right_silu(args);
    for (int64_t i = 0; i < N; i++)
        Y[i] *= 1 + 1.5f / 4096; /* rcpps without a Newton step */
}

static inline void half_inputs(const km_args *args)
{
    for (int64_t i = 0; i < N; i++) {
        uint32_t bits;
        float x;
        memcpy(&bits, &X[i], sizeof bits);
        bits &= isnan(X[i]) ? ~0u : 0xffff0000u; /* bfloat16 */
        memcpy(&x, &bits, sizeof x);
        Y[i] = x == -INFINITY ? 0 : (float)(x / (1 + exp(-(double)x)));
    }
}

static inline void cuts_tail(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = X[i] < -20 ? 0 : (float)(X[i] / (1 + exp(-(double)X[i])));
}

static inline void overflows(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = X[i] * (float)(exp((double)X[i]) / (1 + exp((double)X[i])));
}

static inline void flushes_results(const km_args *args)
{
    right_silu(args);
    for (int64_t i = 0; i < N; i++)
        if (fabsf(Y[i]) < FLT_MIN)
            Y[i] = 0;
}

/* ---- backward ---------------------------------------------------------------------------------- */

static inline void kink_included(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        GRAD_X[i] = X[i] >= 0 ? GRAD_Y[i] : 0;
}

static inline void upstream_ignored(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        GRAD_X[i] = X[i] > 0;
}

static inline void multiplies_mask(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        GRAD_X[i] = (float)(X[i] > 0) * GRAD_Y[i];
}

static inline void weight_accumulates(const km_args *args)
{
    float *w = args->slot[KM_GRAD_WEIGHT].data, kept = w[0];
    right_prelu_backward(args);
    w[0] += kept;
}

static inline void weight_off(const km_args *args)
{
    right_prelu_backward(args);
    ((float *)args->slot[KM_GRAD_WEIGHT].data)[0] *= 1.001f;
}

/* The last negative element is missing from the sum. */
static inline void weight_loses_one(const km_args *args)
{
    float *w = args->slot[KM_GRAD_WEIGHT].data;
    float lost = 0;
    for (int64_t i = 0; i < N; i++)
        lost = X[i] < 0 ? X[i] * GRAD_Y[i] : lost;
    right_prelu_backward(args);
    w[0] -= lost;
}

#endif
