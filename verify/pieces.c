/* pieces.c: flat tensors to lists of pieces and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "core/names.h"
#include "core/pass.h"

static size_t bytes_of(int64_t count)
{
    return (size_t)count * sizeof(float);
}

static int64_t size_of(const km_pieces *p, int64_t count, int i)
{
    return km_piece_start(count, p->pieces, i + 1) - km_piece_start(count, p->pieces, i);
}

static int open_list(const km_pieces *p, km_slot slot, km_piece_list *l, int64_t count,
                     km_error *error)
{
    const size_t n = (size_t)p->pieces;
    l->guard = calloc(n, sizeof *l->guard);
    l->data = calloc(n, sizeof *l->data);
    l->count = calloc(n, sizeof *l->count);
    if (!l->guard || !l->data || !l->count)
        return km_fail(error, "out of memory for a list");
    /* a shorter case may have a longer piece: by one element, from rounding */
    for (int i = 0; i < p->pieces; i++)
        if (km_guard_open(&l->guard[i], km_slot_name[slot], bytes_of(size_of(p, count, i) + 1),
                          error))
            return -1;
    return 0;
}

int km_pieces_open(km_pieces *p, const km_pass *pass, const km_args *shape, int pieces,
                   km_error *error)
{
    *p = (km_pieces){.pass = pass, .pieces = pieces};
    for (const km_use *use = pass->use; pieces && use->access != KM_END; use++)
        if (use->list && shape->slot[use->slot].ndim &&
            open_list(p, use->slot, &p->list[use->slot], shape->slot[use->slot].count, error)) {
            km_pieces_close(p);
            return -1;
        }
    return 0;
}

void km_pieces_close(km_pieces *p)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        km_piece_list *l = &p->list[s];
        for (int i = 0; l->guard && i < p->pieces; i++)
            if (l->guard[i].map)
                km_guard_close(&l->guard[i]);
        free(l->guard);
        free(l->data);
        free(l->count);
    }
    *p = (km_pieces){0};
}

/* An earlier slot with the same flat tensor, or the slot itself. */
static km_slot memory_of(const km_pieces *p, const km_args *args, km_slot slot)
{
    for (int s = 0; s < (int)slot; s++)
        if (p->list[s].guard && args->slot[s].data == args->slot[slot].data)
            return (km_slot)s;
    return slot;
}

static void lay_list(km_pieces *p, const km_args *args, km_slot slot, km_side side, int offset)
{
    km_piece_list *l = &p->list[slot];
    const km_tensor *t = &args->slot[slot];
    l->memory_of = memory_of(p, args, slot);
    for (int i = 0; i < p->pieces; i++) {
        const int64_t start = km_piece_start(t->count, p->pieces, i);
        const size_t shift = offset ? (size_t)((offset * 7 + 3 * i + 5 * (int)slot) % 16) : 0;
        l->count[i] = size_of(p, t->count, i);
        km_guard_protect(&l->guard[i], 0);
        l->data[i] = km_guard_place(&l->guard[i], bytes_of(l->count[i]), side, 4 * shift);
        memcpy(l->data[i], (const float *)t->data + start, bytes_of(l->count[i]));
    }
}

/* Whether nothing that the pass writes lies in the memory of this slot. */
static int only_read(const km_pieces *p, km_slot slot)
{
    for (const km_use *use = p->pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ && p->list[use->slot].guard &&
            p->list[use->slot].memory_of == slot)
            return 0;
    return 1;
}

void km_pieces_lay(km_pieces *p, const km_args *args, km_side side, int offset)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (p->list[s].guard)
            lay_list(p, args, (km_slot)s, side, offset);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        for (int i = 0; p->list[s].guard && i < p->pieces; i++)
            km_guard_protect(&p->list[s].guard[i], only_read(p, (km_slot)s));
}

km_args km_pieces_args(const km_pieces *p, const km_args *args)
{
    km_args own = *args;
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (p->list[s].guard) {
            km_tensor *t = &own.slot[s];
            t->data = NULL;
            t->pieces = p->pieces;
            t->piece = p->list[p->list[s].memory_of].data;
            t->piece_count = p->list[s].count;
        }
    return own;
}

static int finish_list(const km_pieces *p, const km_args *args, const km_use *use, km_error *error)
{
    const km_piece_list *l = &p->list[use->slot], *memory = &p->list[l->memory_of];
    const km_tensor *t = &args->slot[use->slot];
    for (int i = 0; i < p->pieces; i++) {
        if (km_guard_check(&l->guard[i], error))
            return -1;
        if (use->access != KM_READ)
            memcpy((float *)t->data + km_piece_start(t->count, p->pieces, i), memory->data[i],
                   bytes_of(l->count[i]));
    }
    return 0;
}

int km_pieces_finish(const km_pieces *p, const km_args *args, km_error *error)
{
    for (const km_use *use = p->pieces ? p->pass->use : NULL; use && use->access != KM_END; use++)
        if (p->list[use->slot].guard && finish_list(p, args, use, error))
            return -1;
    return 0;
}
