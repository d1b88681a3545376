/* optimizer.c: optimizers as chains of binary primitives with post-ops, a chain for each tensor that is written.
 *
 * oneDNN has no optimizer. What a chain adds last is the tensor that it writes, element over element. Numbers that change
 * from step to step are constants in memory: a recipe is made anew in every run and its constants are put where the
 * primitives read them. A list is a plan for each of its tensors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_LINKS = 6, MAX_CHAINS = 8 };

typedef struct recipe {
    int chains;
    chain chain[MAX_CHAINS];
    link links[MAX_CHAINS][MAX_LINKS];
} recipe;

typedef void recipe_fn(const km_args *args, recipe *r);

static double number(const km_args *args, km_attr a)
{
    return args->params->attr[a];
}

/* ---- words of which recipes are made ---- */

static link constant(dnnl_alg_kind_t alg, double value)
{
    return (link){alg, CONSTANT, (float)value, 0, 0};
}

static link tensor(dnnl_alg_kind_t alg, int slot)
{
    return (link){alg, TENSOR, 0, 0, slot};
}

static link root(void)
{
    return (link){dnnl_eltwise_sqrt, ELTWISE, 0, 0, 0};
}

#define TIMES(value) constant(dnnl_binary_mul, value)
#define PLUS(value)  constant(dnnl_binary_add, value)
#define ADD(slot)    tensor(dnnl_binary_add, slot)
#define MUL(slot)    tensor(dnnl_binary_mul, slot)
#define DIV(slot)    tensor(dnnl_binary_div, slot)
#define MAX(slot)    tensor(dnnl_binary_max, slot)

/* dst = links applied to src, one after the other */
#define CHAIN(r, src, dst, ...)                                                                    \
    add_chain(r, src, dst, (const link[]){__VA_ARGS__},                                            \
              (int)(sizeof((const link[]){__VA_ARGS__}) / sizeof(link)))

static void add_chain(recipe *r, int src, int dst, const link *links, int count)
{
    link *own = r->links[r->chains];
    for (int i = 0; i < count; i++)
        own[i] = links[i];
    r->chain[r->chains++] = (chain){src, dst, count, own};
}

/* Where the gradient is: with weight decay in the spare tensor, grad + weight_decay param. */
static int decayed(const km_args *args, recipe *r)
{
    const double decay = number(args, KM_WEIGHT_DECAY);
    if (decay == 0)
        return KM_GRAD;
    CHAIN(r, KM_PARAM, SPARE_SLOT, TIMES(decay), ADD(KM_GRAD));
    return SPARE_SLOT;
}

/* average = share average + (1 - share) x */
static void average(recipe *r, int slot, double share, int x)
{
    CHAIN(r, slot, slot, TIMES(share / (1 - share)), ADD(x), TIMES(1 - share));
}

/* average = share average + (1 - share) x^2; share is above 0 */
static void average_square(recipe *r, int slot, double share, int x)
{
    CHAIN(r, x, slot, MUL(x), TIMES((1 - share) / share), ADD(slot), TIMES(share));
}

/* scratch = sqrt(slot) + eps */
static void divisor(recipe *r, int slot, double eps)
{
    CHAIN(r, slot, SCRATCH_SLOT, TIMES(1), root(), PLUS(eps));
}

/* ---- recipes ---- */

static void sgd(const km_args *args, recipe *r)
{
    const int g = decayed(args, r);
    CHAIN(r, g, KM_PARAM, TIMES(-number(args, KM_LR)), ADD(KM_PARAM));
}

static void sgd_momentum(const km_args *args, recipe *r)
{
    const int g = decayed(args, r), copy = args->step == 1 || number(args, KM_MOMENTUM) == 0;
    const double share = copy ? 1 : 1 - number(args, KM_DAMPENING);
    const double momentum = copy ? 0 : number(args, KM_MOMENTUM) / share;
    CHAIN(r, KM_MOMENTUM_BUFFER, KM_MOMENTUM_BUFFER, TIMES(momentum), ADD(g), TIMES(share));
    CHAIN(r, KM_MOMENTUM_BUFFER, KM_PARAM, TIMES(-number(args, KM_LR)), ADD(KM_PARAM));
}

static void nag(const km_args *args, recipe *r)
{
    const int g = decayed(args, r);
    const double momentum = number(args, KM_MOMENTUM);
    CHAIN(r, KM_MOMENTUM_BUFFER, KM_MOMENTUM_BUFFER, TIMES(args->step == 1 ? 0 : momentum), ADD(g));
    CHAIN(r, KM_MOMENTUM_BUFFER, KM_PARAM, TIMES(momentum), ADD(g), TIMES(-number(args, KM_LR)),
          ADD(KM_PARAM));
}

static void adagrad(const km_args *args, recipe *r)
{
    const int g = decayed(args, r);
    const double slower = 1 + (double)(args->step - 1) * number(args, KM_LR_DECAY);
    CHAIN(r, g, KM_SUM_OF_SQUARES, MUL(g), ADD(KM_SUM_OF_SQUARES));
    divisor(r, KM_SUM_OF_SQUARES, number(args, KM_EPS));
    CHAIN(r, g, KM_PARAM, DIV(SCRATCH_SLOT), TIMES(-number(args, KM_LR) / slower), ADD(KM_PARAM));
}

static void rmsprop(const km_args *args, recipe *r)
{
    const int g = decayed(args, r);
    const double alpha = number(args, KM_ALPHA), lr = number(args, KM_LR);
    average_square(r, KM_SQUARE_AVG, alpha, g);
    if (number(args, KM_CENTERED) != 0) {
        average(r, KM_GRAD_AVG, alpha, g);
        CHAIN(r, KM_GRAD_AVG, SCRATCH_SLOT, MUL(KM_GRAD_AVG), TIMES(-1), ADD(KM_SQUARE_AVG), root(),
              PLUS(number(args, KM_EPS)));
    } else {
        divisor(r, KM_SQUARE_AVG, number(args, KM_EPS));
    }
    if (number(args, KM_MOMENTUM) == 0) {
        CHAIN(r, g, KM_PARAM, DIV(SCRATCH_SLOT), TIMES(-lr), ADD(KM_PARAM));
        return;
    }
    const double momentum = number(args, KM_MOMENTUM);
    CHAIN(r, g, KM_MOMENTUM_BUFFER, DIV(SCRATCH_SLOT), TIMES(1 / momentum), ADD(KM_MOMENTUM_BUFFER),
          TIMES(momentum));
    CHAIN(r, KM_MOMENTUM_BUFFER, KM_PARAM, TIMES(-lr), ADD(KM_PARAM));
}

static void adam_with(const km_args *args, recipe *r, int g, double keep)
{
    const double beta1 = number(args, KM_BETA1), beta2 = number(args, KM_BETA2);
    const double t = (double)args->step, correction = sqrt(1 - pow(beta2, t));
    const double rate = number(args, KM_LR) * correction / (1 - pow(beta1, t));
    int second = KM_EXP_AVG_SQ;
    average(r, KM_EXP_AVG, beta1, g);
    average_square(r, KM_EXP_AVG_SQ, beta2, g);
    if (number(args, KM_AMSGRAD) != 0) {
        second = KM_MAX_EXP_AVG_SQ;
        CHAIN(r, second, second, MAX(KM_EXP_AVG_SQ));
    }
    divisor(r, second, number(args, KM_EPS) * correction);
    CHAIN(r, KM_EXP_AVG, KM_PARAM, DIV(SCRATCH_SLOT), TIMES(-rate / keep), ADD(KM_PARAM),
          TIMES(keep));
}

static void adam(const km_args *args, recipe *r)
{
    const int g = decayed(args, r);
    adam_with(args, r, g, 1);
}

static void adamw(const km_args *args, recipe *r)
{
    adam_with(args, r, KM_GRAD, 1 - number(args, KM_LR) * number(args, KM_WEIGHT_DECAY));
}

static void ewma(const km_args *args, recipe *r)
{
    const double beta = number(args, KM_BETA);
    average(r, KM_EXP_AVG, beta, KM_X);
    if (number(args, KM_BIAS_CORRECTION) != 0)
        CHAIN(r, KM_EXP_AVG, KM_Y, TIMES(1 / (1 - pow(beta, (double)args->step))));
}

/* ---- plans ---- */

typedef struct list {
    recipe_fn *make;
    int plans;
    void *plan[]; /* of km_onednn_open, for each tensor */
} list;

static const char *build(plan *p, const km_args *args, const void *make)
{
    recipe r = {0};
    const km_tensor *t = args->slot;
    const int64_t count = t[KM_PARAM].count ? t[KM_PARAM].count : t[KM_X].count;
    (*(recipe_fn *const *)make)(args, &r);
    const char *reason = km_onednn_scratch_two(p, count);
    for (int i = 0; i < r.chains && !reason; i++)
        reason = km_onednn_chain(p, args, &r.chain[i]);
    return reason;
}

/* The arguments of the i-th tensor alone. */
static km_args single(const km_args *args, int i)
{
    km_args own = *args;
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        km_tensor *t = &own.slot[s];
        if (!t->pieces)
            continue;
        t->count = t->dim[0] = t->piece_count[i];
        t->data = t->piece[i];
        t->pieces = 0;
    }
    return own;
}

/* NULL, or why chains cannot compute this case. */
static const char *misfit(const km_args *args)
{
    if (number(args, KM_MAX_NORM) != 0)
        return "oneDNN's norm of a tensor is reference code on one thread";
    if (args->slot[KM_EXP_AVG_SQ].ndim && number(args, KM_BETA2) == 0)
        return "chains divide by beta2";
    if (args->slot[KM_SQUARE_AVG].ndim &&
        number(args, KM_ALPHA) * (1 - number(args, KM_ALPHA)) <= 0)
        return "chains divide by alpha and 1 - alpha";
    if (args->slot[KM_MOMENTUM_BUFFER].ndim && number(args, KM_DAMPENING) == 1)
        return "chains divide by 1 - dampening";
    if (number(args, KM_LR) * number(args, KM_WEIGHT_DECAY) == 1)
        return "chains divide by 1 - lr weight_decay";
    return NULL;
}

static void close(void *plan_)
{
    list *l = plan_;
    for (int i = 0; l && i < l->plans; i++)
        km_onednn_close(l->plan[i]);
    free(l);
}

static const char *open(const km_args *args, void **out, recipe_fn *make)
{
    const km_tensor *first = &args->slot[args->slot[KM_PARAM].ndim ? KM_PARAM : KM_X];
    const int pieces = km_pieces_of(first);
    const char *reason = misfit(args);
    if (reason)
        return reason;
    list *l = calloc(1, sizeof *l + (size_t)pieces * sizeof *l->plan);
    if (!l)
        return "out of memory";
    l->make = make;
    for (; l->plans < pieces && !reason; l->plans++) {
        const km_args own = single(args, l->plans);
        reason = km_onednn_open(&own, build, &make, &l->plan[l->plans]);
    }
    if (reason)
        close(l);
    else
        *out = l;
    return reason;
}

/* The constants of this step, in the order in which the chains got theirs. */
static void set_constants(plan *p, const recipe *r)
{
    int at = 0;
    for (int i = 0; i < r->chains; i++)
        for (int j = 0; j < r->chain[i].count; j++) {
            if (r->links[i][j].operand != CONSTANT)
                continue;
            while (at < p->bindings && p->binding[at].slot != CONSTANT_SLOT)
                at++;
            p->constant[at++] = r->links[i][j].alpha;
        }
}

static void run(const km_args *args)
{
    const list *l = args->plan;
    recipe r = {0};
    l->make(args, &r);
    for (int i = 0; i < l->plans; i++) {
        km_args own = single(args, i);
        plan *p = own.plan = l->plan[i];
        if (p->steps) { /* an empty tensor has none */
            set_constants(p, &r);
            km_onednn_run(&own);
        }
    }
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const list *l = plan_;
    km_onednn_describe(l->plan[0], info);
}

#define OPS(O)                                                                                     \
    O(sgd, "binary mul, add")                                                                      \
    O(sgd_momentum, "2 binary chains: buffer, param")                                              \
    O(nag, "2 binary chains: buffer, param")                                                       \
    O(adagrad, "3 binary chains: sum, divisor (with eltwise sqrt), param")                         \
    O(rmsprop, "3 to 5 binary chains: averages, divisor (with eltwise sqrt), buffer, param")       \
    O(adam, "4 to 6 binary chains: averages, maximum, divisor (with eltwise sqrt), param")         \
    O(adamw, "4 to 5 binary chains: averages, maximum, divisor (with eltwise sqrt), param")        \
    O(ewma, "1 to 2 binary chains")

/* open must know which op it is for: one entry point per op. */
#define ENTRY(op, note)                                                                            \
    static const char *open_##op(const km_args *args, void **out)                                  \
    {                                                                                              \
        return open(args, out, op);                                                                \
    }
OPS(ENTRY)

#define KERNEL(op, note) {#op, "step", open_##op, run, close, describe, KM_COMPOSED_KERNEL, note},
const km_kernel km_onednn_optimizer[] = {OPS(KERNEL){0}};
