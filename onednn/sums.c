/* sums.c: sums of whole tensors as inner products. SPDX-License-Identifier: Apache-2.0 */
#include "sums.h"

/* Of 2^24 terms, a few of its float accumulators are off by more than the bound of a sum. */
enum { MOST_TERMS = 1 << 20 };

/* to = a . b, all slots. */
static const char *dot(plan *p, int64_t n, int a, int b, int to)
{
    desc row = {0}, sum = {0};
    dnnl_primitive_desc_t pd = NULL;
    const char *reason = "oneDNN has no such inner product";
    if (n > MOST_TERMS)
        return "oneDNN's sum of so many terms is too far off: it adds up in few accumulators";
    if (!desc_create(&row, 2, (const dnnl_dims_t){1, n}) &&
        !desc_create(&sum, 2, (const dnnl_dims_t){1, 1}) &&
        !inner_product_forward(&pd, p->engine, dnnl_forward_inference, &row, &row, NULL, &sum)) {
        const dnnl_exec_arg_t arg[] = {
            {DNNL_ARG_SRC, km_onednn_memory(p, &row, a, 0)},
            {DNNL_ARG_WEIGHTS, km_onednn_memory(p, &row, b, 0)},
            {DNNL_ARG_DST, km_onednn_memory(p, &sum, to, 0)},
        };
        reason = km_onednn_step(p, pd, arg, 3);
    }
    dnnl_primitive_desc_destroy(pd);
    desc_destroy(&sum);
    desc_destroy(&row);
    return reason;
}

const char *km_onednn_sum_of_squares(plan *p, int64_t n, int from, int to)
{
    return dot(p, n, from, from, to);
}

const char *km_onednn_sum_of_magnitudes(plan *p, const km_args *args, km_slot from, int to)
{
    static const link magnitude[] = {{dnnl_binary_mul, CONSTANT, 1, 0, 0},
                                     {dnnl_eltwise_abs, ELTWISE, 0, 0, 0}};
    const int64_t n = args->slot[from].count;
    for (int64_t i = 0; i < n; i++)
        p->spare[i] = 1;
    const char *reason = km_onednn_chain(p, args, &(chain){from, SCRATCH_SLOT, 2, magnitude});
    return reason ? reason : dot(p, n, SCRATCH_SLOT, SPARE_SLOT, to);
}
