/* init.c: weights from Philox 4x32-10, uniform or by Box and Muller's transform, with the roundings that
 * ref/normal.h has: the same bits on every instruction set.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "parts.h"
#include "philox.h"
#include "pointwise.h"
#include "vlog.h"

enum {
    ZEROS,
    CONSTANT,
    SMALL_RANDOM,
    LARGE_RANDOM,
    XAVIER_UNIFORM,
    XAVIER_NORMAL,
    HE_UNIFORM,
    HE_NORMAL,
    LECUN_NORMAL
};

/* Parts are cut between blocks of whole vectors and counters. */
enum { UNIT = 1024 };

static double std_of(const km_case *c)
{
    const double window = (double)(c->dim[KM_DIM_R] * c->dim[KM_DIM_S]), gain = c->attr[KM_GAIN];
    const double fan_in = (double)c->dim[KM_DIM_C] * window;
    const double fan_out = (double)c->dim[KM_DIM_K] * window, slope = c->attr[KM_NEGATIVE_SLOPE];
    switch ((int)c->attr[KM_METHOD]) {
    case SMALL_RANDOM:
        return 0.01 * gain;
    case LARGE_RANDOM:
        return 10 * gain;
    case XAVIER_UNIFORM:
    case XAVIER_NORMAL:
        return gain * sqrt(2 / (fan_in + fan_out));
    case HE_UNIFORM:
    case HE_NORMAL:
        return gain * sqrt(2 / ((1 + slope * slope) * fan_in));
    }
    return gain * sqrt(1 / fan_in);
}

/* ---- numbers from words ---- */

KM_INLINE vf uniform(vi word, vf scale)
{
    const vf upper = v_add(vi_to_float(vi_right_signed(word, 8)), v_set(0.5f));
    return v_mul(v_mul(upper, v_set(0x1p-23f)), scale);
}

KM_INLINE vf radius(vi word)
{
    const vf u = v_fma(vi_to_float(vi_right(word, 1)), v_set(0x1p-31f), v_set(0x1p-32f));
    vf n;
    const vf m = v_split(u, &n);
    return v_sqrt(v_mul(v_set(-2), v_log_parts(v_sub(m, v_set(1)), n)));
}

/* Cosine and sine of 2 pi word / 2^32. */
KM_INLINE void on_circle(vi word, vf *cosine, vf *sine)
{
    const vi quarter = vi_right(vi_add(word, vi_set(1 << 29)), 30), two = vi_set(2);
    const vf x = v_mul(vi_to_float(vi_left(word, 2)), v_set(0x1.921fb6p-32f)), t = v_mul(x, x);
    vf s = v_fma(v_set(-0x1.9ac9bp-13f), t, v_set(0x1.110c28p-7f));
    vf c = v_fma(v_set(0x1.9bd89cp-16f), t, v_set(-0x1.6c12d2p-10f));
    s = v_fma(s, t, v_set(-0x1.555552p-3f));
    c = v_fma(c, t, v_set(0x1.555554p-5f));
    c = v_fma(c, t, v_set(-0.5f));
    s = v_fma(v_mul(x, t), s, x);
    c = v_fma(c, t, v_set(1));
    const vm odd = vi_eq(vi_and(quarter, vi_set(1)), vi_set(1));
    *cosine = v_flip(v_select(odd, s, c), vi_left(vi_and(vi_add(quarter, vi_set(1)), two), 30));
    *sine = v_flip(v_select(odd, c, s), vi_left(vi_and(quarter, two), 30));
}

/* Pairs of words of two vectors. */
KM_INLINE void normals(const vi word[2], vf scale, vf z[2])
{
    const vf low = v_of_bits(word[0]), high = v_of_bits(word[1]);
    const vf r = radius(vi_of_bits(v_even(low, high)));
    vf cosine, sine;
    on_circle(vi_of_bits(v_odd(low, high)), &cosine, &sine);
    const vf z0 = v_mul(v_mul(r, cosine), scale), z1 = v_mul(v_mul(r, sine), scale);
    z[0] = v_zip_low(z0, z1);
    z[1] = v_zip_high(z0, z1);
}

/* ---- loops ---- */

KM_INLINE void numbers(const vi word[2 * KM_BATCHES], vf scale, vf z[2 * KM_BATCHES], int normal)
{
    for (int j = 0; j < 2 * KM_BATCHES; j += 2)
        if (normal) {
            normals(word + j, scale, z + j);
        } else {
            z[j] = uniform(word[j], scale);
            z[j + 1] = uniform(word[j + 1], scale);
        }
}

KM_INLINE void fill_random(float *w, km_range r, uint64_t seed, vf scale, int normal, int stream)
{
    km_generator g;
    vi word[2 * KM_BATCHES];
    vf z[2 * KM_BATCHES];
    km_generator_open(&g, seed, (uint64_t)r.from / 4);
    int64_t i = r.from;
    for (; i + KM_WORDS <= r.to; i += KM_WORDS) {
        km_words(&g, i, word);
        numbers(word, scale, z, normal);
        for (int j = 0; j < 2 * KM_BATCHES; j++)
            (stream ? v_stream : v_store)(w + i + j * V, z[j]);
    }
    if (i < r.to) {
        km_words(&g, i, word);
        numbers(word, scale, z, normal);
    }
    for (int j = 0; i < r.to; i += V, j++)
        v_store_n(w + i, z[j], r.to - i);
}

static void fill_uniform(float *w, km_range r, uint64_t seed, vf scale, int stream)
{
    if (stream)
        fill_random(w, r, seed, scale, 0, 1);
    else
        fill_random(w, r, seed, scale, 0, 0);
}

static void fill_normal(float *w, km_range r, uint64_t seed, vf scale, int stream)
{
    if (stream)
        fill_random(w, r, seed, scale, 1, 1);
    else
        fill_random(w, r, seed, scale, 1, 0);
}

static void fill(float *w, km_range r, float value, int stream)
{
    const vf a = v_set(value);
    int64_t i = r.from;
    for (; stream && i + V <= r.to; i += V)
        v_stream(w + i, a);
    for (; i < r.to; i += V)
        v_store_n(w + i, a, r.to - i);
}

static void forward_part(const km_args *args, int phase, int part)
{
    const km_case *c = args->params;
    const int method = (int)c->attr[KM_METHOD];
    const int64_t count = args->slot[KM_WEIGHT].count;
    const uint64_t seed = (uint64_t)c->attr[KM_SEED];
    float *w = args->slot[KM_WEIGHT].data;
    /* nothing is read: lines that are written whole need not be fetched */
    const int stream = count * (int64_t)sizeof *w > KM_PAST_BYTES &&
                       (uintptr_t)w % sizeof(vf) == 0 && v_stream_pays();
    km_range r = km_share((count + UNIT - 1) / UNIT, part, args->threads);
    r = (km_range){r.from * UNIT, r.to * UNIT < count ? r.to * UNIT : count};
    (void)phase;
    if (r.from >= r.to)
        return;
    if (method == ZEROS || method == CONSTANT)
        fill(w, r, method == ZEROS ? 0 : (float)c->attr[KM_GAIN], stream);
    else if (method == XAVIER_UNIFORM || method == HE_UNIFORM)
        fill_uniform(w, r, seed, v_set((float)(sqrt(3) * std_of(c))), stream);
    else
        fill_normal(w, r, seed, v_set((float)std_of(c)), stream);
    if (stream)
        v_fence();
}

KM_RUN_PARTS(forward, 1)

extern const km_kernel KM_KERNELS(init)[];
const km_kernel KM_KERNELS(init)[] = {
    {.op = "init", .pass = "forward", .run = forward, .run_part = forward_part},
    {0},
};
