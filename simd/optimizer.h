/* optimizer.h: the loop of all optimizers: over the pieces of a list, in place, everything in one pass over memory.
 *
 * The element function is an argument and inlines; what a case can do without (weight decay, amsgrad, clipping) are flags,
 * a loop for each combination. Parts are cuts of the whole list's elements, so that small tensors share a part and a large one
 * is cut, and no cut changes bits. With max_norm, phase 0 sums the squares of the gradients in double, chunk by chunk of
 * the list, and phase 1 multiplies each gradient with the factor as it reads it: no pass over memory more than the norm's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_SIMD_OPTIMIZER_H
#define KM_SIMD_OPTIMIZER_H

#include <kernelmark.h>
#include <math.h>
#include <stdlib.h>

#include "parts.h"
#include "vec.h"

/* CHUNK: elements of a term of the norm; GRAIN: parts are multiples of it. AHEAD: elements; above FAR bytes the tensors are
 * not in the core's own caches. */
enum { KM_STATES = 3, KM_NUMBERS = 8, KM_CHUNK = 16384, KM_GRAIN = 64 };
enum { KM_AHEAD = 512, KM_FAR_BYTES = 1 << 20 };

/* param, grad and state of one vector, or of neighbours in one piece. */
typedef struct km_vectors {
    vf param, grad, state[KM_STATES];
} km_vectors;

typedef struct km_rows {
    float *param, *state[KM_STATES];
    const float *grad;
    int64_t n;
    int far;
} km_rows;

/* Moves param and state of one vector; k: the numbers of the case. */
typedef void km_move(km_vectors *v, const vf *k, int flags);

typedef void km_rows_loop(const km_rows *r, const float *k);

KM_INLINE void km_move_few(km_move *move, const km_rows *r, const vf *k, int flags, int states,
                           int clips, int64_t i, int64_t n)
{
    km_vectors v = {v_load_n(r->param + i, n), v_load_n(r->grad + i, n)};
    if (clips)
        v.grad = v_mul(k[0], v.grad);
    for (int s = 0; s < states; s++)
        v.state[s] = v_load_n(r->state[s] + i, n);
    move(&v, k, flags);
    v_store_n(r->param + i, v.param, n);
    for (int s = 0; s < states; s++)
        v_store_n(r->state[s] + i, v.state[s], n);
}

KM_INLINE void km_ask_ahead(const km_rows *r, int states, int64_t i)
{
    __builtin_prefetch(r->param + i + KM_AHEAD, 1);
    __builtin_prefetch(r->grad + i + KM_AHEAD, 0);
    for (int s = 0; s < states; s++)
        __builtin_prefetch(r->state[s] + i + KM_AHEAD, 1);
}

/* Two vectors at a time: the square roots and divisions of one fill the waits of the other. They are neighbours; far from
 * the core, one of each half: memory is faster in more streams, that are asked for in time. */
KM_INLINE void km_move_rows(km_move *move, const km_rows *rows, const float *numbers, int flags,
                            int states, int clips, int far)
{
    enum { PAIR = 2 };
    const km_rows own = *rows, *r = &own; /* which no store can change */
    const int64_t half = r->n / (PAIR * V) * V, next = far ? half : V, step = far ? V : PAIR * V;
    vf k[KM_NUMBERS];
    for (int j = 0; j < KM_NUMBERS; j++)
        k[j] = v_set(numbers[j]);
    for (int64_t at = 0, done = 0; done < half; at += step, done += V) {
        km_vectors v[PAIR];
        for (int j = 0; j < PAIR; j++) {
            const int64_t i = at + j * next;
            if (far)
                km_ask_ahead(r, states, i);
            v[j].param = v_load(r->param + i);
            v[j].grad = v_load(r->grad + i);
            if (clips)
                v[j].grad = v_mul(k[0], v[j].grad);
            for (int s = 0; s < states; s++)
                v[j].state[s] = v_load(r->state[s] + i);
        }
        for (int j = 0; j < PAIR; j++)
            move(&v[j], k, flags);
        for (int j = 0; j < PAIR; j++) {
            const int64_t i = at + j * next;
            v_store(r->param + i, v[j].param);
            for (int s = 0; s < states; s++)
                v_store(r->state[s] + i, v[j].state[s]);
        }
    }
    for (int64_t i = PAIR * half; i < r->n; i += V)
        km_move_few(move, r, k, flags, states, clips, i, r->n - i);
}

/* The loop of `move` for one combination of flags, and their tables. A factor of 1 changes nothing: far from the core,
 * where it costs nothing, there is no loop without. */
#define KM_LOOP(move, flags, states)                                                               \
    static void move##_##flags(const km_rows *r, const float *k)                                   \
    {                                                                                              \
        if (r->far)                                                                                \
            km_move_rows(move, r, k, flags, states, 1, 1);                                         \
        else if (k[0] == 1)                                                                        \
            km_move_rows(move, r, k, flags, states, 0, 0);                                         \
        else                                                                                       \
            km_move_rows(move, r, k, flags, states, 1, 0);                                         \
    }
#define KM_LOOPS_2(move, states)                                                                   \
    KM_LOOP(move, 0, states(0))                                                                    \
    KM_LOOP(move, 1, states(1))
#define KM_LOOPS_4(move, states)                                                                   \
    KM_LOOPS_2(move, states)                                                                       \
    KM_LOOP(move, 2, states(2))                                                                    \
    KM_LOOP(move, 3, states(3))
#define KM_LOOPS_8(move, states)                                                                   \
    KM_LOOPS_4(move, states)                                                                       \
    KM_LOOP(move, 4, states(4))                                                                    \
    KM_LOOP(move, 5, states(5))                                                                    \
    KM_LOOP(move, 6, states(6))                                                                    \
    KM_LOOP(move, 7, states(7))
#define KM_TABLE_2(move) move##_0, move##_1
#define KM_TABLE_4(move) KM_TABLE_2(move), move##_2, move##_3
#define KM_TABLE_8(move) KM_TABLE_4(move), move##_4, move##_5, move##_6, move##_7

/* What a step does, and with what. */
typedef struct km_step {
    km_rows_loop *loop;
    km_slot param, grad, state[KM_STATES];
    int states;
    float k[KM_NUMBERS]; /* the first one is the factor of all gradients, 1: none */
} km_step;

/* ---- lists ---- */

/* Calls `each` for what [from, to) of the list has in every piece. */
KM_INLINE void km_walk(const km_args *args, const km_step *step, km_range range,
                       void (*each)(const km_rows *r, void *context), void *context)
{
    const km_tensor *t = args->slot, *param = &t[step->param];
    const int far = param->count * (step->states + 2) * (int64_t)sizeof(float) > KM_FAR_BYTES;
    int64_t start = 0;
    for (int i = 0; i < km_pieces_of(param) && start < range.to; i++) {
        const int64_t size = km_piece_size(param, i);
        const int64_t from = range.from > start ? range.from - start : 0;
        const int64_t to = range.to - start < size ? range.to - start : size;
        start += size;
        if (from >= to)
            continue;
        km_rows r = {.n = to - from, .far = far};
        r.param = (float *)km_piece_data(param, i) + from;
        r.grad = (const float *)km_piece_data(&t[step->grad], i) + from;
        for (int s = 0; s < step->states; s++)
            r.state[s] = (float *)km_piece_data(&t[step->state[s]], i) + from;
        each(&r, context);
    }
}

static void km_move_piece(const km_rows *r, void *step)
{
    ((const km_step *)step)->loop(r, ((const km_step *)step)->k);
}

/* ---- the norm of all gradients ---- */

typedef struct km_norm {
    int64_t chunks;
    double sum[]; /* of squares, per chunk */
} km_norm;

static void km_add_squares(const km_rows *r, void *sum)
{
    vw total[4] = {vw_zero(), vw_zero(), vw_zero(), vw_zero()};
    double all = 0;
    int64_t i = 0;
    for (; i + 4 * V <= r->n; i += 4 * V)
        for (int j = 0; j < 4; j++) {
            const vf g = v_load(r->grad + i + j * V);
            total[j] = vw_fma(g, g, total[j]);
        }
    for (; i < r->n; i += V) {
        const vf g = v_load_n(r->grad + i, r->n - i);
        total[0] = vw_fma(g, g, total[0]);
    }
    for (int j = 0; j < 4; j++)
        all += vw_sum(total[j]);
    *(double *)sum += all;
}

static void km_norm_part(const km_args *args, const km_step *step, km_norm *norm, int part)
{
    const km_range own = km_share(norm->chunks, part, args->threads);
    const int64_t n = args->slot[step->grad].count;
    for (int64_t c = own.from; c < own.to; c++) {
        const int64_t from = c * KM_CHUNK, to = from + KM_CHUNK < n ? from + KM_CHUNK : n;
        norm->sum[c] = 0;
        km_walk(args, step, (km_range){from, to}, km_add_squares, &norm->sum[c]);
    }
}

/* min(1, max_norm / (norm + 1e-6)); NaN stays. */
static float km_clip_factor(const km_args *args, const km_norm *norm)
{
    double sum = 0;
    for (int64_t c = 0; c < norm->chunks; c++)
        sum += norm->sum[c];
    const double factor = args->params->attr[KM_MAX_NORM] / (sqrt(sum) + 1e-6);
    return (float)(factor > 1 ? 1 : factor);
}

static const char *km_optimizer_open(const km_args *args, void **plan)
{
    const int64_t chunks = (args->slot[KM_GRAD].count + KM_CHUNK - 1) / KM_CHUNK;
    *plan = NULL;
    if (args->params->attr[KM_MAX_NORM] == 0)
        return NULL;
    km_norm *norm = malloc(sizeof *norm + (size_t)chunks * sizeof(double));
    if (!norm)
        return "out of memory";
    norm->chunks = chunks;
    *plan = norm;
    return NULL;
}

static void km_optimizer_describe(const void *plan, km_kernel_info *info)
{
    const km_norm *norm = plan;
    if (norm)
        info->workspace_bytes = norm->chunks * (int64_t)sizeof(double);
}

/* ---- a part of a step ---- */

static void km_optimizer_part(const km_args *args, km_step *step, int phase, int part)
{
    const int64_t n = args->slot[step->param].count;
    km_norm *norm = args->plan;
    if (phase == 0) {
        if (norm)
            km_norm_part(args, step, norm, part);
        return;
    }
    step->k[0] = norm ? km_clip_factor(args, norm) : 1;
    km_range own = km_share((n + KM_GRAIN - 1) / KM_GRAIN, part, args->threads);
    own.from *= KM_GRAIN;
    own.to = own.to * KM_GRAIN < n ? own.to * KM_GRAIN : n;
    km_walk(args, step, own, km_move_piece, step);
}

/* ---- what several optimizers compute ---- */

static inline double km_number(const km_args *args, km_attr a)
{
    return args->params->attr[a];
}

/* grad, which is clipped already, + decay param */
KM_INLINE vf km_decayed(const km_vectors *v, vf decay, int decays)
{
    return decays ? v_fma(decay, v->param, v->grad) : v->grad;
}

/* sqrt(a), fast: of numbers from 2^-126 on; smaller ones count for less than they are. */
KM_INLINE vf km_fast_root(vf a)
{
    const vf y = v_rough_rsqrt(v_max(v_set(0x1p-126f), a)), s = v_mul(a, y);
    return v_fma(v_mul(v_set(0.5f), y), v_fnma(s, s, a), s);
}

/* c - a / (sqrt(square) + eps) */
KM_INLINE vf km_less(vf c, vf a, vf square, vf eps, int fast)
{
    if (fast)
        return v_fnma(a, v_fast_rcp(v_add(km_fast_root(square), eps)), c);
    return v_sub(c, v_div(a, v_add(v_sqrt(square), eps)));
}

/* clang-format off */
#define KM_OPTIMIZER(name) \
    static void step_part(const km_args *args, int phase, int part) \
    { \
        km_step step = step_of(args); \
        km_optimizer_part(args, &step, phase, part); \
    } \
    KM_RUN_PARTS(step, 2) \
    extern const km_kernel KM_KERNELS(name)[]; \
    const km_kernel KM_KERNELS(name)[] = { \
        {.op = #name, .pass = "step", .open = km_optimizer_open, .run = step, .close = free, \
         .describe = km_optimizer_describe, .run_part = step_part, .phases = 2}, \
        {0}, \
    }
/* clang-format on */

#endif
