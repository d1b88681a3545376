/* conv2d_pack.c: weights as the tiles of conv2d_direct.c broadcast them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "conv2d_direct.h"

/* Rows of `terms` neighbours each, w_result apart: to terms of `rows` neighbours. */
static void pack_turned(const km_conv_direct *p, const float *w, int64_t rows, int64_t terms,
                        const int64_t *wanted, int64_t count, float *to)
{
    for (int64_t m = 0; m < rows; m += V)
        for (int64_t t = 0, next = 0; next < count; t += V) {
            vf r[V];
            for (int i = 0; i < V; i++)
                r[i] = m + i < rows ? v_load_n(w + (m + i) * p->w_result + t, terms - t) : v_set(0);
            v_transpose(r);
            for (; next < count && (wanted ? wanted[next] : next) < t + V; next++)
                v_store_n(to + next * rows + m, r[(wanted ? wanted[next] : next) - t], rows - m);
        }
}

/* Chunks; in them tiles; in them terms, each with its rows side by side. */
static void pack_tile(const km_conv_direct *p, const km_conv_stage *s, const float *weight,
                      int64_t from, int64_t rows, int64_t channels, float *to)
{
    const int64_t taps = p->shape.h.kernel * p->shape.w.kernel, used = s->h.count * s->w.count;
    const float *w = weight + from * p->w_result;
    if (p->w_source == taps && used == taps) {
        pack_turned(p, w, rows, channels * taps, NULL, channels * taps, to);
        return;
    }
    for (int64_t c = 0; c < channels; c++, w += p->w_source, to += used * rows)
        if (p->w_result == 1)
            for (int64_t m = 0; m < rows; m += V)
                v_store_n(to + m, v_load_n(w + m, rows - m), rows - m);
        else
            pack_turned(p, w, rows, taps, s->tap, used, to);
}

/* Of a chunk: tiles [first, last). weight: the group's. */
void km_conv_pack_chunk(const km_conv_direct *p, const km_conv_stage *s, const float *weight,
                        int64_t channel, int64_t first, int64_t last, float *to)
{
    const int64_t channels = km_min64(s->chunk, p->sources - channel);
    const int64_t terms = km_conv_terms_of(s, channels);
    for (int64_t t = first; t < last; t++) {
        const int64_t from = km_conv_tile_start(p->results, t),
                      end = km_conv_tile_start(p->results, t + 1);
        pack_tile(p, s, weight + channel * p->w_source, from, end - from, channels,
                  to + from * terms);
    }
}

/* Weights of a group of a stage, and of one of its chunks. */
float *km_conv_packed_at(const km_conv_direct *p, const km_conv_stage *s, int64_t group,
                         int64_t channel)
{
    return p->packed + s->weights +
           (group * p->sources + channel) * s->h.count * s->w.count * p->results;
}

void km_conv_pack_part(const km_conv_direct *p, const float *weight, int64_t part)
{
    int64_t unit = 0;
    for (int64_t i = 0; i < p->stages; i++)
        for (int64_t g = 0; g < p->shape.groups && !p->stage[i].single; g++)
            for (int64_t c = 0; c < p->sources; c += p->stage[i].chunk)
                if (unit++ % p->parts == part)
                    km_conv_pack_chunk(p, &p->stage[i], weight + g * km_conv_weights_of(p), c, 0,
                                       km_conv_tiles_of(p->results),
                                       km_conv_packed_at(p, &p->stage[i], g, c));
}
