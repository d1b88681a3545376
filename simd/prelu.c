/* prelu.c: y = x > 0 ? x : w x; grad_x = x > 0 ? g : w g; grad_weight = sum over x <= 0 of g x.
 *
 * x is [n, c, h, w]; one weight for all or one for each channel. Either a run of elements shares
 * a weight (a plane, or the whole tensor), or with h w = 1 the weights lie along the row.
 * grad_weight is formed in pieces that a caller may also hand in one by one: planes, blocks of
 * rows where h w = 1, or chunks of a tensor with a single weight. Each piece is summed in lanes,
 * in parts of 4096 elements, and rounded to float; the pieces are added in double, in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"

enum { PART = 4096, CHUNK = 65536, ROWS = 64, CHANNELS = 64 };

typedef struct shape {
    int64_t rows, channels, inner; /* of equal weight: inner neighbours */
} shape;

static shape shape_of(const km_args *args)
{
    const km_tensor *x = &args->slot[KM_X];
    const int64_t channels = args->slot[KM_WEIGHT].count;
    if (channels == 1 || x->count == 0)
        return (shape){1, 1, x->count};
    return (shape){x->dim[0], channels, x->count / (x->dim[0] * channels)};
}

KM_INLINE vf prelu(vf x, vf unused, const vf *w)
{
    (void)unused;
    return v_select(v_gt(x, v_set(0)), x, v_mul(*w, x));
}

/* One row of which each element has its own weight. */
static void forward_row(float *y, const float *x, const float *w, int64_t n)
{
    for (int64_t i = 0; i < n; i += V) {
        const vf wi = v_load_n(w + i, n - i);
        v_store_n(y + i, prelu(v_load_n(x + i, n - i), wi, &wi), n - i);
    }
}

KM_INLINE void forward_runs(float *y, const float *x, const float *w, shape s, km_reach reach)
{
    for (int64_t i = 0; i < s.rows * s.channels; i++) {
        const vf wi = v_set(w[i % s.channels]);
        const km_span span = {y + i * s.inner, x + i * s.inner, 0, s.inner, 1, U};
        km_span_map(prelu, &wi, span, reach);
    }
}

static void forward(const km_args *args)
{
    float *y = args->slot[KM_Y].data;
    const float *x = args->slot[KM_X].data, *w = args->slot[KM_WEIGHT].data;
    const shape s = shape_of(args);
    if (s.inner == 1 && s.channels > 1) {
        for (int64_t r = 0; r < s.rows; r++)
            forward_row(y + r * s.channels, x + r * s.channels, w, s.channels);
        return;
    }
    switch (km_reach_of((km_span){y, x, 0, 0, 1, U}, args->slot[KM_X].count)) {
    case KM_NEAR:
        forward_runs(y, x, w, s, KM_NEAR);
        break;
    case KM_FAR:
        forward_runs(y, x, w, s, KM_FAR);
        break;
    case KM_PAST:
        forward_runs(y, x, w, s, KM_PAST);
        v_fence();
        break;
    }
}

/* ---- backward ---- */

/* grad_x of one vector, and its terms of grad_weight added to *sum. */
KM_INLINE vf gradient(vf x, vf g, vf w, vf *sum)
{
    const vm positive = v_gt(x, v_set(0));
    *sum = v_fma(v_select(positive, v_set(0), g), v_min(v_set(0), x), *sum);
    return v_select(positive, g, v_mul(w, g));
}

KM_INLINE double part(float *gx, const float *x, const float *g, vf w, int64_t n, km_reach reach)
{
    vf sum[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    int64_t i = 0;
    for (; i + 4 * V <= n; i += 4 * V) {
        for (int j = 0; j < 4; j++) {
            const int64_t at = i + j * V;
            km_ahead(gx + at, x + at, g + at, reach);
            const vf y = gradient(v_load(x + at), v_load(g + at), w, &sum[j]);
            (reach == KM_PAST ? v_stream : v_store)(gx + at, y);
        }
    }
    for (; i < n; i += V)
        v_store_n(gx + i, gradient(v_load_n(x + i, n - i), v_load_n(g + i, n - i), w, &sum[0]),
                  n - i);
    return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

/* A run of elements of one weight: grad_x, and the run's term of grad_weight. */
static float run(float *gx, const float *x, const float *g, float w, int64_t n, km_reach reach)
{
    const vf wv = v_set(w);
    double sum = 0;
    for (int64_t i = 0; i < n; i += PART) {
        const int64_t m = n - i < PART ? n - i : PART;
        if (reach == KM_PAST && (uintptr_t)(gx + i) % sizeof(vf) == 0)
            sum += part(gx + i, x + i, g + i, wv, m, KM_PAST);
        else if (reach == KM_NEAR)
            sum += part(gx + i, x + i, g + i, wv, m, KM_NEAR);
        else
            sum += part(gx + i, x + i, g + i, wv, m, KM_FAR);
    }
    return (float)sum;
}

/* Up to V channels of a tensor with h w = 1: down the rows, a block at a time. */
static void backward_columns(const km_args *args, shape s, int64_t c, int64_t n)
{
    const float *x = args->slot[KM_X].data, *g = args->slot[KM_GRAD_Y].data;
    float *gx = args->slot[KM_GRAD_X].data, *gw = args->slot[KM_GRAD_WEIGHT].data;
    const vf w = v_load_n((const float *)args->slot[KM_WEIGHT].data + c, n);
    double total[V] = {0};
    for (int64_t r = 0; r < s.rows;) {
        vf sum = v_set(0);
        for (const int64_t end = r + ROWS < s.rows ? r + ROWS : s.rows; r < end; r++) {
            const int64_t i = r * s.channels + c;
            v_store_n(gx + i, gradient(v_load_n(x + i, n), v_load_n(g + i, n), w, &sum), n);
        }
        float piece[V];
        v_store(piece, sum);
        for (int j = 0; j < V; j++)
            total[j] += piece[j];
    }
    for (int64_t j = 0; j < n; j++)
        gw[c + j] = (float)total[j];
}

/* Channels [c, c + n), n <= CHANNELS, of a tensor of planes. */
static void backward_planes(const km_args *args, shape s, int64_t c, int64_t n, km_reach reach)
{
    const float *x = args->slot[KM_X].data, *g = args->slot[KM_GRAD_Y].data;
    const float *w = args->slot[KM_WEIGHT].data;
    float *gx = args->slot[KM_GRAD_X].data, *gw = args->slot[KM_GRAD_WEIGHT].data;
    double total[CHANNELS] = {0};
    for (int64_t r = 0; r < s.rows; r++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t i = (r * s.channels + c + j) * s.inner;
            total[j] += run(gx + i, x + i, g + i, w[c + j], s.inner, reach);
        }
    for (int64_t j = 0; j < n; j++)
        gw[c + j] = (float)total[j];
}

static void backward_single(const km_args *args, int64_t n, km_reach reach)
{
    const float *x = args->slot[KM_X].data, *g = args->slot[KM_GRAD_Y].data;
    const float *w = args->slot[KM_WEIGHT].data;
    float *gx = args->slot[KM_GRAD_X].data, *gw = args->slot[KM_GRAD_WEIGHT].data;
    double total = 0;
    for (int64_t i = 0; i < n; i += CHUNK)
        total += run(gx + i, x + i, g + i, w[0], n - i < CHUNK ? n - i : CHUNK, reach);
    gw[0] = (float)total;
}

static void backward(const km_args *args)
{
    const km_tensor *t = args->slot;
    const shape s = shape_of(args);
    const km_span span = {t[KM_GRAD_X].data, t[KM_X].data, t[KM_GRAD_Y].data, 0, 2, U};
    const km_reach reach = km_reach_of(span, t[KM_X].count);
    const int columns = s.inner == 1;
    const int64_t step = columns ? V : CHANNELS;
    if (t[KM_WEIGHT].count == 1)
        backward_single(args, t[KM_X].count, reach);
    else
        for (int64_t c = 0; c < t[KM_WEIGHT].count; c += step) {
            const int64_t left = t[KM_WEIGHT].count - c, n = left < step ? left : step;
            if (columns)
                backward_columns(args, s, c, n);
            else
                backward_planes(args, s, c, n, reach);
        }
    if (reach == KM_PAST)
        v_fence();
}

extern const km_kernel KM_KERNELS(prelu)[];
const km_kernel KM_KERNELS(prelu)[] = {
    {.op = "prelu", .pass = "forward", .run = forward},
    {.op = "prelu", .pass = "backward", .run = backward},
    {0},
};
