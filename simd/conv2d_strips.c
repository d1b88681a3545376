/* conv2d_strips.c: forward and backward_data of few results to a group, over plain tensors.
 *
 * Vectors are strips of pixels, so that all lanes are of use however few the channels. Rows of the source are copied
 * with their padding, of strides each residue by itself (see conv2d.h), and a strip is V neighbours in the copies:
 * of one row, or, where that takes fewer strips, wherever they lie, and what is computed between rows is dropped.
 * A tile has all results by as many strips as registers hold, each loaded once for all of them. Sums of a chunk of
 * channels are added to the result in place. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_strips.h"

typedef km_conv_strips_plan plan;
typedef km_conv_strips_stage stage;

/* ---- copies ---- */

/* A row of the input, and zeros around it; or of zeros alone. What is written beyond it is the next row's. */
static void copy_row(const stage *s, const float *x, float *to)
{
    const int64_t vectors = km_ceil_div(km_conv_width(&s->w), V);
    int64_t i = 0;
    for (; x && i < s->first; i++)
        v_store(to + i * V, v_load_in(x + i * V, s->inside[i]));
    for (; x && i < s->end; i++)
        v_store(to + i * V, v_load(x + i * V));
    for (; x && i < vectors; i++)
        v_store(to + i * V, v_load_in(x + i * V, s->inside[i]));
    for (; i < vectors; i++)
        v_store(to + i * V, v_set(0));
}

/* Where neighbours are neighbours in the input, too. */
static void fill(const stage *s, const km_conv_block *b, const float *x, int64_t channels,
                 float *to)
{
    const km_conv_taps *h = &s->h, *w = &s->w;
    const int64_t width = km_conv_width(w);
    x += b->first_image * b->image;
    for (int64_t c = 0; c < channels; c++, x += b->plane)
        for (int64_t i = 0; i < h->copies; i++, to += km_conv_copy(b)) {
            int64_t at = h->start[i] + b->first_row * h->step;
            for (int64_t r = 0; r < b->rows + h->extra; r++, at += h->step)
                copy_row(s, at < 0 || at >= h->in ? NULL : x + at * w->in + w->start[0],
                         to + r * width);
        }
}

/* ---- units: a block of a group of an image ---- */

typedef struct job {
    const plan *p;
    const stage *s;
    int64_t image, group, block, cut;
    const float *x, *weights, *bias; /* of the group; bias may be NULL */
    float *y, *copies;               /* y: the block's first result */
} job;

/* Rows of results by all strips of the job: tiles are the same for any number of cuts. */
static void run_tile(const job *j, km_conv_strips_tile *t, const km_conv_strips *strips,
                     int64_t rows)
{
    const int64_t tiles = km_ceil_div(strips->count, km_conv_strips_wide(rows)), cuts = j->p->cuts;
    const int64_t first = tiles * j->cut / cuts, last = tiles * (j->cut + 1) / cuts;
    for (int64_t i = first, from = strips->count * first / tiles; i < last; i++) {
        const int64_t end = strips->count * (i + 1) / tiles;
        t->strip = strips->strip + from;
        t->inside = strips->inside ? strips->inside + from * t->step : NULL;
        km_conv_strips_any(t, (int)(end - from), (int)rows);
        from = end;
    }
}

/* Channels of the source from `channel` on. */
static void run_chunk(const job *j, const km_conv_block *b, int64_t channel, int64_t channels)
{
    const plan *p = j->p;
    const stage *s = j->s;
    const km_conv_strips *strips = &s->strips[j->block == s->blocks - 1];
    const float *x = j->x + channel * p->source_plane;
    km_conv_strips_tile t = {.x = j->copies, .offset = s->offset, .piece = strips->piece};
    t.taps = s->h.count * s->w.count;
    t.channels = channels;
    t.plane = km_conv_planes(b);
    t.step = s->w.step;
    t.inside_tap = strips->count * t.step;
    t.y_row = p->result_plane;
    t.y_step = s->to_column;
    t.add = channel > 0;
    if (strips->inside) {
        t.x = x + b->first_image * b->image;
        t.plane = p->source_plane;
    } else if (s->inside) {
        fill(s, b, x, channels, j->copies);
    } else {
        km_conv_fill_placed(b, x, channels, j->copies);
    }
    for (int64_t i = 0, from = 0; from < p->results; i++) {
        const int64_t end = km_conv_strips_start(p->results, i + 1);
        t.w = j->weights + from * km_conv_strips_terms(s, p->sources) +
              (end - from) * km_conv_strips_terms(s, channel);
        t.bias = j->bias && !t.add ? j->bias + from : NULL;
        t.y = j->y + from * p->result_plane;
        run_tile(j, &t, strips, end - from);
        from = end;
    }
}

static void run_unit(job *j, const km_args *args)
{
    const plan *p = j->p;
    const stage *s = j->s;
    const km_tensor *bias = &args->slot[KM_BIAS];
    const int64_t first = j->block * s->rows, groups = p->shape.groups;
    const km_conv_block b = {.h = &s->h,
                             .w = &s->w,
                             .first_image = j->image,
                             .first_row = first,
                             .layout = s->rows,
                             .rows = km_min64(s->rows, s->h.out - first),
                             .plane = p->source_plane,
                             .image = groups * p->sources * p->source_plane};
    j->x = (const float *)args->slot[p->source].data + j->group * p->sources * p->source_plane;
    j->y = (float *)args->slot[p->result].data +
           (j->image * groups + j->group) * p->results * p->result_plane + s->to +
           first * s->to_row;
    j->weights =
        p->packed + s->weights + j->group * km_conv_strips_terms(s, p->sources) * p->results;
    j->bias =
        bias->count && p->result == KM_Y ? (const float *)bias->data + j->group * p->results : NULL;
    for (int64_t c = 0; c < p->sources; c += s->chunk)
        run_chunk(j, &b, c, km_min64(s->chunk, p->sources - c));
}

/* Blocks are neighbours, then groups, then images. */
static void run_units(const plan *p, const km_args *args, int64_t part)
{
    job j = {.p = p, .copies = p->works + part * p->work};
    for (int64_t i = 0; i < p->stages; i++) {
        const stage *s = j.s = &p->stage[i];
        const int64_t units = p->shape.n * p->shape.groups * s->blocks * p->cuts;
        const int64_t from = units * part / p->parts, end = units * (part + 1) / p->parts;
        for (int64_t u = from; u < end; u++) {
            j.cut = u % p->cuts;
            j.block = u / p->cuts % s->blocks;
            j.group = u / p->cuts / s->blocks % p->shape.groups;
            j.image = u / p->cuts / s->blocks / p->shape.groups;
            run_unit(&j, args);
        }
    }
}

/* ---- weights ---- */

/* Rows of `terms` neighbours, w_result apart: to terms of `rows` neighbours. */
static void turn(const plan *p, const float *w, int64_t rows, int64_t terms, float *to)
{
    for (int64_t m = 0; m < rows; m += V)
        for (int64_t t = 0; t < terms; t += V) {
            vf r[V];
            for (int i = 0; i < V; i++)
                r[i] = m + i < rows ? v_load_n(w + (m + i) * p->w_result + t, terms - t) : v_set(0);
            v_transpose(r);
            for (int64_t i = 0; i < V && t + i < terms; i++)
                v_store_n(to + (t + i) * rows + m, r[i], rows - m);
        }
}

/* Rows of results of a group: terms of `rows` neighbours each. */
static void pack_tile(const plan *p, const stage *s, const float *w, int64_t rows, float *to)
{
    const int64_t taps = p->shape.h.kernel * p->shape.w.kernel, terms = p->sources * taps;
    if (p->w_source == taps && km_conv_strips_terms(s, p->sources) == terms) {
        turn(p, w, rows, terms, to);
        return;
    }
    for (int64_t c = 0; c < p->sources; c++, w += p->w_source)
        for (int64_t i = 0; i < s->h.count; i++)
            for (int64_t j = 0; j < s->w.count; j++, to += rows) {
                const float *tap = w + s->h.index[i] * p->shape.w.kernel + s->w.index[j];
                for (int64_t r = 0; r < rows; r++)
                    to[r] = tap[r * p->w_result];
            }
}

static void pack(const plan *p, const float *weight, int64_t part)
{
    const int64_t each = p->sources * p->results * p->shape.h.kernel * p->shape.w.kernel;
    for (int64_t g = part; g < p->shape.groups; g += p->parts)
        for (int64_t k = 0; k < p->stages; k++) {
            const stage *s = &p->stage[k];
            const int64_t terms = km_conv_strips_terms(s, p->sources);
            float *to = p->packed + s->weights + g * terms * p->results;
            for (int64_t i = 0, from = 0; from < p->results; i++) {
                const int64_t end = km_conv_strips_start(p->results, i + 1);
                pack_tile(p, s, weight + g * each + from * p->w_result, end - from,
                          to + from * terms);
                from = end;
            }
        }
}

void km_conv_strips_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    if (phase == 0)
        pack(p, args->slot[KM_WEIGHT].data, part);
    else
        run_units(p, args, part);
}
