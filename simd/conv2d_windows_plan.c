/* conv2d_windows_plan.c: plans of backward_weights where channels come last, and that layout.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_windows.h"

/* FLOATS of a block's tensors and of sums share the first cache; or MANY sums come from the second, and are added less
 * often. PIXELS of a block are enough in any case. */
enum { FLOATS = 6144, MANY = 8192, PIXELS = 256, FEW = 4 };

typedef km_conv_windows_plan plan;

/* ---- layouts ---- */

/* The first `turned` channels, V at a time. */
static void turn_blocks(const float *planes, int64_t turned, int64_t channels, int64_t pixels,
                        float *to)
{
    for (int64_t c = 0; c < turned; c += V)
        for (int64_t j = 0; j < pixels; j += V) {
            vf r[V];
            for (int i = 0; i < V; i++)
                r[i] =
                    c + i < turned ? v_load_n(planes + (c + i) * pixels + j, pixels - j) : v_set(0);
            v_transpose(r);
            for (int i = 0; i < V && j + i < pixels; i++)
                v_store_n(to + (j + i) * channels + c, r[i], turned - c);
        }
}

/* The three of an image; compilers make vectors of it. */
static void turn_colours(const float *restrict planes, int64_t pixels, float *restrict to)
{
    enum { COLOURS = 3 };
    for (int64_t j = 0; j < pixels; j++)
        for (int c = 0; c < COLOURS; c++)
            to[j * COLOURS + c] = planes[c * pixels + j];
}

void km_conv_windows_turn(const float *planes, int64_t channels, int64_t pixels, float *to)
{
    const int64_t rest = channels % V < FEW ? channels % V : 0, turned = channels - rest;
    if (channels == 3) {
        turn_colours(planes, pixels, to);
        return;
    }
    turn_blocks(planes, turned, channels, pixels, to);
    for (int64_t c = turned; c < channels; c++)
        for (int64_t j = 0; j < pixels; j++)
            to[j * channels + c] = planes[c * pixels + j];
}

/* Where the gradient of input channel c and output channel k for taps i, j of the plan's lies in the sums. */
static int64_t gradient_at(const plan *p, int64_t group, int64_t c, int64_t k, int64_t i, int64_t j)
{
    const int64_t window = p->joined ? i : i * p->w.count + j,
                  in = p->joined ? j * p->shape.c + c : c;
    const int64_t row = p->wide ? k : in, column = p->wide ? in : k;
    return ((group * p->count + window) * p->matrix + row) * p->step + column;
}

static int64_t sums_of(const plan *p)
{
    return p->shape.groups * p->count * p->matrix * p->step;
}

static int64_t x_of(const plan *p)
{
    const km_conv_shape *s = &p->shape;
    return s->n * s->groups * s->c * s->h.in * s->w.in + V;
}

static int64_t g_of(const plan *p)
{
    const km_conv_shape *s = &p->shape;
    return s->n * s->groups * s->k * s->h.out * s->w.out + V;
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    if (slot == KM_GRAD_WEIGHT)
        return sums_of(plan_);
    return slot == KM_X ? x_of(plan_) : slot == KM_GRAD_Y ? g_of(plan_) : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const plan *p = plan_;
    const km_conv_shape *s = &p->shape;
    const int64_t channels = slot == KM_X ? s->c : s->k;
    const int64_t pixels = slot == KM_X ? s->h.in * s->w.in : s->h.out * s->w.out;
    const float *from = plain;
    float *to = native;
    for (int64_t i = 0; i < s->n * s->groups;
         i++, from += channels * pixels, to += channels * pixels)
        km_conv_windows_turn(from, channels, pixels, to);
    v_store(to, v_set(0));
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const plan *p = plan_;
    const km_conv_shape *s = &p->shape;
    const int64_t taps = s->h.kernel * s->w.kernel;
    float *to = plain;
    (void)slot; /* KM_GRAD_WEIGHT */
    memset(to, 0, (size_t)(s->groups * s->k * s->c * taps) * sizeof *to);
    for (int64_t k = 0; k < s->groups * s->k; k++)
        for (int64_t c = 0; c < s->c; c++, to += taps)
            for (int64_t i = 0; i < p->h.count; i++)
                for (int64_t j = 0; j < p->w.count; j++)
                    to[p->h.index[i] * s->w.kernel + p->w.index[j]] =
                        ((const float *)native)[gradient_at(p, k / s->k, c, k % s->k, i, j)];
}

/* ---- plans ---- */

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int phase = 0; phase < 2; phase++)
        for (int part = 0; part < p->parts; part++)
            km_conv_windows_part(args, phase, part);
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    km_conv_taps_close(&p->h);
    km_conv_taps_close(&p->w);
    free(p->offset);
    free(p->copies);
    free(p);
}

/* Cycles of a tile for a position, roughly: multiplications, loads of which vectors' may cross lines, latency. */
static int64_t tile_cost(int64_t rows, int64_t vectors)
{
    enum { LEAST = 8 };
    return km_max64(LEAST, km_max64(rows * vectors, rows + 2 * vectors));
}

/* Of a matrix. */
static int64_t cost_of(int64_t rows, int64_t columns)
{
    const int64_t vectors = km_conv_blocks_of(columns);
    int64_t cost = 0;
    for (int64_t i = 0; i < km_ceil_div(rows, TILE_ROWS); i++)
        for (int64_t j = 0; j < km_ceil_div(vectors, TILE_VECTORS); j++)
            cost += tile_cost(km_conv_tile_start(rows, TILE_ROWS, i + 1) -
                                  km_conv_tile_start(rows, TILE_ROWS, i),
                              km_conv_tile_start(vectors, TILE_VECTORS, j + 1) -
                                  km_conv_tile_start(vectors, TILE_VECTORS, j));
    return cost;
}

static void find_windows(plan *p)
{
    const km_conv_shape *s = &p->shape;
    const int64_t taps = p->w.count;
    p->joined = km_conv_windows_joined(&p->w);
    p->count = p->h.count * (p->joined ? 1 : taps);
    p->size = s->c * (p->joined ? taps : 1);
    p->wide = cost_of(s->k, p->size) <= cost_of(p->size, s->k);
    p->matrix = p->wide ? s->k : p->size;
    p->step = km_round_up(p->wide ? p->size : s->k, V);
}

static void cut(plan *p)
{
    const int64_t each = p->shape.k + p->shape.c * p->h.step * p->w.step;
    const int64_t least = PIXELS / (p->count * p->matrix * p->step > MANY ? 2 : 4);
    const int64_t pixels = km_max64(least, km_min64(PIXELS, FLOATS / each));
    const int64_t plane = p->h.out * p->w.out, blocks = km_ceil_div(plane, pixels);
    p->rows = km_ceil_div(p->h.out, km_min64(p->h.out, blocks));
    p->images = blocks > 1 ? 1 : km_min64(p->shape.n, pixels / plane);
    p->in_place = km_conv_windows_inside(&p->h) && km_conv_windows_inside(&p->w);
    p->width = p->in_place ? p->w.in : km_conv_windows_reach(&p->w, p->w.out);
    p->copy = p->in_place ? 0 : km_conv_windows_reach(&p->h, p->rows) * p->width * p->shape.c;
}

static int open_tables(plan *p)
{
    const int64_t vectors = p->step / V, wide = km_ceil_div(vectors, TILE_VECTORS);
    const int64_t each = p->joined ? 1 : p->w.count;
    const int64_t top = p->in_place ? 0 : p->h.place[0], left = p->in_place ? 0 : p->w.place[0];
    p->tiles = km_ceil_div(p->matrix, TILE_ROWS);
    p->offset = malloc((size_t)(p->count + p->tiles + 1 + wide + 1) * sizeof *p->offset);
    if (!p->offset)
        return -1;
    p->tile = p->offset + p->count;
    p->vector = p->tile + p->tiles + 1;
    for (int64_t i = 0; i <= p->tiles; i++)
        p->tile[i] = km_conv_tile_start(p->matrix, TILE_ROWS, i);
    for (int64_t i = 0; i <= wide; i++)
        p->vector[i] = km_conv_tile_start(vectors, TILE_VECTORS, i) * V;
    for (int64_t i = 0; i < p->count; i++)
        p->offset[i] =
            ((p->h.place[i / each] - top) * p->width + p->w.place[i % each] - left) * p->shape.c;
    return 0;
}

static int open_work(plan *p)
{
    const int64_t copies = km_round_up(p->parts * (p->images * p->copy + ALIGN), ALIGN);
    const int64_t x = km_round_up(x_of(p), ALIGN), g = km_round_up(g_of(p), ALIGN);
    p->floats = copies + (p->plain ? x + g + km_round_up(sums_of(p), ALIGN) : 0);
    p->copies = aligned_alloc(ALIGN * sizeof(float), (size_t)p->floats * sizeof(float));
    if (!p->copies)
        return -1;
    memset(p->copies, 0, (size_t)p->floats * sizeof(float));
    p->x = p->copies + copies;
    p->g = p->x + x;
    p->sums = p->g + g;
    return 0;
}

/* One channel is a depthwise case. Blocked tensors of whole vectors take as few multiplications. Plain ones have to be
 * turned, which many weights of few results do not repay. */
static int is_for_others(const km_conv_shape *s, int plain)
{
    enum { RESULTS = 128, WEIGHTS = 65536 };
    const int64_t weights = s->groups * s->k * s->c * s->h.kernel * s->w.kernel;
    if (s->n == 0 || s->c <= 1 || s->k == 0)
        return 1;
    if (plain)
        return weights > WEIGHTS && s->n * s->h.out * s->w.out < RESULTS;
    return s->c % V == 0 && s->k % V == 0;
}

static const char *open(const km_args *args, void **out)
{
    const km_conv_shape s = km_conv_shape_of(args->params);
    if (is_for_others(&s, args->layout == KM_PLAIN))
        return "other layouts are better";
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    p->shape = s;
    p->plain = args->layout == KM_PLAIN;
    p->parts = km_max64(1, args->threads);
    int failed = km_conv_taps_open(&p->h, &s.h, -1, 0) || km_conv_taps_open(&p->w, &s.w, -1, 0);
    const int empty = !failed && p->h.count * p->w.count == 0;
    if (!failed && !empty) {
        find_windows(p);
        cut(p);
        failed = open_tables(p) || open_work(p);
    }
    if (failed || empty)
        close(p);
    else
        *out = p;
    return failed ? "out of memory" : empty ? "no tap meets the input" : NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    strcpy(info->impl, "direct, channels last");
    info->workspace_bytes = p->floats * (int64_t)sizeof *p->copies;
}

const km_kernel km_conv_windows[] = {{.op = "conv2d",
                                      .pass = "backward_weights",
                                      .open = open,
                                      .run = run,
                                      .close = close,
                                      .describe = describe,
                                      .run_part = km_conv_windows_part,
                                      .phases = 2,
                                      .native_count = native_count,
                                      .to_native = to_native,
                                      .from_native = from_native},
                                     {0}};
