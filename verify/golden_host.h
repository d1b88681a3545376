/* golden_host.h: recorded cases that no backend computes: schedules of the learning rate, and scales of initial
 * weights. They run once, by kernelmark_train.h, and count as ref's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GOLDEN_HOST_H
#define KM_GOLDEN_HOST_H

#include "verify/golden_run.h"

/* 0: computed and compared, c and run are filled until km_golden_host_free; -1: the recording is damaged;
 * 1: it is of an op with kernels, or unreadable. */
int km_golden_host(const char *folder, km_golden_case *c, km_golden_run *run, km_error *error);
void km_golden_host_free(km_golden_case *c, km_golden_run *run);

#endif
