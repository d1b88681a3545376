/* dropout.c: y = mask ? scale x : 0, with a mask from Philox 4x32-10 or a given one.
 *
 * Element i is kept if the upper 24 bits of its random word reach the threshold p 2^24.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "parts.h"
#include "philox.h"
#include "pointwise.h"

/* Parts are cut between blocks of whole vectors and counters. */
enum { UNIT = 1024 };

typedef struct how {
    float scale;
    int32_t threshold;
    int all, none; /* kept */
} how;

static how how_of(const km_args *args)
{
    const double *attr = args->params->attr, p = attr[KM_P];
    const int training = attr[KM_TRAINING] != 0, inverted = attr[KM_INVERTED] != 0;
    return (how){.scale = (float)(training && inverted     ? 1 / (1 - p)
                                  : !training && !inverted ? 1 - p
                                                           : 1),
                 .threshold = (int32_t)nearbyint(p * 0x1p24),
                 .all = !training,
                 .none = training && p == 1};
}

static km_range range_of(const km_args *args, int64_t count, int part)
{
    km_range r = km_share((count + UNIT - 1) / UNIT, part, args->threads);
    r.from *= UNIT;
    r.to = r.to * UNIT < count ? r.to * UNIT : count;
    return r;
}

/* ---- a mask of our own ---- */

KM_INLINE vm is_kept(vi word, vi threshold)
{
    return vi_gt(vi_right(word, 8), vi_add(threshold, vi_set(-1)));
}

/* Elements [i, i + n) of a vector. x is 0: the mask alone. */
KM_INLINE void drop(float *y, const float *x, uint8_t *mask, vm keep, vf scale, int64_t i,
                    int64_t n)
{
    v_mask_to(mask + i, keep, n);
    if (x)
        v_store_n(y + i, v_select(keep, v_mul(scale, v_load_n(x + i, n)), v_set(0)), n);
}

KM_INLINE void drop_range(const km_args *args, float *y, const float *x, km_range r)
{
    const how h = how_of(args);
    const vf scale = v_set(h.scale);
    const vi threshold = vi_set(h.threshold);
    uint8_t *mask = args->slot[KM_MASK].data;
    vi word[2 * KM_BATCHES];
    km_generator g;
    km_generator_open(&g, (uint64_t)args->params->attr[KM_SEED], (uint64_t)r.from / 4);
    int64_t i = r.from;
    for (; i + KM_WORDS <= r.to; i += KM_WORDS) {
        km_words(&g, i, word);
        for (int j = 0; j < 2 * KM_BATCHES; j++)
            drop(y, x, mask, is_kept(word[j], threshold), scale, i + j * V, V);
    }
    if (i < r.to)
        km_words(&g, i, word);
    for (int j = 0; i < r.to; i += V, j++)
        drop(y, x, mask, is_kept(word[j], threshold), scale, i, r.to - i < V ? r.to - i : V);
}

/* ---- a given mask ---- */

KM_INLINE vf masked(const float *x, vm keep, vf scale, int64_t n)
{
    return v_select(keep, v_mul(scale, v_load_n(x, n)), v_set(0));
}

/* y of x, and if there is another one, b of a. */
KM_INLINE void apply_loop(float *y, const float *x, float *b, const float *a, const uint8_t *mask,
                          vf scale, int64_t n, km_reach reach)
{
    int64_t i = 0;
    for (; i + U * V <= n; i += U * V)
        for (int j = 0; j < U; j++) {
            const int64_t at = i + j * V;
            const vm keep = v_mask_of(mask + at, V);
            km_ahead(y + at, x + at, a ? a + at : 0, reach);
            if (a && reach == KM_FAR)
                __builtin_prefetch(b + at + KM_AHEAD_WRITE, 1);
            (reach == KM_PAST ? v_stream : v_store)(y + at, masked(x + at, keep, scale, V));
            if (a)
                (reach == KM_PAST ? v_stream : v_store)(b + at, masked(a + at, keep, scale, V));
        }
    for (; i < n; i += V) {
        const vm keep = v_mask_of(mask + i, n - i);
        v_store_n(y + i, masked(x + i, keep, scale, n - i), n - i);
        if (a)
            v_store_n(b + i, masked(a + i, keep, scale, n - i), n - i);
    }
}

static void apply(float *y, const float *x, const uint8_t *mask, vf scale, int64_t n,
                  km_reach reach)
{
    if (reach == KM_PAST)
        apply_loop(y, x, 0, 0, mask, scale, n, KM_PAST);
    else if (reach == KM_FAR)
        apply_loop(y, x, 0, 0, mask, scale, n, KM_FAR);
    else
        apply_loop(y, x, 0, 0, mask, scale, n, KM_NEAR);
}

static void apply_both(float *y, const float *x, float *b, const float *a, const uint8_t *mask,
                       vf scale, int64_t n, km_reach reach)
{
    if (reach == KM_PAST)
        apply_loop(y, x, b, a, mask, scale, n, KM_PAST);
    else if (reach == KM_FAR)
        apply_loop(y, x, b, a, mask, scale, n, KM_FAR);
    else
        apply_loop(y, x, b, a, mask, scale, n, KM_NEAR);
}

KM_INLINE vf scaled(vf x, vf unused, const vf *scale)
{
    (void)unused;
    return v_mul(*scale, x);
}

/* Where nothing is kept, or everything: done. */
static int is_plain(const how *h, float *y, const float *x, int64_t n)
{
    const vf scale = v_set(h->scale);
    if (h->none && n)
        memset(y, 0, (size_t)n * sizeof *y);
    if (h->all && (h->scale != 1 || y != x))
        km_map(scaled, &scale, (km_span){y, x, 0, n, 1, U});
    return h->none || h->all;
}

static km_reach reach_of(float *y, const float *x, int64_t count)
{
    const km_reach reach = km_reach_of((km_span){.y = y, .a = x, .inputs = 1}, count);
    return reach == KM_PAST && (uintptr_t)y % sizeof(vf) ? KM_FAR : reach;
}

/* ---- passes ---- */

static void make_mask(const km_args *args, int all, km_range r)
{
    if (all && r.to > r.from)
        memset((uint8_t *)args->slot[KM_MASK].data + r.from, 1, (size_t)(r.to - r.from));
    else
        drop_range(args, 0, 0, r);
}

static void forward_part(const km_args *args, int phase, int part)
{
    const how h = how_of(args);
    const km_range r = range_of(args, args->slot[KM_X].count, part);
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    (void)phase;
    if (r.from >= r.to)
        return;
    if (!is_plain(&h, y + r.from, x + r.from, r.to - r.from))
        drop_range(args, y, x, r);
    else
        make_mask(args, h.all, r);
}

static void mask_part(const km_args *args, int phase, int part)
{
    (void)phase;
    make_mask(args, how_of(args).all, range_of(args, args->slot[KM_MASK].count, part));
}

static void backward_part(const km_args *args, int phase, int part)
{
    const how h = how_of(args);
    const km_range r = range_of(args, args->slot[KM_GRAD_Y].count, part);
    const float *g = args->slot[KM_GRAD_Y].data;
    const uint8_t *mask = args->slot[KM_MASK].data;
    float *gx = args->slot[KM_GRAD_X].data;
    const int64_t n = r.to - r.from;
    const km_reach reach = reach_of(gx, g, args->slot[KM_GRAD_Y].count);
    (void)phase;
    if (n <= 0 || is_plain(&h, gx + r.from, g + r.from, n))
        return;
    apply(gx + r.from, g + r.from, mask + r.from, v_set(h.scale), n, reach);
    if (reach == KM_PAST)
        v_fence();
}

static void both_part(const km_args *args, int phase, int part)
{
    const how h = how_of(args);
    const km_tensor *s = args->slot;
    const km_range r = range_of(args, s[KM_X].count, part);
    const float *x = s[KM_X].data, *g = s[KM_GRAD_Y].data;
    const uint8_t *mask = s[KM_MASK].data;
    float *y = s[KM_Y].data, *gx = s[KM_GRAD_X].data;
    const int64_t n = r.to - r.from;
    km_reach reach = reach_of(y, x, 2 * s[KM_X].count);
    (void)phase;
    if (reach == KM_PAST && (gx == g || (uintptr_t)gx % sizeof(vf)))
        reach = KM_FAR;
    if (n <= 0 ||
        (is_plain(&h, y + r.from, x + r.from, n) && is_plain(&h, gx + r.from, g + r.from, n)))
        return;
    apply_both(y + r.from, x + r.from, gx + r.from, g + r.from, mask + r.from, v_set(h.scale), n,
               reach);
    if (reach == KM_PAST)
        v_fence();
}

KM_RUN_PARTS(forward, 1)
KM_RUN_PARTS(backward, 1)
KM_RUN_PARTS(both, 1)
KM_RUN_PARTS(mask, 1)

extern const km_kernel KM_KERNELS(dropout)[];
const km_kernel KM_KERNELS(dropout)[] = {
    {.op = "dropout", .pass = "forward", .run = forward, .run_part = forward_part},
    {.op = "dropout", .pass = "backward", .run = backward, .run_part = backward_part},
    {.op = "dropout", .pass = "forward_backward", .run = both, .run_part = both_part},
    {.op = "dropout", .pass = "mask", .run = mask, .run_part = mask_part},
    {0},
};
