/* columns.c: normalisation of columns, which is not offered.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark.h>
#include <stddef.h>

static const char no_columns[] = "no primitive divides a constant column by 1: batch_normalization "
                                 "makes it NaN, or needs an eps";

#define ENTRIES(name)                                                                              \
    {.op = name, .pass = "forward", .offer = KM_NOT_OFFERED, .note = no_columns},                  \
        {.op = name, .pass = "fit", .offer = KM_NOT_OFFERED, .note = no_columns},                  \
        {.op = name, .pass = "apply", .offer = KM_NOT_OFFERED, .note = no_columns},                \
        {.op = name, .pass = "inverse", .offer = KM_NOT_OFFERED, .note = no_columns},

const km_kernel km_onednn_columns[] = {
    ENTRIES("standardize_columns") ENTRIES("min_max_columns"){0},
};
