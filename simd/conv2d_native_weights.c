/* conv2d_native_weights.c: backward_weights of blocked tensors by register tiles of input by output channels.
 *
 * A tile sums over the pixels of a block: channels of x are broadcast, those of grad_y are vectors. The sums of a
 * block start at zero and are added to the others', so that no chain of additions is longer than a block and the
 * number of blocks. Copies of x hold zeros for padding: where a result is NaN, it may be from infinity times such a
 * zero, and it is formed again without them, in the same order. Weights are laid out as in conv2d_native.c: tiles of output channels; blocks of input channels,
 * taps, channels, lanes. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d_native_sums.h"

enum { PIXELS = 112 };

typedef struct plan {
    km_conv_shape shape;
    km_conv_taps h, w;
    int in_place;
    int64_t rows, blocks; /* rows of results of a block; blocks of an image, or 1 */
    int64_t images;       /* of a block */
    int64_t parts, copy;  /* copy: floats of one image's copies */
    int64_t *offset;      /* of each tap */
    float *copies;
} plan;

static int64_t taps_of(const plan *p)
{
    return p->h.count * p->w.count;
}

static int64_t tiles_of(const plan *p)
{
    return km_ceil_div(km_conv_blocks_of(p->shape.k), TILE_VECTORS);
}

static int64_t tile_start(const plan *p, int64_t number)
{
    return km_conv_tile_start(km_conv_blocks_of(p->shape.k), TILE_VECTORS, number);
}

/* Of x or grad_y. */
static km_conv_blocked blocked_of(const plan *p, km_slot slot)
{
    const km_conv_shape *s = &p->shape;
    return slot == KM_X ? (km_conv_blocked){s->n, s->groups, s->c, s->h.in * s->w.in}
                        : (km_conv_blocked){s->n, s->groups, s->k, s->h.out * s->w.out};
}

/* ---- blocks of pixels ---- */

/* Images image..image + images, of each the rows row..row + rows of results. */
typedef struct job {
    const plan *p;
    const float *x, *g;
    float *grad, *copies;
    int64_t image, images, row, rows;
} job;

/* Floats of all channels of an image. */
static int64_t x_image(const plan *p)
{
    return p->shape.groups * km_conv_blocks_of(p->shape.c) * p->h.in * p->w.in * V;
}

static int64_t g_image(const plan *p)
{
    return p->shape.groups * km_conv_blocks_of(p->shape.k) * p->h.out * p->w.out * V;
}

/* Where a block of channels of x, counted over all groups, begins in the job's first image; and copies it. */
static const float *operand(const job *j, int64_t block)
{
    const plan *p = j->p;
    const int64_t plane = p->h.in * p->w.in;
    const float *x = j->x + block * plane * V + j->image * x_image(p);
    if (p->in_place)
        return x + j->row * p->w.in * V;
    const km_conv_block b = {.h = &p->h,
                             .w = &p->w,
                             .layout = p->rows,
                             .row = j->row,
                             .rows = j->rows,
                             .plane = plane,
                             .image = x_image(p)};
    for (int64_t n = 0; n < j->images; n++)
        km_conv_fill_blocks(&b, x + n * x_image(p), 1, j->copies + n * p->copy);
    return j->copies;
}

/* All taps of a block of input channels and a tile of output channels. */
static void run_unit(const job *j, const float *x, int64_t group, int64_t block, int64_t number)
{
    const plan *p = j->p;
    const int64_t from = tile_start(p, number), vectors = tile_start(p, number + 1) - from;
    const int64_t all = km_conv_blocks_of(p->shape.k), taps = taps_of(p),
                  plane = p->h.out * p->w.out;
    const int64_t channels = km_min64(V, p->shape.c - block * V);
    tile t = {.images = j->images, .pixels = j->rows * p->w.out, .g_image = g_image(p)};
    t.x_image = p->in_place ? x_image(p) : p->copy;
    t.g = j->g + j->image * t.g_image + ((group * all + from) * plane + j->row * p->w.out) * V;
    t.g_vector = plane * V;
    t.sums =
        j->grad + (group * all * p->shape.c + from * p->shape.c + block * V * vectors) * taps * V;
    t.add = j->image > 0 || j->row > 0;
    t.lanes = from + vectors == all ? p->shape.k - (all - 1) * V : V;
    for (int64_t i = 0; i < taps; i++, t.sums += channels * vectors * V) {
        t.x = x + p->offset[i];
        run_rows(&t, vectors, channels);
    }
}

/* ---- infinity times padding ---- */

/* One tap between channel c of a group of x and channel k of grad_y. */
typedef struct tap {
    int64_t group, c, k, i, j; /* i, j: which of p->h and p->w */
} tap;

/* Where channel c of the group of image n lies. */
static const float *channel_of(const float *from, const km_conv_blocked *b, const tap *t, int64_t n,
                               int64_t c)
{
    const int64_t blocks = km_conv_blocks_of(b->channels);
    return from + ((n * b->groups + t->group) * blocks + c / V) * b->pixels * V + c % V;
}

static float row_sum(const plan *p, const tap *t, const float *x, const float *g, float sum)
{
    const int64_t place = p->w.place[t->j];
    for (int64_t q = 0; q < p->w.out; q++) {
        const int64_t at = place + q * p->w.step;
        if (at >= 0 && at < p->w.in)
            sum = fmaf(x[at * V], g[q * V], sum);
    }
    return sum;
}

static float true_sum(const job *whole, const km_conv_blocked *xs, const km_conv_blocked *gs, tap t)
{
    const plan *p = whole->p;
    float sum = 0;
    for (int64_t image = 0; image < p->shape.n; image += p->images)
        for (int64_t row = 0; row < p->h.out; row += p->rows) {
            float part = 0;
            for (int64_t n = image; n < km_min64(image + p->images, p->shape.n); n++)
                for (int64_t i = row; i < km_min64(row + p->rows, p->h.out); i++) {
                    const int64_t at = p->h.place[t.i] + i * p->h.step;
                    const float *x = channel_of(whole->x, xs, &t, n, t.c);
                    const float *g = channel_of(whole->g, gs, &t, n, t.k);
                    if (at >= 0 && at < p->h.in)
                        part = row_sum(p, &t, x + at * p->w.in * V, g + i * p->w.out * V, part);
                }
            sum += part;
        }
    return sum;
}

/* Of a unit. */
static void mend_unit(const job *j, int64_t group, int64_t block, int64_t number)
{
    const plan *p = j->p;
    const int64_t from = tile_start(p, number), vectors = tile_start(p, number + 1) - from;
    const int64_t channels = km_min64(V, p->shape.c - block * V), lanes = vectors * V;
    const int64_t all = km_conv_blocks_of(p->shape.k), taps = taps_of(p);
    const km_conv_blocked x = blocked_of(p, KM_X), g = blocked_of(p, KM_GRAD_Y);
    float *sums =
        j->grad + (group * all * p->shape.c + from * p->shape.c + block * V * vectors) * taps * V;
    if (!km_conv_has_nan(sums, taps * channels * lanes))
        return;
    for (int64_t i = 0; i < taps * channels * lanes; i++) {
        const int64_t tap_of = i / lanes / channels, k = from * V + i % lanes;
        const tap t = {group, block * V + i / lanes % channels, k, tap_of / p->w.count,
                       tap_of % p->w.count};
        if (isnan(sums[i]) && k < p->shape.k)
            sums[i] = true_sum(j, &x, &g, t);
    }
}

/* ---- parts ---- */

static int64_t units_of(const plan *p)
{
    return p->shape.groups * km_conv_blocks_of(p->shape.c) * tiles_of(p);
}

/* Units are tiles of output channels, in blocks of input channels, in groups. */
static void run_block(const job *j, int64_t from, int64_t end)
{
    const int64_t tiles = tiles_of(j->p), blocks = km_conv_blocks_of(j->p->shape.c);
    const int is_last = j->image + j->images == j->p->shape.n && j->row + j->rows == j->p->h.out;
    const float *x = NULL;
    for (int64_t u = from; u < end; u++) {
        if (u == from || u % tiles == 0)
            x = operand(j, u / tiles);
        run_unit(j, x, u / tiles / blocks, u / tiles % blocks, u % tiles);
        if (is_last && !j->p->in_place)
            mend_unit(j, u / tiles / blocks, u / tiles % blocks, u % tiles);
    }
}

static void run_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    const int64_t units = units_of(p), from = units * part / p->parts,
                  end = units * (part + 1) / p->parts;
    job j = {.p = p, .x = args->slot[KM_X].data, .g = args->slot[KM_GRAD_Y].data};
    j.grad = args->slot[KM_GRAD_WEIGHT].data;
    j.copies = p->copies + part * p->images * p->copy;
    for (; phase == 0 && j.image < p->shape.n; j.image += p->images) {
        j.images = km_min64(p->images, p->shape.n - j.image);
        for (j.row = 0; j.row < p->h.out; j.row += p->rows) {
            j.rows = km_min64(p->rows, p->h.out - j.row);
            run_block(&j, from, end);
        }
    }
}

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int part = 0; part < p->parts; part++)
        run_part(args, 0, part);
}

/* ---- native layouts ---- */

static km_conv_filters filters_of(const plan *p)
{
    const km_conv_shape *s = &p->shape;
    const int64_t taps = s->h.kernel * s->w.kernel;
    return (km_conv_filters){&p->h, &p->w, s->c, s->k, V, taps, s->c * taps, s->w.kernel};
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    const plan *p = plan_;
    const km_conv_blocked b = blocked_of(p, slot);
    const km_conv_filters f = filters_of(p);
    if (slot == KM_GRAD_WEIGHT)
        return p->shape.groups * km_conv_filters_count(&f);
    return slot == KM_X || slot == KM_GRAD_Y ? km_conv_blocked_count(&b) : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const km_conv_blocked b = blocked_of(plan_, slot);
    km_conv_to_blocks(&b, plain, native);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const plan *p = plan_;
    const km_conv_shape *s = &p->shape;
    const km_conv_filters f = filters_of(p);
    const int64_t size = f.result_step * s->k;
    if (slot != KM_GRAD_WEIGHT)
        return;
    memset(plain, 0, (size_t)(s->groups * size) * sizeof(float)); /* taps that meet no input */
    for (int64_t g = 0; g < s->groups; g++)
        km_conv_copy_filters(&f, (float *)plain + g * size,
                             (float *)native + g * km_conv_filters_count(&f), 1);
}

/* ---- plan ---- */

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

static void cut(plan *p)
{
    const int64_t wanted = km_max64(1, PIXELS / p->w.out);
    p->in_place = km_conv_is_identity(&p->h) && km_conv_is_identity(&p->w);
    p->blocks = km_ceil_div(p->h.out, km_min64(p->h.out, wanted));
    p->rows = km_ceil_div(p->h.out, p->blocks);
    p->images = p->blocks > 1 ? 1 : km_max64(1, km_min64(p->shape.n, wanted / p->rows));
}

static int open_work(plan *p)
{
    const km_conv_block b = {.h = &p->h, .w = &p->w, .layout = p->rows};
    p->offset = malloc((size_t)(taps_of(p) + 1) * sizeof *p->offset);
    if (!p->offset)
        return -1;
    km_conv_offsets(&b, 1, p->offset);
    for (int64_t i = 0; i < taps_of(p); i++)
        p->offset[i] *= p->in_place ? 0 : V;
    p->copy = p->in_place ? 0 : km_round_up(km_conv_planes(&b) * V, ALIGN);
    const size_t bytes = (size_t)(p->parts * p->images * p->copy + ALIGN) * sizeof(float);
    p->copies = aligned_alloc(ALIGN * sizeof(float), bytes);
    return p->copies ? 0 : -1;
}

/* Plain tensors fill the vectors with pixels, whatever the channels. */
static int is_for_plain(const km_conv_shape *c)
{
    return c->n == 0 || c->c < V / 2 || c->k * 4 < km_round_up(c->k, V) * 3;
}

static const char *open(const km_args *args, void **out)
{
    const km_conv_shape c = km_conv_shape_of(args->params);
    if (is_for_plain(&c))
        return "few channels";
    plan *p = calloc(1, sizeof *p);
    int failed = !p;
    if (p) {
        p->shape = c;
        p->parts = km_max64(1, args->threads);
        failed = km_conv_taps_open(&p->h, &c.h, -1, 0) || km_conv_taps_open(&p->w, &c.w, -1, 1);
        if (!failed) {
            cut(p);
            failed = open_work(p);
        }
    }
    const char *reason = failed ? "out of memory" : taps_of(p) ? NULL : "no tap meets the input";
    if (reason)
        close(p);
    else
        *out = p;
    return reason;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    strcpy(info->impl, "direct, blocked channels");
    info->workspace_bytes = p->parts * p->images * p->copy * (int64_t)sizeof *p->copies;
}

const km_kernel km_conv_native_weights[] = {{.op = "conv2d",
                                             .pass = "backward_weights",
                                             .open = open,
                                             .run = run,
                                             .close = close,
                                             .describe = describe,
                                             .run_part = run_part,
                                             .native_count = native_count,
                                             .to_native = to_native,
                                             .from_native = from_native},
                                            {0}};
