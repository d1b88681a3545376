/* conv2d_winograd.c: forward and backward_data of conv2d by Winograd's algorithm; see conv2d_winograd.h.
 *
 * Backward_data is the forward pass of grad_y with the taps turned round. Of many tiles, a block at a time is
 * transformed and multiplied by all weights, which were transformed before: in phase 0, or where tensors are native,
 * with the conversion of the layout. Of fewer, all are transformed in phase 0, and weights, each of which is used
 * once then, just before they are multiplied: they are read from memory as they are, not four times as large. No sum
 * depends on where blocks and parts are cut. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_winograd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- native layouts ---- */

static km_conv_blocked blocked_of(const km_winograd *p, km_slot slot)
{
    if (slot == p->source)
        return (km_conv_blocked){p->n, 1, p->sources, p->in_h * p->in_w};
    return (km_conv_blocked){p->n, 1, p->results, p->h * p->w};
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    const km_winograd *p = plan_;
    const km_conv_blocked b = blocked_of(p, slot);
    if (slot == KM_WEIGHT)
        return p->way == WINO_BLOCKS ? p->kept_floats
                                     : p->sources * p->result_vectors * V * WINO_TAPS;
    return slot == p->source || slot == p->result ? km_conv_blocked_count(&b) : 0;
}

/* Transformed weights of a panel. */
static int64_t kept_at(const km_winograd *p, int64_t panel)
{
    return panel * TILE_COLUMNS * p->sources * p->points;
}

static void keep_weights(const km_winograd *p, const float *weight, int64_t panel, float *kept)
{
    km_wino_weights(p, weight, 0, panel, 0, p->sources, kept + kept_at(p, panel),
                    p->sources * km_wino_vectors(p, panel) * V);
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const km_winograd *p = plan_;
    const km_conv_blocked b = blocked_of(p, slot);
    if (slot != KM_WEIGHT) {
        km_conv_to_blocks(&b, plain, native);
        return;
    }
    if (p->way != WINO_BLOCKS)
        km_wino_copy_weights(p, plain, native);
    for (int64_t panel = 0; panel < p->panels && p->way == WINO_BLOCKS; panel++)
        keep_weights(p, plain, panel, native);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const km_conv_blocked b = blocked_of(plan_, slot);
    km_conv_from_blocks(&b, native, plain);
}

/* ---- products of a block of tiles ---- */

typedef struct job {
    const km_winograd *p;
    const float *weight, *bias; /* weight: transformed beforehand, or as it came */
    float *y;
    float *v, *m, *u, *strip;
    km_wino_rows rows;
    int64_t first, last; /* panels */
} job;

static job job_of(const km_winograd *p, const km_args *args, int part)
{
    const km_tensor *bias = &args->slot[KM_BIAS];
    job j = {.p = p, .y = args->slot[p->result].data, .weight = args->slot[KM_WEIGHT].data};
    j.bias = bias->count && !p->backward ? bias->data : NULL;
    if (p->kept)
        j.weight = p->kept;
    j.m = p->memory + part * p->work;
    j.u = j.m + p->m_floats;
    j.strip = j.u + p->u_floats;
    j.v = p->shared ? p->shared : j.strip + p->strip_floats;
    return j;
}

/* All rows of tiles at one point, for one panel and source channels [from, to), whose weights stay in L1. */
static void multiply_rows(const job *j, int64_t point, int64_t panel, int64_t from, int64_t to,
                          const float *u)
{
    const km_winograd *p = j->p;
    const int vectors = (int)km_wino_vectors(p, panel);
    km_wino_tile t = {.u = u, .channels = to - from, .add = from > 0, .vector = p->points * V};
    t.row = p->group * TILE_VECTORS * t.vector;
    float *m = j->m + (panel - j->first) * TILE_VECTORS * t.vector + point * V;
    for (int64_t i = 0; i < j->rows.tiles; i += j->rows.rows) {
        const int64_t rows = km_min64(j->rows.rows, j->rows.tiles - i);
        t.v = j->v + point * p->v_plane + i * p->source_blocks * V + from * rows;
        t.m = m + i * t.row;
        km_wino_product(&t, vectors, (int)rows);
    }
}

static void multiply_panel(const job *j, int64_t point, int64_t panel, int64_t from, int64_t to,
                           const float *u)
{
    enum { MOST = 128 };
    const int64_t step = km_wino_vectors(j->p, panel) * V;
    const int64_t pieces = km_max64(1, km_ceil_div(to - from, MOST));
    const int64_t size = km_max64(V, km_round_up(km_ceil_div(to - from, pieces), V));
    for (int64_t c = from; c == from || c < to; c += size)
        multiply_rows(j, point, panel, c, km_min64(c + size, to), u + (c - from) * step);
}

/* Transforms weights of the panels for channels [from, to), to where multiply looks for them. */
static void make_weights(const job *j, int64_t from, int64_t to)
{
    const km_winograd *p = j->p;
    const int64_t size = (to - from) * TILE_COLUMNS * p->points;
    for (int64_t panel = j->first; panel < j->last; panel++)
        km_wino_weights(p, j->weight, p->native, panel, from, to, j->u + (panel - j->first) * size,
                        (to - from) * km_wino_vectors(p, panel) * V);
}

static void multiply(const job *j, int64_t from, int64_t to)
{
    const km_winograd *p = j->p;
    const int64_t size = (to - from) * TILE_COLUMNS * p->points;
    if (p->way == WINO_PIECES)
        make_weights(j, from, to);
    for (int64_t point = 0; point < p->points; point++)
        for (int64_t panel = j->first; panel < j->last; panel++) {
            const float *u = p->way == WINO_PIECES ? j->u + (panel - j->first) * size
                                                   : j->weight + kept_at(p, panel);
            multiply_panel(j, point, panel, from, to,
                           u + point * (to - from) * km_wino_vectors(p, panel) * V);
        }
}

/* Results of the panels from first to last. Without channels, sums are zeros. */
static void run_group(const job *j)
{
    const km_winograd *p = j->p;
    const int64_t vectors = p->group * TILE_VECTORS, chunk = p->chunk * V;
    for (int64_t c = 0; c == 0 || c < p->sources; c += chunk)
        multiply(j, c, km_min64(c + chunk, p->sources));
    for (int64_t k = j->first * TILE_VECTORS;
         k < km_min64(j->last * TILE_VECTORS, p->result_vectors); k++)
        km_wino_output(p, j->m + (k - j->first * TILE_VECTORS) * p->points * V,
                       vectors * p->points * V, &j->rows, k, j->bias, j->strip, j->y);
}

/* Groups of panels from..to. */
static void run_groups(job *j, int64_t from, int64_t to)
{
    for (int64_t g = from; g < to; g++) {
        j->first = g * j->p->group;
        j->last = km_min64(j->first + j->p->group, j->p->panels);
        run_group(j);
    }
}

/* ---- few tiles ---- */

/* Results of one vector of channels. */
static void run_vector(const job *j, int64_t vector)
{
    const km_winograd *p = j->p;
    const int64_t step = p->points * V;
    km_wino_few f = {.tiles = p->tiles, .in_place = p->native, .m = j->m};
    for (int64_t i = 0; i < p->tiles * step; i += V)
        v_store(j->m + i, v_set(0));
    for (int64_t c = 0; c < p->sources; c += V) {
        f.channels = km_min64(V, p->sources - c);
        f.taps = p->native ? j->weight + (vector * p->sources + c) * WINO_TAPS * V : j->u;
        f.v = j->v + c * p->tiles * p->points;
        for (int64_t k = 0; k < f.channels && !p->native; k++)
            km_wino_gather(p, j->weight, vector, c + k, j->u + k * WINO_TAPS * V);
        km_wino_few_add(&f, p->m);
    }
    km_wino_output(p, j->m, step, &j->rows, vector, j->bias, j->strip, j->y);
}

/* ---- parts ---- */

static km_wino_rows all_rows(const km_winograd *p)
{
    return p->way == WINO_REGISTERS ? (km_wino_rows){0, p->tiles, p->block}
                                    : km_wino_rows_of(0, p->tiles);
}

static int64_t groups_of(const km_winograd *p)
{
    return km_ceil_div(p->panels, p->group);
}

/* Phase 0 of few tiles: units are rows of tiles of a block of channels. */
static void transform_rows(const km_winograd *p, const km_args *args, int part)
{
    const int64_t lines = p->n * p->tiles_h, units = lines * p->source_blocks;
    const km_wino_rows rows = all_rows(p);
    const job j = job_of(p, args, part);
    for (int64_t u = units * part / p->parts; u < units * (part + 1) / p->parts; u++) {
        const int64_t tile = u % lines * p->tiles_w, block = u / lines;
        km_wino_input(p, args->slot[p->source].data, &rows, tile, tile + p->tiles_w, block,
                      block + 1, j.strip, p->shared);
    }
}

static void prepare(const km_winograd *p, const km_args *args, int part)
{
    if (p->way != WINO_BLOCKS)
        transform_rows(p, args, part);
    for (int64_t panel = p->panels * part / p->parts;
         p->kept && panel < p->panels * (part + 1) / p->parts; panel++)
        keep_weights(p, args->slot[KM_WEIGHT].data, panel, p->kept);
}

static void run_blocks(const km_winograd *p, const km_args *args, int part)
{
    const int64_t blocks = km_ceil_div(p->tiles, p->block);
    job j = job_of(p, args, part);
    for (int64_t b = blocks * part / p->parts; b < blocks * (part + 1) / p->parts; b++) {
        const int64_t first = b * p->block;
        j.rows = km_wino_rows_of(first, km_min64(p->block, p->tiles - first));
        km_wino_input(p, args->slot[p->source].data, &j.rows, first, first + j.rows.tiles, 0,
                      p->source_blocks, j.strip, j.v);
        run_groups(&j, 0, groups_of(p));
    }
}

/* All tiles, whose V is ready, by a part of the results. */
static void run_at_once(const km_winograd *p, const km_args *args, int part)
{
    const int64_t units = p->way == WINO_REGISTERS ? p->result_vectors : groups_of(p);
    const int64_t from = units * part / p->parts, to = units * (part + 1) / p->parts;
    job j = job_of(p, args, part);
    j.rows = all_rows(p);
    if (p->way == WINO_PIECES)
        run_groups(&j, from, to);
    for (int64_t v = from; v < to && p->way == WINO_REGISTERS; v++)
        run_vector(&j, v);
}

static void run_part(const km_args *args, int phase, int part)
{
    const km_winograd *p = args->plan;
    if (phase == 0)
        prepare(p, args, part);
    else if (p->way == WINO_BLOCKS)
        run_blocks(p, args, part);
    else
        run_at_once(p, args, part);
}

static void run(const km_args *args)
{
    const km_winograd *p = args->plan;
    for (int phase = 0; phase < 2; phase++)
        for (int part = 0; part < p->parts; part++)
            run_part(args, phase, part);
}

/* ---- the plan ---- */

static void set_sizes(km_winograd *p, const km_conv_shape *c, int forward)
{
    p->n = c->n;
    p->backward = !forward;
    p->source = forward ? KM_X : KM_GRAD_Y;
    p->result = forward ? KM_Y : KM_GRAD_X;
    p->sources = forward ? c->c : c->k;
    p->results = forward ? c->k : c->c;
    p->in_h = forward ? c->h.in : c->h.out;
    p->in_w = forward ? c->w.in : c->w.out;
    p->h = forward ? c->h.out : c->h.in;
    p->w = forward ? c->w.out : c->w.in;
    p->pad_h = forward ? c->h.pad : 2 - c->h.pad;
    p->pad_w = forward ? c->w.pad : 2 - c->w.pad;
}

static int64_t own_weights(const km_winograd *p)
{
    return p->native ? 0 : p->kept_floats;
}

static int64_t floats_of(const km_winograd *p)
{
    return p->parts * p->work + own_weights(p) + (p->way == WINO_BLOCKS ? 0 : p->v_floats);
}

/* Lanes of padding in V meet no weights, but must not be slow. */
static int open_memory(km_winograd *p)
{
    p->work =
        p->m_floats + p->u_floats + p->strip_floats + (p->way == WINO_BLOCKS ? p->v_floats : 0);
    const size_t bytes = (size_t)(floats_of(p) + ALIGN) * sizeof *p->memory;
    p->memory = aligned_alloc(ALIGN * sizeof *p->memory, km_round_up(bytes, 64));
    if (!p->memory)
        return -1;
    memset(p->memory, 0, bytes);
    float *rest = p->memory + p->parts * p->work;
    p->shared = p->way == WINO_BLOCKS ? NULL : rest;
    p->kept = own_weights(p) ? rest : NULL;
    return 0;
}

static const char *open(const km_args *args, void **out, int forward)
{
    const km_conv_shape c = km_conv_shape_of(args->params);
    km_winograd *p;
    if (args->params->attr[KM_ALGORITHM] == 0)
        return "not asked for";
    if (!(p = calloc(1, sizeof *p)))
        return "out of memory";
    set_sizes(p, &c, forward);
    p->native = args->layout == KM_NATIVE;
    p->parts = args->threads > 1 ? args->threads : 1;
    km_wino_size(p);
    if (open_memory(p)) {
        free(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static const char *open_forward(const km_args *args, void **plan_)
{
    return open(args, plan_, 1);
}

static const char *open_backward_data(const km_args *args, void **plan_)
{
    return open(args, plan_, 0);
}

static void close(void *plan_)
{
    km_winograd *p = plan_;
    if (p)
        free(p->memory);
    free(p);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const km_winograd *p = plan_;
    static const char *const ways[] = {[WINO_BLOCKS] = "blocks of tiles",
                                       [WINO_PIECES] = "pieces of weights",
                                       [WINO_REGISTERS] = "weights in registers"};
    snprintf(info->impl, sizeof info->impl, "winograd F(%d,3), %s", p->m, ways[p->way]);
    info->workspace_bytes = floats_of(p) * (int64_t)sizeof *p->memory;
    info->transforms = 1;
}

#define KERNEL(pass_name)                                                                          \
    {.op = "conv2d",                                                                               \
     .pass = #pass_name,                                                                           \
     .open = open_##pass_name,                                                                     \
     .run = run,                                                                                   \
     .close = close,                                                                               \
     .describe = describe,                                                                         \
     .run_part = run_part,                                                                         \
     .phases = 2,                                                                                  \
     .native_count = native_count,                                                                 \
     .to_native = to_native,                                                                       \
     .from_native = from_native},
const km_kernel km_conv_winograd[] = {KERNEL(forward) KERNEL(backward_data){0}};
