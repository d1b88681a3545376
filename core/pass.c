/* pass.c: shapes of a pass, and its bytes, flops and elements.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/pass.h"

int64_t km_piece_start(int64_t count, int pieces, int i)
{
    const int64_t all = (int64_t)pieces * pieces, part = (int64_t)i * i;
    return count / all * part + count % all * part / all;
}

int km_pass_pieces(const km_pass *pass, const km_case *c)
{
    int list = 0;
    for (const km_use *use = pass->use; use->access != KM_END; use++)
        list |= use->list;
    return list && c->dim[KM_DIM_L] > 1 ? (int)c->dim[KM_DIM_L] : 0;
}

void km_args_shape(const km_op *op, const km_pass *pass, const km_case *c, km_args *args)
{
    *args = (km_args){.params = c, .threads = 1};
    for (const km_use *use = pass->use; use->access != KM_END; use++) {
        km_tensor *t = &args->slot[use->slot];
        op->shape(c, use->slot, t);
        t->type = use->type;
        t->count = t->ndim > 0;
        for (int d = 0; d < t->ndim; d++)
            t->count *= t->dim[d];
    }
}

size_t km_element_size(km_type type)
{
    return type == KM_UINT8 ? sizeof(uint8_t) : sizeof(float);
}

double km_pass_bytes(const km_op *op, const km_pass *pass, const km_case *c)
{
    km_args args;
    double bytes = 0;
    km_args_shape(op, pass, c, &args);
    for (const km_use *use = pass->use; use->access != KM_END; use++)
        bytes += (use->access == KM_UPDATE ? 2.0 : 1.0) * (double)km_element_size(use->type) *
                 (double)args.slot[use->slot].count;
    return bytes;
}

int km_pass_in_ulp(const km_pass *pass)
{
    for (const km_use *use = pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ && (use->target.kind == KM_MIXED || use->target.kind == KM_SUM ||
                                       use->target.kind == KM_STEPS))
            return 0;
    return 1;
}

double km_pass_flops(const km_op *op, const km_pass *pass, const km_case *c)
{
    km_args args;
    int64_t largest = 0;
    if (op->flops)
        return op->flops(c, pass);
    km_args_shape(op, pass, c, &args);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        largest = args.slot[s].count > largest ? args.slot[s].count : largest;
    return pass->flops_each * (double)largest;
}

int64_t km_pass_elements(const km_op *op, const km_pass *pass, const km_case *c)
{
    int64_t total = 0;
    for (const km_use *use = pass->use; use->access != KM_END; use++) {
        km_tensor t = {0};
        op->shape(c, use->slot, &t);
        int64_t count = t.ndim > 0;
        for (int d = 0; d < t.ndim; d++)
            if (__builtin_mul_overflow(count, t.dim[d], &count))
                return INT64_MAX;
        if (__builtin_add_overflow(total, count, &total))
            return INT64_MAX;
    }
    return total;
}
