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

/* km_conv_fill for blocked sources: copies `blocks` blocks of channels, whose planes start plane * V floats apart.
 * Only whole rows of results: b->w->extra is 0. */
void km_conv_fill_blocks(const km_conv_block *b, const float *x, int64_t blocks, float *planes);

/* The kernels over blocked tensors. open declines what plain tensors are better for. */
extern const km_kernel km_conv_native[], km_conv_native_weights[];

#endif
