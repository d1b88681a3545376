/* conv2d.c: convolutions, each in the layouts in which oneDNN computes it fastest here.
 *
 * Of the ways below, open makes all that oneDNN offers and keeps the fastest. On plain tensors, run
 * holds the conversions to its layouts and back; with KM_NATIVE, the tensors come in them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "conv2d.h"
#include "convolution.h"
#include "fastest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct way {
    const char *name; /* of the layouts */
    format format[ROLES];
    int winograd; /* tried for cases that ask for it, beside the others */
} way;

static const way ways[] = {
    {"own layout", {LIBRARY, LIBRARY, LIBRARY}, 1},
    {"own layout", {LIBRARY, LIBRARY, LIBRARY}},
    {"nhwc", {NHWC, LIBRARY, NHWC}},
    {"plain", {PLAIN, PLAIN, PLAIN}},
    {"plain data", {PLAIN, LIBRARY, PLAIN}},
};
/* Native tensors come in one of the first three. */
enum { NATIVE_WAYS = 3, WAYS = sizeof ways / sizeof *ways };

typedef struct candidate {
    plan *plan;
    const char *name;
    desc chosen[ROLES];
} candidate;

typedef struct conv2d {
    const convolution_pass *pass;
    candidate best;          /* without a plan: a sum of no terms */
    plan *conversion[ROLES]; /* with KM_NATIVE; NULL: that tensor stays plain */
} conv2d;

/* ---- candidates ------------------------------------------------------------------------------ */

static void discard(candidate *c)
{
    km_onednn_close(c->plan);
    for (int i = 0; i < ROLES; i++)
        desc_destroy(&c->chosen[i]);
    *c = (candidate){0};
}

static const char *make(candidate *c, const km_args *args, const convolution_pass *pass,
                        const way *w)
{
    convolution_recipe recipe = {pass, {0}, args->layout == KM_NATIVE, w->winograd, c->chosen};
    void *made = NULL;
    memcpy(recipe.format, w->format, sizeof recipe.format);
    const char *reason = km_onednn_open(args, km_onednn_convolution, &recipe, &made);
    c->plan = made;
    c->name = w->name;
    return reason;
}

static const char *impl_of(const candidate *c)
{
    const plan *p = c->plan;
    for (int i = 0; i < p->steps; i++)
        if (strcmp(p->step[i].impl, "reorder") != 0)
            return p->step[i].impl;
    return "";
}

static int is_same(const candidate *a, const candidate *b)
{
    int same = !strcmp(impl_of(a), impl_of(b));
    for (int i = 0; i < ROLES; i++)
        same = same && desc_equal(&a->chosen[i], &b->chosen[i]);
    return same;
}

/* Multiplications of the case. Few: no race, the first way that oneDNN offers. */
static const double race_from = 25e3, slow_from = 1e7;

static double products(const km_args *args, const convolution_pass *pass)
{
    const km_tensor *filter = &args->slot[pass->slot[FILTER]];
    return (double)args->slot[pass->slot[RESULT]].count * (double)filter->count /
           (double)filter->dim[0];
}

/* oneDNN's reference code takes minutes where its other code takes a second: where there is other code,
 * it is tried on small cases only. */
static int is_hopeless(const candidate *c, const km_args *args, const convolution_pass *pass)
{
    return !strncmp(impl_of(c), "ref", 3) && products(args, pass) > slow_from;
}

/* The candidates worth timing; one at least, unless none can be made. */
static int make_all(candidate *c, const km_args *args, const convolution_pass *pass,
                    const char **reason)
{
    const int all = args->layout == KM_NATIVE ? NATIVE_WAYS : WAYS;
    const int race = products(args, pass) >= race_from;
    int count = 0;
    for (int i = 0; i < all && (race || !count); i++) {
        candidate *new = &c[count];
        if (ways[i].winograd && (args->params->attr[KM_ALGORITHM] == 0 || pass->written == FILTER))
            continue;
        const char *why = make(new, args, pass, &ways[i]);
        int spare = why != NULL;
        if (why && !*reason)
            *reason = why;
        for (int k = 0; k < count && !spare; k++)
            spare = is_same(&c[k], new);
        if (!spare && count && is_hopeless(new, args, pass))
            spare = 1;
        if (spare)
            discard(new);
        else if (count == 1 && is_hopeless(&c[0], args, pass)) {
            discard(&c[0]);
            c[0] = *new;
            *new = (candidate){0};
        } else
            count++;
    }
    return count;
}

/* Floats of every slot that the longest of the candidates touches. */
static void count_floats(int64_t count[KM_SLOT_COUNT], const candidate *c, int candidates,
                         const km_args *args, const convolution_pass *pass)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        count[s] = args->slot[s].count;
    for (int i = 0; i < candidates; i++)
        for (int k = 0; k < ROLES; k++) {
            const int64_t own = (int64_t)(desc_size(&c[i].chosen[k]) / sizeof(float));
            int64_t *most = &count[pass->slot[k]];
            *most = own > *most ? own : *most;
        }
}

static const char *choose(conv2d *v, const km_args *args)
{
    candidate c[WAYS] = {{0}};
    int64_t floats[KM_SLOT_COUNT];
    plan *plans[WAYS];
    const char *reason = NULL;
    const int count = make_all(c, args, v->pass, &reason);
    if (!count)
        return reason;
    count_floats(floats, c, count, args, v->pass);
    for (int i = 0; i < count; i++)
        plans[i] = c[i].plan;
    const int best = km_onednn_fastest(plans, count, args, floats);
    for (int i = 0; i < count; i++)
        if (i != best)
            discard(&c[i]);
    if (best < 0)
        return "out of memory";
    v->best = c[best];
    return NULL;
}

/* ---- native layouts -------------------------------------------------------------------------- */

/* One direction each: what the pass reads becomes native, what it writes becomes plain. */
static const char *make_conversion(conv2d *v, const km_args *args, role i)
{
    desc plain = {0};
    void *made = NULL;
    const char *reason = "oneDNN cannot describe the tensors";
    if (!km_onednn_convolution_desc(&plain, args, v->pass, i, PLAIN)) {
        const desc *chosen = &v->best.chosen[i];
        const conversion c =
            i == v->pass->written ? (conversion){*chosen, plain} : (conversion){plain, *chosen};
        reason = NULL;
        if (!desc_equal(&plain, chosen))
            reason = km_onednn_open(args, km_onednn_conversion, &c, &made);
        v->conversion[i] = made;
    }
    desc_destroy(&plain);
    return reason;
}

static int role_of(const conv2d *v, km_slot slot)
{
    for (int i = 0; i < ROLES; i++)
        if (v->pass->slot[i] == slot)
            return i;
    return -1;
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    const conv2d *v = plan_;
    const int i = role_of(v, slot);
    if (i < 0 || !v->conversion[i])
        return 0;
    return (int64_t)(desc_size(&v->best.chosen[i]) / sizeof(float));
}

static void convert(plan *p, void *from, void *to)
{
    km_args args = {.plan = p};
    args.slot[KM_X].data = from;
    args.slot[KM_Y].data = to;
    km_onednn_run(&args);
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const conv2d *v = plan_;
    convert(v->conversion[role_of(v, slot)], (void *)plain, native);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const conv2d *v = plan_;
    convert(v->conversion[role_of(v, slot)], (void *)native, plain);
}

/* ---- kernels --------------------------------------------------------------------------------- */

static void close(void *plan_)
{
    conv2d *v = plan_;
    if (!v)
        return;
    for (int i = 0; i < ROLES; i++)
        km_onednn_close(v->conversion[i]);
    discard(&v->best);
    free(v);
}

static const char *open(const km_args *args, const convolution_pass *pass, void **out)
{
    const char *reason = NULL;
    conv2d *v = calloc(1, sizeof *v);
    if (!v)
        return "out of memory";
    v->pass = pass;
    int empty = 0;
    for (int i = 0; i < ROLES; i++)
        empty |= !args->slot[pass->slot[i]].count;
    if (!empty)
        reason = choose(v, args);
    for (int i = 0; i < ROLES && !empty && !reason && args->layout == KM_NATIVE; i++)
        reason = make_conversion(v, args, i);
    if (reason) {
        close(v);
        v = NULL;
    }
    *out = v;
    return reason;
}

static const char *open_forward(const km_args *args, void **out)
{
    return open(args, &km_onednn_convolution_forward, out);
}

static const char *open_data(const km_args *args, void **out)
{
    return open(args, &km_onednn_convolution_data, out);
}

static const char *open_weights(const km_args *args, void **out)
{
    return open(args, &km_onednn_convolution_weights, out);
}

/* Sums of no terms: zeros, or the bias. */
static void fill_empty(const km_tensor *t, const km_tensor *bias)
{
    float *out = t->data;
    const int64_t plane = t->count ? t->dim[2] * t->dim[3] : 1;
    for (int64_t i = 0; i < t->count; i++)
        out[i] = bias->count ? ((const float *)bias->data)[i / plane % bias->count] : 0;
}

static void run(const km_args *args)
{
    const conv2d *v = args->plan;
    km_args own = *args;
    own.plan = v->best.plan;
    if (own.plan)
        km_onednn_run(&own);
    else
        fill_empty(&args->slot[v->pass->slot[v->pass->written]], &args->slot[KM_BIAS]);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const conv2d *v = plan_;
    if (!v->best.plan)
        return;
    km_onednn_describe(v->best.plan, info);
    info->transforms = strstr(info->impl, "wino") != NULL;
    const size_t used = strlen(info->impl);
    snprintf(info->impl + used, sizeof info->impl - used, ", %s", v->best.name);
}

#define KERNEL(pass_, open_)                                                                       \
    {                                                                                              \
        .op = "conv2d", .pass = pass_, .open = open_, .run = run, .close = close,                  \
        .describe = describe, .native_count = native_count, .to_native = to_native,                \
        .from_native = from_native                                                                 \
    }
const km_kernel km_onednn_conv2d[] = {
    KERNEL("forward", open_forward),
    KERNEL("backward_data", open_data),
    KERNEL("backward_weights", open_weights),
    {.op = "conv2d",
     .pass = "backward_bias",
     .open = km_onednn_bias_open,
     .run = km_onednn_bias_run,
     .close = km_onednn_bias_close,
     .describe = km_onednn_bias_describe,
     .offer = KM_COMPOSED_KERNEL,
     .note = "reductions over the image, then over the batch"},
    {0},
};
