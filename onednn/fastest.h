/* fastest.h: which of several plans for the same work is the fastest, found out in open.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ONEDNN_FASTEST_H
#define KM_ONEDNN_FASTEST_H

#include "plan.h"

enum { MAX_CANDIDATES = 8 };

/* Runs the plans by turns on tensors of their own, least times counting. Slot s has count[s] floats, at
 * least as many as any of the plans touches. Returns an index, or -1 where memory lacks. */
int km_onednn_fastest(plan *const *candidate, int plans, const km_args *args, const int64_t *count);

#endif
