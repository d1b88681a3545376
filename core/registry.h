/* registry.h: which ops and backends exist, and which kernel a backend has for a pass.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REGISTRY_H
#define KM_REGISTRY_H

#include <kernelmark.h>
#include <stddef.h>

#include "core/error.h"

/* All ops, NULL-ended, in the order of the table in meson.build. */
const km_op *const *km_ops(void);
const km_op *km_op_find(const char *name);
const km_pass *km_pass_find(const km_op *op, const char *name);

/* How the pass uses a slot, or NULL if it does not declare it. */
const km_use *km_use_find(const km_pass *pass, km_slot slot);

/* All backends, in-tree ones first, then plugins in load order. */
size_t km_backend_count(void);
const km_backend *km_backend_at(size_t i);
const km_backend *km_backend_find(const char *name);

/* NULL if the backend can run on this machine under the ISA cap, else why not. */
const char *km_backend_unusable(const km_backend *backend);

/* What the backend promises on this machine. */
uint32_t km_backend_flags(const km_backend *backend);

/* Loads a plugin and appends its backend. Fails on a missing file or symbol, another ABI version, a
 * name already taken, or a kernel for an op or pass that does not exist. */
int km_backend_load(const char *path, km_error *error);

/* The backend's kernel for this pass; NULL if it lists none. Its `run` is NULL if not offered. */
const km_kernel *km_kernel_find(const km_backend *backend, const char *op, const char *pass);

/* The kernel of the widest usable single-thread ISA (ref when no vector backend has it), and whose
 * it is. NULL if no backend has the pass. */
const km_kernel *km_widest_kernel(const char *op, const char *pass, const km_backend **from);

/* The double-precision build of the reference, not a backend: nobody times or lists it. */
const km_kernel *km_oracle_kernel(const char *op, const char *pass);

#endif
