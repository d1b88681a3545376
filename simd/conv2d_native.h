/* conv2d_native.h: tensors whose channels come in blocks of V, and the passes over them.
 *
 * Element (n, c, h, w) of a blocked tensor lies at (((n * blocks + c / V) * h_size + h) * w_size + w) * V + c % V,
 * with c counted in its group and blocks over all groups. What is left of a group's last block is zeros.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_NATIVE_H
#define KM_CONV2D_NATIVE_H

#include "conv2d.h"

#define km_conv_blocks         KM_JOIN(KM_ISA, conv_blocks)
#define km_conv_to_blocks      KM_JOIN(KM_ISA, conv_to_blocks)
#define km_conv_from_blocks    KM_JOIN(KM_ISA, conv_from_blocks)
#define km_conv_fill_blocks    KM_JOIN(KM_ISA, conv_fill_blocks)
#define km_conv_filters_count  KM_JOIN(KM_ISA, conv_filters_count)
#define km_conv_copy_filters   KM_JOIN(KM_ISA, conv_copy_filters)
#define km_conv_native         KM_JOIN(KM_ISA, conv_native)
#define km_conv_native_weights KM_JOIN(KM_ISA, conv_native_weights)

/* Of one image of a tensor. */
typedef struct km_conv_blocked {
    int64_t n, groups, channels, pixels; /* channels: of a group; pixels: of a plane */
} km_conv_blocked;

static inline int64_t km_conv_blocks_of(int64_t channels)
{
    return km_ceil_div(channels, V);
}

/* Floats of the blocked tensor. */
static inline int64_t km_conv_blocked_count(const km_conv_blocked *b)
{
    return b->n * b->groups * km_conv_blocks_of(b->channels) * b->pixels * V;
}

void km_conv_to_blocks(const km_conv_blocked *b, const float *plain, float *blocked);
void km_conv_from_blocks(const km_conv_blocked *b, const float *blocked, float *plain);

/* km_conv_fill for blocked sources: copies `blocks` blocks of channels, whose planes start plane * V floats apart. */
void km_conv_fill_blocks(const km_conv_block *b, const float *x, int64_t blocks, float *planes);

/* ---- tiles ---- */

/* `count` things in balanced tiles of `most` at most; the first of a tile. */
static inline int64_t km_conv_tile_start(int64_t count, int64_t most, int64_t tile)
{
    return count ? count * tile / km_ceil_div(count, most) : 0;
}

/* Padding must be zero even where a pixel is NaN. */
KM_INLINE vf km_conv_keep(vf a, int64_t lanes)
{
    float buffer[V];
    if (lanes >= V)
        return a;
    v_store(buffer, a);
    return v_load_n(buffer, lanes);
}

/* One tap, which is the point itself. */
static inline int km_conv_is_identity(const km_conv_taps *t)
{
    return t->count == 1 && t->place[0] == 0 && t->step == 1 && t->in == t->out;
}

/* ---- weights ---- */

/* Those of a group, for the taps of a stage. Blocked: tiles of vectors of results, of which each has blocks of `unit`
 * sources, taps, the sources of a block, and the vectors' lanes. */
typedef struct km_conv_filters {
    const km_conv_taps *h, *w;
    int64_t sources, results, unit;
    int64_t source_step, result_step,
        row; /* in plain weights; row: from a row of taps to the next */
} km_conv_filters;

/* Floats of the blocked weights. */
int64_t km_conv_filters_count(const km_conv_filters *f);

/* From plain to blocked, or with `back` the other way round, for the taps that there are. */
void km_conv_copy_filters(const km_conv_filters *f, float *plain, float *blocked, int back);

/* ---- kernels ---- */

/* The kernels over blocked tensors. open declines what plain tensors are better for. */
extern const km_kernel km_conv_native[], km_conv_native_weights[];

#endif
