/* conv2d_windows.c: backward_weights where channels come last, so that what a row of taps reads is a window of
 * neighbours: taps times channels, without a gap.
 *
 * A tile sums over the results of a block: elements of windows are broadcast and vectors are output channels, or, where
 * that takes fewer multiplications, elements are output channels and vectors parts of windows. What a last vector
 * reads beyond them is computed and never looked at. Windows may overlap in any way, so copies are rows with their
 * padding and nothing else, whatever the stride; without padding there are none. Blocks are added in order. Where a
 * result is NaN, it may be from infinity times padding, and it is formed again without, in the same order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_windows.h"

#include <math.h>
#include <string.h>

typedef km_conv_windows_plan plan;

/* Rows row..row + rows of results of the images image..image + images, and a group's tensors in them. */
typedef struct job {
    const plan *p;
    const float *x, *g;
    float *grad, *sums, *copies;
    int64_t image, images, row, rows;
} job;

static int64_t x_image(const plan *p)
{
    return p->shape.groups * p->shape.c * p->h.in * p->w.in;
}

static int64_t g_image(const plan *p)
{
    return p->shape.groups * p->shape.k * p->h.out * p->w.out;
}

/* ---- copies ---- */

/* Row y of the input from the first tap's column on; y may lie outside. */
static void copy_row(const km_conv_taps *h, const km_conv_taps *w, int64_t width, int64_t c,
                     const float *x, int64_t y, float *to)
{
    const int64_t column = w->place[0];
    const int64_t begin = km_min64(width, km_max64(0, -column));
    const int64_t end = km_max64(begin, km_min64(width, w->in - column));
    if (y < 0 || y >= h->in || begin == end) {
        memset(to, 0, (size_t)(width * c) * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)(begin * c) * sizeof *to);
    memcpy(to + begin * c, x + (y * w->in + column + begin) * c,
           (size_t)((end - begin) * c) * sizeof *to);
    memset(to + end * c, 0, (size_t)((width - end) * c) * sizeof *to);
}

void km_conv_windows_copy(const km_conv_taps *h, const km_conv_taps *w, int64_t width,
                          int64_t channels, const float *x, int64_t first, int64_t end, float *to)
{
    for (int64_t y = first; y < end; y++, to += width * channels)
        copy_row(h, w, width, channels, x, y, to);
}

/* Where the windows of the job's first result begin; copies a group's rows. */
static const float *windows_of(const job *j, int64_t group)
{
    const plan *p = j->p;
    const float *x = j->x + j->image * x_image(p) + group * p->shape.c * p->h.in * p->w.in;
    const int64_t first = j->row * p->h.step, last = p->h.place[p->h.count - 1];
    if (p->in_place)
        return x + first * p->w.in * p->shape.c;
    for (int64_t n = 0; n < j->images; n++, x += x_image(p))
        km_conv_windows_copy(&p->h, &p->w, p->width, p->shape.c, x, first + p->h.place[0],
                             first + (j->rows - 1) * p->h.step + last + 1, j->copies + n * p->copy);
    return j->copies;
}

/* ---- sums ---- */

/* Rows of a window's matrix. */
typedef struct unit {
    int64_t group, window, tile;
} unit;

static int64_t units_of(const plan *p)
{
    return p->shape.groups * p->count * p->tiles;
}

static unit unit_of(const plan *p, int64_t i)
{
    return (unit){i / p->tiles / p->count, i / p->tiles % p->count, i % p->tiles};
}

/* A division takes as long as some rows of a tile do. */
static void next_unit(const plan *p, unit *u)
{
    if (++u->tile < p->tiles)
        return;
    u->tile = 0;
    if (++u->window < p->count)
        return;
    u->window = 0;
    u->group++;
}

static float *sums_of(const job *j, const unit *u)
{
    const plan *p = j->p;
    return j->sums + ((u->group * p->count + u->window) * p->matrix + p->tile[u->tile]) * p->step;
}

/* x: the windows; g: output channels. */
static km_conv_windows_sums sums_over(const job *j, const float *x, const float *g)
{
    const plan *p = j->p;
    const int64_t c = p->shape.c, k = p->shape.k;
    const int64_t images = p->in_place ? x_image(p) : p->copy, row = p->h.step * p->width * c;
    km_conv_windows_sums t = {x, g, j->images, j->rows, p->w.out};
    t.a_image = images;
    t.a_row = row;
    t.a_column = p->w.step * c;
    t.b_image = g_image(p);
    t.b_row = p->w.out * k;
    t.b_column = k;
    t.b_vector = V;
    if (t.a_row == t.columns * t.a_column) {
        t.columns *= t.rows;
        t.rows = 1;
    }
    if (!p->wide)
        return t;
    const km_conv_windows_sums a = t;
    t.a = a.b;
    t.a_image = a.b_image;
    t.a_row = a.b_row;
    t.a_column = a.b_column;
    t.b = a.a;
    t.b_image = a.a_image;
    t.b_row = a.a_row;
    t.b_column = a.a_column;
    return t;
}

static void run_unit(const job *j, const unit *u, const float *windows)
{
    const plan *p = j->p;
    const float *g =
        j->g + j->image * g_image(p) + (u->group * p->h.out + j->row) * p->w.out * p->shape.k;
    km_conv_windows_sums t = sums_over(j, windows + p->offset[u->window], g);
    float *sums = sums_of(j, u);
    const float *b = t.b;
    t.a += p->tile[u->tile];
    t.step = p->step;
    t.add = j->image > 0 || j->row > 0;
    for (const int64_t *from = p->vector; *from < p->step; from++) {
        t.b = b + *from;
        t.sums = sums + *from;
        km_conv_windows_tile(&t, (int)((from[1] - *from) / V),
                             (int)(p->tile[u->tile + 1] - p->tile[u->tile]));
    }
}

/* ---- infinity times padding ---- */

/* One tap between channel c of a group of x and channel k of grad_y. */
typedef struct tap {
    int64_t group, c, k, i, j; /* i, j: which of p->h and p->w */
} tap;

static float row_sum(const plan *p, const tap *t, const float *x, const float *g, float sum)
{
    for (int64_t q = 0; q < p->w.out; q++) {
        const int64_t at = p->w.place[t->j] + q * p->w.step;
        if (at >= 0 && at < p->w.in)
            sum = fmaf(x[at * p->shape.c], g[q * p->shape.k], sum);
    }
    return sum;
}

static float block_sum(const job *j, const tap *t)
{
    const plan *p = j->p;
    const int64_t c = p->shape.c, k = p->shape.k;
    float sum = 0;
    for (int64_t n = j->image; n < j->image + j->images; n++)
        for (int64_t i = j->row; i < j->row + j->rows; i++) {
            const int64_t y = p->h.place[t->i] + i * p->h.step;
            const float *x = j->x + n * x_image(p) + (t->group * p->h.in + y) * p->w.in * c + t->c;
            const float *g =
                j->g + n * g_image(p) + (t->group * p->h.out + i) * p->w.out * k + t->k;
            if (y >= 0 && y < p->h.in)
                sum = row_sum(p, t, x, g, sum);
        }
    return sum;
}

/* The job's next block, or 0. */
static int next_block(job *j)
{
    const plan *p = j->p;
    j->row += j->rows;
    if (j->row == p->h.out) {
        j->row = 0;
        j->image += j->images;
    }
    j->images = km_min64(p->images, p->shape.n - j->image);
    j->rows = km_min64(p->rows, p->h.out - j->row);
    return j->images > 0;
}

static float true_sum(const job *last, const tap *t)
{
    job j = *last;
    float sum = 0;
    j.image = j.images = j.rows = 0;
    j.row = 0;
    while (next_block(&j))
        sum += block_sum(&j, t);
    return sum;
}

/* Which gradient an element of a window's matrix is. */
static tap tap_of(const plan *p, const unit *u, int64_t row, int64_t column)
{
    const int64_t in = p->wide ? column : row, c = p->shape.c;
    tap t = {u->group, in % c, p->wide ? row : column, u->window, in / c};
    if (!p->joined) {
        t.i = u->window / p->w.count;
        t.j = u->window % p->w.count;
    }
    return t;
}

static int64_t columns_of(const plan *p)
{
    return p->wide ? p->size : p->shape.k;
}

static void mend(const job *j, const unit *u)
{
    const plan *p = j->p;
    float *sums = sums_of(j, u);
    for (int64_t row = p->tile[u->tile]; row < p->tile[u->tile + 1]; row++, sums += p->step)
        for (int64_t i = 0; i < columns_of(p) && km_conv_has_nan(sums, p->step); i++)
            if (isnan(sums[i])) {
                const tap t = tap_of(p, u, row, i);
                sums[i] = true_sum(j, &t);
            }
}

/* ---- plain tensors ---- */

/* Where tap j of the unit's window has the gradients of the group. */
static float *tap_at(const job *w, const unit *u, int64_t j)
{
    const plan *p = w->p;
    const km_conv_shape *s = &p->shape;
    const int64_t each = p->joined ? 1 : p->w.count, column = p->joined ? j : u->window % each;
    return w->grad + u->group * s->k * s->c * s->h.kernel * s->w.kernel +
           p->h.index[u->window / each] * s->w.kernel + p->w.index[column];
}

/* Rows of output channels. */
static void put_wide(const job *w, const unit *u, const float *sums)
{
    const plan *p = w->p;
    const km_conv_shape *s = &p->shape;
    const int64_t taps = s->h.kernel * s->w.kernel;
    for (int64_t k = p->tile[u->tile]; k < p->tile[u->tile + 1]; k++, sums += p->step)
        for (int64_t i = 0, j = 0; i < p->size; i += s->c, j++) {
            float *to = tap_at(w, u, j) + k * s->c * taps;
            for (int64_t c = 0; c < s->c; c++)
                to[c * taps] = sums[i + c];
        }
}

/* Rows of elements of windows: those of a tap together, which are near each other in memory. */
static void put_rows(const job *w, const unit *u, const float *sums)
{
    const plan *p = w->p;
    const km_conv_shape *s = &p->shape;
    const int64_t taps = s->h.kernel * s->w.kernel, end = p->tile[u->tile + 1];
    for (int64_t row = p->tile[u->tile]; row < end;) {
        const int64_t j = row / s->c, c = row % s->c, next = km_min64(end, (j + 1) * s->c);
        float *to = tap_at(w, u, j) + c * taps;
        for (int64_t k = 0; k < s->k; k++, to += s->c * taps)
            for (int64_t i = 0; i < next - row; i++)
                to[i * taps] = sums[i * p->step + k];
        sums += (next - row) * p->step;
        row = next;
    }
}

static void turn(const plan *p, const km_args *args, int64_t part)
{
    const km_conv_shape *s = &p->shape;
    const int64_t in = s->h.in * s->w.in, out = s->h.out * s->w.out;
    const km_tensor *grad = &args->slot[KM_GRAD_WEIGHT];
    if (part == 0 && p->h.count * p->w.count < s->h.kernel * s->w.kernel)
        memset(grad->data, 0, (size_t)grad->count * sizeof(float));
    for (int64_t i = part; i < s->n * s->groups; i += p->parts) {
        km_conv_windows_turn((const float *)args->slot[KM_X].data + i * s->c * in, s->c, in,
                             p->x + i * s->c * in);
        km_conv_windows_turn((const float *)args->slot[KM_GRAD_Y].data + i * s->k * out, s->k, out,
                             p->g + i * s->k * out);
    }
}

/* ---- parts ---- */

static void run_block(const job *j, int64_t from, int64_t end)
{
    const float *windows = NULL;
    int64_t group = -1;
    unit u = unit_of(j->p, from);
    for (int64_t i = from; i < end; i++, next_unit(j->p, &u)) {
        if (u.group != group)
            windows = windows_of(j, u.group);
        group = u.group;
        run_unit(j, &u, windows);
    }
}

static void sum(const plan *p, const km_args *args, int64_t part)
{
    const int64_t units = units_of(p);
    const int64_t from = units * part / p->parts, end = units * (part + 1) / p->parts;
    job j = {.p = p, .x = args->slot[KM_X].data, .g = args->slot[KM_GRAD_Y].data};
    j.grad = j.sums = args->slot[KM_GRAD_WEIGHT].data;
    j.copies = p->copies + part * (p->images * p->copy + ALIGN);
    if (p->plain) {
        j.x = p->x;
        j.g = p->g;
        j.sums = p->sums;
    }
    while (next_block(&j))
        run_block(&j, from, end);
    for (int64_t i = from; i < end; i++) {
        const unit u = unit_of(p, i);
        if (!p->in_place)
            mend(&j, &u);
        if (p->plain)
            (p->wide ? put_wide : put_rows)(&j, &u, sums_of(&j, &u));
    }
}

void km_conv_windows_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    if (p->plain && phase == 0)
        turn(p, args, part);
    else if (phase == p->plain)
        sum(p, args, part);
}
