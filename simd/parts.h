/* parts.h: the work of a kernel in parts, for km_kernel.run_part.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_PARTS_H
#define KM_PARTS_H

#include <stdint.h>

typedef struct km_range {
    int64_t from, to;
} km_range;

/* An even share of `units`. */
static inline km_range km_share(int64_t units, int part, int parts)
{
    return (km_range){units * part / parts, units * (part + 1) / parts};
}

/* The pass NAME as run of all its parts, one after the other, for kernels without KM_THREADED. */
#define KM_RUN_PARTS(name, phases)                                                                 \
    static void name(const km_args *args)                                                          \
    {                                                                                              \
        for (int phase = 0; phase < (phases); phase++)                                             \
            for (int part = 0; part < args->threads; part++)                                       \
                name##_part(args, phase, part);                                                    \
    }

#endif
