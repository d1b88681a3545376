/* pointwise.h: the loops over elements of every pointwise kernel.
 *
 * An element function is an argument and inlines; its constants k[] stay in registers. Four
 * vectors are in flight, the rest takes masked vectors. Large outputs go past the caches.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_POINTWISE_H
#define KM_POINTWISE_H

#include "kernelmark.h"
#include "vec.h"

/* y from x, or grad_x from (x or y, grad_y); b is a where the op has one input. */
typedef vf km_point(vf a, vf b, const vf *k);

typedef struct km_span {
    float *y;
    const float *a, *b;
    int64_t n;
    int inputs; /* 1: b is not read; a constant in every call, so that the test folds away */
} km_span;

/* Above this many bytes read and written the tensors cannot stay in a last-level cache of the
 * usual 32 MiB, and write-allocate traffic costs more than it brings. */
#ifndef U
#define U 4
#endif
enum { KM_STREAM_BYTES = 32 << 20 };

/* Elements [i, i + n), n <= V. */
KM_INLINE void km_few(km_point *f, const vf *k, km_span s, int64_t i, int64_t n)
{
    const vf a = v_load_n(s.a + i, n);
    const vf b = s.inputs == 1 ? a : v_load_n(s.b + i, n);
    v_store_n(s.y + i, f(a, b, k), n);
}

KM_INLINE int64_t km_blocks(km_point *f, const vf *k, km_span s, int64_t i, int stream)
{
    for (; i + U * V <= s.n; i += U * V) {
        vf y[U];
        for (int j = 0; j < U; j++) {
            const vf a = v_load(s.a + i + j * V);
            y[j] = f(a, s.inputs == 1 ? a : v_load(s.b + i + j * V), k);
        }
        for (int j = 0; j < U; j++)
            (stream ? v_stream : v_store)(s.y + i + j * V, y[j]);
    }
    return i;
}

/* Streaming starts at the first aligned vector of y and is fenced by the caller. */
KM_INLINE void km_span_map(km_point *f, const vf *k, km_span s, int stream)
{
    int64_t i = 0;
    if (stream) {
        const int64_t head = (int64_t)(-(uintptr_t)s.y / sizeof(float) % V);
        i = head < s.n ? head : s.n;
        km_few(f, k, s, 0, i);
        i = km_blocks(f, k, s, i, 1);
    } else {
        i = km_blocks(f, k, s, 0, 0);
    }
    for (; i < s.n; i += V)
        km_few(f, k, s, i, s.n - i);
}

/* Whether to stream a tensor of n elements; never in place, where the lines are cached anyway. */
KM_INLINE int km_streams(km_span s, int64_t n)
{
    const int64_t bytes = n * (int64_t)sizeof(float) * (s.inputs + 1);
    return bytes > KM_STREAM_BYTES && s.y != s.a && s.y != s.b;
}

KM_INLINE void km_map(km_point *f, const vf *k, km_span s)
{
    if (km_streams(s, s.n)) {
        km_span_map(f, k, s, 1);
        v_fence();
    } else {
        km_span_map(f, k, s, 0);
    }
}

/* y = f(x) */
KM_INLINE void km_forward(const km_args *args, km_point *f, const vf *k)
{
    const float *x = args->slot[KM_X].data;
    km_map(f, k, (km_span){args->slot[KM_Y].data, x, 0, args->slot[KM_X].count, 1});
}

/* grad_x = f(saved, grad_y), where saved is the slot x or y that the derivative is formed from. */
KM_INLINE void km_backward(const km_args *args, km_slot saved, km_point *f, const vf *k)
{
    const km_tensor *s = args->slot;
    km_map(f, k, (km_span){s[KM_GRAD_X].data, s[saved].data, s[KM_GRAD_Y].data, s[saved].count, 2});
}

#endif
