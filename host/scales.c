/* scales.c: how large initial weights are. Glorot and Bengio, 2010; He et al., 2015; LeCun et al., 1998.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark_train.h>
#include <math.h>

void km_fans(const int64_t *size, int dims, double *fan_in, double *fan_out)
{
    double window = 1;
    for (int d = 2; d < dims; d++)
        window *= (double)size[d];
    *fan_in = (double)size[1] * window;
    *fan_out = (double)size[0] * window;
}

double km_xavier_normal_std(double fan_in, double fan_out, double gain)
{
    return gain * sqrt(2 / (fan_in + fan_out));
}

double km_xavier_uniform_bound(double fan_in, double fan_out, double gain)
{
    return gain * sqrt(6 / (fan_in + fan_out));
}

double km_he_normal_std(double fan_in, double negative_slope)
{
    return sqrt(2 / ((1 + negative_slope * negative_slope) * fan_in));
}

double km_he_uniform_bound(double fan_in, double negative_slope)
{
    return sqrt(6 / ((1 + negative_slope * negative_slope) * fan_in));
}

double km_lecun_normal_std(double fan_in)
{
    return sqrt(1 / fan_in);
}
