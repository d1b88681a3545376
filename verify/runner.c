/* runner.c: open, run and close a kernel on tensors of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/runner.h"

#include <stdlib.h>

#include "core/case.h"
#include "core/pass.h"
#include "core/registry.h"
#include "verify/work.h"

static int find(km_runner *r, const km_backend *backend, const char *op_name, const char *pass,
                const char *case_text, const km_op **op, km_error *error)
{
    *op = km_op_find(op_name);
    r->pass = *op ? km_pass_find(*op, pass) : NULL;
    if (!r->pass)
        return km_fail(error, "there is no %s/%s", op_name, pass);
    if (km_case_parse(*op, case_text, &r->params, error))
        return -1;
    const char *unusable = km_backend_unusable(backend);
    r->kernel = km_kernel_find(backend, op_name, pass);
    if (!r->kernel || !r->kernel->run || unusable) {
        const char *note = r->kernel ? r->kernel->note : NULL;
        km_fail(error, "%s", unusable ? unusable : note ? note : "the backend has no such kernel");
        return 1;
    }
    return 0;
}

int km_runner_open(km_runner *r, const km_backend *backend, const char *op_name, const char *pass,
                   const char *case_text, km_error *error)
{
    const km_op *op;
    *r = (km_runner){0};
    const int missing = find(r, backend, op_name, pass, case_text, &op, error);
    if (missing)
        return missing;
    km_args_shape(op, r->pass, &r->params, &r->args);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (r->args.slot[s].ndim) {
            r->args.slot[s].data = calloc((size_t)r->args.slot[s].count + 1, sizeof(float));
            if (!r->args.slot[s].data) {
                km_runner_close(r);
                return km_fail(error, "out of memory");
            }
        }
    const char *declined = r->kernel->open ? r->kernel->open(&r->args, &r->args.plan) : NULL;
    if (declined) {
        r->args.plan = NULL;
        r->kernel = NULL;
        km_runner_close(r);
        km_fail(error, "%s", declined);
        return 1;
    }
    km_runner_reset(r);
    return 0;
}

void km_runner_reset(km_runner *r)
{
    const km_op *op = km_op_find(r->kernel->op);
    r->args.step = 0;
    for (const km_use *use = r->pass->use; use->access != KM_END; use++) {
        const float value = op->initial ? (float)op->initial(&r->params, use->slot) : 0;
        for (int64_t i = 0; use->fill == KM_FILL_STATE && i < r->args.slot[use->slot].count; i++)
            km_runner_data(r, use->slot)[i] = value;
    }
}

void km_runner_run(km_runner *r)
{
    r->args.step += km_pass_steps(r->pass);
    r->args.params = &r->params; /* r may have been copied */
    r->kernel->run(&r->args);
}

void km_runner_close(km_runner *r)
{
    if (r->kernel && r->kernel->close)
        r->kernel->close(r->args.plan);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        free(r->args.slot[s].data);
    *r = (km_runner){0};
}
