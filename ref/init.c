/* init: weights to start a network from, of a linear layer [k, c] or a convolution [k, c, r, s]; fan_in = c r s,
 * fan_out = k r s.
 *
 *     zeros, constant (gain), small_random N(0, (0.01 gain)^2), large_random N(0, (10 gain)^2): for experiments
 *     xavier  variance 2 / (fan_in + fan_out), times gain^2     Glorot and Bengio, 2010
 *     he      variance 2 / ((1 + negative_slope^2) fan_in)      He et al., 2015 (arXiv 1502.01852)
 *     lecun   variance 1 / fan_in                               LeCun et al., 1998
 *
 * normal: that variance; uniform: up to sqrt(3) times its root. Element i depends on the seed and on i alone; all
 * arithmetic is in float and the same everywhere, in the oracle too, so that every backend gives the same bits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "normal.h"
#include "philox.h"
#include "pointwise.h"

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
static const char *const methods[] = {
    "zeros",         "constant",   "small_random", "large_random", "xavier_uniform",
    "xavier_normal", "he_uniform", "he_normal",    "lecun_normal", NULL};

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    static const km_dim dims[] = {KM_DIM_K, KM_DIM_C, KM_DIM_R, KM_DIM_S};
    (void)slot;
    t->ndim = 4;
    for (int d = 0; d < 4; d++)
        t->dim[d] = c->dim[dims[d]];
}

static int method_of(const km_args *args)
{
    return (int)args->params->attr[KM_METHOD];
}

static double std_of(const km_args *args)
{
    const km_case *c = args->params;
    const double window = (double)(c->dim[KM_DIM_R] * c->dim[KM_DIM_S]), gain = c->attr[KM_GAIN];
    const double fan_in = (double)c->dim[KM_DIM_C] * window;
    const double fan_out = (double)c->dim[KM_DIM_K] * window, slope = c->attr[KM_NEGATIVE_SLOPE];
    switch (method_of(args)) {
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

/* In (-1, 1), an odd multiple of 2^-24. */
static float uniform_at(uint64_t seed, int64_t i)
{
    const uint32_t word = random_word(seed, i);
    const int32_t upper = (int32_t)(word >> 8) - (word >> 31 ? 1 << 24 : 0);
    return ((float)upper + 0.5f) * 0x1p-23f;
}

static float normal_at(uint64_t seed, int64_t i)
{
    uint32_t word[4];
    float z[2];
    philox((uint64_t)i / 4, seed, word);
    normal_pair(word[i % 4 & 2], word[(i % 4 & 2) + 1], z);
    return z[i % 2];
}

static float weight_at(const km_args *args, int64_t i)
{
    const uint64_t seed = (uint64_t)args->params->attr[KM_SEED];
    const int method = method_of(args);
    if (method == ZEROS || method == CONSTANT)
        return method == ZEROS ? 0 : (float)args->params->attr[KM_GAIN];
    if (method == XAVIER_UNIFORM || method == HE_UNIFORM)
        return uniform_at(seed, i) * (float)(sqrt(3.0) * std_of(args));
    return normal_at(seed, i) * (float)std_of(args);
}

static void forward(const km_args *args)
{
    real *w = out(args, KM_WEIGHT);
    for (int64_t i = 0; i < args->slot[KM_WEIGHT].count; i++)
        w[i] = weight_at(args, i);
}

static const char *const quick[] = {"k64c16_method=xavier_uniform",
                                    "k256c256_method=xavier_uniform", "k256c256", NULL};
static const char *const full[] = {"k1024c1024_method=xavier_uniform", "k1024c1024",
                                   "k4096c4096_method=xavier_uniform", "k4096c4096", NULL};
static const char *const edge[] = {"k0c3",
                                   "k3c0",
                                   "k1c1",
                                   "k17c61_method=zeros",
                                   "k17c61_method=constant_gain2.5",
                                   "k17c61_method=small_random",
                                   "k17c61_method=large_random",
                                   "k17c61_method=xavier_normal_gain1.5_seed12345678901",
                                   "k8c3r5s3_method=he_uniform_negative_slope0.1",
                                   "k8c3r5s3_method=lecun_normal",
                                   NULL};

const km_op KM_OP(init) = {
    .name = "init",
    .family = "initialisation",
    .summary = "weights to start from",
    .dims = 4,
    .dim = {{KM_DIM_C, .min = 0, .fallback = -1},
            {KM_DIM_K, .min = 0, .fallback = -1},
            {KM_DIM_R, .min = 1, .fallback = 1},
            {KM_DIM_S, .min = 1, .fallback = 1}},
    .attrs = 4,
    .attr = {{KM_METHOD, .fallback = HE_NORMAL, .integer = 1, .choices = methods},
             {KM_GAIN, .fallback = 1, .min = 0, .max = 1e6},
             {KM_NEGATIVE_SLOPE, .fallback = 0},
             {KM_SEED, .fallback = 0, .min = 0, .max = 0x1p53, .integer = 1}},
    .shape = shape,
    .sweep = {KM_DIM_C},
    .sweeps = 1,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 1,
    .pass = {{.name = "forward",
              .formula = "weight = std (2 random - 1) sqrt(3), or std N(0, 1)",
              .use = {{KM_WEIGHT, KM_WRITE, BOUND_EXACT}}}},
};

const km_kernel KM_KERNELS(init)[] = {{.op = "init", .pass = "forward", .run = forward}, {0}};
