/* gradcheck.h: backward passes against central differences of the forward pass, on the oracle in double.
 *
 * The scalar is L = sum c_i y_i with a Gaussian c: the plain sum would be blind to many errors. Each
 * tensor that has a gradient is checked on its own. Full mode, up to 2000 elements: one difference per
 * element, h = cbrt(eps) max(1, |x|), passes where |a - n| <= 1e-6 (|a| + |n| + 1e-3 max|n|), 1e-4 for
 * an op with kinks; what the rounding of y may make of n is allowed besides. Projected mode, above: 8
 * Gaussian directions u (2 beyond 100000), passes where |<grad, u> - numeric| <= 1e-7 sum |grad_i u_i|.
 * Inputs within ten steps of a kink are moved away.
 * Where forward writes indices, the elements of x are kept apart, so that no step changes what is chosen.
 * Also: backward(0) is exactly 0, and backward is linear in grad_y.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GRADCHECK_H
#define KM_GRADCHECK_H

#include "core/error.h"
#include "verify/result.h"

/* Whether this pass has anything to check: it writes the gradient of something forward reads. */
int km_gradcheck_applies(const km_op *op, const km_pass *pass);

/* Runs the check on one case. 0 if it passed; -1 with a message that names the element. */
int km_gradcheck_run(const km_op *op, const km_pass *pass, const km_case *c, uint64_t seed,
                     km_gradcheck *result, km_error *error);

/* The passes to check with, where `forward` and `backward` need not belong to the op's own table: how a
 * test plants a wrong derivative. */
typedef struct km_gradcheck_subject {
    void (*forward)(const km_args *args);
    void (*backward)(const km_args *args);
} km_gradcheck_subject;

int km_gradcheck_subject_run(const km_op *op, const km_pass *pass, const km_case *c, uint64_t seed,
                             const km_gradcheck_subject *subject, km_gradcheck *result,
                             km_error *error);

#endif
