/* conv2d_weights.c: backward_weights: each weight's gradient is a sum over all results of grad_y times an input.
 *
 * grad_y is transposed once, so that the channels of a result are a vector; between the rows of results that
 * copies of the input leave apart, it is zero. Then tiles of TILE_ROWS operands by TILE_COLUMNS channels sum over
 * the results of a block, and blocks are added in order. Copies hold zeros for padding: where a result is NaN, it may
 * be from infinity times such a zero, and it is formed again without them, in the same order.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d_passes.h"
#include "conv2d_weights_tile.h"

enum { TERMS = 256, COLUMNS = 192 };

typedef struct plan {
    km_conv_shape shape;
    km_conv_taps h, w;
    km_conv_cuts cut;
    int64_t chunk, chunks; /* channels of the input, whose copies are held at a time */
    int64_t *offset;
    int64_t parts, cuts; /* cuts: of a group's panels */
    int64_t panels;      /* of a group's channels of grad_y */
    int64_t positions;   /* of all rows of results, with what lies between */
    float *turned;       /* grad_y: group, panel, position, channel */
    float *works;
    int64_t planes, work, floats;
} plan;

/* ---- grad_y, transposed ---- */

/* Vectors of a panel, and floats of the panels before it at one position. */
static int vectors_of(const plan *p, int64_t panel)
{
    return (int)km_ceil_div(km_min64(p->shape.k - panel * TILE_COLUMNS, TILE_COLUMNS), V);
}

static float *turned_at(const plan *p, int64_t group, int64_t panel)
{
    const int64_t channels = km_round_up(p->shape.k, V);
    return p->turned + (group * channels + panel * TILE_COLUMNS) * p->positions;
}

/* A row of up to V channels, `plane` apart, to every `step` floats. */
static void turn_row(const float *from, int64_t plane, int64_t channels, int64_t length, float *to,
                     int64_t step)
{
    for (int64_t j = 0; j < length; j += V, to += V * step) {
        vf r[V];
        for (int i = 0; i < V; i++)
            r[i] = i < channels ? v_load_n(from + i * plane + j, length - j) : v_set(0);
        v_transpose(r);
        for (int i = 0; i < V && j + i < length; i++)
            v_store(to + i * step, r[i]);
    }
}

/* Image n of V channels of a panel; rows that leave no gap are one. */
static void turn_image(const plan *p, const float *from, int64_t channels, float *to, int64_t step)
{
    const int64_t out = p->shape.w.out, height = p->shape.h.out, width = km_conv_width(&p->w);
    const int64_t rows = width == out ? 1 : height, length = width == out ? height * out : out;
    for (int64_t i = 0; i < rows; i++)
        turn_row(from + i * out, height * out, channels, length, to + i * width * step, step);
}

static void turn_vector(const plan *p, const float *grad_y, int64_t group, int64_t channel)
{
    const km_conv_shape *s = &p->shape;
    const int64_t plane = s->h.out * s->w.out, panel = channel / TILE_COLUMNS;
    const int64_t step = vectors_of(p, panel) * V;
    float *to = turned_at(p, group, panel) + channel % TILE_COLUMNS;
    for (int64_t n = 0; n < s->n; n++)
        turn_image(p, grad_y + ((n * s->groups + group) * s->k + channel) * plane,
                   km_min64(V, s->k - channel), to + n * s->h.out * km_conv_width(&p->w) * step,
                   step);
}

static void turn_part(const plan *p, const float *grad_y, int64_t part)
{
    int64_t unit = 0;
    for (int64_t g = 0; g < p->shape.groups; g++)
        for (int64_t c = 0; c < p->shape.k; c += V)
            if (unit++ % p->parts == part)
                turn_vector(p, grad_y, g, c);
}

/* ---- sums ---- */

/* Channels channel.. of the input with panels first..last of grad_y. */
typedef struct job {
    const plan *p;
    int64_t group, channel, channels, first, last;
    float *planes, *sums; /* sums: panel, term, channel of grad_y */
} job;

static int64_t terms_of(const plan *p, int64_t channels)
{
    return channels * p->h.count * p->w.count;
}

static float *sums_of(const job *j, int64_t panel)
{
    return j->sums + (panel - j->first) * terms_of(j->p, j->channels) * TILE_COLUMNS;
}

static void add_block(const job *j, const km_conv_block *b)
{
    const plan *p = j->p;
    const int64_t terms = terms_of(p, j->channels), tiles = km_ceil_div(terms, TILE_ROWS);
    for (int64_t panel = j->first; panel < j->last; panel++) {
        const int vectors = vectors_of(p, panel);
        tile t = {.a = j->planes, .positions = km_conv_columns(b)};
        t.b = turned_at(p, j->group, panel) + b->row * km_conv_width(&p->w) * vectors * V;
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t from = terms * i / tiles, end = terms * (i + 1) / tiles;
            t.offset = p->offset + from;
            t.c = sums_of(j, panel) + from * vectors * V;
            tile_any(&t, vectors, (int)(end - from));
        }
    }
}

static km_conv_block block_of(const plan *p, int64_t i)
{
    return km_conv_block_of(&p->cut, &p->h, &p->w, i / p->cut.blocks, i % p->cut.blocks);
}

static void add_blocks(const job *j, const float *x)
{
    const plan *p = j->p;
    for (int64_t i = 0; i < p->cut.strips * p->cut.blocks; i++) {
        km_conv_block b = block_of(p, i);
        b.plane = p->shape.h.in * p->shape.w.in;
        b.image = p->shape.groups * p->shape.c * b.plane;
        km_conv_fill(&b, x + (j->group * p->shape.c + j->channel) * b.plane, j->channels,
                     j->planes);
        add_block(j, &b);
    }
}

/* ---- infinity times padding ---- */

/* One tap between channel c of the input and k of grad_y, both counted over all groups. */
typedef struct tap {
    int64_t c, k, i, j; /* i, j: which of p->h and p->w */
} tap;

static float block_sum(const plan *p, const km_args *args, tap t, const km_conv_block *b)
{
    const km_conv_shape *s = &p->shape;
    const km_tensor *x = &args->slot[KM_X], *g = &args->slot[KM_GRAD_Y];
    float sum = 0;
    for (int64_t r = b->row; r < b->row + b->rows; r++) {
        const int64_t n = r / s->h.out, row = r % s->h.out;
        const int64_t y = p->h.place[t.i] + row * s->h.stride;
        const float *from = (const float *)x->data +
                            ((n * x->dim[1] + t.c) * s->h.in + y) * s->w.in + p->w.place[t.j];
        const float *grad =
            (const float *)g->data + ((n * g->dim[1] + t.k) * s->h.out + row) * s->w.out;
        for (int64_t q = 0; y >= 0 && y < s->h.in && q < s->w.out; q++) {
            const int64_t at = p->w.place[t.j] + q * s->w.stride;
            if (at >= 0 && at < s->w.in)
                sum = fmaf(from[q * s->w.stride], grad[q], sum);
        }
        if (isnan(sum))
            break;
    }
    return sum;
}

static float true_sum(const plan *p, const km_args *args, tap t)
{
    float sum = 0;
    for (int64_t i = 0; i < p->cut.strips * p->cut.blocks && !isnan(sum); i++) {
        const km_conv_block b = block_of(p, i);
        sum += block_sum(p, args, t, &b);
    }
    return sum;
}

/* ---- results ---- */

/* Where the gradients of channel k of the job's group start, from the job's first channel on. */
static float *row_of(const job *j, const km_args *args, int64_t k)
{
    const km_conv_shape *s = &j->p->shape;
    return (float *)args->slot[KM_GRAD_WEIGHT].data +
           ((j->group * s->k + k) * s->c + j->channel) * s->h.kernel * s->w.kernel;
}

/* Up to V rows of V channels each; all taps are used. Returns whether one is NaN or infinite. */
static int store_turned(const job *j, const km_args *args, int64_t k, int64_t term)
{
    const plan *p = j->p;
    const int64_t terms = terms_of(p, j->channels), panel = k / TILE_COLUMNS;
    const int64_t step = vectors_of(p, panel) * V;
    const float *from = sums_of(j, panel) + term * step + k % TILE_COLUMNS;
    vf r[V], all = v_set(0);
    for (int i = 0; i < V; i++) {
        r[i] = term + i < terms ? v_load(from + i * step) : v_set(0);
        all = v_add(all, v_sub(r[i], r[i]));
    }
    v_transpose(r);
    for (int i = 0; i < V && k + i < p->shape.k; i++)
        v_store_n(row_of(j, args, k + i) + term, r[i], terms - term);
    return v_sum(all) != 0;
}

/* Each gradient on its own: those of some taps only, and those that are NaN. */
static void store_row(const job *j, const km_args *args, int64_t k)
{
    const plan *p = j->p;
    const km_conv_shape *s = &p->shape;
    const int64_t panel = k / TILE_COLUMNS, step = vectors_of(p, panel) * V;
    const float *from = sums_of(j, panel) + k % TILE_COLUMNS;
    float *to = row_of(j, args, k);
    for (int64_t c = 0; c < j->channels; c++, to += s->h.kernel * s->w.kernel)
        for (int64_t ti = 0; ti < p->h.count; ti++)
            for (int64_t tj = 0; tj < p->w.count; tj++, from += step) {
                const tap t = {j->group * s->c + j->channel + c, j->group * s->k + k, ti, tj};
                to[p->h.index[ti] * s->w.kernel + p->w.index[tj]] =
                    isnan(*from) ? true_sum(p, args, t) : *from;
            }
}

static void store_sums(const job *j, const km_args *args)
{
    const plan *p = j->p;
    const int64_t end = km_min64(p->shape.k, j->last * TILE_COLUMNS);
    const int64_t terms = terms_of(p, j->channels);
    const int whole = p->h.count * p->w.count == p->shape.h.kernel * p->shape.w.kernel;
    int suspect = !whole;
    for (int64_t k = j->first * TILE_COLUMNS; whole && k < end; k += V)
        for (int64_t t = 0; t < terms; t += V)
            suspect |= store_turned(j, args, k, t);
    for (int64_t k = j->first * TILE_COLUMNS; suspect && k < end; k++)
        store_row(j, args, k);
}

static void clear_unused(const job *j, float *grad_weight)
{
    const km_conv_shape *s = &j->p->shape;
    const int64_t taps = s->h.kernel * s->w.kernel;
    const int64_t end = km_min64(s->k, j->last * TILE_COLUMNS);
    if (j->p->h.count * j->p->w.count == taps)
        return;
    for (int64_t k = j->first * TILE_COLUMNS; k < end; k++)
        memset(grad_weight + ((j->group * s->k + k) * s->c + j->channel) * taps, 0,
               (size_t)(j->channels * taps) * sizeof(float));
}

static void run_job(const job *j, const km_args *args)
{
    const plan *p = j->p;
    memset(j->sums, 0,
           (size_t)((j->last - j->first) * terms_of(p, j->channels)) * TILE_COLUMNS *
               sizeof(float));
    clear_unused(j, args->slot[KM_GRAD_WEIGHT].data);
    if (terms_of(p, j->channels))
        add_blocks(j, args->slot[KM_X].data);
    store_sums(j, args);
}

static void sum_part(const plan *p, const km_args *args, int64_t part)
{
    const int64_t units = p->shape.groups * p->chunks * p->cuts;
    float *work = p->works + part * p->work;
    for (int64_t u = units * part / p->parts; u < units * (part + 1) / p->parts; u++) {
        const int64_t cut = u % p->cuts, chunk = u / p->cuts % p->chunks;
        job j = {.p = p, .group = u / p->cuts / p->chunks, .channel = chunk * p->chunk};
        j.channels = km_min64(p->chunk, p->shape.c - j.channel);
        j.first = p->panels * cut / p->cuts;
        j.last = p->panels * (cut + 1) / p->cuts;
        j.planes = work;
        j.sums = work + p->planes;
        run_job(&j, args);
    }
}

static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    if (phase == 0)
        turn_part(p, args->slot[KM_GRAD_Y].data, part);
    else
        sum_part(p, args, part);
}

/* ---- plans ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    km_conv_taps_close(&p->h);
    km_conv_taps_close(&p->w);
    free(p->offset);
    free(p->turned);
    free(p);
}

static int open_work(plan *p)
{
    const km_conv_block b = {&p->h, &p->w, .layout = p->cut.rows};
    const km_conv_shape *s = &p->shape;
    const int64_t panels = km_ceil_div(p->panels, p->cuts);
    const int64_t turned = s->groups * km_round_up(s->k, V) * p->positions;
    p->planes = km_round_up(p->chunk * km_conv_planes(&b), ALIGN);
    p->work = km_round_up(p->planes + panels * terms_of(p, p->chunk) * TILE_COLUMNS, ALIGN);
    p->floats = km_round_up(turned, ALIGN) + p->parts * p->work + ALIGN;
    p->turned = aligned_alloc(ALIGN * sizeof(float), (size_t)p->floats * sizeof(float));
    if (!p->turned)
        return -1;
    memset(p->turned, 0, (size_t)p->floats * sizeof(float));
    p->works = p->turned + km_round_up(turned, ALIGN);
    return 0;
}

static int open_plan(plan *p)
{
    const km_conv_shape *s = &p->shape;
    if (km_conv_choose_taps(&p->h, &p->w, s, -1, -1, s->k))
        return -1;
    const int64_t taps = km_max64(1, p->h.count * p->w.count);
    km_conv_cut(&p->cut, &p->h, &p->w, s->n, COLUMNS, 1);
    p->chunks = km_ceil_div(s->c, km_max64(1, TERMS / taps));
    p->chunk = p->chunks ? km_ceil_div(s->c, p->chunks) : 1;
    p->chunks = km_ceil_div(s->c, p->chunk);
    p->panels = km_ceil_div(s->k, TILE_COLUMNS);
    p->positions = s->n * s->h.out * km_conv_width(&p->w);
    if (s->groups * p->chunks < 2 * p->parts)
        p->cuts = km_max64(1, km_min64(p->parts, p->panels));
    const km_conv_block b = {&p->h, &p->w, .layout = p->cut.rows};
    p->offset = malloc((size_t)(terms_of(p, p->chunk) + 1) * sizeof *p->offset);
    if (!p->offset)
        return -1;
    km_conv_offsets(&b, p->chunk, p->offset);
    return open_work(p);
}

static const char *open(const km_args *args, km_slot result, void **out)
{
    (void)result; /* KM_GRAD_WEIGHT */
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    *p = (plan){.shape = km_conv_shape_of(args->params), .cuts = 1};
    p->parts = km_max64(1, args->threads);
    if (open_plan(p)) {
        close(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    static const char impl[] = "direct, grad_y transposed";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = p->floats * (int64_t)sizeof(float);
}

const km_conv_algorithm km_conv_weights = {open, run_part, close, describe, 2};
