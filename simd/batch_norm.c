/* batch_norm.c: per channel of x [n, c, h, w], statistics or sums of gradients, then y or grad_x.
 *
 * A channel is cut into chunks: pieces of a plane of more than CHUNK elements, or several small planes. The
 * chunks' sums are joined in double, in order, so that parts may share channels as well as chunks; with
 * enough channels for all parts each is finished while it is still in cache: one read of memory, one write.
 * Where h w = 1, channels lie in lanes (batch_norm_columns.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "batch_norm_columns.h"

/* Of a chunk: forward a mean and m2, backward sums. */
typedef union partial {
    moments m;
    sums s;
} partial;

/* In open: with fewer channels per part their number would be too uneven a measure of work. */
enum { CHANNELS_PER_PART = 4 };

typedef struct plan {
    int64_t images, channels, plane;
    int64_t group, pieces, chunks; /* images and plane pieces; chunks of a channel */
    int needs_sums, split;         /* split: parts are cut through channels */
    partial partial[];             /* of each chunk, channel by channel */
} plan;

static double values(const plan *p)
{
    return (double)(p->images * p->plane);
}

/* The runs of chunk i of each channel; returns where in the channel's planes they begin. */
KM_INLINE int64_t chunk_at(const plan *p, int64_t i, runs *r)
{
    const int64_t image = i / p->pieces * p->group, offset = i % p->pieces * CHUNK;
    *r = (runs){least(p->group, p->images - image), least(CHUNK, p->plane - offset),
                p->channels * p->plane};
    return image * r->stride + offset;
}

/* ---- forward ---- */

KM_INLINE void sum_chunks(const km_args *args, range units, km_reach reach)
{
    plan *p = args->plan;
    runs r;
    for (int64_t u = units.from; u < units.to; u++) {
        const int64_t at = chunk_at(p, u % p->chunks, &r) + u / p->chunks * p->plane;
        p->partial[u].m = moments_of(input(args, KM_X) + at, r, reach);
    }
}

static moments join_chunks(const plan *p, int64_t c)
{
    moments m = {0, 0};
    double have = 0;
    runs r;
    for (int64_t i = 0; i < p->chunks; i++) {
        chunk_at(p, i, &r);
        const double more = (double)(r.count * r.length);
        m = join(m, have, p->partial[c * p->chunks + i].m, more);
        have += more;
    }
    return m;
}

/* The part that has the first chunk of a channel writes its statistics. */
static line line_at(const km_args *args, int64_t c, int first)
{
    const plan *p = args->plan;
    if (!p->needs_sums)
        return line_of_running(args, c);
    const moments m = join_chunks(p, c);
    if (first)
        write_statistics(args, c, m, values(p));
    return line_of(args, c, m.mean, positive(m.m2 * (1 / values(p))));
}

KM_INLINE void map_chunks(const km_args *args, range units, km_reach reach)
{
    const plan *p = args->plan;
    const float *x = input(args, KM_X);
    float *y = args->slot[KM_Y].data;
    vf k[3] = {v_set(0), v_set(0), v_set(0)};
    runs r;
    for (int64_t u = units.from; u < units.to; u++) {
        const int64_t c = u / p->chunks, i = u % p->chunks;
        if (u == units.from || i == 0) {
            const line l = line_at(args, c, i == 0);
            k[0] = v_set(l.mean);
            k[1] = v_set(l.factor);
            k[2] = v_set(l.shift);
        }
        int64_t at = chunk_at(p, i, &r) + c * p->plane;
        for (int64_t n = 0; n < r.count; n++, at += r.stride)
            km_span_map(normal, k, (km_span){y + at, x + at, 0, r.length, 1, U}, reach);
    }
}

/* ---- backward ---- */

/* Sums of g, and of g (x - mean). */
KM_INLINE sums product_sums(const float *x, const float *g, runs r, vf mean, km_reach reach)
{
    lanes l = no_lanes();
    for (int64_t n = 0; n < r.count; n++, x += r.stride, g += r.stride) {
        int64_t i = 0;
        for (; i + 4 * V <= r.length; i += 4 * V)
            for (int j = 0; j < 4; j++) {
                const int64_t at = i + j * V;
                if (reach != KM_NEAR) {
                    __builtin_prefetch(x + at + KM_AHEAD_READ, 0);
                    __builtin_prefetch(g + at + KM_AHEAD_READ, 0);
                }
                add_product(&l, j, v_sub(v_load(x + at), mean), v_load(g + at));
            }
        for (; i < r.length; i += V) {
            const int64_t left = r.length - i;
            add_product(&l, 0, v_sub(v_load_n(x + i, left), mean), v_load_n(g + i, left));
        }
    }
    return sums_of(&l);
}

KM_INLINE void sum_gradients(const km_args *args, range units, km_reach reach)
{
    plan *p = args->plan;
    runs r;
    for (int64_t u = units.from; u < units.to; u++) {
        const int64_t c = u / p->chunks, at = chunk_at(p, u % p->chunks, &r) + c * p->plane;
        p->partial[u].s = product_sums(input(args, KM_X) + at, input(args, KM_GRAD_Y) + at, r,
                                       v_set(saved_mean(args, c)), reach);
    }
}

static plane_of_gradients gradients_at(const km_args *args, int64_t c, int first)
{
    const plan *p = args->plan;
    sums s = {0, 0};
    for (int64_t i = 0; p->needs_sums && i < p->chunks; i++) {
        s.a += p->partial[c * p->chunks + i].s.a;
        s.b += p->partial[c * p->chunks + i].s.b;
    }
    if (first)
        write_gradients(args, c, s);
    return gradients_of(args, c, s, values(p));
}

KM_INLINE void map_gradients(const km_args *args, range units, km_reach reach)
{
    const plan *p = args->plan;
    const float *x = input(args, KM_X), *g = input(args, KM_GRAD_Y);
    float *gx = args->slot[KM_GRAD_X].data;
    vf k[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    runs r;
    for (int64_t u = units.from; u < units.to; u++) {
        const int64_t c = u / p->chunks, i = u % p->chunks;
        if (u == units.from || i == 0) {
            const plane_of_gradients f = gradients_at(args, c, i == 0);
            k[0] = v_set(f.mean);
            k[1] = v_set(f.factor);
            k[2] = v_set(f.slope);
            k[3] = v_set(f.shift);
        }
        int64_t at = chunk_at(p, i, &r) + c * p->plane;
        for (int64_t n = 0; n < r.count; n++, at += r.stride)
            if (trains(args))
                km_span_map(gradient, k, (km_span){gx + at, x + at, g + at, r.length, 2, U}, reach);
            else
                km_span_map(scaled, k, (km_span){gx + at, g + at, 0, r.length, 1, U}, reach);
    }
}

/* ---- parts ---- */

/* One step, over some chunks. */
typedef void step(const km_args *args, range units, km_reach reach);

KM_INLINE void take(step *f, const km_args *args, range units, km_reach reach)
{
    if (reach == KM_NEAR)
        f(args, units, KM_NEAR);
    else if (reach == KM_FAR)
        f(args, units, KM_FAR);
    else {
        f(args, units, KM_PAST);
        v_fence();
    }
}

KM_INLINE void steps(const km_args *args, int phase, int part, step *sum, step *map, km_reach reach)
{
    const plan *p = args->plan;
    const range own = share(p->channels * p->chunks, part, args->threads);
    if (p->split && phase == 0)
        take(sum, args, own, reach);
    else if (p->split || (!p->needs_sums && phase == 0))
        take(map, args, own, reach);
    else if (phase == 0) {
        const range channels = share(p->channels, part, args->threads);
        for (int64_t c = channels.from; c < channels.to; c++) {
            const range channel = {c * p->chunks, (c + 1) * p->chunks};
            take(sum, args, channel, reach);
            take(map, args, channel, reach);
        }
    }
}

KM_INLINE void columns(const km_args *args, int phase, int part,
                       void (*run_block)(const km_args *args, block k, int u))
{
    const km_tensor *x = &args->slot[KM_X];
    const range own = share((x->dim[1] + WIDTH - 1) / WIDTH, part, args->threads);
    const int64_t end = least(own.to * WIDTH, x->dim[1]);
    int64_t c = own.from * WIDTH;
    for (; phase == 0 && c + WIDTH <= end; c += WIDTH)
        run_block(args, (block){c, WIDTH, x->dim[0], x->dim[1]}, WIDE);
    for (; phase == 0 && c < end; c += V)
        run_block(args, (block){c, least(V, end - c), x->dim[0], x->dim[1]}, 1);
}

static void forward_part(const km_args *args, int phase, int part)
{
    const km_span span = {args->slot[KM_Y].data, input(args, KM_X), 0, 0, 1, U};
    if (((const plan *)args->plan)->plane == 1)
        columns(args, phase, part, forward_columns);
    else
        steps(args, phase, part, sum_chunks, map_chunks, km_reach_of(span, args->slot[KM_X].count));
}

static void backward_part(const km_args *args, int phase, int part)
{
    const km_span span = {
        args->slot[KM_GRAD_X].data, input(args, KM_X), input(args, KM_GRAD_Y), 0, 2, U};
    if (((const plan *)args->plan)->plane == 1)
        columns(args, phase, part, backward_columns);
    else
        steps(args, phase, part, sum_gradients, map_gradients,
              km_reach_of(span, args->slot[KM_X].count));
}

static void forward(const km_args *args)
{
    for (int phase = 0; phase < 2; phase++)
        for (int part = 0; part < args->threads; part++)
            forward_part(args, phase, part);
}

static void backward(const km_args *args)
{
    for (int phase = 0; phase < 2; phase++)
        for (int part = 0; part < args->threads; part++)
            backward_part(args, phase, part);
}

/* ---- plan ---- */

static int64_t ceiling(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* A channel without images has one chunk, too: of no runs. */
static plan cut(const km_args *args)
{
    const km_tensor *x = &args->slot[KM_X];
    plan p = {.images = x->dim[0], .channels = x->dim[1], .plane = x->dim[2] * x->dim[3]};
    p.group = p.plane < CHUNK ? CHUNK / p.plane : 1;
    p.pieces = ceiling(p.plane, CHUNK);
    p.chunks = (p.images ? ceiling(p.images, p.group) : 1) * p.pieces;
    return p;
}

static const char *open(const km_args *args, int needs_sums, void **out)
{
    plan p = cut(args);
    p.needs_sums = needs_sums;
    p.split =
        needs_sums && args->threads > 1 && p.channels < CHANNELS_PER_PART * (int64_t)args->threads;
    const int64_t partials = needs_sums && p.plane > 1 ? p.channels * p.chunks : 0;
    plan *made = malloc(sizeof p + (size_t)partials * sizeof(partial));
    if (!made)
        return "out of memory";
    *made = p;
    *out = made;
    return NULL;
}

static const char *open_forward(const km_args *args, void **out)
{
    return open(args, trains(args), out);
}

static const char *open_backward(const km_args *args, void **out)
{
    return open(args, trains(args) || args->slot[KM_GRAD_WEIGHT].count, out);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    if (p->needs_sums && p->plane > 1)
        info->workspace_bytes = p->channels * p->chunks * (int64_t)sizeof(partial);
}

extern const km_kernel KM_KERNELS(batch_norm)[];
const km_kernel KM_KERNELS(batch_norm)[] = {
    {.op = "batch_norm",
     .pass = "forward",
     .open = open_forward,
     .run = forward,
     .close = free,
     .describe = describe,
     .run_part = forward_part,
     .phases = 2},
    {.op = "batch_norm",
     .pass = "backward",
     .open = open_backward,
     .run = backward,
     .close = free,
     .describe = describe,
     .run_part = backward_part,
     .phases = 2},
    {0},
};
