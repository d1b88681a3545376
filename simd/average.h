/* average.h: averages over windows: sums times the reciprocals of what the windows count along each axis.
 * That is at most 2 units in the last place from the quotient, and the sum may be as far off by itself.
 * Compiled once for avg_pool2d and adaptive_avg_pool2d, in average.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_AVERAGE_H
#define KM_AVERAGE_H

#include "pool_open.h"

#define km_average_open KM_JOIN(KM_ISA, average_open)
#define km_average_part KM_JOIN(KM_ISA, average_part)

/* An override, if any, is the count of all rows, and 1 that of columns. */
const char *km_average_open(const km_args *args, int backward, const km_axis axes[2],
                            double override, int with_pad, void **plan);
void km_average_part(const km_args *args, int part);

#endif
