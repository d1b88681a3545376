/* cell_faults.h: right kernels, and kernels that are wrong in one way each, as real ones have been: memory,
 * what was there before, single places and values. The rest is in cell_faults_more.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_CELL_FAULTS_H
#define KM_TEST_CELL_FAULTS_H

#include <float.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "core/registry.h"

#define X      ((const float *)args->slot[KM_X].data)
#define Y      ((float *)args->slot[KM_Y].data)
#define GRAD_Y ((const float *)args->slot[KM_GRAD_Y].data)
#define GRAD_X ((float *)args->slot[KM_GRAD_X].data)
#define N      (args->slot[KM_X].count)

/* Not at a page's edge: the guard page would see what the canary is to see. */
static inline int off_page(const void *p)
{
    return ((uintptr_t)p & 4095) != 0;
}

static inline float relu(float x)
{
    return x <= 0 ? 0 : x;
}

static inline void right(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = relu(X[i]);
}

static inline void right_backward(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        GRAD_X[i] = X[i] > 0 ? GRAD_Y[i] : 0;
}

static inline void right_silu(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = X[i] == -INFINITY ? 0 : (float)(X[i] / (1 + exp(-(double)X[i])));
}

static inline void right_prelu_backward(const km_args *args)
{
    km_kernel_find(km_backend_find("ref"), "prelu", "backward")->run(args);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static inline void tail_unwritten(const km_args *args)
{
    for (int64_t i = 0; i < (N & ~7); i++)
        Y[i] = relu(X[i]);
}

static inline void head_unwritten(const km_args *args)
{
    for (int64_t i = N & 7; i < N; i++)
        Y[i] = relu(X[i]);
}

static inline void writes_nothing(const km_args *args)
{
    (void)args;
}

static inline void writes_past(const km_args *args)
{
    right(args);
    Y[N] = 0;
}

static inline void writes_past_canary(const km_args *args)
{
    right(args);
    if (off_page(Y + N))
        Y[N] = 0;
}

static inline void writes_byte_past_canary(const km_args *args)
{
    right(args);
    if (off_page(Y + N))
        ((volatile char *)(Y + N))[0] = 1;
}

static inline void writes_before(const km_args *args)
{
    right(args);
    Y[-1] = 0;
}

static inline void writes_before_canary(const km_args *args)
{
    right(args);
    if (off_page(Y))
        Y[-1] = 0;
}

static inline void reads_past(const km_args *args)
{
    right(args);
    (void)*(const volatile float *)(X + N);
}

static inline void reads_before(const km_args *args)
{
    right(args);
    (void)*(const volatile float *)(X - 1);
}

/* A masked lane that is multiplied by zero instead: harmless until it holds a NaN. */
static inline void leaks_padding(const km_args *args)
{
    right(args);
    if (N && off_page(X + N))
        Y[N - 1] += 0 * X[N];
}

static inline void modifies_input(const km_args *args)
{
    right(args);
    if (N)
        ((float *)args->slot[KM_X].data)[N - 1] = 0;
}

static inline void borrows_input(const km_args *args)
{
    volatile float *x = args->slot[KM_X].data;
    right(args);
    float kept = N ? x[0] : 0;
    for (int64_t i = 0; i < 1 && i < N; i++)
        x[0] = 7;
    for (int64_t i = 0; i < 1 && i < N; i++)
        x[0] = kept;
}

static inline void touches_empty(const km_args *args)
{
    volatile float first = X[0];
    right(args);
    (void)first;
}

static inline void aligned_loads(const km_args *args)
{
    right(args);
    if (N >= 16 && (uintptr_t)X % 64)
        raise(SIGSEGV);
}

/* ---- what was there before ------------------------------------------------------------------- */

static inline void accumulates(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] += relu(X[i]);
}

static inline void wants_zeroes(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        if (X[i] > 0)
            Y[i] = X[i];
}

static inline void in_place_lost(const km_args *args)
{
    memset(Y, 0, (size_t)N * sizeof *Y);
    for (int64_t i = 0; i < N; i++)
        Y[i] = relu(X[i]);
}

static inline void in_place_off(const km_args *args)
{
    right(args);
    if (X == Y && N)
        Y[N / 2] += 1;
}

static int calls;

static inline void tires(const km_args *args)
{
    right(args);
    if (++calls > 10 && N)
        Y[N / 2] += 1;
}

static inline void flickers(const km_args *args)
{
    right_silu(args);
    if (++calls % 2 && N)
        Y[N / 2] = nextafterf(Y[N / 2], 1e30f);
}

/* Keeps the addresses it saw in open. */
static const float *first_x;

static const char *keep_address(const km_args *args, void **plan)
{
    (void)plan;
    first_x = X;
    return NULL;
}

static inline void stale_address(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = relu(X == Y ? X[i] : first_x[i]);
}

static const char *decline_some(const km_args *args, void **plan)
{
    (void)plan;
    return args->threads == 3 ? "three is a crowd" : NULL;
}

static const char *decline(const km_args *args, void **plan)
{
    (void)args, (void)plan;
    return "not on a Sunday";
}

/* ---- one place, one length, one value --------------------------------------------------------- */

static inline void odd_address(const km_args *args)
{
    right(args);
    if (N && (uintptr_t)X % 64 == 20)
        Y[0] += 1;
}

static inline void odd_length(const km_args *args)
{
    right(args);
    if (N == 13)
        Y[12] += 1;
}

static inline void last_element(const km_args *args)
{
    right(args);
    if (N > 1000)
        Y[N - 1] = Y[N - 2] + 1;
}

static inline void shifted(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = relu(X[i + 1 < N ? i + 1 : i]);
}

static inline void swapped_pairs(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = relu(X[(i ^ 1) < N ? i ^ 1 : i]);
}

static inline void swallows_nan(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = X[i] > 0 ? X[i] : 0;
}

static inline void multiplies(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = X[i] * (float)!(X[i] <= 0);
}

static inline void clips(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = X[i] > 1e20f ? 1e20f : relu(X[i]);
}

static inline void flushes(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        Y[i] = fabsf(X[i]) < FLT_MIN ? 0 : relu(X[i]);
}

#endif
