/* conv2d_native_weights.c: backward_weights of blocked tensors by register tiles of input by output channels.
 *
 * A tile sums over the pixels of a block: elements of windows are broadcast, as in conv2d_windows.c, and channels of
 * grad_y are vectors. A window is a row of taps of a block of input channels; where rows are short, it is a tap, and
 * each column of taps has its own copy. The sums of a block start at zero and are added to the others', so that no
 * chain of additions is longer than a block and the number of blocks. Copies of x hold zeros for padding: where a
 * result is NaN, it may be from infinity times such a zero, and it is formed again without them, in the same order.
 * Weights are laid out as in conv2d_native.c: tiles of output channels; blocks of input channels, taps, channels,
 * lanes. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_native_weights.h"

#include <math.h>

typedef km_conv_native_weights_plan plan;

static int64_t tiles_of(const plan *p)
{
    return km_ceil_div(km_conv_blocks_of(p->shape.k), TILE_VECTORS);
}

/* ---- blocks of pixels ---- */

/* Images image..image + images, of each the rows row..row + rows of results. */
typedef struct job {
    const plan *p;
    const float *x, *g;
    float *grad, *copies;
    int64_t image, images, row, rows;
} job;

/* A block of input channels and a tile of output channels. */
typedef struct unit {
    int64_t group, block, tile;
} unit;

/* Floats of all channels of an image. */
static int64_t x_image(const plan *p)
{
    return p->shape.groups * km_conv_blocks_of(p->shape.c) * p->h.in * p->w.in * V;
}

static int64_t g_image(const plan *p)
{
    return p->shape.groups * km_conv_blocks_of(p->shape.k) * p->h.out * p->w.out * V;
}

/* A block of channels of x, whose rows of one image lie side by side; some may lie outside. */
static void copy_rows(const job *j, const float *x, int64_t first)
{
    const plan *p = j->p;
    const int64_t end = first + km_conv_windows_reach(&p->h, j->rows);
    for (int64_t n = 0; n < j->images; n++, x += x_image(p))
        km_conv_windows_copy(&p->h, &p->w, p->width, V, x, first, end, j->copies + n * p->copy);
}

static void gather(const job *j, const float *x)
{
    const plan *p = j->p;
    const km_conv_block b = {.h = &p->h,
                             .w = &p->w,
                             .layout = p->rows,
                             .row = j->row,
                             .rows = j->rows,
                             .plane = p->h.in * p->w.in,
                             .image = x_image(p)};
    for (int64_t n = 0; n < j->images; n++, x += x_image(p))
        km_conv_fill_blocks(&b, x, 1, j->copies + n * p->copy);
}

/* Where the windows of the job's first result begin; copies a block of channels. */
static const float *windows_of(const job *j, const unit *u)
{
    const plan *p = j->p;
    const int64_t block = u->group * km_conv_blocks_of(p->shape.c) + u->block;
    const float *x = j->x + block * p->h.in * p->w.in * V + j->image * x_image(p);
    if (p->in_place)
        return x + j->row * p->h.step * p->w.in * V;
    if (p->gathered)
        gather(j, x);
    else
        copy_rows(j, x, j->row * p->h.step + p->h.place[0]);
    return j->copies;
}

static float *sums_of(const job *j, const unit *u)
{
    const plan *p = j->p;
    const int64_t c = p->shape.c, all = km_conv_blocks_of(p->shape.k), from = p->tile[u->tile];
    const int64_t vectors = p->tile[u->tile + 1] - from;
    return j->grad + ((u->group * all + from) * c + u->block * V * vectors) *
                         km_conv_native_weights_taps(p) * V;
}

/* The sums of rows of a window in tiles that begin where `piece` says. */
static void run_pieces(const km_conv_windows_sums *window, const int64_t *piece, int64_t rows,
                       int vectors)
{
    km_conv_windows_sums t = *window;
    for (; *piece < rows; piece++) {
        t.a = window->a + *piece;
        t.sums = window->sums + *piece * t.step;
        km_conv_windows_tile(&t, vectors, (int)(piece[1] - *piece));
    }
}

static km_conv_windows_sums sums_over(const job *j, const unit *u)
{
    const plan *p = j->p;
    const int64_t from = p->tile[u->tile], plane = p->h.out * p->w.out;
    const int64_t first = u->group * km_conv_blocks_of(p->shape.k) + from;
    km_conv_windows_sums t = {.images = j->images, .rows = j->rows, .columns = p->w.out};
    t.a_image = p->in_place ? x_image(p) : p->copy;
    t.a_row = (p->gathered ? p->w.out : p->h.step * p->width) * V;
    t.a_column = p->gathered ? V : p->w.step * V;
    t.b_image = g_image(p);
    t.b_row = p->w.out * V;
    t.b_column = V;
    t.b_vector = plane * V;
    t.b = j->g + j->image * t.b_image + (first * plane + j->row * p->w.out) * V;
    t.step = (p->tile[u->tile + 1] - from) * V;
    t.add = j->image > 0 || j->row > 0;
    if (t.a_row == t.columns * t.a_column) {
        t.columns *= t.rows;
        t.rows = 1;
    }
    return t;
}

/* Windows of fewer channels than a block's are taps. */
static void run_unit(const job *j, const unit *u, const float *windows)
{
    const plan *p = j->p;
    const int64_t channels = km_min64(V, p->shape.c - u->block * V);
    const int64_t taps = p->joined && channels == V ? p->w.count : 1;
    const int64_t *piece = channels == V ? p->piece : p->rest;
    km_conv_windows_sums t = sums_over(j, u);
    t.sums = sums_of(j, u);
    for (int64_t i = 0; i < km_conv_native_weights_taps(p);
         i += taps, t.sums += taps * channels * t.step) {
        t.a = windows + p->offset[i];
        run_pieces(&t, piece, taps * channels, (int)(t.step / V));
    }
}

/* Padding of the last vector must be zero even where an input is NaN. */
static void clear_padding(const plan *p, const unit *u, float *sums)
{
    const int64_t all = km_conv_blocks_of(p->shape.k), end = p->tile[u->tile + 1];
    const int64_t step = (end - p->tile[u->tile]) * V;
    const int64_t rows = km_conv_native_weights_taps(p) * km_min64(V, p->shape.c - u->block * V);
    const int64_t lanes = p->shape.k - (all - 1) * V;
    for (int64_t i = 1; i <= rows && end == all && lanes < V; i++) {
        float *last = sums + i * step - V;
        v_store(last, v_load_n(last, lanes));
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

static void mend(const job *j, const unit *u, float *sums)
{
    const plan *p = j->p;
    const int64_t from = p->tile[u->tile], lanes = (p->tile[u->tile + 1] - from) * V;
    const int64_t channels = km_min64(V, p->shape.c - u->block * V),
                  taps = km_conv_native_weights_taps(p);
    const km_conv_blocked x = km_conv_native_weights_blocked(p, KM_X),
                          g = km_conv_native_weights_blocked(p, KM_GRAD_Y);
    if (!km_conv_has_nan(sums, taps * channels * lanes))
        return;
    for (int64_t i = 0; i < taps * channels * lanes; i++) {
        const int64_t tap_of = i / lanes / channels, k = from * V + i % lanes;
        const tap t = {u->group, u->block * V + i / lanes % channels, k, tap_of / p->w.count,
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

/* Tiles of output channels, in blocks of input channels, in groups. */
static unit unit_of(const plan *p, int64_t i)
{
    const int64_t tiles = tiles_of(p), blocks = km_conv_blocks_of(p->shape.c);
    return (unit){i / tiles / blocks, i / tiles % blocks, i % tiles};
}

static void next_unit(const plan *p, unit *u)
{
    if (++u->tile < tiles_of(p))
        return;
    u->tile = 0;
    if (++u->block < km_conv_blocks_of(p->shape.c))
        return;
    u->block = 0;
    u->group++;
}

static void run_block(const job *j, int64_t from, int64_t end)
{
    const plan *p = j->p;
    const int is_last = j->image + j->images == p->shape.n && j->row + j->rows == p->h.out;
    const float *windows = NULL;
    unit u = unit_of(p, from);
    for (int64_t i = from; i < end; i++, next_unit(p, &u)) {
        if (i == from || u.tile == 0)
            windows = windows_of(j, &u);
        run_unit(j, &u, windows);
        if (!is_last)
            continue;
        if (!p->in_place)
            mend(j, &u, sums_of(j, &u));
        clear_padding(p, &u, sums_of(j, &u));
    }
}

void km_conv_native_weights_part(const km_args *args, int phase, int part)
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
