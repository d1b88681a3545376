/* noise.h: what would disturb a measurement on this machine, and what to do about it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_NOISE_H
#define KM_NOISE_H

enum { KM_MAX_ADVICE = 8 };

typedef struct km_noise {
    double load;   /* of the last minute, per core */
    double jitter; /* p90 / minimum of 200 equal pieces of work, less 1 */
    int advices;
    char advice[KM_MAX_ADVICE][160]; /* a remark each, the effect and what helps */
    int noisy;                       /* nonzero: --strict refuses */
} km_noise;

/* Takes about a fifth of a second. */
void km_noise_read(km_noise *noise);

#endif
