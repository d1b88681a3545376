/* clip_grad_value.c: y = min(max(grad, -limit), limit); a NaN is on neither side and stays.
 * SPDX-License-Identifier: Apache-2.0 */
#include "parts.h"
#include "pointwise.h"

enum { UNIT = 1024 };

KM_INLINE vf clamp(vf x, vf unused, const vf *limit)
{
    (void)unused;
    return v_max(v_sub(v_set(0), *limit), v_min(*limit, x));
}

static void forward_part(const km_args *args, int phase, int part)
{
    const int64_t count = args->slot[KM_GRAD].count;
    const km_range r = km_share((count + UNIT - 1) / UNIT, part, args->threads);
    const int64_t from = r.from * UNIT, to = r.to * UNIT < count ? r.to * UNIT : count;
    const float *grad = args->slot[KM_GRAD].data;
    float *y = args->slot[KM_Y].data;
    const vf limit = v_set((float)args->params->attr[KM_CLIP_VALUE]);
    (void)phase;
    if (from < to)
        km_map(clamp, &limit, (km_span){y + from, grad + from, 0, to - from, 1, U});
}

KM_RUN_PARTS(forward, 1)

extern const km_kernel KM_KERNELS(clip_grad_value)[];
const km_kernel KM_KERNELS(clip_grad_value)[] = {
    {.op = "clip_grad_value", .pass = "forward", .run = forward, .run_part = forward_part},
    {0},
};
