/* conv2d_native.c: forward and backward_data of blocked tensors by register tiles of pixels by channels.
 *
 * Stages as in conv2d_direct.c: a residue of the stride is a convolution of its own. Each column of taps has its copy
 * of the source's rows, so that all pixels of a block are neighbours there, and no tile looks at edges or strides;
 * 1x1 convolutions read the source itself. Sums of a chunk of channels are added to the result in place. Sources of
 * few channels stay plain and are copied as planes: nothing is multiplied by padding.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_native_tile.h"

enum { TERMS = 256, PIXELS = 1024, FLAT_CHANNELS = 4 };

typedef struct stage {
    km_conv_taps h, w;
    int64_t to, to_row, to_column; /* in pixels: result (i, j) at to + i * to_row + j * to_column */
    km_conv_cuts cut;
    int64_t chunk;   /* blocks of channels */
    int64_t *offset; /* of the terms of a chunk */
    int64_t weights; /* where its weights start */
    int in_place;
} stage;

typedef struct plan {
    km_conv_shape shape;
    int64_t sources, results; /* channels of a group */
    int64_t source_plane, result_plane;
    int64_t w_result, w_source; /* steps in plain weights; a tap's is 1 */
    km_slot source, result;
    int64_t unit, step; /* channels of a block of the source, and floats between its pixels */
    int64_t stages, parts, cuts;
    int64_t planes, table; /* floats of a part's copies, and pixels of its table */
    int64_t weights;       /* floats, of all stages */
    float *copies;
    int64_t *tables; /* where the pixels of a part's block lie in the result */
    stage stage[];
} plan;

static int64_t blocks_of(const plan *p)
{
    return km_ceil_div(p->sources, p->unit);
}

static int64_t taps_of(const stage *s)
{
    return s->h.count * s->w.count;
}

/* ---- native layouts ---- */

static km_conv_filters filters_of(const plan *p, const stage *s)
{
    return (km_conv_filters){&s->h,   &s->w,       p->sources,  p->results,
                             p->unit, p->w_source, p->w_result, p->shape.w.kernel};
}

static void to_filters(const plan *p, const float *plain, float *to)
{
    const int64_t size = p->sources * p->results * p->shape.h.kernel * p->shape.w.kernel;
    for (int64_t i = 0; i < p->stages; i++) {
        const km_conv_filters f = filters_of(p, &p->stage[i]);
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

/* ---- a block ---- */

/* Vectors of channels of the result from first_tile to last_tile, in a block. */
typedef struct job {
    const plan *p;
    const stage *s;
    km_conv_block block;
    int64_t first_tile, last_tile;
    const float *x, *weights, *bias; /* of the group; bias may be NULL */
    float *y, *copies;
    int64_t *to, pixels;
} job;

static void find_pixels(const job *j)
{
    const plan *p = j->p;
    const stage *s = j->s;
    const int64_t image = p->shape.groups * km_conv_blocks_of(p->results) * p->result_plane;
    int64_t *to = j->to;
    for (int64_t row = j->block.row; row < j->block.row + j->block.rows; row++) {
        const int64_t at = row / s->h.out * image + s->to + row % s->h.out * s->to_row;
        for (int64_t c = 0; c < s->w.out; c++)
            *to++ = (at + c * s->to_column) * V;
    }
}

static void run_tiles(const job *j, km_conv_pixels t, const float *x, int vectors)
{
    const int64_t tiles = km_ceil_div(j->pixels, TILE_ROWS), step = j->p->step;
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t from = km_conv_tile_start(j->pixels, TILE_ROWS, i);
        t.x = x + from * step;
        t.to = j->to + from;
        km_conv_pixels_any(
            &t, vectors, (int)(km_conv_tile_start(j->pixels, TILE_ROWS, i + 1) - from), step != V);
    }
}

/* Channels of the source from `channel` on, copied or in place at x. */
static void run_chunk(const job *j, const float *x, int64_t channel, int64_t channels)
{
    const plan *p = j->p;
    const int64_t taps = taps_of(j->s), all = km_conv_blocks_of(p->results);
    km_conv_pixels t = {.offset = j->s->offset, .add = channel > 0, .lanes = V};
    t.y_vector = p->result_plane * V;
    t.terms = km_ceil_div(channels, p->unit) * taps;
    t.full = channels / p->unit * taps;
    t.last = channels % p->unit;
    for (int64_t i = j->first_tile; i < j->last_tile; i++) {
        const int64_t from = km_conv_tile_start(all, TILE_VECTORS, i);
        const int64_t vectors = km_conv_tile_start(all, TILE_VECTORS, i + 1) - from;
        t.w = j->weights + (from * p->sources + channel * vectors) * taps * V;
        t.y = j->y + from * t.y_vector;
        t.bias = j->bias ? j->bias + from * V : NULL;
        if (from + vectors == all)
            t.lanes = p->results - (all - 1) * V;
        run_tiles(j, t, x, (int)vectors);
    }
}

static void run_block(const job *j)
{
    const plan *p = j->p;
    const stage *s = j->s;
    const km_conv_block *b = &j->block;
    const int64_t chunk = s->chunk * p->unit, plane = p->source_plane * p->step;
    find_pixels(j);
    for (int64_t c = 0; c < p->sources; c += chunk) {
        const int64_t channels = km_min64(chunk, p->sources - c);
        const float *x = j->x + c / p->unit * plane;
        if (s->in_place)
            x += b->row / s->h.out * b->image + b->row % s->h.out * b->w->in * p->step;
        else if (p->step == V)
            km_conv_fill_blocks(b, x, km_ceil_div(channels, V), j->copies);
        else
            km_conv_fill(b, x, channels, j->copies);
        run_chunk(j, s->in_place ? x : j->copies, c, channels);
    }
}

/* ---- parts ---- */

static int64_t units_of(const plan *p, const stage *s)
{
    return p->shape.groups * s->cut.strips * s->cut.blocks * p->cuts;
}

/* Cuts of a block are neighbours, then blocks, then groups. */
static void run_unit(const plan *p, const km_args *args, const stage *s, int64_t unit, int64_t part)
{
    const int64_t cut = unit % p->cuts, blocks = s->cut.strips * s->cut.blocks;
    const int64_t group = unit / p->cuts / blocks, all = km_conv_blocks_of(p->results);
    const int64_t tiles = km_ceil_div(all, TILE_VECTORS);
    const float *bias = args->slot[KM_BIAS].count ? args->slot[KM_BIAS].data : NULL;
    job j = {.p = p, .s = s};
    const int64_t block = unit / p->cuts % blocks;
    j.block = km_conv_block_of(&s->cut, &s->h, &s->w, block / s->cut.blocks, block % s->cut.blocks);
    j.block.plane = p->source_plane;
    j.block.image = p->shape.groups * blocks_of(p) * p->source_plane * p->step;
    j.first_tile = tiles * cut / p->cuts;
    j.last_tile = tiles * (cut + 1) / p->cuts;
    j.x = (const float *)args->slot[p->source].data +
          group * blocks_of(p) * p->source_plane * p->step;
    j.y = (float *)args->slot[p->result].data + group * all * p->result_plane * V;
    const km_conv_filters f = filters_of(p, s);
    j.weights =
        (const float *)args->slot[KM_WEIGHT].data + s->weights + group * km_conv_filters_count(&f);
    j.bias = bias && p->result == KM_Y ? bias + group * p->results : NULL;
    j.copies = p->copies + part * p->planes;
    j.to = p->tables + part * p->table;
    j.pixels = j.block.rows * s->w.out;
    run_block(&j);
}

static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    int64_t units = 0, first = 0;
    for (int64_t i = 0; i < p->stages; i++)
        units += units_of(p, &p->stage[i]);
    const int64_t from = units * part / p->parts, end = units * (part + 1) / p->parts;
    for (int64_t i = 0; i < p->stages && phase == 0; i++) {
        const stage *s = &p->stage[i];
        const int64_t last = km_min64(end - first, units_of(p, s));
        for (int64_t u = km_max64(from - first, 0); u < last; u++)
            run_unit(p, args, s, u, part);
        first += units_of(p, s);
    }
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int part = 0; part < p->parts; part++)
        run_part(args, 0, part);
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
    if (km_conv_taps_open(&s->w, w, j, 1) || km_conv_taps_open(&s->h, h, i, 0))
        return -1;
    const int64_t plane = s->h.out * s->w.out;
    const int joined = p->shape.n > 1 && plane < 2 * TILE_ROWS;
    s->in_place =
        km_conv_is_identity(&s->h) && km_conv_is_identity(&s->w) && !joined && p->step == V;
    if (s->h.extra && joined) {
        km_conv_taps_close(&s->h);
        return km_conv_taps_open(&s->h, h, i, 1);
    }
    return 0;
}

static void cut(const plan *p, stage *s)
{
    km_conv_cut(&s->cut, &s->h, &s->w, p->shape.n, PIXELS, !s->in_place);
    s->chunk = km_max64(1, TERMS / (p->unit * km_max64(1, taps_of(s))));
    s->chunk = km_ceil_div(blocks_of(p), km_ceil_div(blocks_of(p), s->chunk));
}

static int open_offsets(plan *p, stage *s)
{
    const km_conv_block b = {.h = &s->h, .w = &s->w, .layout = s->cut.rows};
    const int64_t terms = s->chunk * taps_of(s);
    s->offset = malloc((size_t)(terms + 1) * sizeof *s->offset);
    if (!s->offset)
        return -1;
    km_conv_offsets(&b, s->chunk, s->offset);
    for (int64_t i = 0; i < terms; i++)
        s->offset[i] = s->in_place ? i * p->source_plane * V : s->offset[i] * p->step;
    if (!s->in_place)
        p->planes = km_max64(p->planes, s->chunk * km_conv_planes(&b) * p->step);
    p->table = km_max64(p->table, s->cut.rows * s->w.out);
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
    const km_conv_filters f = filters_of(p, s);
    p->weights += p->shape.groups * km_conv_filters_count(&f);
    return open_offsets(p, s);
}

static int open_work(plan *p)
{
    const int64_t tiles = km_ceil_div(km_conv_blocks_of(p->results), TILE_VECTORS);
    int64_t units = 0;
    p->cuts = 1;
    for (int64_t i = 0; i < p->stages; i++)
        units += units_of(p, &p->stage[i]);
    if (units < 2 * p->parts)
        p->cuts = km_min64(p->parts, tiles);
    p->planes = km_round_up(p->planes, ALIGN);
    const size_t bytes = (size_t)(p->parts * p->planes + ALIGN) * sizeof(float);
    p->copies = aligned_alloc(ALIGN * sizeof(float), bytes);
    p->tables = malloc((size_t)(p->parts * p->table + 1) * sizeof *p->tables);
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
    info->workspace_bytes =
        p->parts * (p->planes * (int64_t)sizeof *p->copies + p->table * (int64_t)sizeof *p->tables);
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
     .run_part = run_part,                                                                         \
     .native_count = native_count,                                                                 \
     .to_native = to_native,                                                                       \
     .from_native = from_native},
const km_kernel km_conv_native[] = {KERNEL(forward) KERNEL(backward_data){0}};
