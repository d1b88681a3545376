/* cell_faults_bytes.h: dropout, whose mask is of bytes, right and wrong: what kernels do that take bytes for floats, whole
 * vectors of them, or any byte but 0 for true. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_CELL_FAULTS_BYTES_H
#define KM_TEST_CELL_FAULTS_BYTES_H

#include "cell_faults.h"

#define MASK  ((uint8_t *)args->slot[KM_MASK].data)
#define BYTES (args->slot[KM_MASK].count)

static inline void right_dropout(const km_args *args)
{
    km_kernel_find(km_backend_find("ref"), "dropout", "forward")->run(args);
}

static inline void right_dropout_backward(const km_args *args)
{
    const float by = (float)(1 / (1 - args->params->attr[KM_P]));
    for (int64_t i = 0; i < BYTES; i++)
        GRAD_X[i] = MASK[i] ? GRAD_Y[i] * by : 0;
}

static inline void mask_of_twos(const km_args *args)
{
    right_dropout(args);
    for (int64_t i = 0; i < BYTES; i++)
        MASK[i] *= 2;
}

static inline void mask_loses_tail(const km_args *args)
{
    right_dropout(args);
    if (BYTES % 16)
        MASK[BYTES - 1] ^= 1;
}

static inline void mask_in_words(const km_args *args)
{
    right_dropout(args);
    if (BYTES % 4 == 3)
        MASK[BYTES] = 0;
}

static inline void mask_complemented(const km_args *args)
{
    right_dropout(args);
    for (int64_t i = 0; i < BYTES; i++)
        MASK[i] ^= 1;
}

static inline void mask_used_up(const km_args *args)
{
    right_dropout_backward(args);
    if (BYTES)
        MASK[BYTES / 2] ^= 1;
}

static inline void mask_read_in_words(const km_args *args)
{
    right_dropout_backward(args);
    if (BYTES % 8)
        GRAD_X[0] += 0 * (float)((volatile uint8_t *)MASK)[(BYTES + 7) / 8 * 8 - 1];
}

static inline void mask_of_every_fourth(const km_args *args)
{
    const float by = (float)(1 / (1 - args->params->attr[KM_P]));
    for (int64_t i = 0; i < BYTES; i++)
        GRAD_X[i] = MASK[i / 4 * 4] ? GRAD_Y[i] * by : 0;
}

#endif
