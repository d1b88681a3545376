/* conv2d_winograd_matrices.h: Winograd's transforms of one line, vectors of lanes that have nothing to do with each
 * other.
 *
 * F(2,3) interpolates at 0, 1, -1 and infinity. F(4,3) does at 0, a, -a, b, -b and infinity with a = 3/4 and b = 3/2:
 * the nearer the points lie to 1 and the farther from each other, the less the transforms amplify; 1 and 2, which are
 * more usual, lose another bit. All coefficients of the input's and of the result's transform are floats.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_WINOGRAD_MATRICES_H
#define KM_CONV2D_WINOGRAD_MATRICES_H

#include "vec.h"

#define WINO_A 0.75f
#define WINO_B 1.5f
#define A2     (WINO_A * WINO_A)
#define B2     (WINO_B * WINO_B)

/* B^T d: side points from side pixels. */
KM_INLINE void km_wino_points(vf *to, int to_step, const vf *d, int step, int m)
{
    if (m == 2) {
        to[0] = v_sub(d[0], d[2 * step]);
        to[to_step] = v_add(d[step], d[2 * step]);
        to[2 * to_step] = v_sub(d[2 * step], d[step]);
        to[3 * to_step] = v_sub(d[3 * step], d[step]);
        return;
    }
    const vf d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    const vf even_a = v_fnma(v_set(B2), d2, d4), odd_a = v_fnma(v_set(B2), d1, d3);
    const vf even_b = v_fnma(v_set(A2), d2, d4), odd_b = v_fnma(v_set(A2), d1, d3);
    to[0] = v_fma(v_set(A2 * B2), d[0], v_fnma(v_set(A2 + B2), d2, d4));
    to[to_step] = v_fma(v_set(WINO_A), odd_a, even_a);
    to[2 * to_step] = v_fnma(v_set(WINO_A), odd_a, even_a);
    to[3 * to_step] = v_fma(v_set(WINO_B), odd_b, even_b);
    to[4 * to_step] = v_fnma(v_set(WINO_B), odd_b, even_b);
    to[5 * to_step] = v_fma(v_set(A2 * B2), d1, v_fnma(v_set(A2 + B2), d3, d[5 * step]));
}

/* A^T x: m results from side points. */
KM_INLINE void km_wino_results(vf *to, int to_step, const vf *x, int step, int m)
{
    const vf even_a = v_add(x[step], x[2 * step]), odd_a = v_sub(x[step], x[2 * step]);
    if (m == 2) {
        to[0] = v_add(x[0], even_a);
        to[to_step] = v_add(odd_a, x[3 * step]);
        return;
    }
    const vf even_b = v_add(x[3 * step], x[4 * step]), odd_b = v_sub(x[3 * step], x[4 * step]);
    to[0] = v_add(x[0], v_add(even_a, even_b));
    to[to_step] = v_fma(v_set(WINO_A), odd_a, v_mul(v_set(WINO_B), odd_b));
    to[2 * to_step] = v_fma(v_set(A2), even_a, v_mul(v_set(B2), even_b));
    to[3 * to_step] =
        v_fma(v_set(A2 * WINO_A), odd_a, v_fma(v_set(B2 * WINO_B), odd_b, x[5 * step]));
}

/* G g: side points from three taps. */
KM_INLINE void km_wino_filter(vf *to, int to_step, const vf *g, int step, int m)
{
    const vf g0 = g[0], g1 = g[step], g2 = g[2 * step];
    if (m == 2) {
        const vf even = v_mul(v_set(0.5f), v_add(g0, g2)), odd = v_mul(v_set(0.5f), g1);
        to[0] = g0;
        to[to_step] = v_add(even, odd);
        to[2 * to_step] = v_sub(even, odd);
        to[3 * to_step] = g2;
        return;
    }
    const vf scale_a = v_set(1 / (2 * A2 * (A2 - B2))), scale_b = v_set(1 / (2 * B2 * (B2 - A2)));
    const vf even_a = v_fma(v_set(A2), g2, g0), even_b = v_fma(v_set(B2), g2, g0);
    to[0] = v_mul(v_set(1 / (A2 * B2)), g0);
    to[to_step] = v_mul(scale_a, v_fma(v_set(WINO_A), g1, even_a));
    to[2 * to_step] = v_mul(scale_a, v_fnma(v_set(WINO_A), g1, even_a));
    to[3 * to_step] = v_mul(scale_b, v_fma(v_set(WINO_B), g1, even_b));
    to[4 * to_step] = v_mul(scale_b, v_fnma(v_set(WINO_B), g1, even_b));
    to[5 * to_step] = g2;
}

#endif
