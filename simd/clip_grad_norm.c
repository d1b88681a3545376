/* clip_grad_norm.c: total_norm of a list of tensors; y = grad min(1, max_norm / (total_norm + 1e-6)).
 *
 * Each tensor is cut into blocks, whose sums are formed as sums.h has it and added in order, so bits do not
 * depend on who forms them. The factor is a product of two: that of huge gradients is no normal float.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "parts.h"
#include "sums.h"

enum { TWO, ONE, INFINITE, BLOCK = 65536 };

typedef struct block {
    int tensor;
    int64_t start, count;
    double sum; /* or the largest magnitude */
} block;

typedef struct plan {
    int64_t blocks;
    block block[];
} plan;

static const char *open(const km_args *args, void **out)
{
    const km_tensor *grad = &args->slot[KM_GRAD];
    int64_t blocks = 0;
    for (int t = 0; t < km_pieces_of(grad); t++)
        blocks += (km_piece_size(grad, t) + BLOCK - 1) / BLOCK;
    plan *p = malloc(sizeof *p + (size_t)blocks * sizeof *p->block);
    if (!p)
        return "out of memory";
    p->blocks = 0;
    for (int t = 0; t < km_pieces_of(grad); t++)
        for (int64_t i = 0, n = km_piece_size(grad, t); i < n; i += BLOCK)
            p->block[p->blocks++] = (block){t, i, n - i < BLOCK ? n - i : BLOCK, 0};
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    info->workspace_bytes = p->blocks * (int64_t)sizeof *p->block;
}

/* ---- the norm ---- */

/* As unsigned numbers, the bits of a NaN without sign lie above all others. */
static double largest(const float *x, int64_t n)
{
    vf most = v_set(0), next = v_set(0);
    float lane[V];
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
        most = v_max_bits(most, v_abs(v_load(x + i)));
        next = v_max_bits(next, v_abs(v_load(x + i + V)));
    }
    for (; i < n; i += V)
        most = v_max_bits(most, v_abs(v_load_n(x + i, n - i)));
    v_store(lane, v_max_bits(most, next));
    double result = 0;
    for (int j = 0; j < V; j++)
        result = isnan(result) || lane[j] <= result ? result : lane[j];
    return result;
}

static double block_sum(int norm, const float *x, int64_t n, int far)
{
    const vf unused = v_set(0);
    if (norm == INFINITE)
        return largest(x, n);
    if (norm == ONE)
        return km_sum((km_term){km_add_magnitude, km_add_wide_magnitude}, 0, unused, 0, x, n,
                      KM_FAR);
    if (far)
        return km_sum((km_term){km_add_square, km_add_wide_square}, 0, unused, 0, x, n, KM_FAR);
    return km_sum((km_term){km_add_square, km_add_wide_square}, 0, unused, 0, x, n, KM_NEAR);
}

static void sum_part(const km_args *args, int part)
{
    plan *p = args->plan;
    const km_tensor *grad = &args->slot[KM_GRAD];
    const int norm = (int)args->params->attr[KM_NORM_TYPE];
    const km_range r = km_share(p->blocks, part, args->threads);
    const int far = grad->count * (int64_t)sizeof(float) > KM_FAR_BYTES;
    for (int64_t i = r.from; i < r.to; i++) {
        block *b = &p->block[i];
        b->sum = block_sum(norm, (const float *)km_piece_data(grad, b->tensor) + b->start, b->count,
                           far);
    }
}

static double norm_of(const km_args *args)
{
    const plan *p = args->plan;
    const int norm = (int)args->params->attr[KM_NORM_TYPE];
    double total = 0;
    for (int64_t i = 0; i < p->blocks; i++) {
        const double sum = p->block[i].sum;
        if (norm != INFINITE)
            total += sum;
        else if (!isnan(total) && !(sum <= total))
            total = sum;
    }
    return norm == TWO ? sqrt(total) : total;
}

/* ---- the factor ---- */

typedef struct factor {
    vf first, second;
} factor;

static factor factor_of(const km_args *args, double norm)
{
    double f = args->params->attr[KM_MAX_NORM] / (norm + 1e-6);
    if (f > 1 || (args->params->attr[KM_ERROR_IF_NONFINITE] != 0 && !isfinite(norm)))
        f = 1;
    if (f < 0x1p-60)
        return (factor){v_set((float)(f * 0x1p100)), v_set(0x1p-100f)};
    return (factor){v_set((float)f), v_set(1)};
}

KM_INLINE vf scaled(vf x, vf unused, const vf *k)
{
    (void)unused;
    return v_mul(v_mul(x, k[0]), k[1]);
}

KM_INLINE void scale_loop(const km_args *args, const vf k[2], km_range r, km_reach reach)
{
    const plan *p = args->plan;
    for (int64_t i = r.from; i < r.to; i++) {
        const block *b = &p->block[i];
        const float *x = (const float *)km_piece_data(&args->slot[KM_GRAD], b->tensor) + b->start;
        float *y = (float *)km_piece_data(&args->slot[KM_Y], b->tensor) + b->start;
        km_span_map(scaled, k, (km_span){y, x, 0, b->count, 1, U}, reach);
    }
}

static void scale_part(const km_args *args, int part)
{
    const plan *p = args->plan;
    const km_range r = km_share(p->blocks, part, args->threads);
    const double norm = norm_of(args);
    const factor f = factor_of(args, norm);
    const vf k[2] = {f.first, f.second};
    const int in_place =
        p->blocks && km_piece_data(&args->slot[KM_GRAD], 0) == km_piece_data(&args->slot[KM_Y], 0);
    const int64_t bytes = 8 * args->slot[KM_GRAD].count;
    if (part == 0)
        *(float *)args->slot[KM_TOTAL_NORM].data = (float)norm;
    if (bytes > KM_PAST_BYTES && !in_place && v_stream_pays()) {
        scale_loop(args, k, r, KM_PAST);
        v_fence();
    } else if (bytes > KM_FAR_BYTES) {
        scale_loop(args, k, r, KM_FAR);
    } else {
        scale_loop(args, k, r, KM_NEAR);
    }
}

/* Phases: sums of blocks; what they come to. */
static void forward_part(const km_args *args, int phase, int part)
{
    if (phase == 0)
        sum_part(args, part);
    else
        scale_part(args, part);
}

static void norm_part(const km_args *args, int phase, int part)
{
    if (phase == 0)
        sum_part(args, part);
    else if (part == 0)
        *(float *)args->slot[KM_TOTAL_NORM].data = (float)norm_of(args);
}

KM_RUN_PARTS(forward, 2)
KM_RUN_PARTS(norm, 2)

extern const km_kernel KM_KERNELS(clip_grad_norm)[];
const km_kernel KM_KERNELS(clip_grad_norm)[] = {
    {.op = "clip_grad_norm",
     .pass = "forward",
     .open = open,
     .run = forward,
     .close = free,
     .describe = describe,
     .run_part = forward_part,
     .phases = 2},
    {.op = "clip_grad_norm",
     .pass = "norm",
     .open = open,
     .run = norm,
     .close = free,
     .describe = describe,
     .run_part = norm_part,
     .phases = 2},
    {0},
};
