/* conv2d_plan.c: plans of forward and backward_data: which copies, which blocks, how much workspace.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_direct.h"

enum { TERMS = 448, COLUMNS = 512, SUMS = 65536 };

static void close_stage(km_conv_stage *s)
{
    km_conv_taps_close(&s->h);
    km_conv_taps_close(&s->w);
    free(s->offset);
    *s = (km_conv_stage){0};
}

static void close(void *plan_)
{
    km_conv_direct *p = plan_;
    if (!p)
        return;
    for (int64_t i = 0; i < p->stages; i++)
        close_stage(&p->stage[i]);
    free(p->packed);
    free(p);
}

static int is_identity(const km_conv_taps *t)
{
    return t->count == 1 && t->place[0] == 0 && t->step == 1 && t->in == t->out;
}

static void cut_stage(const km_conv_direct *p, km_conv_stage *s)
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
static int open_offsets(const km_conv_direct *p, km_conv_stage *s)
{
    const km_conv_block b = {&s->h, &s->w, .layout = s->cut.rows};
    const int64_t terms = km_conv_terms_of(s, s->chunk);
    const int64_t taps = s->h.count * s->w.count;
    s->offset = malloc((size_t)(2 * terms + taps + 1) * sizeof *s->offset);
    if (!s->offset)
        return -1;
    s->tap = s->offset + 2 * terms;
    for (int64_t t = 0; t < taps; t++)
        s->tap[t] = s->h.index[t / s->w.count] * p->shape.w.kernel + s->w.index[t % s->w.count];
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

static int open_stage(km_conv_direct *p, km_conv_stage *s, int64_t i, int64_t j)
{
    const int forward = p->result == KM_Y;
    if (km_conv_choose_taps(&s->h, &s->w, &p->shape, forward ? -1 : i, forward ? -1 : j,
                            p->results))
        return -1;
    s->to = forward ? 0 : i * p->shape.w.in + j;
    s->to_row = forward ? p->shape.w.out : p->shape.h.stride * p->shape.w.in;
    s->to_column = forward ? 1 : p->shape.w.stride;
    cut_stage(p, s);
    s->single = s->cut.strips * s->cut.blocks == 1;
    s->weights = p->packed_floats;
    if (s->single)
        p->chunk = km_max64(p->chunk, km_conv_terms_of(s, s->chunk) * p->results);
    else
        p->packed_floats += p->shape.groups * km_conv_terms_of(s, p->sources) * p->results;
    p->clear |= !forward && km_conv_terms_of(s, p->sources) == 0;
    return open_offsets(p, s);
}

/* Planes and sums of the largest block; parts that have no block of their own share one. */
static void size_work(km_conv_direct *p)
{
    int64_t sums = TILE_ROWS * TILE_COLUMNS, units = 0;
    for (int64_t i = 0; i < p->stages; i++) {
        const km_conv_stage *s = &p->stage[i];
        const km_conv_block b = {&s->h, &s->w, .rows = s->cut.rows};
        p->planes = km_max64(p->planes, s->plane_set);
        units += p->shape.groups * s->cut.strips * s->cut.blocks;
        if (s->chunk < p->sources)
            sums = km_max64(sums, km_round_up(km_conv_columns(&b), TILE_COLUMNS) * p->results);
    }
    p->cuts =
        units < 2 * p->parts ? km_max64(1, km_min64(p->parts, km_conv_tiles_of(p->results))) : 1;
    p->planes = km_round_up(p->planes, ALIGN);
    p->chunk = km_round_up(p->chunk, ALIGN);
    p->work = km_round_up(p->planes + p->chunk + sums, ALIGN);
}

static int open_work(km_conv_direct *p)
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

static void set_sizes(km_conv_direct *p, int forward)
{
    const km_conv_shape *s = &p->shape;
    const int64_t taps = s->h.kernel * s->w.kernel;
    const int64_t in = s->h.in * s->w.in, out = s->h.out * s->w.out;
    p->source = forward ? KM_X : KM_GRAD_Y;
    p->result = forward ? KM_Y : KM_GRAD_X;
    p->sources = forward ? s->c : s->k;
    p->results = forward ? s->k : s->c;
    p->source_plane = forward ? in : out;
    p->result_plane = forward ? out : in;
    p->w_result = forward ? s->c * taps : taps;
    p->w_source = forward ? taps : s->c * taps;
}

/* Stages that no tap reaches are cleared with the rest, and dropped. */
static int open_plan(km_conv_direct *p, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            km_conv_stage *s = &p->stage[p->stages++];
            if (open_stage(p, s, i, j))
                return -1;
            if (p->result == KM_GRAD_X && km_conv_terms_of(s, p->sources) == 0) {
                p->stages--;
                close_stage(s);
            }
        }
    return open_work(p);
}

static const char *open(const km_args *args, km_slot result, void **out)
{
    const int forward = result == KM_Y;
    const km_conv_shape c = km_conv_shape_of(args->params);
    const int64_t rows = forward ? 1 : km_min64(c.h.stride, c.h.in);
    const int64_t columns = forward ? 1 : km_min64(c.w.stride, c.w.in);
    km_conv_direct *p = calloc(1, sizeof *p + (size_t)(rows * columns) * sizeof *p->stage);
    if (!p)
        return "out of memory";
    p->shape = c;
    p->parts = km_max64(1, args->threads);
    set_sizes(p, forward);
    if (open_plan(p, rows, columns)) {
        close(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const km_conv_direct *p = plan_;
    static const char impl[] = "direct, tiles over copied rows";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = (p->packed_floats + p->parts * p->work) * (int64_t)sizeof *p->packed;
}

const km_conv_algorithm km_conv_tiles = {open, km_conv_direct_part, close, describe, 2};
