/* conv2d_direct.c: forward and backward_data by register tiles over copied rows of the input.
 *
 * Both are sums over channels and taps of weights times an image. Of backward_data the image is grad_y, and each
 * residue of the stride (a stage here) is a convolution of its own with the taps that reach it. Tiles are
 * TILE_ROWS channels of the result by TILE_COLUMNS neighbouring results; a chunk of channels is copied and
 * multiplied at a time, so that planes and weights stay in the caches.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_passes.h"
#include "conv2d_tile.h"

enum { TERMS = 256, COLUMNS = 512, SUMS = 65536 };

/* The results of one residue of the strides: position (i, j) goes to to + i * to_row + j * to_column. */
typedef struct stage {
    km_conv_taps h, w;
    int64_t to, to_row, to_column;
    km_conv_cuts cut;
    int64_t chunk;     /* channels */
    int64_t *offset;   /* of the terms of a chunk */
    int64_t weights;   /* where its packed weights start */
    int64_t plane_set; /* floats of a chunk's planes */
    int in_place;      /* 1x1: full panels are read where they lie */
} stage;

typedef struct plan {
    km_conv_shape shape;
    int64_t sources, results; /* channels of a group */
    int64_t source_plane, result_plane;
    int64_t w_result, w_source; /* steps in the weights; a tap's is 1 */
    km_slot source, result;
    int64_t stages, parts, cuts; /* cuts: of a block, along the channels of the result */
    int64_t planes, work;        /* floats of a part's planes, and all of its workspace */
    float *packed, *works;
    int64_t packed_floats;
    stage stage[];
} plan;

static int64_t terms_of(const stage *s, int64_t channels)
{
    return channels * s->h.count * s->w.count;
}

static int64_t tiles_of(int64_t results)
{
    return km_ceil_div(results, TILE_ROWS);
}

/* Tiles of a remainder are balanced: 64 rows are 13, 13, 13, 13 and 12. */
static int64_t tile_start(int64_t results, int64_t tile)
{
    return results ? results * tile / tiles_of(results) : 0;
}

/* ---- weights ---- */

/* Chunks; in them tiles; in them terms, each with its rows side by side. */
static void pack_tile(const plan *p, const stage *s, const float *weight, int64_t from,
                      int64_t rows, int64_t channels, float *to)
{
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < s->h.count; i++)
            for (int64_t j = 0; j < s->w.count; j++) {
                const float *w = weight + c * p->w_source + from * p->w_result +
                                 s->h.index[i] * p->shape.w.kernel + s->w.index[j];
                for (int64_t m = 0; m < rows; m++)
                    *to++ = w[m * p->w_result];
            }
}

static void pack_chunk(const plan *p, const stage *s, const float *weight, int64_t channel,
                       int64_t channels, float *to)
{
    const int64_t terms = terms_of(s, channels);
    for (int64_t t = 0; t < tiles_of(p->results); t++) {
        const int64_t from = tile_start(p->results, t), end = tile_start(p->results, t + 1);
        pack_tile(p, s, weight + channel * p->w_source, from, end - from, channels,
                  to + from * terms);
    }
}

/* Weights of a group of a stage, and of one of its chunks. */
static float *packed_at(const plan *p, const stage *s, int64_t group, int64_t channel)
{
    return p->packed + s->weights +
           (group * p->sources + channel) * s->h.count * s->w.count * p->results;
}

static void pack_part(const plan *p, const float *weight, int64_t part)
{
    const int64_t size = p->sources * p->results * p->shape.h.kernel * p->shape.w.kernel;
    int64_t unit = 0;
    for (int64_t i = 0; i < p->stages; i++)
        for (int64_t g = 0; g < p->shape.groups; g++)
            for (int64_t c = 0; c < p->sources; c += p->stage[i].chunk)
                if (unit++ % p->parts == part)
                    pack_chunk(p, &p->stage[i], weight + g * size, c,
                               km_min64(p->stage[i].chunk, p->sources - c),
                               packed_at(p, &p->stage[i], g, c));
}

/* ---- results ---- */

/* Neighbours among a panel's columns that are neighbours in the result. */
typedef struct piece {
    int64_t lane, length, to;
} piece;

typedef struct panel {
    int64_t columns, pieces;
    piece piece[TILE_COLUMNS];
} panel;

static void add_piece(panel *to, piece next, int together)
{
    piece *last = &to->piece[to->pieces];
    if (next.length <= 0)
        return;
    if (to->pieces && together && last[-1].lane + last[-1].length == next.lane &&
        last[-1].to + last[-1].length == next.to) {
        last[-1].length += next.length;
        return;
    }
    *last = next;
    to->pieces++;
}

static void find_pieces(const plan *p, const stage *s, int64_t row, int64_t column, panel *to)
{
    const int64_t width = km_conv_width(&s->w);
    const int64_t image = p->shape.groups * p->results * p->result_plane;
    to->pieces = 0;
    for (int64_t lane = 0; lane < to->columns;) {
        const int64_t r = row + (column + lane) / width, j = (column + lane) % width;
        const int64_t n = r / s->h.out, i = r % s->h.out;
        const int64_t length = km_min64(s->w.out - j, to->columns - lane);
        const int64_t at = n * image + s->to + i * s->to_row + j * s->to_column;
        add_piece(to, (piece){lane, length, at}, s->to_column == 1);
        lane += width - j;
    }
}

static void store_run(const float *from, float *to, int64_t length, int64_t step, float bias)
{
    const vf b = v_set(bias);
    if (step == 1)
        for (int64_t i = 0; i < length; i += V)
            v_store_n(to + i, v_add(v_load_n(from + i, length - i), b), length - i);
    else
        for (int64_t i = 0; i < length; i++)
            to[i * step] = from[i] + bias;
}

/* Rows of sums to the planes of the result, and the bias to them. */
static void store_rows(const plan *p, const stage *s, const panel *columns, const float *sums,
                       int64_t rows, const float *bias, float *to)
{
    for (int64_t m = 0; m < rows; m++)
        for (int64_t i = 0; i < columns->pieces; i++) {
            const piece *r = &columns->piece[i];
            store_run(sums + m * TILE_COLUMNS + r->lane, to + m * p->result_plane + r->to,
                      r->length, s->to_column, bias ? bias[m] : 0);
        }
}

/* ---- a block ---- */

/* Channels from..end of the result's group, in a block. */
typedef struct job {
    const plan *p;
    const stage *s;
    km_conv_block block;
    int64_t first_tile, last_tile; /* of the group's results */
    const float *x;                /* the group's first channel */
    const float *weights;
    const float *bias; /* of the group, or NULL */
    float *y;          /* the group's first channel */
    float *planes, *sums;
} job;

/* Where a panel is read, and what of the results it holds. */
static km_conv_tile tile_on(const job *j, int64_t channel, int64_t channels, int64_t column)
{
    const stage *s = j->s;
    const km_conv_block *b = &j->block;
    km_conv_tile t = {.b = j->planes + column, .offset = s->offset, .add = channel > 0};
    t.terms = terms_of(s, channels);
    if (!s->in_place)
        return t;
    const int64_t left = km_conv_columns(b) - column;
    const float *x = j->x + b->row / s->h.out * b->image + b->row % s->h.out * b->w->in +
                     channel * b->plane + column;
    t.b = x;
    if (left >= TILE_COLUMNS)
        return t;
    /* the last vector would reach beyond the plane */
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < left; i += V)
            v_store(j->planes + c * TILE_COLUMNS + i, v_load_n(x + c * b->plane + i, left - i));
    t.b = j->planes;
    t.offset += s->chunk; /* its second table */
    return t;
}

static void run_panel(const job *j, km_conv_tile t, const float *weights, int64_t column,
                      int is_last)
{
    const plan *p = j->p;
    const int64_t left = km_conv_columns(&j->block) - column, start = j->first_tile;
    const int64_t base = tile_start(p->results, start);
    panel now = {.columns = km_min64(left, TILE_COLUMNS)};
    const int vectors = (int)km_ceil_div(now.columns, V), single = is_last && !t.add;
    const int64_t height = tile_start(p->results, j->last_tile) - base;
    float *sums = j->sums + (single ? 0 : column * height);
    if (is_last)
        find_pieces(p, j->s, j->block.row, column, &now);
    for (int64_t i = start; i < j->last_tile; i++) {
        const int64_t from = tile_start(p->results, i), end = tile_start(p->results, i + 1);
        t.a = weights + from * t.terms;
        t.c = sums + (single ? 0 : (from - base) * TILE_COLUMNS);
        km_conv_tile_any(&t, vectors, (int)(end - from));
        if (is_last)
            store_rows(p, j->s, &now, t.c, end - from, j->bias ? j->bias + from : NULL,
                       j->y + from * p->result_plane);
    }
}

static void run_block(const job *j)
{
    const stage *s = j->s;
    const int64_t sources = j->p->sources, columns = km_conv_columns(&j->block);
    for (int64_t c = 0; c < sources; c += s->chunk) {
        const int64_t channels = km_min64(s->chunk, sources - c);
        if (!s->in_place)
            km_conv_fill(&j->block, j->x + c * j->block.plane, channels, j->planes);
        const float *weights = j->weights + terms_of(s, c) * j->p->results;
        for (int64_t i = 0; i < columns; i += TILE_COLUMNS)
            run_panel(j, tile_on(j, c, channels, i), weights, i, c + channels == sources);
    }
}

/* No tap reaches these results, or there is no channel. */
static void run_empty(const job *j)
{
    const plan *p = j->p;
    static const float zeros[TILE_COLUMNS];
    panel now;
    for (int64_t i = 0; i < km_conv_columns(&j->block); i += TILE_COLUMNS) {
        now.columns = km_min64(km_conv_columns(&j->block) - i, TILE_COLUMNS);
        find_pieces(p, j->s, j->block.row, i, &now);
        for (int64_t m = 0; m < p->results; m++)
            store_rows(p, j->s, &now, zeros, 1, j->bias ? j->bias + m : NULL,
                       j->y + m * p->result_plane);
    }
}

/* ---- parts ---- */

/* One block of one group, or one cut of it. */
static void run_unit(const plan *p, const km_args *args, const stage *s, int64_t group,
                     int64_t block, int64_t cut, float *work)
{
    const km_tensor *bias = &args->slot[KM_BIAS];
    const int64_t tiles = tiles_of(p->results);
    job j = {.p = p, .s = s, .first_tile = tiles * cut / p->cuts, .planes = work};
    j.last_tile = tiles * (cut + 1) / p->cuts;
    j.block = km_conv_block_of(&s->cut, &s->h, &s->w, block);
    j.block.plane = p->source_plane;
    j.block.image = p->shape.groups * p->sources * p->source_plane;
    j.x = (const float *)args->slot[p->source].data + group * p->sources * p->source_plane;
    j.y = (float *)args->slot[p->result].data + group * p->results * p->result_plane;
    j.bias =
        bias->count && p->result == KM_Y ? (const float *)bias->data + group * p->results : NULL;
    j.weights = packed_at(p, s, group, 0);
    j.sums = work + p->planes;
    if (terms_of(s, p->sources) > 0)
        run_block(&j);
    else if (cut == 0)
        run_empty(&j);
}

static void run_blocks(const plan *p, const km_args *args, int64_t part)
{
    int64_t units = 0, unit = 0;
    for (int64_t i = 0; i < p->stages; i++)
        units += p->shape.groups * p->stage[i].cut.strips * p->stage[i].cut.blocks * p->cuts;
    const int64_t from = units * part / p->parts, end = units * (part + 1) / p->parts;
    for (int64_t i = 0; i < p->stages; i++) {
        const stage *s = &p->stage[i];
        const int64_t blocks = s->cut.strips * s->cut.blocks,
                      all = p->shape.groups * blocks * p->cuts;
        for (int64_t u = km_max64(from - unit, 0); u < km_min64(end - unit, all); u++)
            run_unit(p, args, s, u / p->cuts / blocks, u / p->cuts % blocks, u % p->cuts,
                     p->works + part * p->work);
        unit += all;
    }
}

void km_conv_direct_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    if (phase == 0)
        pack_part(p, args->slot[KM_WEIGHT].data, part);
    else
        run_blocks(p, args, part);
}

void km_conv_direct_run(const km_args *args)
{
    for (int phase = 0; phase < 2; phase++)
        for (int64_t part = 0; part < ((const plan *)args->plan)->parts; part++)
            km_conv_direct_part(args, phase, (int)part);
}

/* ---- plans ---- */

void km_conv_direct_close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    for (int64_t i = 0; i < p->stages; i++) {
        km_conv_taps_close(&p->stage[i].h);
        km_conv_taps_close(&p->stage[i].w);
        free(p->stage[i].offset);
    }
    free(p->packed);
    free(p);
}

static int is_identity(const km_conv_taps *t)
{
    return t->count == 1 && t->place[0] == 0 && t->step == 1 && t->in == t->out;
}

static void cut_stage(const plan *p, stage *s)
{
    const int64_t plane = s->h.out * s->w.out;
    const int64_t columns =
        km_min64(COLUMNS, km_max64(4 * TILE_COLUMNS, SUMS / km_max64(1, p->results)));
    s->in_place = is_identity(&s->h) && is_identity(&s->w) && plane % 256 != 0 &&
                  (p->shape.n == 1 || plane >= 6 * TILE_COLUMNS);
    km_conv_cut(&s->cut, &s->h, &s->w, p->shape.n, columns, !s->in_place);
    s->chunk = km_max64(1, TERMS / km_max64(1, s->h.count * s->w.count));
    s->chunk = km_max64(1, km_min64(s->chunk, p->sources));
    const int64_t chunks = km_ceil_div(p->sources, s->chunk);
    s->chunk = chunks ? km_ceil_div(p->sources, chunks) : 1;
}

/* The table of offsets; of a stage read in place also the one for its last panel. */
static int open_offsets(const plan *p, stage *s)
{
    const km_conv_block b = {&s->h, &s->w, .layout = s->cut.rows};
    const int64_t terms = terms_of(s, s->chunk);
    s->offset = malloc((size_t)(2 * terms + 1) * sizeof *s->offset);
    if (!s->offset)
        return -1;
    s->plane_set = s->chunk * km_conv_planes(&b) + TILE_COLUMNS;
    km_conv_offsets(&b, s->chunk, s->offset);
    for (int64_t i = 0; s->in_place && i < terms; i++) {
        s->offset[i] = i * p->source_plane;
        s->offset[terms + i] = i * TILE_COLUMNS;
    }
    if (s->in_place)
        s->plane_set = s->chunk * TILE_COLUMNS;
    return 0;
}

static int open_stage(plan *p, stage *s, int64_t i, int64_t j)
{
    const int forward = p->result == KM_Y;
    if (km_conv_choose_taps(&s->h, &s->w, &p->shape, forward ? -1 : i, forward ? -1 : j,
                            p->results))
        return -1;
    s->to = forward ? 0 : i * p->shape.w.in + j;
    s->to_row = forward ? p->shape.w.out : p->shape.h.stride * p->shape.w.in;
    s->to_column = forward ? 1 : p->shape.w.stride;
    cut_stage(p, s);
    s->weights = p->packed_floats;
    p->packed_floats += p->shape.groups * terms_of(s, p->sources) * p->results;
    return open_offsets(p, s);
}

/* Planes and sums of the largest block; parts that have no block of their own share one. */
static void size_work(plan *p)
{
    int64_t sums = TILE_ROWS * TILE_COLUMNS, units = 0;
    for (int64_t i = 0; i < p->stages; i++) {
        const stage *s = &p->stage[i];
        const km_conv_block b = {&s->h, &s->w, .rows = s->cut.rows};
        p->planes = km_max64(p->planes, s->plane_set);
        units += p->shape.groups * s->cut.strips * s->cut.blocks;
        if (s->chunk < p->sources)
            sums = km_max64(sums, km_round_up(km_conv_columns(&b), TILE_COLUMNS) * p->results);
    }
    p->cuts = units < 2 * p->parts ? km_max64(1, km_min64(p->parts, tiles_of(p->results))) : 1;
    p->planes = km_round_up(p->planes, ALIGN);
    p->work = km_round_up(p->planes + sums, ALIGN);
}

static int open_work(plan *p)
{
    size_work(p);
    const int64_t packed = km_round_up(p->packed_floats, ALIGN);
    const size_t bytes = (size_t)(packed + p->parts * p->work) * sizeof(float);
    p->packed = aligned_alloc(ALIGN * sizeof(float), bytes);
    if (!p->packed)
        return -1;
    memset(p->packed, 0, bytes); /* lanes of a last vector that nobody fills must not be slow */
    p->works = p->packed + packed;
    return 0;
}

static const char *open(const km_args *args, void **out, int forward)
{
    const km_conv_shape c = km_conv_shape_of(args->params);
    const int64_t rows = forward ? 1 : km_min64(c.h.stride, c.h.in),
                  columns = forward ? 1 : km_min64(c.w.stride, c.w.in);
    plan *p = calloc(1, sizeof *p + (size_t)(rows * columns) * sizeof(stage));
    int failed = !p;
    if (p) {
        const int64_t taps = c.h.kernel * c.w.kernel;
        const int64_t in = c.h.in * c.w.in, result = c.h.out * c.w.out;
        *p = (plan){.shape = c, .parts = km_max64(1, args->threads)};
        p->source = forward ? KM_X : KM_GRAD_Y;
        p->result = forward ? KM_Y : KM_GRAD_X;
        p->sources = forward ? c.c : c.k;
        p->results = forward ? c.k : c.c;
        p->source_plane = forward ? in : result;
        p->result_plane = forward ? result : in;
        p->w_result = forward ? c.c * taps : taps;
        p->w_source = forward ? taps : c.c * taps;
        for (int64_t i = 0; i < rows && !failed; i++)
            for (int64_t j = 0; j < columns && !failed; j++)
                failed = open_stage(p, &p->stage[p->stages++], i, j);
        failed = failed || open_work(p);
    }
    if (failed)
        km_conv_direct_close(p);
    else
        *out = p;
    return failed ? "out of memory" : NULL;
}

const char *km_conv_forward_open(const km_args *args, void **plan_)
{
    return open(args, plan_, 1);
}

const char *km_conv_backward_data_open(const km_args *args, void **plan_)
{
    return open(args, plan_, 0);
}

void km_conv_direct_describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    static const char impl[] = "direct, tiles over copied rows";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = (p->packed_floats + p->parts * p->work) * (int64_t)sizeof *p->packed;
}
