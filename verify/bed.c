/* bed.c: layout of guarded tensors, and one watched run of a kernel.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/bed.h"

#include <string.h>

#include "core/args.h"
#include "core/fpstate.h"
#include "core/names.h"
#include "core/pass.h"
#include "core/registry.h"

static size_t bytes_of(const km_work *w, int slot)
{
    const km_tensor *t = &w->shape.slot[slot];
    return (size_t)t->count * km_element_size(t->type);
}

int km_bed_open(km_bed *bed, const km_work *room, km_error *error)
{
    *bed = (km_bed){0};
    for (const km_use *use = room->pass->use; use->access != KM_END; use++)
        if (km_guard_open(&bed->guard[use->slot], km_slot_name[use->slot],
                          bytes_of(room, use->slot), error)) {
            km_bed_close(bed);
            return -1;
        }
    if (km_pieces_open(&bed->pieces, room->pass, &room->shape,
                       km_pass_pieces(room->pass, &room->params), error)) {
        km_bed_close(bed);
        return -1;
    }
    return 0;
}

void km_bed_close(km_bed *bed)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (bed->guard[s].map)
            km_guard_close(&bed->guard[s]);
    km_native_close(&bed->native);
    km_pieces_close(&bed->pieces);
}

/* Whether an output lives in this input's memory. */
static int is_shared(const km_bed *bed, km_slot slot)
{
    for (const km_use *use = bed->work->pass->use; use->access != KM_END; use++)
        if (use->slot != slot && bed->args.slot[use->slot].data == bed->args.slot[slot].data)
            return 1;
    return 0;
}

/* Inputs at the offset, outputs elsewhere, so that no two streams are aligned alike. */
static size_t shift_of(const km_use *use, const km_run_plan *how)
{
    int elements = use->access == KM_READ ? how->offset : (how->offset * 7 + 3) % 16;
    return how->offset ? (size_t)elements * km_element_size(use->type) : 0;
}

static void lay_slot(km_bed *bed, const km_use *use, const km_run_plan *how)
{
    const km_work *w = bed->work;
    km_guard *g = &bed->guard[use->slot];
    size_t bytes = bytes_of(w, use->slot);
    km_guard_protect(g, 0); /* an input of the last run */
    void *data = km_guard_place(g, bytes, how->side, shift_of(use, how));
    if (w->input[use->slot])
        memcpy(data, w->input[use->slot], bytes);
    else
        memset(data, how->prefill, bytes);
    bed->args.slot[use->slot].data = data;
}

static void share(km_bed *bed, const km_use *use)
{
    bed->args.slot[use->slot].data = bed->args.slot[use->in_place_of].data;
}

void km_bed_lay(km_bed *bed, const km_work *work, const km_run_plan *how, const km_cell *cell)
{
    void *plan = bed->args.plan;
    bed->work = work;
    bed->args = work->shape;
    bed->args.params = &work->params;
    bed->args.plan = plan;
    bed->args.threads = cell->threads;
    bed->args.layout = cell->layout;
    bed->how = *how;
    for (const km_use *use = work->pass->use; use->access != KM_END; use++)
        lay_slot(bed, use, how);
    for (const km_use *use = work->pass->use; use->access != KM_END; use++)
        if (how->in_place && use->in_place)
            share(bed, use);
    /* so that an input used as scratch memory and restored is noticed, too */
    for (const km_use *use = work->pass->use; use->access != KM_END; use++)
        km_guard_protect(&bed->guard[use->slot],
                         use->access == KM_READ && !is_shared(bed, use->slot));
    km_native_lay(&bed->native, &bed->args, how->side, how->prefill);
    km_pieces_lay(&bed->pieces, &bed->args, how->side, how->offset);
}

static int check_input(const km_bed *bed, const km_use *use, km_error *error)
{
    const char *now = bed->args.slot[use->slot].data,
               *was = (const char *)bed->work->input[use->slot];
    if (use->access != KM_READ || is_shared(bed, use->slot) || !bytes_of(bed->work, use->slot) ||
        !memcmp(now, was, bytes_of(bed->work, use->slot)))
        return 0;
    return km_fail(error, "input %s was modified", km_slot_name[use->slot]);
}

int km_bed_run(km_bed *bed, const km_kernel *kernel, km_error *error)
{
    const km_args native = km_native_args(&bed->native, &bed->args);
    const km_args args = km_pieces_args(&bed->pieces, &native);
    const km_args plain = km_pieces_args(&bed->pieces, &bed->args);
    if (km_args_check(bed->work->op, bed->work->pass, &plain, error))
        return -1;
    uint64_t before = km_fpstate();
    kernel->run(&args);
    uint64_t after = km_fpstate();
    km_fpstate_restore(before);
    if (before != after)
        return km_fail(error, "floating-point control state changed from %#llx to %#llx",
                       (unsigned long long)before, (unsigned long long)after);
    for (const km_use *use = bed->work->pass->use; use->access != KM_END; use++)
        if (km_guard_check(&bed->guard[use->slot], error) || check_input(bed, use, error))
            return -1;
    return km_pieces_finish(&bed->pieces, &bed->args, error) ||
                   km_native_finish(&bed->native, &bed->args, error)
               ? -1
               : 0;
}

void km_bed_plan(km_bed *bed, const km_kernel *kernel, const char **reason)
{
    bed->args.plan = NULL;
    const km_args args = km_pieces_args(&bed->pieces, &bed->args);
    *reason = kernel->open ? kernel->open(&args, &bed->args.plan) : NULL;
    if (*reason)
        return;
    bed->info = (km_kernel_info){0};
    if (kernel->describe)
        kernel->describe(bed->args.plan, &bed->info);
    km_error ignored;
    if (km_native_open(&bed->native, kernel, bed->work->pass, &bed->args, &ignored))
        *reason = "out of memory for the native layout";
    else
        km_native_lay(&bed->native, &bed->args, bed->how.side, bed->how.prefill);
}

void km_bed_unplan(km_bed *bed, const km_kernel *kernel)
{
    km_native_close(&bed->native);
    if (kernel->close)
        kernel->close(bed->args.plan);
    bed->args.plan = NULL;
}
