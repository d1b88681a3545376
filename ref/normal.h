/* normal.h: two standard normal numbers from two random words (Box and Muller, 1958), in float and with fused
 * multiplications throughout: the one sequence of roundings that every backend has, bit for bit.
 *
 *     z0, z1 = sqrt(-2 ln u) (cos a, sin a);  u = (first word + 1/2) / 2^32, a = 2 pi second word / 2^32
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_NORMAL_H
#define KM_REF_NORMAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln u = n ln 2 + ln m, m in [0.707, 1.414], from a minimax polynomial of f = m - 1 (error 5.9e-9). */
static inline float normal_log(float u)
{
    int32_t bits, e;
    float m;
    memcpy(&bits, &u, sizeof bits);
    e = (bits - 0x3f3504f3) >> 23;
    bits -= (int32_t)((uint32_t)e << 23);
    memcpy(&m, &bits, sizeof m);
    const float n = (float)e, f = m - 1;
    float q = fmaf(-0x1.38dfacp-4f, f, 0x1.056cb4p-3f);
    q = fmaf(q, f, -0x1.0d8516p-3f);
    q = fmaf(q, f, 0x1.22d786p-3f);
    q = fmaf(q, f, -0x1.54720ep-3f);
    q = fmaf(q, f, 0x1.99a028p-3f);
    q = fmaf(q, f, -0x1.000228p-2f);
    q = fmaf(q, f, 0x1.555554p-2f);
    q = fmaf(q, f, -0.5f);
    const float low = fmaf(f * f, q, n * -0x1.05c61p-29f);
    return fmaf(n, 0x1.62e43p-1f, f + low);
}

static inline void normal_pair(uint32_t first, uint32_t second, float z[2])
{
    const float u = fmaf((float)(int32_t)(first >> 1), 0x1p-31f, 0x1p-32f);
    const float r = sqrtf(-2 * normal_log(u));
    /* the nearest quarter of a turn, and what remains: x in [-pi/4, pi/4] */
    const uint32_t quarter = (second + (1u << 29)) >> 30;
    const float x = (float)(int32_t)(second << 2) * 0x1.921fb6p-32f, t = x * x;
    float s = fmaf(-0x1.9ac9bp-13f, t, 0x1.110c28p-7f),
          c = fmaf(0x1.9bd89cp-16f, t, -0x1.6c12d2p-10f);
    s = fmaf(s, t, -0x1.555552p-3f);
    c = fmaf(c, t, 0x1.555554p-5f);
    c = fmaf(c, t, -0.5f);
    s = fmaf(x * t, s, x);
    c = fmaf(c, t, 1.0f);
    z[0] = r * (quarter & 1 ? s : c) * ((quarter + 1) & 2 ? -1.0f : 1.0f);
    z[1] = r * (quarter & 1 ? c : s) * (quarter & 2 ? -1.0f : 1.0f);
}

#endif
