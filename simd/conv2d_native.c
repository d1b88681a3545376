/* conv2d_native.c: forward and backward_data of blocked tensors by register tiles of pixels by channels.
 *
 * Stages as in conv2d_direct.c: a residue of the stride is a convolution of its own. Rows of the source are copied
 * with their padding, of strides each residue by itself, so that no tile looks at edges or strides; 1x1 convolutions
 * read the source itself. Tiles are of pixels of one row where rows are long; else each column of taps has its own
 * copy, in which all pixels are neighbours. Sums of a chunk of channels are added to the result in place. Sources of
 * few channels stay plain and are copied as planes: nothing is multiplied by padding.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_native_plan.h"

/* Weights of a tile, TERMS x TILE_COLUMNS floats, and COPIED floats of copies share an L2 cache of 1 MiB with what is
 * written; PIXELS at most are in a block. */
enum { TERMS = 2048, COPIED = 65536, PIXELS = 1024, FLAT_CHANNELS = 4, LONG = TILE_ROWS / 2 + 1 };

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
    for (int64_t i = 0; i < p->stages; i++) {
        const km_conv_filters f = km_conv_native_filters(p, &p->stage[i]);
        for (int64_t g = 0; g < p->shape.groups; g++, to += km_conv_filters_count(&f))
            km_conv_copy_filters(&f, (float *)plain + g * size, to, 0);
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
        return p->weights;
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
    for (int part = 0; part < p->parts; part++)
        km_conv_native_part(args, 0, part);
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
    free(p);
}

/* Small planes are joined to blocks of several images, for which no two taps may share rows. */
static int open_taps(const plan *p, stage *s, int64_t i, int64_t j)
{
    const km_conv_axis *h = &p->shape.h, *w = &p->shape.w;
    if (km_conv_taps_open(&s->w, w, j, 0) || km_conv_taps_open(&s->h, h, i, 0))
        return -1;
    const int64_t plane = s->h.out * s->w.out;
    const int joined = p->shape.n > 1 && plane < 2 * TILE_ROWS;
    s->in_place =
        km_conv_is_identity(&s->h) && km_conv_is_identity(&s->w) && !joined && p->step == V;
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

/* Threads need work of their own each. */
static void cut(const plan *p, stage *s)
{
    s->chunk = km_max64(1, TERMS / (p->unit * km_max64(1, km_conv_native_taps(s))));
    s->chunk = km_ceil_div(blocks_of(p), km_ceil_div(blocks_of(p), s->chunk));
    const int64_t floats = s->chunk * p->unit * km_max64(1, s->h.copies * s->w.copies);
    const int64_t pixels = km_max64(4 * TILE_ROWS, km_min64(PIXELS, COPIED / floats));
    km_conv_cut(&s->cut, &s->h, &s->w, p->shape.n, pixels, !s->in_place);
    const int64_t blocks = km_conv_native_blocks(s), block = s->cut.rows * s->w.out;
    s->together = km_max64(1, km_min64(pixels / km_max64(1, block), blocks));
    if (p->parts > 1)
        s->together = km_max64(1, km_min64(s->together, blocks * p->shape.groups / (2 * p->parts)));
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
    return 0;
}

static int open_stage(plan *p, stage *s, int64_t i, int64_t j)
{
    const int forward = p->result == KM_Y;
    if (open_taps(p, s, forward ? -1 : i, forward ? -1 : j))
        return -1;
    s->to = forward ? 0 : i * p->shape.w.in + j;
    s->to_row = forward ? p->shape.w.out : p->shape.h.stride * p->shape.w.in;
    s->to_column = forward ? 1 : p->shape.w.stride;
    cut(p, s);
    s->weights = p->weights;
    const km_conv_filters f = km_conv_native_filters(p, s);
    p->weights += p->shape.groups * km_conv_filters_count(&f);
    return open_offsets(p, s);
}

static int open_work(plan *p)
{
    const int64_t tiles = km_ceil_div(km_conv_blocks_of(p->results), TILE_VECTORS);
    int64_t units = 0;
    p->cuts = 1;
    for (int64_t i = 0; i < p->stages; i++)
        units += km_conv_native_units(p, &p->stage[i]);
    if (units < 2 * p->parts)
        p->cuts = km_min64(p->parts, tiles);
    const size_t bytes = (size_t)(p->parts * p->copies_each + ALIGN) * sizeof(float);
    p->copies = aligned_alloc(ALIGN * sizeof(float), bytes);
    p->tables = malloc((size_t)(p->parts * p->table_each + 1) * sizeof *p->tables);
    return p->copies && p->tables ? 0 : -1;
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

/* Plain tensors fill the vectors with pixels, whatever the channels. */
static int is_for_plain(const km_conv_shape *c, int forward)
{
    const int64_t results = forward ? c->k : c->c;
    return c->n == 0 || c->c == 0 || c->k == 0 || results * 4 < km_round_up(results, V) * 3;
}

static const char *open_pass(const km_args *args, void **out, int forward)
{
    const km_conv_shape c = km_conv_shape_of(args->params);
    const int64_t rows = forward ? 1 : km_min64(c.h.stride, c.h.in),
                  columns = forward ? 1 : km_min64(c.w.stride, c.w.in);
    if (is_for_plain(&c, forward))
        return "few channels";
    plan *p = calloc(1, sizeof *p + (size_t)(rows * columns) * sizeof(stage));
    int failed = !p;
    if (p) {
        set_sizes(p, &c, forward);
        p->parts = km_max64(1, args->threads);
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
    strcpy(info->impl, "direct, blocked channels");
    info->workspace_bytes = p->parts * (p->copies_each * (int64_t)sizeof *p->copies +
                                        p->table_each * (int64_t)sizeof *p->tables);
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
     .native_count = native_count,                                                                 \
     .to_native = to_native,                                                                       \
     .from_native = from_native},
const km_kernel km_conv_native[] = {KERNEL(forward) KERNEL(backward_data){0}};
