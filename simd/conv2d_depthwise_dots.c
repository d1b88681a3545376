/* conv2d_depthwise_dots.c: backward_weights of plain planes, vectors along rows.
 *
 * A tile is ROWS rows of grad_y by a vector, in registers beside the sums of up to WIDE columns of taps; each vector of
 * x is loaded once for all rows of taps. Columns of taps outside the image add nothing to their lanes, whatever grad_y
 * is there. Sums of a tile's rows are added to the plane's, those of planes in double.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_depthwise_rows.h"
#include "conv2d_passes.h"

enum { ROWS = 7, WIDE = 3, MOST = 5 }; /* MOST: rows of taps */

typedef struct plan {
    km_conv_shape shape;
    km_depth_plan depth;
    int64_t parts, taps, work;
    float *works; /* of a part: a vector and a double for each tap */
    km_depth_lanes *lanes;
} plan;

/* ---- a tile ---- */

typedef struct tile {
    const km_conv_taps *w;
    const km_depth_lanes *lanes; /* of all strips, from the tile's first column of taps on */
    const int64_t *place;        /* of the columns of taps */
    const float *x, *g; /* the row of the first result's first tap, and of the first result */
    int64_t x_row;
    int low, high; /* rows of x that lie inside */
    int64_t strip, strips_end;
} tile;

/* masked: some columns lie outside; checked: some rows do. */
KM_INLINE void tile_add(const tile *t, int64_t j, int taps, int wide, int step, int rows,
                        int masked, int checked, vf *sum)
{
    const int64_t out = t->w->out;
    const int low = t->low, high = t->high;
    const float *x = t->x + j * step;
    km_depth_lanes lanes[WIDE] = {0};
    vf g[ROWS];
#pragma GCC unroll 3
    for (int c = 0; masked && c < wide; c++)
        lanes[c] = t->lanes[j / V * t->w->count + c];
#pragma GCC unroll 7
    for (int r = 0; r < rows; r++)
        g[r] = masked ? v_load_n(t->g + r * out + j, out - j) : v_load(t->g + r * out + j);
#pragma GCC unroll 19
    for (int i = 0; i < (rows - 1) * step + taps; i++, x += t->x_row) {
        if (checked && (i < low || i >= high))
            continue;
#pragma GCC unroll 3
        for (int c = 0; c < wide; c++) {
            const vf xi = km_depth_load(x + t->place[c], &lanes[c], step, masked);
#pragma GCC unroll 5
            for (int k = 0; k < taps; k++)
                if (i >= k && (i - k) % step == 0 && (i - k) / step < rows) {
                    const vf s = sum[c * taps + k], more = v_fma(xi, g[(i - k) / step], s);
                    sum[c * taps + k] = masked ? v_select(lanes[c].result, more, s) : more;
                }
        }
    }
}

/* All columns of results; total: a vector for each tap. */
KM_INLINE void tile_row(const tile *t, int taps, int wide, int step, int rows, int checked,
                        float *total)
{
    vf sum[WIDE * MOST];
#pragma GCC unroll 15
    for (int i = 0; i < taps * wide; i++)
        sum[i] = v_load(total + i * V);
    for (int64_t j = 0; j < t->w->out; j += V)
        if (!checked && j >= t->strip && j < t->strips_end)
            tile_add(t, j, taps, wide, step, rows, 0, 0, sum);
        else
            tile_add(t, j, taps, wide, step, rows, 1, checked, sum);
#pragma GCC unroll 15
    for (int i = 0; i < taps * wide; i++)
        v_store(total + i * V, sum[i]);
}

typedef void (*tile_fn)(const tile *, float *);
#define TILE(taps, wide, step, rows)                                                               \
    static void tile_##taps##wide##step##rows(const tile *t, float *total)                         \
    {                                                                                              \
        if (t->low == 0 && t->high == (rows - 1) * step + taps)                                    \
            tile_row(t, taps, wide, step, rows, 0, total);                                         \
        else                                                                                       \
            tile_row(t, taps, wide, step, rows, 1, total);                                         \
    }
#define TILES(taps, wide)                                                                          \
    TILE(taps, wide, 1, 1)                                                                         \
    TILE(taps, wide, 1, 7) TILE(taps, wide, 2, 1) TILE(taps, wide, 2, 7)
TILES(3, 1)
TILES(3, 2)
TILES(3, 3)
TILES(5, 1)
TILES(5, 2)
TILES(5, 3)
#define ENTRY(taps, wide)                                                                          \
    {                                                                                              \
        {tile_##taps##wide##11, tile_##taps##wide##17},                                            \
        {                                                                                          \
            tile_##taps##wide##21, tile_##taps##wide##27                                           \
        }                                                                                          \
    }
/* By columns of taps; step; one row or ROWS. */
static const tile_fn threes[WIDE][2][2] = {ENTRY(3, 1), ENTRY(3, 2), ENTRY(3, 3)};
static const tile_fn fives[WIDE][2][2] = {ENTRY(5, 1), ENTRY(5, 2), ENTRY(5, 3)};

/* ---- planes ---- */

/* Rows of results from i on. total: column of taps, row of taps, lane. */
static void add_band(const plan *p, const float *x, const float *g, int64_t i, int rows,
                     float *total)
{
    const km_depth_stage *s = p->depth.stage;
    const int64_t at = s->h.place[0] + i * s->h.step, taps = s->h.count;
    const int64_t wide = taps * WIDE <= TILE_SUMS - ROWS ? WIDE : taps == 3 ? 3 : 2;
    const int64_t tiles = km_ceil_div(s->w.count, wide);
    const tile_fn(*fns)[2][2] = taps == 3 ? threes : fives;
    tile t = {.w = &s->w, .x = x + at * s->w.in, .g = g + i * s->w.out, .x_row = s->w.in};
    t.low = (int)km_max64(0, -at);
    t.high = (int)km_min64(s->h.in - at, (rows - 1) * s->h.step + taps);
    t.strip = s->strip;
    t.strips_end = s->strips_end;
    for (int64_t u = 0, c = 0; u < tiles; u++) {
        const int64_t end = s->w.count * (u + 1) / tiles;
        t.place = s->w.place + c;
        t.lanes = p->lanes + c;
        fns[end - c - 1][s->h.step - 1][rows == ROWS](&t, total + c * taps * V);
        c = end;
    }
}

/* The sums of V vectors or less: in order, whatever their number. */
static void add_lanes(const float *total, int64_t count, double *sum)
{
    float sums[V];
    vf a[V];
    for (int64_t i = 0; i < V; i++)
        a[i] = i < count ? v_load(total + i * V) : v_set(0);
    v_store(sums, v_sums(a));
    for (int64_t i = 0; i < count; i++)
        sum[i] += sums[i];
}

static void add_plane(const plan *p, const float *x, const float *g, float *total, double *sum)
{
    const km_depth_stage *s = p->depth.stage;
    const int64_t all = s->h.count * s->w.count;
    int64_t i = 0;
    memset(total, 0, (size_t)(all * V) * sizeof *total);
    for (; i + ROWS <= s->h.out; i += ROWS)
        add_band(p, x, g, i, ROWS, total);
    for (; i < s->h.out; i++)
        add_band(p, x, g, i, 1, total);
    for (int64_t t = 0; t < all; t += V)
        add_lanes(total + t * V, km_min64(V, all - t), sum + t);
}

static void run_channel(const plan *p, const km_args *args, int64_t channel, float *total)
{
    const km_conv_shape *s = &p->shape;
    const km_conv_taps *h = &p->depth.stage->h, *w = &p->depth.stage->w;
    const int64_t in = s->h.in * s->w.in, out = s->h.out * s->w.out;
    double *sum = (double *)(total + p->taps * V);
    float *to = (float *)args->slot[KM_GRAD_WEIGHT].data + channel * p->taps;
    memset(sum, 0, (size_t)p->taps * sizeof *sum);
    memset(to, 0, (size_t)p->taps * sizeof *to);
    for (int64_t n = 0; n < s->n; n++)
        add_plane(p, (const float *)args->slot[KM_X].data + (n * s->groups + channel / s->k) * in,
                  (const float *)args->slot[KM_GRAD_Y].data +
                      (n * s->groups * s->k + channel) * out,
                  total, sum);
    for (int64_t c = 0; c < w->count; c++)
        for (int64_t r = 0; r < h->count; r++)
            to[h->index[r] * s->w.kernel + w->index[c]] = (float)*sum++;
}

static void run_part(const km_args *args, int phase, int part)
{
    (void)phase;
    const plan *p = args->plan;
    const int64_t channels = p->shape.groups * p->shape.k;
    for (int64_t c = channels * part / p->parts; c < channels * (part + 1) / p->parts; c++)
        run_channel(p, args, c, p->works + part * p->work);
}

/* ---- plan ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    km_depth_close(&p->depth);
    free(p->lanes);
    free(p->works);
    free(p);
}

static int open_plan(plan *p)
{
    if (km_depth_open(&p->depth, &p->shape, 0))
        return -1;
    p->taps = p->shape.h.kernel * p->shape.w.kernel;
    p->work = km_round_up(p->taps * (V + 2), ALIGN);
    p->works = aligned_alloc(ALIGN * sizeof(float), (size_t)(p->parts * p->work) * sizeof(float));
    p->lanes = km_depth_strips(&p->depth.stage->w);
    return p->works && p->lanes ? 0 : -1;
}

/* Rows of taps must be neighbours. */
static int has_tile(const km_depth_stage *s)
{
    const km_conv_taps *h = &s->h;
    return h->step == s->w.step && h->step <= 2 && (h->count == 3 || h->count == 5) &&
           h->place[h->count - 1] == h->place[0] + h->count - 1;
}

static const char *open(const km_args *args, km_slot result, void **out)
{
    (void)result; /* KM_GRAD_WEIGHT */
    static const char reason[] = "no tile of rows for it";
    const km_conv_shape s = km_conv_shape_of(args->params);
    if (s.c != 1 || s.k == 0 || km_depth_is_short(&s, s.w.out))
        return reason;
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    *p = (plan){.shape = s, .parts = km_max64(1, args->threads)};
    const int failed = open_plan(p);
    if (failed || !has_tile(p->depth.stage)) {
        close(p);
        return failed ? "out of memory" : reason;
    }
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    static const char impl[] = "depthwise, tiles of rows";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = p->parts * p->work * (int64_t)sizeof(float);
}

const km_conv_algorithm km_conv_dots = {open, run_part, close, describe, 1};
