/* selu.c: y = scale (x > 0 ? x : alpha expm1(x)); grad_x = g (y > 0 ? scale : y + scale alpha).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pointwise.h"
#include "vmath.h"

enum { SCALE, PRODUCT };

/* x < 0 and not x > 0, so that -0 and NaN take the product. */
KM_INLINE vf selu(vf x, vf unused, const vf *k)
{
    (void)unused;
    return v_select(v_lt(x, v_set(0)), v_expm1_negative(x, k[PRODUCT]), v_mul(k[SCALE], x));
}

KM_INLINE vf gradient(vf y, vf g, const vf *k)
{
    return v_mul(g, v_select(v_gt(y, v_set(0)), k[SCALE], v_add(y, k[PRODUCT])));
}

static void forward(const km_args *args)
{
    const double *attr = args->params->attr;
    const vf k[] = {v_set((float)attr[KM_SCALE]), v_set((float)(attr[KM_SCALE] * attr[KM_ALPHA]))};
    km_forward(args, selu, k);
}

static void backward(const km_args *args)
{
    const double *attr = args->params->attr;
    const vf k[] = {v_set((float)attr[KM_SCALE]), v_set((float)(attr[KM_SCALE] * attr[KM_ALPHA]))};
    km_backward(args, KM_Y, gradient, k);
}

extern const km_kernel KM_KERNELS(selu)[];
const km_kernel KM_KERNELS(selu)[] = {
    {.op = "selu", .pass = "forward", .run = forward},
    {.op = "selu", .pass = "backward", .run = backward},
    {0},
};
