/* dropout: each element is dropped with probability p. Inverted, as in torch.nn.Dropout: what is kept is
 * scaled by 1 / (1 - p) in training, and nothing happens at inference. Classic (inverted 0): unscaled in training,
 * everything times 1 - p at inference. Srivastava et al., JMLR 2014, whose p is the probability of keeping.
 *
 * The mask comes from a counter-based generator: element i is kept if the upper 24 bits of its random word are not
 * below p 2^24. p = 1 drops everything, and what is dropped is 0, even if it was NaN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "philox.h"
#include "pointwise.h"

static int is_training(const km_args *args)
{
    return args->params->attr[KM_TRAINING] != 0;
}

static real scale_of(const km_args *args)
{
    const double p = args->params->attr[KM_P];
    const int inverted = args->params->attr[KM_INVERTED] != 0;
    if (is_training(args))
        return (real)(inverted ? 1 / (1 - p) : 1);
    return (real)(inverted ? 1 : 1 - p);
}

static uint8_t is_kept(const km_args *args, int64_t i)
{
    const uint64_t seed = (uint64_t)args->params->attr[KM_SEED];
    const double threshold = nearbyint(args->params->attr[KM_P] * 0x1p24);
    return !is_training(args) || random_word(seed, i) >> 8 >= threshold;
}

/* to = from where the mask says so, scaled; at inference everywhere. */
static void apply(const km_args *args, km_slot from, km_slot to)
{
    const uint8_t *mask = args->slot[KM_MASK].data;
    const int all = !is_training(args), none = !all && args->params->attr[KM_P] == 1;
    const real *x = in(args, from);
    real *y = out(args, to);
    for (int64_t i = 0; i < args->slot[from].count; i++)
        y[i] = all || (mask[i] && !none) ? scale_of(args) * x[i] : 0;
}

static void make_mask(const km_args *args)
{
    uint8_t *mask = args->slot[KM_MASK].data;
    for (int64_t i = 0; i < args->slot[KM_MASK].count; i++)
        mask[i] = is_kept(args, i);
}

static void forward(const km_args *args)
{
    make_mask(args);
    apply(args, KM_X, KM_Y);
}

static void backward(const km_args *args)
{
    apply(args, KM_GRAD_Y, KM_GRAD_X);
}

static void forward_backward(const km_args *args)
{
    apply(args, KM_X, KM_Y);
    apply(args, KM_GRAD_Y, KM_GRAD_X);
}

static const char *infer(const km_args *recorded, km_case *c)
{
    if (recorded->slot[KM_X].ndim < 0)
        return "input 'x' is not recorded";
    c->dim[KM_DIM_N] = recorded->slot[KM_X].count;
    return NULL;
}

static const char *const quick[] = {"n1000", "n65536", NULL};
static const char *const full[] = {"n1048576", "n16777216", NULL};
static const char *const edge[] = {"n0",
                                   "n1_p0",
                                   "n257_p1",
                                   "n1037_p0.1_seed12345678901",
                                   "n257_inverted0_training0",
                                   "n257_training0",
                                   NULL};

#define USE_MASK                                                                                   \
    {                                                                                              \
        KM_MASK, KM_READ, .fill = KM_FILL_SAVED, .type = KM_UINT8                                  \
    }
#define MAKE_MASK                                                                                  \
    {                                                                                              \
        KM_MASK, KM_WRITE, BOUND_EXACT, .type = KM_UINT8, .saved = 1                               \
    }

const km_op KM_OP(dropout) = {
    .name = "dropout",
    .family = "regularisation",
    .summary = "elements dropped at random",
    .dims = 1,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1}},
    .attrs = 4,
    .attr = {{KM_P, .fallback = 0.5, .min = 0, .max = 1},
             {KM_INVERTED, .fallback = 1, .min = 0, .max = 1, .integer = 1},
             {KM_TRAINING, .fallback = 1, .min = 0, .max = 1, .integer = 1},
             {KM_SEED, .fallback = 0, .min = 0, .max = 0x1p53, .integer = 1}},
    .shape = pointwise_shape,
    .infer = infer,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 4,
    .pass = {{.name = "forward",
              .formula = "mask = random >= p; y = mask ? x / (1 - p) : 0",
              .use = {USE_X, MAKE_Y(BOUND_ULP(2)), MAKE_MASK},
              .flops_each = 1},
             {.name = "backward",
              .formula = "grad_x = mask ? grad_y / (1 - p) : 0",
              .use = {USE_MASK, USE_GRAD_Y, MAKE_GRAD_X(BOUND_ULP(2))},
              .flops_each = 1},
             {.name = "forward_backward",
              .formula = "of a given mask: y = mask ? x / (1 - p) : 0, and grad_x alike",
              .use = {USE_X, USE_MASK, USE_GRAD_Y, MAKE_Y(BOUND_ULP(2)), MAKE_GRAD_X(BOUND_ULP(2))},
              .flops_each = 2},
             {.name = "mask", .formula = "mask = random >= p", .use = {MAKE_MASK}}},
};

const km_kernel KM_KERNELS(dropout)[] = {
    {.op = "dropout", .pass = "forward", .run = forward},
    {.op = "dropout", .pass = "backward", .run = backward},
    {.op = "dropout", .pass = "forward_backward", .run = forward_backward},
    {.op = "dropout", .pass = "mask", .run = make_mask},
    {0}};
