/* runner.h: a kernel as a program would use it: tensors of its own, one plan, any number of runs. For properties and
 * tests; what a run reads and writes is between caller and kernel.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_RUNNER_H
#define KM_RUNNER_H

#include <kernelmark.h>

#include "core/error.h"

typedef struct km_runner {
    const km_pass *pass;
    const km_kernel *kernel;
    km_case params;
    km_args args; /* slot[].data is allocated: zeros, or of state what the op starts with */
} km_runner;

/* Opens the backend's kernel for one case. 1 with the reason in error where the backend does not have it or declines the
 * case, -1 when something failed. */
int km_runner_open(km_runner *r, const km_backend *backend, const char *op, const char *pass,
                   const char *case_text, km_error *error);

/* Sets the state and the number of steps back to where the op starts. */
void km_runner_reset(km_runner *r);

/* Runs the kernel; of a pass `step` the next step. */
void km_runner_run(km_runner *r);
void km_runner_close(km_runner *r);

static inline float *km_runner_data(const km_runner *r, km_slot slot)
{
    return r->args.slot[slot].data;
}

#endif
