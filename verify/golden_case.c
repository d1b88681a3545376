/* golden_case.c: sizes and shapes of a recording, and what its pass needs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_case.h"

#include <stdlib.h>
#include <string.h>

#include "core/case.h"
#include "core/names.h"
#include "core/pass.h"
#include "core/registry.h"
#include "verify/golden_json.h"
#include "verify/work.h"

/* ---- sizes and shapes ----------------------------------------------------------------------- */

/* The slot whose recorded shape the sizes come from, or -1. */
static int lead_slot(const km_golden_case *c)
{
    static const km_slot leads[] = {KM_X, KM_Y, KM_GRAD_Y};
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        if (c->tensor[KM_GOLDEN_INPUT][leads[i]].recorded)
            return leads[i];
    return -1;
}

static int set_sizes(km_golden_case *c, const km_npy *lead, km_error *error)
{
    int last = c->op->dims - 1;
    for (int i = 0; i <= last; i++)
        c->params.dim[c->op->dim[i].dim] = i < lead->ndim ? lead->dim[i] : 1;
    for (int d = last + 1; d < lead->ndim; d++) {
        int64_t *rest = &c->params.dim[c->op->dim[last].dim];
        if (__builtin_mul_overflow(*rest, lead->dim[d], rest))
            return km_fail(error, "its shape is larger than any memory");
    }
    return km_case_check(c->op, &c->params, error);
}

static km_npy slot_shape(const km_golden_case *c, int slot)
{
    km_tensor t = {0};
    km_npy a = {0};
    c->op->shape(&c->params, (km_slot)slot, &t);
    a.ndim = t.ndim;
    memcpy(a.dim, t.dim, sizeof t.dim);
    return a;
}

static int check_shape(const km_golden_case *c, int lead, int slot, const km_npy *a,
                       km_error *error)
{
    km_npy own = slot_shape(c, slot), like = slot_shape(c, lead);
    const km_npy *want =
        km_npy_same_shape(&own, &like) ? &c->tensor[KM_GOLDEN_INPUT][lead].array : &own;
    char got[120], need[120];
    if (km_npy_same_shape(a, want))
        return 0;
    km_npy_shape_text(a, got, sizeof got);
    km_npy_shape_text(want, need, sizeof need);
    return km_fail(error, "shape of '%s' is %s, %s needs %s", km_slot_name[slot], got, c->op->name,
                   need);
}

/* ---- sizes that the op finds itself ---- */

static void set_recorded(const km_golden_case *c, km_args *recorded)
{
    *recorded = (km_args){.params = &c->params};
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        const km_golden_tensor *t = &c->tensor[KM_GOLDEN_INPUT][s];
        km_tensor *to = &recorded->slot[s];
        if (!t->recorded)
            t = &c->tensor[KM_GOLDEN_EXPECTED][s];
        to->count = t->array.count;
        to->ndim = t->recorded ? t->array.ndim : -1;
        for (int d = 0; d < KM_MAX_NDIM && d < to->ndim; d++)
            to->dim[d] = t->array.dim[d];
    }
}

static int check_count(const km_golden_case *c, int slot, const km_golden_tensor *t,
                       km_error *error)
{
    const km_npy *a = &t->array;
    km_npy need = slot_shape(c, slot);
    char got[120], want[120];
    if (t->each_step) { /* as many rows */
        memmove(need.dim + 1, need.dim, sizeof *need.dim * (size_t)need.ndim++);
        need.dim[0] = c->steps;
    }
    int64_t count = need.ndim > 0;
    for (int d = 0; d < need.ndim; d++)
        count *= need.dim[d];
    if (a->count == count && (!t->each_step || (a->ndim && a->dim[0] == c->steps)))
        return 0;
    km_npy_shape_text(a, got, sizeof got);
    km_npy_shape_text(&need, want, sizeof want);
    return km_fail(error, "shape of '%s' is %s, %s needs %s", km_slot_name[slot], got, c->op->name,
                   want);
}

static int infer_sizes(km_golden_case *c, km_error *error)
{
    km_args recorded;
    set_recorded(c, &recorded);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (recorded.slot[s].ndim > KM_MAX_NDIM)
            return km_fail(error, "shape of '%s' has more than %d dimensions", km_slot_name[s],
                           KM_MAX_NDIM);
    const char *misfit = c->op->infer(&recorded, &c->params);
    if (misfit)
        return km_fail(error, "%s", misfit);
    if (km_case_check(c->op, &c->params, error))
        return -1;
    for (int r = 0; r < KM_GOLDEN_ROLES; r++)
        for (int s = 0; s < KM_SLOT_COUNT; s++)
            if (c->tensor[r][s].recorded && check_count(c, s, &c->tensor[r][s], error))
                return -1;
    return 0;
}

static int check_shapes(km_golden_case *c, km_error *error)
{
    int lead = lead_slot(c);
    if (c->op->infer)
        return infer_sizes(c, error);
    if (lead < 0)
        return km_fail(error, "input 'x' is not recorded");
    if (set_sizes(c, &c->tensor[KM_GOLDEN_INPUT][lead].array, error))
        return -1;
    for (int r = 0; r < KM_GOLDEN_ROLES; r++)
        for (int s = 0; s < KM_SLOT_COUNT; s++)
            if (c->tensor[r][s].recorded && check_shape(c, lead, s, &c->tensor[r][s].array, error))
                return -1;
    return 0;
}

/* ---- what the pass needs -------------------------------------------------------------------- */

static int is_recorded(const km_golden_case *c, km_golden_role role, km_slot slot)
{
    return c->tensor[role][slot].recorded;
}

/* Recorded, or nothing to record: this case does without it. */
static int is_there(const km_golden_case *c, km_slot slot)
{
    return is_recorded(c, KM_GOLDEN_INPUT, slot) || slot_shape(c, slot).ndim == 0;
}

static const km_pass *writer_of(const km_op *op, km_slot slot)
{
    for (int p = 0; p < op->passes; p++) {
        const km_use *use = km_use_find(&op->pass[p], slot);
        if (use && use->access == KM_WRITE)
            return &op->pass[p];
    }
    return NULL;
}

static int check_reads(const km_golden_case *c, const km_pass *pass, km_error *error)
{
    for (const km_use *use = pass->use; use->access != KM_END; use++)
        if (use->access != KM_WRITE && use->fill != KM_FILL_STATE && !is_there(c, use->slot))
            return km_fail(error, "input '%s', which %s/%s reads, is not recorded",
                           km_slot_name[use->slot], c->op->name, pass->name);
    return 0;
}

/* Every read is recorded, or saved by one other pass whose reads are. */
static int check_inputs(km_golden_case *c, km_error *error)
{
    if (km_pass_steps(c->pass) && !c->steps)
        return km_fail(error, "param 'steps' of %s/%s is not recorded", c->op->name, c->pass->name);
    for (const km_use *use = c->pass->use; use->access != KM_END; use++) {
        /* state that is not recorded is as the op says */
        if (use->access == KM_WRITE || use->fill == KM_FILL_STATE || is_there(c, use->slot))
            continue;
        const km_pass *writer = use->fill == KM_FILL_SAVED ? writer_of(c->op, use->slot) : NULL;
        if (!writer || (c->saved_by && c->saved_by != writer))
            return check_reads(c, c->pass, error);
        c->saved_by = writer;
    }
    return c->saved_by ? check_reads(c, c->saved_by, error) : 0;
}

static int check_results(const km_golden_case *c, km_error *error)
{
    int results = 0;
    for (const km_use *use = c->pass->use; use->access != KM_END; use++) {
        const char *name = km_slot_name[use->slot];
        int expected = is_recorded(c, KM_GOLDEN_EXPECTED, use->slot);
        int needed = !use->saved && use->fill != KM_FILL_STATE && slot_shape(c, use->slot).ndim > 0;
        results += expected;
        if (use->access != KM_READ && needed && !expected)
            return km_fail(error, "expected '%s', which %s/%s writes, is not recorded", name,
                           c->op->name, c->pass->name);
        if (expected && c->rule[use->slot].scaled && !is_recorded(c, KM_GOLDEN_SCALE, use->slot))
            return km_fail(error, "error_scale of '%s', which its bound needs, is not recorded",
                           name);
    }
    return results ? 0 : km_fail(error, "no expected tensor is recorded");
}

/* ---- the case as a whole --------------------------------------------------------------------------- */

static int read_json(const char *folder, km_golden_case *c, km_error *error)
{
    FILE *file = km_golden_open(folder, "case.json", error);
    if (!file)
        return -1;
    int failed = km_golden_json_read(file, c, error);
    fclose(file);
    return failed;
}

/* As many elements as all its tensors; every list of a case has as many of these. */
static int join_lists(km_golden_case *c, km_error *error)
{
    int pieces = 0;
    for (int r = 0; r < KM_GOLDEN_ROLES; r++)
        for (int s = 0; s < KM_SLOT_COUNT; s++) {
            km_golden_tensor *t = &c->tensor[r][s];
            if (!t->pieces)
                continue;
            if (pieces && t->pieces != pieces)
                return km_fail(error, "lists of %d and of %d tensors", pieces, t->pieces);
            pieces = t->pieces;
            t->array.ndim = 1;
            t->array.count = 0;
            for (int i = 0; i < pieces; i++)
                if (__builtin_add_overflow(t->array.count, t->piece[i].array.count,
                                           &t->array.count))
                    return km_fail(error, "a list of too many elements");
            t->array.dim[0] = t->array.count;
        }
    if (pieces)
        c->params.dim[KM_DIM_L] = pieces;
    return 0;
}

int km_golden_case_load(const char *folder, km_golden_case *c, km_error *error)
{
    *c = (km_golden_case){0};
    if (read_json(folder, c, error) || join_lists(c, error) || check_shapes(c, error) ||
        check_inputs(c, error) || check_results(c, error)) {
        km_golden_case_free(c);
        return km_golden_blame("case.json", error);
    }
    if (!km_golden_read_arrays(folder, c, error))
        return 0;
    km_golden_case_free(c);
    return -1;
}

void km_golden_case_free(km_golden_case *c)
{
    for (int r = 0; r < KM_GOLDEN_ROLES; r++)
        for (int s = 0; s < KM_SLOT_COUNT; s++) {
            km_npy_free(&c->tensor[r][s].array);
            free(c->tensor[r][s].whole);
            free(c->tensor[r][s].piece);
            c->tensor[r][s].whole = NULL;
            c->tensor[r][s].piece = NULL;
        }
}
