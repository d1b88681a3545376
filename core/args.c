/* args.c: the contract of km_args, checked. SPDX-License-Identifier: Apache-2.0 */
#include "core/args.h"

#include <inttypes.h>
#include <string.h>

#include "core/names.h"
#include "core/pass.h"

static int64_t elements(const km_tensor *t)
{
    int64_t sum = 0;
    for (int i = 0; i < km_pieces_of(t); i++)
        sum += km_piece_size(t, i);
    return sum;
}

static int check_size(const km_op *op, const km_use *use, const km_tensor *want, const km_tensor *t,
                      km_error *error)
{
    const char *name = km_slot_name[use->slot];
    if (t->type != want->type)
        return km_fail(error, "%s has another type of element than %s needs", name, op->name);
    if (t->count != want->count || elements(t) != want->count)
        return km_fail(error, "%s has %" PRId64 " elements, %s needs %" PRId64, name, elements(t),
                       op->name, want->count);
    return 0;
}

/* A piece of one and a piece of another. */
static int pieces_meet(const km_tensor *a, int i, const km_tensor *b, int j)
{
    const uintptr_t p = (uintptr_t)km_piece_data(a, i), q = (uintptr_t)km_piece_data(b, j);
    const uintptr_t p_bytes = (uintptr_t)km_piece_size(a, i) * km_element_size(a->type),
                    q_bytes = (uintptr_t)km_piece_size(b, j) * km_element_size(b->type);
    return p && q && p_bytes && q_bytes && p < q + q_bytes && q < p + p_bytes;
}

/* shared: piece i of both may be the very same memory. */
static int overlap(const km_tensor *a, const km_tensor *b, int shared)
{
    for (int i = 0; i < km_pieces_of(a); i++)
        for (int j = 0; j < km_pieces_of(b); j++) {
            const int same = i == j && km_piece_data(a, i) == km_piece_data(b, j) &&
                             km_piece_size(a, i) == km_piece_size(b, j);
            if (pieces_meet(a, i, b, j) && !(shared && same))
                return 1;
        }
    return 0;
}

static int may_share(const km_use *a, const km_use *b)
{
    return (a->in_place && a->in_place_of == b->slot) || (b->in_place && b->in_place_of == a->slot);
}

static int check_overlap(const km_use *use, const km_use *end, const km_args *args, km_error *error)
{
    for (const km_use *other = use + 1; other < end; other++) {
        const int written = use->access != KM_READ || other->access != KM_READ;
        if (written &&
            overlap(&args->slot[use->slot], &args->slot[other->slot], may_share(use, other)))
            return km_fail(error, "%s and %s overlap", km_slot_name[use->slot],
                           km_slot_name[other->slot]);
    }
    return 0;
}

int km_args_check(const km_op *op, const km_pass *pass, const km_args *args, km_error *error)
{
    const km_use *end = pass->use;
    km_args want;
    km_args_shape(op, pass, args->params, &want);
    if (km_pass_steps(pass) && args->step < 1)
        return km_fail(error, "step must be 1 or more: %" PRId64 " is before the first",
                       args->step);
    for (; end->access != KM_END; end++)
        if (check_size(op, end, &want.slot[end->slot], &args->slot[end->slot], error))
            return -1;
    for (const km_use *use = pass->use; use < end; use++)
        if (check_overlap(use, end, args, error))
            return -1;
    return 0;
}
