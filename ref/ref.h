/* ref.h: what every reference file uses. Each file of this folder is compiled twice, with `real` as
 * float (backend ref) and as double (the oracle ref64); <tgmath.h> picks the function of the type.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_H
#define KM_REF_H

#include <kernelmark.h>
#include <stddef.h>
#include <tgmath.h>

typedef KM_REAL real; /* set by ref/meson.build */

/* km_ref_sigmoid and km_ref64_sigmoid; km_ref_op_sigmoid and km_ref64_op_sigmoid */
#define KM_PASTE3(a, b, c) a##b##c
#define KM_PASTE(a, b, c)  KM_PASTE3(a, b, c)
#define KM_KERNELS(op)     KM_PASTE(KM_REF_NAME, _, op)
#define KM_OP(op)          KM_PASTE(KM_REF_NAME, _op_, op)

static inline const real *in(const km_args *args, km_slot slot)
{
    return args->slot[slot].data;
}

static inline real *out(const km_args *args, km_slot slot)
{
    return args->slot[slot].data;
}

static inline real attr(const km_args *args, km_attr a)
{
    return (real)args->params->attr[a];
}

/* x * f for a factor that vanishes faster than x grows: 0, not NaN, where x is infinite. */
static inline real times_vanishing(real x, real f)
{
    return f == 0 && isinf(x) ? copysign((real)0, x) : x * f;
}

static inline real sigmoid(real x)
{
    real e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

#endif
