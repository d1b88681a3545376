/* batch_norm.h: what one channel of batch_norm comes to, given its sums.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_BATCH_NORM_H
#define KM_BATCH_NORM_H

#include "norm.h"

KM_INLINE int trains(const km_args *args)
{
    return args->params->attr[KM_TRAINING] != 0;
}

KM_INLINE const float *input(const km_args *args, km_slot slot)
{
    return args->slot[slot].data;
}

KM_INLINE float weight_of(const km_args *args, int64_t c)
{
    return args->slot[KM_WEIGHT].count ? input(args, KM_WEIGHT)[c] : 1;
}

KM_INLINE double reciprocal_root(const km_args *args, double variance)
{
    return 1 / sqrt(variance + args->params->attr[KM_EPS]);
}

/* ---- forward: y = (x - mean) factor + shift ---- */

typedef struct line {
    float mean, factor, shift;
} line;

/* What the mean loses as a float goes into shift. */
KM_INLINE line line_from(double weight, double bias, double mean, double rstd)
{
    const double factor = weight * rstd, lost = mean - (float)mean;
    return (line){(float)mean, (float)factor, (float)(lost == 0 ? bias : bias - lost * factor)};
}

KM_INLINE line line_of(const km_args *args, int64_t c, double mean, double variance)
{
    const double bias = args->slot[KM_BIAS].count ? input(args, KM_BIAS)[c] : 0;
    return line_from(weight_of(args, c), bias, mean, reciprocal_root(args, variance));
}

KM_INLINE line line_of_running(const km_args *args, int64_t c)
{
    return line_of(args, c, input(args, KM_RUNNING_MEAN)[c], input(args, KM_RUNNING_VAR)[c]);
}

/* Training's statistics of n values, of which m are the moments. */
KM_INLINE void write_statistics(const km_args *args, int64_t c, moments m, double n)
{
    const double new = args->params->attr[KM_MOMENTUM], old = 1 - new;
    float *mean = (float *)args->slot[KM_RUNNING_MEAN].data + c;
    float *variance = (float *)args->slot[KM_RUNNING_VAR].data + c;
    ((float *)args->slot[KM_MEAN].data)[c] = (float)m.mean;
    ((float *)args->slot[KM_VARIANCE].data)[c] = (float)positive(m.m2 * (1 / n));
    *mean = (float)(old * *mean + new *m.mean);
    *variance = (float)(old * *variance + new *positive(m.m2 * (1 / (n - 1))));
}

KM_INLINE vf normal(vf x, vf unused, const vf *k)
{
    (void)unused;
    return v_fma(v_sub(x, k[0]), k[1], k[2]);
}

/* ---- backward: grad_x = g factor + ((x - mean) slope + shift), with factor alone in inference ---- */

typedef struct plane_of_gradients {
    float mean, factor, slope, shift;
} plane_of_gradients;

KM_INLINE float saved_mean(const km_args *args, int64_t c)
{
    return input(args, trains(args) ? KM_MEAN : KM_RUNNING_MEAN)[c];
}

KM_INLINE double saved_rstd(const km_args *args, int64_t c)
{
    return reciprocal_root(args, input(args, trains(args) ? KM_VARIANCE : KM_RUNNING_VAR)[c]);
}

/* s: of g, and of g (x - mean), over n values */
KM_INLINE plane_of_gradients gradients_from(double weight, float mean, double rstd, sums s,
                                            double n)
{
    const double factor = weight * rstd;
    return (plane_of_gradients){mean, (float)factor,
                                (float)(-factor * rstd * rstd * (s.b * (1 / n))),
                                (float)(-factor * (s.a * (1 / n)))};
}

KM_INLINE plane_of_gradients gradients_of(const km_args *args, int64_t c, sums s, double n)
{
    return gradients_from(weight_of(args, c), saved_mean(args, c), saved_rstd(args, c), s, n);
}

KM_INLINE void write_gradients(const km_args *args, int64_t c, sums s)
{
    if (!args->slot[KM_GRAD_WEIGHT].count)
        return;
    ((float *)args->slot[KM_GRAD_WEIGHT].data)[c] = (float)(s.b * saved_rstd(args, c));
    ((float *)args->slot[KM_GRAD_BIAS].data)[c] = (float)s.a;
}

KM_INLINE vf gradient(vf x, vf g, const vf *k)
{
    return v_fma(g, k[1], v_fma(v_sub(x, k[0]), k[2], k[3]));
}

KM_INLINE vf scaled(vf g, vf unused, const vf *k)
{
    (void)unused;
    return v_mul(g, k[1]);
}

#endif
