/* conv2d_native_run.c: blocks of forward and backward_data over blocked tensors. Some blocks at a time are copied
 * and pass by one tile of weights after the other, all pixels by each. SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "conv2d_native_plan.h"
#include "conv2d_native_tile.h"

typedef km_conv_native_plan plan;
typedef km_conv_native_stage stage;

/* Vectors of channels of the result from first_tile to last_tile, in blocks first_block to last_block. */
typedef struct job {
    const plan *p;
    const stage *s;
    int64_t first_block, last_block, first_tile, last_tile;
    const float *x, *weights, *bias; /* of the group; bias may be NULL */
    float *y, *copies, *tile;
    int64_t *to; /* where pixels lie in the result */
} job;

/* Of a group of an image. */
static int64_t source_floats(const plan *p)
{
    return p->source_plane * (p->plain ? p->sources : km_ceil_div(p->sources, p->unit) * p->step);
}

static int64_t result_floats(const plan *p)
{
    return p->result_plane * (p->plain ? p->results : km_conv_blocks_of(p->results) * V);
}

static km_conv_block block_of(const job *j, int64_t block)
{
    const plan *p = j->p;
    const stage *s = j->s;
    km_conv_block b =
        km_conv_block_of(&s->cut, &s->h, &s->w, block / s->cut.blocks, block % s->cut.blocks);
    b.plane = p->source_plane;
    b.image = p->shape.groups * source_floats(p);
    return b;
}

/* In a scratch of results, stages that are written together have rows of one length. */
static void number_pixels(const stage *s, int64_t first, int64_t *to)
{
    for (int64_t i = 0; i < s->cut.rows; i++)
        for (int64_t c = 0; c < s->w.out; c++)
            *to++ = (first + i * s->pitch + c) * V;
}

static void find_pixels(const plan *p, const stage *s, const km_conv_block *b, int64_t *to)
{
    const int64_t image = p->shape.groups * km_conv_blocks_of(p->results) * p->result_plane;
    int64_t n = b->first_image, i = b->first_row;
    for (int64_t row = 0; row < b->rows; row++, i++) {
        if (i == s->h.out) {
            n++;
            i = 0;
        }
        const int64_t at = n * image + s->to + i * s->to_row;
        for (int64_t c = 0; c < s->w.out; c++)
            *to++ = (at + c * s->to_column) * V;
    }
}

/* The tiles of pixels that are neighbours in x; sizes without a division for each. */
static void run_pixels(const plan *p, km_conv_pixels *t, const float *x, const int64_t *to,
                       int64_t pixels, int vectors)
{
    const int64_t tiles = km_max64(1, km_ceil_div(pixels, TILE_ROWS)), step = p->step;
    const int64_t rows = pixels / tiles, more = pixels - rows * tiles;
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t count = rows + (i < more);
        t->x = x;
        t->to = to;
        km_conv_pixels_any(t, vectors, (int)count, step != V);
        x += count * step;
        to += count;
        t->ahead += t->full * t->lines * ALIGN;
    }
}

/* Rows of copies that taps share end in what no result needs. */
static void run_block(const job *j, km_conv_pixels *t, const km_conv_block *b, const float *x,
                      const int64_t *to, int vectors)
{
    const int64_t width = km_conv_width(b->w), out = b->w->out;
    if (width == out) {
        run_pixels(j->p, t, x, to, b->rows * out, vectors);
        return;
    }
    for (int64_t i = 0; i < b->rows; i++)
        run_pixels(j->p, t, x + i * width * j->p->step, to + i * out, out, vectors);
}

static const float *channels_from(const job *j, int64_t channel)
{
    const plan *p = j->p;
    return j->x + p->source_plane * (p->plain ? channel : channel / p->unit * p->step);
}

static const float *source_of(const job *j, const km_conv_block *b, int64_t i, int64_t channel)
{
    const plan *p = j->p;
    const stage *s = j->s;
    if (!s->in_place)
        return j->copies + i * s->copy;
    return channels_from(j, channel) + b->first_image * b->image +
           b->first_row * b->w->in * p->step;
}

static void copy_blocks(const job *j, int64_t channel, int64_t channels)
{
    const plan *p = j->p;
    const float *x = channels_from(j, channel);
    for (int64_t i = j->first_block; i < j->last_block && !j->s->in_place; i++) {
        const km_conv_block b = block_of(j, i);
        float *to = j->copies + (i - j->first_block) * j->s->copy;
        if (p->step != V)
            km_conv_fill_placed(&b, x, channels, to);
        else if (p->plain)
            km_conv_fill_turned(&b, x, channels, to);
        else
            km_conv_fill_blocks(&b, x, km_ceil_div(channels, V), to);
    }
}

/* One tile of weights by all pixels. */
static void run_tile(const job *j, km_conv_pixels *t, int64_t channel, int vectors)
{
    const int64_t table = j->s->cut.rows * j->s->w.out;
    for (int64_t i = j->first_block; i < j->last_block; i++) {
        const int64_t at = i - j->first_block;
        const km_conv_block b = block_of(j, i);
        run_block(j, t, &b, source_of(j, &b, at, channel), j->to + at * table, vectors);
    }
}

/* The weights of a tile for a chunk, from which on they are packed. */
static const float *packed_weights(const job *j, int64_t channel, int64_t tile)
{
    const plan *p = j->p;
    const int64_t all = km_conv_blocks_of(p->results), taps = km_conv_native_taps(j->s);
    const int64_t from = km_conv_tile_start(all, TILE_VECTORS, tile);
    const int64_t vectors = km_conv_tile_start(all, TILE_VECTORS, tile + 1) - from;
    return j->weights + (from * p->sources + channel * vectors) * taps * V;
}

static const float *tile_weights(const job *j, int64_t channel, int64_t channels, int64_t tile)
{
    if (!j->s->single)
        return packed_weights(j, channel, tile);
    km_conv_pack_turned(j->p, j->s, j->weights + channel * j->p->w_source, channels, tile, j->tile);
    return j->tile;
}

/* Weights beyond the second cache that few pixels are multiplied by: they are fetched while others are used. */
static void expect_weights(const job *j, km_conv_pixels *t, int64_t channel, int64_t channels,
                           int64_t tile, int64_t vectors)
{
    enum { FEW = 8, MANY = 1 << 20 };
    const plan *p = j->p;
    const int64_t pixels = (j->last_block - j->first_block) * j->s->cut.rows * j->s->w.out;
    const int64_t tiles = km_ceil_div(pixels, TILE_ROWS), next = channel + channels;
    const int is_last = tile + 1 == j->last_tile;
    t->lines = 0;
    t->ahead = t->w;
    if (j->s->single || tiles > FEW || p->group_weights < MANY || (is_last && next == p->sources))
        return;
    t->lines = km_ceil_div(V * vectors * V, ALIGN * tiles);
    t->ahead = packed_weights(j, is_last ? next : channel, is_last ? j->first_tile : tile + 1);
}

/* Channels of the source from `channel` on. */
static void run_chunk(const job *j, int64_t channel, int64_t channels)
{
    const plan *p = j->p;
    const int64_t taps = km_conv_native_taps(j->s), all = km_conv_blocks_of(p->results);
    km_conv_pixels t = {.offset = j->s->offset, .add = channel > 0, .lanes = V};
    t.y_vector = (p->plain ? p->scratch : p->result_plane) * V;
    t.terms = km_ceil_div(channels, p->unit) * taps;
    t.full = channels / p->unit * taps;
    t.last = channels % p->unit;
    copy_blocks(j, channel, channels);
    for (int64_t i = j->first_tile; i < j->last_tile; i++) {
        const int64_t from = km_conv_tile_start(all, TILE_VECTORS, i);
        const int64_t vectors = km_conv_tile_start(all, TILE_VECTORS, i + 1) - from;
        t.w = tile_weights(j, channel, channels, i);
        expect_weights(j, &t, channel, channels, i, vectors);
        t.y = j->y + from * t.y_vector;
        t.bias = j->bias ? j->bias + from * V : NULL;
        if (from + vectors == all)
            t.lanes = p->results - (all - 1) * V;
        run_tile(j, &t, channel, (int)vectors);
    }
}

static void run_blocks(const job *j)
{
    const int64_t chunk = j->s->chunk * j->p->unit;
    const int64_t table = j->s->cut.rows * j->s->w.out;
    for (int64_t i = j->first_block; i < j->last_block; i++) {
        const km_conv_block b = block_of(j, i);
        const int64_t at = (i - j->first_block) * table;
        if (j->p->plain)
            number_pixels(j->s, (i - j->first_block) * j->s->cut.rows * j->s->pitch, j->to + at);
        else
            find_pixels(j->p, j->s, &b, j->to + at);
    }
    for (int64_t c = 0; c < j->p->sources; c += chunk)
        run_chunk(j, c, km_min64(chunk, j->p->sources - c));
}

/* ---- parts ---- */

/* The results of some stages to where they belong; j: the first one's job. */
static void put_block(const job *j, int64_t block, float *y)
{
    const plan *p = j->p;
    const stage *s = j->s;
    const km_conv_block b = block_of(j, block);
    const int64_t all = km_conv_blocks_of(p->results), table = s->cut.rows * s->pitch;
    const int64_t from = km_conv_tile_start(all, TILE_VECTORS, j->first_tile);
    const int64_t end = km_conv_tile_start(all, TILE_VECTORS, j->last_tile);
    const int64_t width = p->joint == 1 ? s->w.out : p->shape.w.in;
    km_conv_rows r = {.vector = p->scratch * V, .joint = p->joint, .plane = p->result_plane};
    int64_t n = b.first_image, i = b.first_row;
    r.next = all * p->scratch * V;
    r.channels = km_min64(end * V, p->results) - from * V;
    for (int64_t row = 0; row < b.rows; row++, i++) {
        if (i == s->h.out) {
            n++;
            i = 0;
        }
        const int64_t whole =
            p->joint == 1 && s->to_row == width ? km_min64(b.rows - row, s->h.out - i) : 1;
        r.from = j->y + from * r.vector + ((block - j->first_block) * table + row * s->w.out) * V;
        km_conv_put_turned(&r, whole * width,
                           y + n * p->shape.groups * result_floats(p) + from * V * p->result_plane +
                               s->to + i * s->to_row);
        row += whole - 1;
        i += whole - 1;
    }
}

static job job_of(const plan *p, const km_args *args, const stage *s, int64_t group, int64_t part)
{
    const float *bias = args->slot[KM_BIAS].count ? args->slot[KM_BIAS].data : NULL;
    job j = {.p = p, .s = s};
    j.x = (const float *)args->slot[p->source].data + group * source_floats(p);
    j.y = p->plain ? p->scratches + part * p->scratch_each
                   : (float *)args->slot[p->result].data + group * result_floats(p);
    j.weights = args->slot[KM_WEIGHT].data;
    if (s->single)
        j.weights += group * p->sources * p->results * p->shape.h.kernel * p->shape.w.kernel;
    else
        j.weights = (p->plain ? p->packed : j.weights) + group * p->group_weights + s->weights;
    j.tile = p->tile + part * p->tile_each;
    j.bias = bias && p->result == KM_Y ? bias + group * p->results : NULL;
    j.copies = p->copies + part * p->copies_each;
    j.to = p->tables + part * p->table_each;
    return j;
}

/* Cuts of blocks are neighbours, then blocks, then groups. */
static void run_unit(const plan *p, const km_args *args, const stage *s, int64_t unit, int64_t part)
{
    const int64_t blocks = km_conv_native_blocks(s), units = km_ceil_div(blocks, s->together);
    const int64_t cut = unit % p->cuts, group = unit / p->cuts / units, i = unit / p->cuts % units;
    const int64_t all = km_conv_blocks_of(p->results), tiles = km_ceil_div(all, TILE_VECTORS);
    float *y = (float *)args->slot[p->result].data + group * result_floats(p);
    job first = {0};
    for (int64_t k = p->joint - 1; k >= 0; k--) {
        job j = job_of(p, args, s + k, group, part);
        j.first_block = blocks * i / units;
        j.last_block = blocks * (i + 1) / units;
        j.first_tile = tiles * cut / p->cuts;
        j.last_tile = tiles * (cut + 1) / p->cuts;
        first = j;
        j.y += k * all * p->scratch * V;
        run_blocks(&j);
    }
    for (int64_t b = first.first_block; b < first.last_block && p->plain; b++)
        put_block(&first, b, y);
}

/* ---- plain weights ---- */

static void pack(const plan *p, const float *weight, int64_t part)
{
    const int64_t tiles = km_ceil_div(km_conv_blocks_of(p->results), TILE_VECTORS);
    const int64_t size = p->sources * p->results * p->shape.h.kernel * p->shape.w.kernel;
    for (int64_t i = part; i < p->shape.groups * tiles && p->group_weights; i += p->parts)
        km_conv_pack_turned(p, NULL, weight + i / tiles * size, p->sources, i % tiles,
                            p->packed + i / tiles * p->group_weights);
}

static void compute(const plan *p, const km_args *args, int64_t part)
{
    int64_t units = 0, first = 0;
    for (int64_t i = 0; i < p->stages; i += p->joint)
        units += km_conv_native_units(p, &p->stage[i]);
    const int64_t from = units * part / p->parts, end = units * (part + 1) / p->parts;
    for (int64_t i = 0; i < p->stages; i += p->joint) {
        const stage *s = &p->stage[i];
        const int64_t all = km_conv_native_units(p, s), last = km_min64(end - first, all);
        for (int64_t u = km_max64(from - first, 0); u < last; u++)
            run_unit(p, args, s, u, part);
        first += all;
    }
}

void km_conv_native_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    if (p->plain && phase == 0)
        pack(p, args->slot[KM_WEIGHT].data, part);
    else if (phase == p->plain)
        compute(p, args, part);
}
