/* conv2d_blocks.c: blocked tensors from plain ones and back, and copies of their rows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_native.h"

/* ---- conversion ---- */

void km_conv_to_blocks(const km_conv_blocked *b, const float *plain, float *blocked)
{
    const int64_t blocks = km_conv_blocks_of(b->channels);
    for (int64_t g = 0; g < b->n * b->groups; g++)
        for (int64_t k = 0; k < blocks; k++)
            for (int64_t i = 0; i < b->pixels; i++)
                for (int64_t c = k * V; c < (k + 1) * V; c++)
                    *blocked++ = c < b->channels ? plain[(g * b->channels + c) * b->pixels + i] : 0;
}

void km_conv_from_blocks(const km_conv_blocked *b, const float *blocked, float *plain)
{
    const int64_t blocks = km_conv_blocks_of(b->channels);
    for (int64_t g = 0; g < b->n * b->groups; g++)
        for (int64_t c = 0; c < b->channels; c++) {
            const float *from = blocked + (g * blocks + c / V) * b->pixels * V + c % V;
            for (int64_t i = 0; i < b->pixels; i++)
                *plain++ = from[i * V];
        }
}

int64_t km_conv_filters_count(const km_conv_filters *f)
{
    return km_conv_blocks_of(f->results) * V * f->sources * f->h->count * f->w->count;
}

/* Lanes of results k..end of one tap and source, `plain` being that of result 0. */
static void copy_lanes(const km_conv_filters *f, int64_t k, int64_t end, float *plain,
                       float *blocked, int back)
{
    for (; k < end; k++, blocked++)
        if (back && k < f->results)
            plain[k * f->result_step] = *blocked;
        else if (!back)
            *blocked = k < f->results ? plain[k * f->result_step] : 0;
}

/* The taps of a block of sources, for vectors from..end; returns what follows. */
static float *copy_taps(const km_conv_filters *f, int64_t block, int64_t from, int64_t end,
                        float *plain, float *blocked, int back)
{
    for (int64_t i = 0; i < f->h->count; i++)
        for (int64_t j = 0; j < f->w->count; j++)
            for (int64_t c = block; c < km_min64(block + f->unit, f->sources); c++) {
                float *tap = plain + c * f->source_step + f->h->index[i] * f->row + f->w->index[j];
                copy_lanes(f, from * V, end * V, tap, blocked, back);
                blocked += (end - from) * V;
            }
    return blocked;
}

void km_conv_copy_filters(const km_conv_filters *f, float *plain, float *blocked, int back)
{
    const int64_t vectors = km_conv_blocks_of(f->results);
    for (int64_t t = 0; t < km_ceil_div(vectors, TILE_VECTORS); t++) {
        const int64_t from = km_conv_tile_start(vectors, TILE_VECTORS, t);
        const int64_t end = km_conv_tile_start(vectors, TILE_VECTORS, t + 1);
        for (int64_t block = 0; block < f->sources; block += f->unit)
            blocked = copy_taps(f, block, from, end, plain, blocked, back);
    }
}

/* ---- copies ---- */

static void zero(float *to, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i++)
        v_store(to + i * V, v_set(0));
}

static void copy(float *to, const float *from, int64_t pixels, int64_t step)
{
    for (int64_t i = 0; i < pixels; i++)
        v_store(to + i * V, v_load(from + i * step * V));
}

/* Division takes longer than copying a short row does, so not by 1. */
static int64_t divided(int64_t a, int64_t step)
{
    return step == 1 ? a : a / step;
}

/* A row of operands, of which those of [begin, end) lie inside the input. */
static void copy_row(const km_conv_taps *w, const float *x, int64_t column, float *to)
{
    const int64_t last = w->in - 1 - column, width = km_conv_width(w);
    int64_t begin = column < 0 ? km_min64(width, divided(w->step - 1 - column, w->step)) : 0;
    int64_t end = last < 0 ? 0 : km_min64(width, divided(last, w->step) + 1);
    if (end < begin)
        begin = end = 0;
    zero(to, begin);
    copy(to + begin * V, x + (column + begin * w->step) * V, end - begin, w->step);
    zero(to + end * V, width - end);
}

static void fill_copy(const km_conv_block *b, const float *x, int64_t start, int64_t column,
                      float *to)
{
    const km_conv_taps *h = b->h, *w = b->w;
    const int64_t width = km_conv_width(w);
    int64_t image = b->row / h->out, i = b->row % h->out;
    for (int64_t left = b->rows + h->extra; left > 0; left--, i++, to += width * V) {
        if (i == h->out && !h->extra) {
            image++;
            i = 0;
        }
        const int64_t at = start + i * h->step;
        if (at < 0 || at >= h->in)
            zero(to, width);
        else
            copy_row(w, x + image * b->image + at * w->in * V, column, to);
    }
}

void km_conv_fill_blocks(const km_conv_block *b, const float *x, int64_t blocks, float *planes)
{
    const int64_t size = km_conv_copy(b) * V;
    for (int64_t c = 0; c < blocks; c++)
        for (int64_t i = 0; i < b->h->copies; i++)
            for (int64_t j = 0; j < b->w->copies; j++, planes += size)
                fill_copy(b, x + c * b->plane * V, b->h->start[i], b->w->start[j], planes);
}
