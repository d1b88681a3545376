/* native.h: tensors in the layout that a kernel's plan chose (KM_NATIVE), each in guarded memory of its own
 * beside the plain one. Without such tensors, as for a plan that was opened for KM_PLAIN, all calls do nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_NATIVE_H
#define KM_NATIVE_H

#include <kernelmark.h>

#include "core/guard.h"

typedef struct km_native {
    const km_kernel *kernel;
    const km_pass *pass;
    int64_t count[KM_SLOT_COUNT]; /* 0: the slot is plain */
    km_guard guard[KM_SLOT_COUNT];
} km_native;

/* Makes room for what the plan in args wants. */
int km_native_open(km_native *native, const km_kernel *kernel, const km_pass *pass,
                   const km_args *args, km_error *error);
void km_native_close(km_native *native);

/* Converts what the pass reads and fills what it writes with the byte; inputs are read-only then. `args` has
 * the plain tensors. */
void km_native_lay(km_native *native, const km_args *args, km_side side, unsigned char prefill);

/* args with the native tensors in place of their plain ones. */
km_args km_native_args(const km_native *native, const km_args *args);

/* Converts back what the pass writes; -1 if something beside the tensors was touched. */
int km_native_finish(const km_native *native, const km_args *args, km_error *error);

/* One conversion of everything, both ways, as a user would have to pay for it. */
void km_native_convert(km_native *native, const km_args *args);

#endif
