/* conv2d_depthwise_rows.h: vectors along rows of plain planes, for steps of 1 and 2. Columns outside the image are
 * left out by masks, and rows by ranges; nothing is copied. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_DEPTHWISE_ROWS_H
#define KM_CONV2D_DEPTHWISE_ROWS_H

#include <stdlib.h>

#include "conv2d_depthwise.h"

/* Measured: of rows shorter than that, V channels at a time are faster turned, if there are so many. */
static inline int km_depth_is_short(const km_conv_shape *s, int64_t results)
{
    return results <= V / 2 || (results < 2 * V && s->groups * 4 >= km_round_up(s->groups, V) * 3);
}

/* Lanes of a strip of results: of its operands, V or with step 2 2 V neighbours, and of the results themselves. */
typedef struct km_depth_lanes {
    vm low, high, result;
} km_depth_lanes;

/* Lanes i with from <= i < end. */
KM_INLINE vm km_depth_between(int64_t from, int64_t end)
{
    static const float number[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const vf i = v_load(number);
    const vm above = v_gt(i, v_set((float)km_max64(km_min64(from, V), 0) - 0.5f));
    return v_and(above, v_lt(i, v_set((float)km_max64(km_min64(end, V), 0))));
}

/* Operands of results j.. for the tap at `place`. */
static inline km_depth_lanes km_depth_lanes_of(const km_conv_taps *w, int64_t j, int64_t place)
{
    const int64_t step = w->step, at = j * step + place, left = w->in - at;
    km_depth_lanes l = {.low = km_depth_between(-at, left),
                        .high = km_depth_between(-at - V, left - V)};
    const int64_t first = at < 0 ? (step - 1 - at) / step : 0;
    const int64_t end = left > 0 ? (left + step - 1) / step : 0;
    l.result = km_depth_between(first, km_min64(end, w->out - j));
    return l;
}

/* Those of all strips of a row, each of which has one for each column of taps. Returns NULL when out of memory. */
static inline km_depth_lanes *km_depth_strips(const km_conv_taps *w)
{
    const int64_t strips = km_ceil_div(w->out, V);
    const size_t bytes = (size_t)(strips * w->count + 1) * sizeof(km_depth_lanes);
    km_depth_lanes *lanes = aligned_alloc(ALIGN * sizeof(float), (bytes + 63) / 64 * 64);
    for (int64_t i = 0; lanes && i < strips * w->count; i++)
        lanes[i] = km_depth_lanes_of(w, i / w->count * V, w->place[i % w->count]);
    return lanes;
}

KM_INLINE vf km_depth_load(const float *x, const km_depth_lanes *l, int step, int masked)
{
    const vf low = masked ? v_load_in(x, l->low) : v_load(x);
    if (step == 1)
        return low;
    return v_even(low, masked ? v_load_in(x + V, l->high) : v_load(x + V));
}

#endif
