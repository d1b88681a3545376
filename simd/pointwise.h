/* pointwise.h: the loops over elements of every pointwise kernel.
 *
 * An element function is an argument and inlines; its constants k[] stay in registers. Four
 * vectors or more are in flight, the rest takes masked vectors. What cannot lie in a core's own caches is
 * prefetched; large outputs go past the caches where that pays.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POINTWISE_H
#define KM_POINTWISE_H

#include "kernelmark.h"
#include "vec.h"

/* y from x, or grad_x from (x or y, grad_y); b is a where the op has one input. */
typedef vf km_point(vf a, vf b, const vf *k);

/* A formula for usual arguments alone: those whose *key, its bits as an unsigned number, is at most
 * limit. The point gives the same result there, so that no element depends on its neighbours. */
typedef vf km_usual(vf x, vf *key);

typedef struct km_span {
    float *y;
    const float *a, *b;
    int64_t n;
    int inputs;      /* 1: b is not read; a constant in every call, so that the test folds away */
    int vectors;     /* in flight, U or MAX_U; likewise a constant */
    km_usual *usual; /* or 0: a constant as well */
    float limit;
    void (*rare)(float *y, const float *x); /* the point on U vectors, not inlined */
} km_span;

/* How a loop treats memory: NEAR, what it needs is in the core's own caches; FAR, it asks for the
 * lines of the coming elements, as four vectors with their polynomials fill the processor's window
 * and leave it no room to run ahead; PAST, it also writes past the caches. */
typedef enum km_reach { KM_NEAR, KM_FAR, KM_PAST } km_reach;

/* In bytes read and written. Above KM_PAST_BYTES the tensors cannot stay in a last-level cache of
 * the usual 32 MiB, and write-allocate traffic may cost more than it brings. */
enum { KM_FAR_BYTES = 1 << 20, KM_PAST_BYTES = 32 << 20 };

/* Vectors in flight. Fewer than four lose 5 to 25 % on every exponential op although four already
 * spill; six gain 5 to 10 % on some of them, eight on none. */
enum { U = 4, MAX_U = 6 };

/* In elements, from the one at hand. */
enum { KM_AHEAD_READ = 512, KM_AHEAD_WRITE = 128 };

KM_INLINE void km_ahead(float *y, const float *a, const float *b, km_reach reach)
{
    if (reach == KM_NEAR)
        return;
    __builtin_prefetch(a + KM_AHEAD_READ, 0);
    if (b)
        __builtin_prefetch(b + KM_AHEAD_READ, 0);
    if (reach == KM_FAR)
        __builtin_prefetch(y + KM_AHEAD_WRITE, 1);
}

/* Elements [i, i + n), n <= V. */
KM_INLINE void km_few(km_point *f, const vf *k, km_span s, int64_t i, int64_t n)
{
    const vf a = v_load_n(s.a + i, n);
    const vf b = s.inputs == 1 ? a : v_load_n(s.b + i, n);
    v_store_n(s.y + i, f(a, b, k), n);
}

KM_INLINE int64_t km_blocks(km_point *f, const vf *k, km_span s, int64_t i, km_reach reach)
{
    const int64_t step = (int64_t)s.vectors * V;
    for (; i + step <= s.n; i += step) {
        vf y[MAX_U];
        for (int j = 0; j < s.vectors; j++) {
            const int64_t at = i + j * V;
            const vf a = v_load(s.a + at);
            km_ahead(s.y + at, s.a + at, s.inputs == 1 ? 0 : s.b + at, reach);
            y[j] = f(a, s.inputs == 1 ? a : v_load(s.b + at), k);
        }
        for (int j = 0; j < s.vectors; j++)
            (reach == KM_PAST ? v_stream : v_store)(s.y + i + j * V, y[j]);
    }
    return i;
}

/* The same where U vectors at a time take the formula for usual arguments or else the point. */
KM_INLINE int64_t km_usual_blocks(km_span s, int64_t i, km_reach reach)
{
    for (; i + U * V <= s.n; i += U * V) {
        vf y[U], key, most = v_set(0);
        for (int j = 0; j < U; j++) {
            const int64_t at = i + j * V;
            km_ahead(s.y + at, s.a + at, 0, reach);
            y[j] = s.usual(v_load(s.a + at), &key);
            most = v_max_bits(most, key);
        }
        if (__builtin_expect(v_any(v_gt_bits(most, v_set(s.limit))), 0)) {
            s.rare(s.y + i, s.a + i);
            continue;
        }
        for (int j = 0; j < U; j++)
            (reach == KM_PAST ? v_stream : v_store)(s.y + i + j * V, y[j]);
    }
    return i;
}

/* KM_PAST starts at the first aligned vector of y and is fenced by the caller. */
KM_INLINE void km_span_map(km_point *f, const vf *k, km_span s, km_reach reach)
{
    int64_t i = 0;
    if (reach == KM_PAST) {
        const int64_t head = (int64_t)(-(uintptr_t)s.y / sizeof(float) % V);
        i = head < s.n ? head : s.n;
        km_few(f, k, s, 0, i);
    }
    i = s.usual ? km_usual_blocks(s, i, reach) : km_blocks(f, k, s, i, reach);
    for (; i < s.n; i += V)
        km_few(f, k, s, i, s.n - i);
}

/* The reach of a tensor of n elements; never KM_PAST in place, where the lines are cached anyway. */
KM_INLINE km_reach km_reach_of(km_span s, int64_t n)
{
    const int64_t bytes = n * (int64_t)sizeof(float) * (s.inputs + 1);
    if (bytes > KM_PAST_BYTES && s.y != s.a && s.y != s.b && v_stream_pays())
        return KM_PAST;
    return bytes > KM_FAR_BYTES ? KM_FAR : KM_NEAR;
}

KM_INLINE void km_map(km_point *f, const vf *k, km_span s)
{
    switch (km_reach_of(s, s.n)) {
    case KM_NEAR:
        km_span_map(f, k, s, KM_NEAR);
        break;
    case KM_FAR:
        km_span_map(f, k, s, KM_FAR);
        break;
    case KM_PAST:
        km_span_map(f, k, s, KM_PAST);
        v_fence();
        break;
    }
}

/* y = f(x) */
KM_INLINE void km_forward_by(const km_args *args, km_point *f, const vf *k, int vectors)
{
    const float *x = args->slot[KM_X].data;
    km_map(f, k, (km_span){args->slot[KM_Y].data, x, 0, args->slot[KM_X].count, 1, vectors});
}

KM_INLINE void km_forward(const km_args *args, km_point *f, const vf *k)
{
    km_forward_by(args, f, k, U);
}

/* grad_x = f(saved, grad_y), where saved is the slot x or y that the derivative is formed from. */
KM_INLINE void km_backward_by(const km_args *args, km_slot saved, km_point *f, const vf *k,
                              int vectors)
{
    const km_tensor *s = args->slot;
    const int64_t n = s[saved].count;
    km_map(f, k, (km_span){s[KM_GRAD_X].data, s[saved].data, s[KM_GRAD_Y].data, n, 2, vectors});
}

KM_INLINE void km_backward(const km_args *args, km_slot saved, km_point *f, const vf *k)
{
    km_backward_by(args, saved, f, k, U);
}

#endif
