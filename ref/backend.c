/* backend.c: the plain C backend `ref`, and with real = double the oracle `ref64`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ref.h"

#define OP(op) extern const km_kernel KM_KERNELS(op)[];
#include "ops.inc"
#undef OP
#define OP(op) KM_KERNELS(op),
static const km_kernel *const kernels[] = {
#include "ops.inc"
    NULL};

const km_backend KM_REF_NAME = {
    .abi = KM_ABI,
    .flags = KM_HOLDS_EDGES | KM_SAME_BITS,
    .name = "ref",
    .summary = "plain C that reads like the formula",
    .kernels = kernels,
};
