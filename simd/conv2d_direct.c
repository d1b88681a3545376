/* conv2d_direct.c: forward and backward_data by register tiles over copied rows of the input.
 *
 * Both are sums over channels and taps of weights times an image. Of backward_data the image is grad_y, and each
 * residue of the stride (a stage here) is a convolution of its own with the taps that reach it. Tiles are
 * TILE_ROWS channels of the result by TILE_COLUMNS neighbouring results; a chunk of channels is copied and
 * multiplied at a time, so that planes and weights stay in the caches.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "conv2d_direct.h"
#include "conv2d_tile.h"

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

static void find_pieces(const km_conv_direct *p, const km_conv_stage *s, int64_t row,
                        int64_t column, panel *to)
{
    const int64_t width = km_conv_width(&s->w);
    const int64_t image = p->shape.groups * p->results * p->result_plane;
    const int64_t first = row + column / width;
    int64_t n = first / s->h.out, i = first % s->h.out, j = column % width;
    to->pieces = 0;
    for (int64_t lane = 0; lane < to->columns; lane += width - j, j = 0, i++) {
        if (i == s->h.out) {
            n++;
            i = 0;
        }
        const int64_t length = km_min64(s->w.out - j, to->columns - lane);
        const int64_t at = n * image + s->to + i * s->to_row + j * s->to_column;
        add_piece(to, (piece){lane, length, at}, s->to_column == 1);
    }
}

static void store_run(const float *from, float *to, int64_t length, int64_t step, float bias)
{
    const vf b = v_set(bias);
    int64_t i = 0;
    if (step != 1) {
        for (; i < length; i++)
            to[i * step] = from[i] + bias;
        return;
    }
    for (; i + V <= length; i += V)
        v_store(to + i, v_add(v_load(from + i), b));
    v_store_n(to + i, v_add(v_load_n(from + i, length - i), b), length - i);
}

/* Rows of sums to the planes of the result, and the bias to them. */
static void store_rows(const km_conv_direct *p, const km_conv_stage *s, const panel *columns,
                       const float *sums, int64_t rows, const float *bias, float *to)
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
    const km_conv_direct *p;
    const km_conv_stage *s;
    km_conv_block block;
    int64_t first_tile, last_tile; /* of the group's results */
    const float *x;                /* the group's first channel */
    const float
        *weight; /* of the group: as they came, or packed unless the stage has a single block */
    const float *bias; /* of the group, or NULL */
    float *y;          /* the group's first channel */
    float *planes, *sums, *chunk;
} job;

/* Where a panel is read, and what of the results it holds. */
static km_conv_tile tile_on(const job *j, int64_t channel, int64_t channels, int64_t column)
{
    const km_conv_stage *s = j->s;
    const km_conv_block *b = &j->block;
    km_conv_tile t = {.b = j->planes + column, .offset = s->offset, .add = channel > 0};
    t.terms = km_conv_terms_of(s, channels);
    if (!s->in_place)
        return t;
    const int64_t left = km_conv_columns(b) - column;
    const float *x =
        j->x + b->first_image * b->image + b->first_row * b->w->in + channel * b->plane + column;
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

/* Rows of the result are far apart, so no hardware prefetches them. */
static void ahead_of(const km_conv_direct *p, const panel *to, const float *y, int64_t rows)
{
    for (int64_t m = 0; m < rows; m++)
        for (int64_t i = 0; i < to->pieces; i++)
            for (int64_t j = 0; j < to->piece[i].length; j += ALIGN)
                __builtin_prefetch(y + m * p->result_plane + to->piece[i].to + j, 1);
}

/* The next panel's inputs, where they are read in place. */
static void ahead_in_place(const job *j, const km_conv_tile *t)
{
    for (int64_t i = 0; i < t->terms; i++)
        for (int64_t v = TILE_COLUMNS; v < 2 * TILE_COLUMNS; v += ALIGN)
            __builtin_prefetch(t->b + i * j->block.plane + v);
}

static void run_panel(const job *j, km_conv_tile t, const float *weights, int64_t column,
                      int is_last)
{
    const km_conv_direct *p = j->p;
    const int64_t left = km_conv_columns(&j->block) - column, start = j->first_tile;
    const int64_t base = km_conv_tile_start(p->results, start);
    panel now = {.columns = km_min64(left, TILE_COLUMNS)};
    const int vectors = (int)km_ceil_div(now.columns, V), single = is_last && !t.add;
    const int64_t height = km_conv_tile_start(p->results, j->last_tile) - base;
    float *sums = j->sums + (single ? 0 : column * height);
    if (is_last)
        find_pieces(p, j->s, j->block.row, column, &now);
    if (j->s->in_place && left >= 3 * TILE_COLUMNS)
        ahead_in_place(j, &t);
    for (int64_t i = start; i < j->last_tile; i++) {
        const int64_t from = km_conv_tile_start(p->results, i),
                      end = km_conv_tile_start(p->results, i + 1);
        float *y = j->y + from * p->result_plane;
        t.a = weights + from * t.terms;
        t.c = sums + (single ? 0 : (from - base) * TILE_COLUMNS);
        if (is_last)
            ahead_of(p, &now, y, end - from);
        tile_any(&t, vectors, (int)(end - from));
        if (is_last)
            store_rows(p, j->s, &now, t.c, end - from, j->bias ? j->bias + from : NULL, y);
    }
}

static const float *chunk_weights(const job *j, int64_t channel)
{
    if (!j->s->single)
        return j->weight + km_conv_terms_of(j->s, channel) * j->p->results;
    km_conv_pack_chunk(j->p, j->s, j->weight, channel, j->first_tile, j->last_tile, j->chunk);
    return j->chunk;
}

static void run_block(const job *j)
{
    const km_conv_stage *s = j->s;
    const int64_t sources = j->p->sources, columns = km_conv_columns(&j->block);
    for (int64_t c = 0; c < sources; c += s->chunk) {
        const int64_t channels = km_min64(s->chunk, sources - c);
        if (!s->in_place)
            km_conv_fill(&j->block, j->x + c * j->block.plane, channels, j->planes);
        const float *weights = chunk_weights(j, c);
        for (int64_t i = 0; i < columns; i += TILE_COLUMNS)
            run_panel(j, tile_on(j, c, channels, i), weights, i, c + channels == sources);
    }
}

/* There is no channel, or no tap. */
static void run_empty(const job *j)
{
    const km_conv_direct *p = j->p;
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
static void run_unit(const km_conv_direct *p, const km_args *args, const km_conv_stage *s,
                     int64_t group, int64_t block, int64_t cut, float *work)
{
    const km_tensor *bias = &args->slot[KM_BIAS];
    const int64_t tiles = km_conv_tiles_of(p->results);
    job j = {.p = p, .s = s, .first_tile = tiles * cut / p->cuts, .planes = work};
    j.last_tile = tiles * (cut + 1) / p->cuts;
    j.block = km_conv_block_of(&s->cut, &s->h, &s->w, block / s->cut.blocks, block % s->cut.blocks);
    j.block.plane = p->source_plane;
    j.block.image = p->shape.groups * p->sources * p->source_plane;
    j.x = (const float *)args->slot[p->source].data + group * p->sources * p->source_plane;
    j.y = (float *)args->slot[p->result].data + group * p->results * p->result_plane;
    j.bias =
        bias->count && p->result == KM_Y ? (const float *)bias->data + group * p->results : NULL;
    j.weight = s->single ? (const float *)args->slot[KM_WEIGHT].data + group * km_conv_weights_of(p)
                         : km_conv_packed_at(p, s, group, 0);
    j.chunk = work + p->planes;
    j.sums = j.chunk + p->chunk;
    if (km_conv_terms_of(s, p->sources) > 0)
        run_block(&j);
    else if (cut == 0)
        run_empty(&j);
}

static void run_blocks(const km_conv_direct *p, const km_args *args, int64_t part)
{
    int64_t units = 0, unit = 0;
    for (int64_t i = 0; i < p->stages; i++)
        units += p->shape.groups * p->stage[i].cut.strips * p->stage[i].cut.blocks * p->cuts;
    const int64_t from = units * part / p->parts, end = units * (part + 1) / p->parts;
    for (int64_t i = 0; i < p->stages; i++) {
        const km_conv_stage *s = &p->stage[i];
        const int64_t blocks = s->cut.strips * s->cut.blocks,
                      all = p->shape.groups * blocks * p->cuts;
        for (int64_t u = km_max64(from - unit, 0); u < km_min64(end - unit, all); u++)
            run_unit(p, args, s, u / p->cuts / blocks, u / p->cuts % blocks, u % p->cuts,
                     p->works + part * p->work);
        unit += all;
    }
}

static void clear_part(const km_conv_direct *p, const km_tensor *result, int64_t part)
{
    const int64_t from = result->count * part / p->parts,
                  end = result->count * (part + 1) / p->parts;
    if (p->clear && end > from)
        memset((float *)result->data + from, 0, (size_t)(end - from) * sizeof(float));
}

void km_conv_direct_part(const km_args *args, int phase, int part)
{
    const km_conv_direct *p = args->plan;
    if (phase == 0) {
        km_conv_pack_part(p, args->slot[KM_WEIGHT].data, part);
        clear_part(p, &args->slot[p->result], part);
    } else {
        run_blocks(p, args, part);
    }
}
