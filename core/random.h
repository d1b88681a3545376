/* random.h: counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011). Element i depends on seed, stream and i alone, so that the same
 * seed gives the same tensor whatever the order or split it is filled in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_RANDOM_H
#define KM_RANDOM_H

#include <kernelmark.h>

/* The 128 random bits of block `counter` under `key`. */
void km_philox(uint64_t counter, uint64_t key, uint32_t out[4]);

/* A stream number for a name, to be mixed with the seed into a key (FNV-1a). */
uint64_t km_stream(uint64_t seed, const char *name);

/* Fills count floats as kind says; KM_FILL_SAVED counts as KM_FILL_NORMAL. */
void km_fill_random(float *data, int64_t count, km_fill kind, uint64_t key);

/* The same for data to be timed: of KM_FILL_WIDE only its main part, N(0, 2^2), as activations are in use. Its far
 * tails would be too frequent there: what is rare and slow, such as subnormal results, would decide. */
void km_fill_usual(float *data, int64_t count, km_fill kind, uint64_t key);

/* Classes in [0, classes), one in sixteen `ignored`; only that where there are no classes. */
void km_fill_classes(int32_t *data, int64_t count, int64_t classes, int32_t ignored, uint64_t key);

/* 0 or 1. */
void km_fill_mask(uint8_t *data, int64_t count, uint64_t key);

/* Standard normal values in double, for probes and cotangents. */
void km_fill_gaussian(double *data, int64_t count, uint64_t key);

#endif
