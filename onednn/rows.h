/* rows.h: softmax and logsoftmax as steps of a plan.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ONEDNN_ROWS_H
#define KM_ONEDNN_ROWS_H

#include "plan.h"

typedef struct rows {
    int64_t outer, axis, inner;
} rows;

/* dst = softmax or its logarithm (alg) of src, both slots, along the axis. */
const char *km_onednn_rows_forward(plan *p, rows r, dnnl_alg_kind_t alg, int src, int dst);

#endif
