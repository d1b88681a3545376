/* conv2d_native.c: forward and backward_data of blocked tensors by register tiles of pixels by channels.
 *
 * Stages as in conv2d_strips.c: a residue of the stride is a convolution of its own. Rows of the source are copied
 * with their padding, of strides each residue by itself, so that no tile looks at edges or strides; 1x1 convolutions
 * read the source itself. Tiles are of pixels of one row where rows are long; else each column of taps has its own
 * copy, in which all pixels are neighbours. Sums of a chunk of channels are added to the result in place. Sources of
 * few channels stay plain and are copied as planes: nothing is multiplied by padding.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_native_plan.h"

/* Weights of a tile, TERMS x TILE_COLUMNS floats, and COPIED floats of copies share an L2 cache of 1 MiB with what is
 * written; PIXELS at most are in a block. Of plain tensors FEW_PIXELS at least, so that weights are turned once. */
enum {
    TERMS = 2048,
    COPIED = 65536,
    PIXELS = 1024,
    FEW_PIXELS = 224,
    FLAT_CHANNELS = 4,
    LONG = TILE_ROWS / 2 + 1
};

typedef km_conv_native_plan plan;
typedef km_conv_native_stage stage;

static int64_t blocks_of(const plan *p)
{
    return km_ceil_div(p->sources, p->unit);
}

/* ---- native layouts ---- */

static void to_filters(const plan *p, const float *plain, float *to)
{
    const int64_t size = p->sources * p->results * p->shape.h.kernel * p->shape.w.kernel;
    for (int64_t g = 0; g < p->shape.groups; g++, to += p->group_weights)
        for (int64_t i = 0; i < p->stages; i++) {
            const km_conv_filters f = km_conv_native_filters(p, &p->stage[i]);
            km_conv_copy_filters(&f, (float *)plain + g * size, to + p->stage[i].weights, 0);
        }
}

static km_conv_blocked blocked_of(const plan *p, km_slot slot)
{
    const int is_source = slot == p->source;
    return (km_conv_blocked){p->shape.n, p->shape.groups, is_source ? p->sources : p->results,
                             is_source ? p->source_plane : p->result_plane};
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    const plan *p = plan_;
    const km_conv_blocked b = blocked_of(p, slot);
    if (slot == KM_WEIGHT)
        return p->shape.groups * p->group_weights;
    return slot == p->result || (slot == p->source && p->step == V) ? km_conv_blocked_count(&b) : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const plan *p = plan_;
    const km_conv_blocked b = blocked_of(p, slot);
    if (slot == KM_WEIGHT)
        to_filters(p, plain, native);
    else
        km_conv_to_blocks(&b, plain, native);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const km_conv_blocked b = blocked_of(plan_, slot);
    km_conv_from_blocks(&b, native, plain);
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int phase = 0; phase < KM_CONV_NATIVE_PHASES; phase++)
        for (int part = 0; part < p->parts; part++)
            km_conv_native_part(args, phase, part);
}

/* ---- plan ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    for (int64_t i = 0; i < p->stages; i++) {
        km_conv_taps_close(&p->stage[i].h);
        km_conv_taps_close(&p->stage[i].w);
        free(p->stage[i].offset);
    }
    free(p->copies);
    free(p->tables);
    free(p->packed);
    free(p->scratches);
    free(p->tile);
    free(p);
}

/* Small planes are joined to blocks of several images, for which no two taps may share rows. Stages that are written
 * together are cut alike, so the first one's plane decides. */
static int open_taps(const plan *p, stage *s, int64_t i, int64_t j)
{
    const km_conv_axis *h = &p->shape.h, *w = &p->shape.w;
    if (km_conv_taps_open(&s->w, w, j, 0) || km_conv_taps_open(&s->h, h, i, 0))
        return -1;
    s->pitch = p->joint > 1 ? km_ceil_div(w->in, w->stride) : s->w.out;
    const int64_t plane = s->h.out * s->pitch;
    const int joined = p->shape.n > 1 && plane < 2 * TILE_ROWS;
    s->in_place = km_conv_is_identity(&s->h) && km_conv_is_identity(&s->w) && !joined &&
                  p->step == V && !p->plain;
    if (s->w.extra && (joined || s->w.out < LONG)) {
        km_conv_taps_close(&s->w);
        if (km_conv_taps_open(&s->w, w, j, 1))
            return -1;
    }
    if (s->h.extra && joined) {
        km_conv_taps_close(&s->h);
        return km_conv_taps_open(&s->h, h, i, 1);
    }
    return 0;
}

/* Pixels of a block that suit the caches. */
static int64_t pixels_of(const plan *p, const stage *s)
{
    const int64_t copied = s->chunk * p->unit * km_max64(1, s->h.copies * s->w.copies);
    const int64_t kept = p->plain ? km_round_up(p->results, V) : 0;
    const int64_t pixels = (p->plain ? COPIED * 3 / 2 : COPIED) / (copied + kept);
    return km_max64(p->plain ? FEW_PIXELS : 4 * TILE_ROWS, km_min64(PIXELS, pixels));
}

/* Threads need work of their own each. */
static void cut(const plan *p, stage *s)
{
    const int64_t pixels = pixels_of(p, s);
    km_conv_cut(&s->cut, &s->h, &s->w, p->shape.n, pixels, !s->in_place);
    const int64_t blocks = km_conv_native_blocks(s), block = s->cut.rows * s->w.out;
    s->together = km_max64(1, km_min64(pixels / km_max64(1, block), blocks));
    if (p->parts > 1)
        s->together = km_max64(1, km_min64(s->together, blocks * p->shape.groups / (2 * p->parts)));
}

static void choose_blocks(const plan *p, stage *s, int64_t column)
{
    s->chunk = km_max64(1, TERMS / (p->unit * km_max64(1, km_conv_native_taps(s))));
    s->chunk = km_ceil_div(blocks_of(p), km_ceil_div(blocks_of(p), s->chunk));
    if (p->joint > 1 && column > 0) {
        s->cut = s[-column].cut;
        s->together = s[-column].together;
    } else {
        cut(p, s);
    }
}

static int open_offsets(plan *p, stage *s)
{
    const km_conv_block b = {.h = &s->h, .w = &s->w, .layout = s->cut.rows};
    const int64_t terms = s->chunk * km_conv_native_taps(s);
    s->offset = calloc((size_t)(terms + 1), sizeof *s->offset);
    if (!s->offset)
        return -1;
    km_conv_offsets(&b, s->chunk, s->offset);
    for (int64_t i = 0; i < terms; i++)
        s->offset[i] = s->in_place ? i * p->source_plane * V : s->offset[i] * p->step;
    s->copy = s->in_place ? 0 : km_round_up(s->chunk * km_conv_planes(&b) * p->step, ALIGN);
    p->copies_each = km_max64(p->copies_each, s->together * s->copy);
    p->table_each = km_max64(p->table_each, s->together * s->cut.rows * s->w.out);
    p->scratch = km_max64(p->scratch, s->together * s->cut.rows * s->pitch);
    return 0;
}

/* Stages that share a kernel are packed in one pass over it. */
static int is_single(const plan *p, const stage *s)
{
    const int64_t strides = p->shape.h.stride * p->shape.w.stride;
    const int alone =
        p->result == KM_Y || strides == 1 || p->shape.h.kernel * p->shape.w.kernel == 1;
    return p->plain && alone && km_conv_native_blocks(s) <= s->together;
}

static int open_stage(plan *p, stage *s, int64_t i, int64_t j)
{
    const int forward = p->result == KM_Y;
    if (open_taps(p, s, forward ? -1 : i, forward ? -1 : j))
        return -1;
    s->to = forward ? 0 : i * p->shape.w.in + j;
    s->to_row = forward ? p->shape.w.out : p->shape.h.stride * p->shape.w.in;
    s->to_column = forward ? 1 : p->shape.w.stride;
    choose_blocks(p, s, forward ? 0 : j);
    s->weights = p->group_weights;
    const km_conv_filters f = km_conv_native_filters(p, s);
    s->single = is_single(p, s);
    if (s->single)
        p->tile_each =
            km_max64(p->tile_each, s->chunk * p->unit * km_conv_native_taps(s) * TILE_COLUMNS);
    else
        p->group_weights += km_conv_filters_count(&f);
    return open_offsets(p, s);
}

static float *floats(int64_t count)
{
    return aligned_alloc(ALIGN * sizeof(float),
                         (size_t)km_round_up(count + ALIGN, ALIGN) * sizeof(float));
}

static int open_work(plan *p)
{
    const int64_t vectors = km_conv_blocks_of(p->results);
    int64_t units = 0;
    p->cuts = 1;
    for (int64_t i = 0; i < p->stages; i += p->joint)
        units += km_conv_native_units(p, &p->stage[i]);
    if (units < 2 * p->parts)
        p->cuts = km_min64(p->parts, km_ceil_div(vectors, TILE_VECTORS));
    p->scratch_each = p->plain ? p->joint * vectors * p->scratch * V : 0;
    p->copies = floats(p->parts * p->copies_each);
    p->packed = floats(p->plain ? p->shape.groups * p->group_weights : 0);
    p->scratches = floats(p->parts * p->scratch_each);
    p->tile_each = km_round_up(p->tile_each, ALIGN);
    p->tile = floats(p->parts * p->tile_each);
    p->tables = malloc((size_t)(p->parts * p->table_each + 1) * sizeof *p->tables);
    return p->copies && p->packed && p->scratches && p->tile && p->tables ? 0 : -1;
}

static void set_sizes(plan *p, const km_conv_shape *c, int forward)
{
    const int64_t taps = c->h.kernel * c->w.kernel;
    const int64_t in = c->h.in * c->w.in, result = c->h.out * c->w.out;
    p->shape = *c;
    p->source = forward ? KM_X : KM_GRAD_Y;
    p->result = forward ? KM_Y : KM_GRAD_X;
    p->sources = forward ? c->c : c->k;
    p->results = forward ? c->k : c->c;
    p->source_plane = forward ? in : result;
    p->result_plane = forward ? result : in;
    p->w_result = forward ? c->c * taps : taps;
    p->w_source = forward ? taps : c->c * taps;
    const int flat = c->groups == 1 && p->sources <= FLAT_CHANNELS;
    p->unit = p->step = flat ? 1 : V;
}

/* The tiles over plain tensors fill the vectors with pixels, whatever the channels. But they copy pixels a stride apart
 * one by one, which blocks are spared. */
static int is_for_plain(const km_conv_shape *c, int forward)
{
    const int64_t results = forward ? c->k : c->c, lanes = km_round_up(results, V);
    const int quarters = c->w.stride > 1 ? 2 : 3;
    return c->n == 0 || c->c == 0 || c->k == 0 || results * 4 < lanes * quarters;
}

static const char *open_pass(const km_args *args, void **out, int forward)
{
    const km_conv_shape c = km_conv_shape_of(args->params);
    const int64_t rows = forward ? 1 : km_min64(c.h.stride, c.h.in),
                  columns = forward ? 1 : km_min64(c.w.stride, c.w.in);
    const int plain = args->layout == KM_PLAIN;
    if (is_for_plain(&c, forward))
        return "few channels";
    plan *p = calloc(1, sizeof *p + (size_t)(rows * columns) * sizeof(stage));
    int failed = !p;
    if (p) {
        set_sizes(p, &c, forward);
        p->parts = km_max64(1, args->threads);
        p->plain = plain;
        p->joint = plain ? columns : 1;
        for (int64_t i = 0; i < rows && !failed; i++)
            for (int64_t j = 0; j < columns && !failed; j++)
                failed = open_stage(p, &p->stage[p->stages++], i, j);
        failed = failed || open_work(p);
    }
    if (failed)
        close(p);
    else
        *out = p;
    return failed ? "out of memory" : NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    strcpy(info->impl, p->plain ? "direct, blocked copies" : "direct, blocked channels");
    const int64_t each = p->copies_each + p->scratch_each + p->tile_each,
                  all = p->plain ? p->shape.groups * p->group_weights : 0;
    info->workspace_bytes = (all + p->parts * each) * (int64_t)sizeof *p->copies +
                            p->parts * p->table_each * (int64_t)sizeof *p->tables;
}

#define OPEN(pass, forward)                                                                        \
    static const char *open_##pass(const km_args *args, void **plan_)                              \
    {                                                                                              \
        return open_pass(args, plan_, forward);                                                    \
    }
OPEN(forward, 1)
OPEN(backward_data, 0)

#define KERNEL(pass_name)                                                                          \
    {.op = "conv2d",                                                                               \
     .pass = #pass_name,                                                                           \
     .open = open_##pass_name,                                                                     \
     .run = run,                                                                                   \
     .close = close,                                                                               \
     .describe = describe,                                                                         \
     .run_part = km_conv_native_part,                                                              \
     .phases = KM_CONV_NATIVE_PHASES,                                                              \
     .native_count = native_count,                                                                 \
     .to_native = to_native,                                                                       \
     .from_native = from_native},
const km_kernel km_conv_native[] = {KERNEL(forward) KERNEL(backward_data){0}};
