/* golden_tensors.c: the tensors and tolerances that case.json lists.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "core/names.h"
#include "core/registry.h"
#include "verify/golden_json.h"

/* Names in golden sets that differ from the slot's. */
static const struct {
    const char *name, *slot;
} aliases[] = {{"input", "x"},
               {"grad_input", "grad_x"},
               {"logits", "x"},
               {"grad_logits", "grad_x"},
               {"loss", "y"},
               {"grad_loss", "grad_y"},
               {"new_running_mean", "running_mean"},
               {"new_running_var", "running_var"},
               {"batch_mean", "mean"},
               {"batch_var_biased", "variance"},
               {"penalty", "y"},
               {"keep_mask", "mask"},
               {"state_sum", "sum"},
               {"state_momentum_buffer", "momentum_buffer"},
               {"state_square_avg", "square_avg"},
               {"state_grad_avg", "grad_avg"},
               {"state_exp_avg", "exp_avg"},
               {"state_exp_avg_sq", "exp_avg_sq"},
               {"state_max_exp_avg_sq", "max_exp_avg_sq"}};

/* Names of tensors with a row for every step. */
static const struct {
    const char *name, *slot;
} rows[] = {{"grads", "grad"}, {"params", "param"}};

static const struct {
    const char *name;
    km_npy_type type;
} roles[KM_GOLDEN_ROLES] = {
    [KM_GOLDEN_INPUT] = {"input", KM_NPY_F4},
    [KM_GOLDEN_EXPECTED] = {"expected", KM_NPY_F8},
    [KM_GOLDEN_SCALE] = {"error_scale", KM_NPY_F4},
    [KM_GOLDEN_MASK] = {"mask", KM_NPY_I8},
};

#define IN_RULE(member) offsetof(km_golden_rule, member)
static const struct {
    const char *name;
    int scaled;
    km_bound_kind kind;
    struct {
        const char *key;
        size_t at;
    } number[2]; /* the numbers of the rule, and where they go */
} rules[] = {
    {"exact", 0, KM_EXACT, {{0}}},
    {"ulp", 0, KM_ULP, {{"max_ulp", IN_RULE(bound.ulp)}}},
    {"mixed", 0, KM_MIXED, {{"rtol", IN_RULE(bound.rtol)}, {"atol", IN_RULE(bound.atol)}}},
    {"bound", 1, KM_MIXED, {{"coef", IN_RULE(coef)}}},
};
enum { RULES = sizeof rules / sizeof *rules };

/* ---- tensors -------------------------------------------------------------------------------- */

/* Inputs may be any tensor of the op: a recording may hold more than our pass reads. The other
 * roles belong to tensors that the pass writes. */
static int slot_fits(const km_golden_case *c, km_golden_role role, km_slot slot)
{
    const km_use *use = km_use_find(c->pass, slot);
    if (role != KM_GOLDEN_INPUT)
        return use && use->access != KM_READ;
    for (int p = 0; p < c->op->passes && !use; p++)
        use = km_use_find(&c->op->pass[p], slot);
    return use != NULL;
}

/* The slot that a tensor of this name and role is for, or -1 with a message. */
static int find_slot(const km_golden_case *c, km_golden_role role, const char *name,
                     km_error *error)
{
    const char *slot_name = name;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (!strcmp(aliases[i].name, name))
            slot_name = aliases[i].slot;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && c->steps; i++)
        if (!strcmp(rows[i].name, name))
            slot_name = rows[i].slot;
    int slot = km_slot_find(slot_name);
    if (slot >= 0 && slot_fits(c, role, (km_slot)slot))
        return slot;
    return km_fail(error, "unknown tensor '%.60s': %s/%s has no such %s", name, c->op->name,
                   c->pass->name, role == KM_GOLDEN_INPUT ? "input" : "result");
}

static int is_each_step(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name))
            return 1;
    return 0;
}

static int find_role(const char *name, km_error *error)
{
    for (int r = 0; r < KM_GOLDEN_ROLES; r++)
        if (!strcmp(roles[r].name, name))
            return r;
    return km_golden_unknown("role", name, NULL, error);
}

static int read_shape(const json_t *shape, km_npy *a, km_error *error)
{
    size_t ndim = json_array_size(shape);
    if (ndim > KM_NPY_MAX_NDIM)
        return km_fail(error, "shape has more than %d dimensions", KM_NPY_MAX_NDIM);
    a->ndim = (int)ndim;
    for (size_t d = 0; d < ndim; d++) {
        const json_t *size = json_array_get(shape, d);
        if (!json_is_integer(size))
            return km_fail(error, "shape holds something that is no whole number");
        a->dim[d] = json_integer_value(size);
    }
    return km_npy_set_count(a, error);
}

/* `same_role` are the tensors of this role: each has a file of its own, under whose name results
 * are dumped. */
static int read_file_name(const char *file, const km_golden_tensor *same_role, char own[256],
                          km_error *error)
{
    if (!km_golden_is_name(file) || strlen(file) >= sizeof same_role->file)
        return km_fail(error, "file '%.80s' does not lie in the case's folder", file);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (!strcmp(same_role[s].file, file))
            return km_fail(error, "file '%.80s' is listed twice", file);
    strcpy(own, file);
    return 0;
}

/* Indices and classes are recorded as int64. */
static km_npy_type type_of(const km_golden_case *c, km_golden_role role, km_slot slot)
{
    int whole = km_golden_type(c->op, slot) != KM_REAL_TYPE;
    return whole && (role == KM_GOLDEN_INPUT || role == KM_GOLDEN_EXPECTED) ? KM_NPY_I8
                                                                            : roles[role].type;
}

static int read_tensor(const json_t *entry, km_golden_case *c, km_error *error)
{
    const char *role_name = km_golden_word(entry, "role", error);
    const char *name = role_name ? km_golden_word(entry, "name", error) : NULL;
    const char *dtype = name ? km_golden_word(entry, "dtype", error) : NULL;
    const char *file = dtype ? km_golden_word(entry, "file", error) : NULL;
    const json_t *shape = file ? km_golden_field(entry, "shape", JSON_ARRAY, error) : NULL;
    int role = shape ? find_role(role_name, error) : -1;
    int slot = role >= 0 ? find_slot(c, (km_golden_role)role, name, error) : -1;
    if (slot < 0)
        return -1;
    km_golden_tensor *t = &c->tensor[role][slot];
    if (t->recorded)
        return km_fail(error, "%s '%s' is listed twice", role_name, name);
    t->recorded = 1;
    t->each_step = is_each_step(name);
    t->array.type = type_of(c, (km_golden_role)role, (km_slot)slot);
    if (strcmp(dtype, km_npy_type_name(t->array.type)))
        return km_fail(error, "dtype of %s '%s' is '%.20s', must be '%s'", role_name, name, dtype,
                       km_npy_type_name(t->array.type));
    return read_file_name(file, c->tensor[role], t->file, error) ||
           read_shape(shape, &t->array, error);
}

int km_golden_read_tensors(const json_t *tensors, km_golden_case *c, km_error *error)
{
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        km_error why;
        if (read_tensor(json_array_get(tensors, i), c, &why))
            return km_fail(error, "tensors[%zu]: %s", i, why.text);
    }
    return 0;
}

/* ---- tolerance ------------------------------------------------------------------------------ */

static int read_rule(const json_t *json, km_golden_rule *rule, km_error *error)
{
    const char *kind = km_golden_word(json, "kind", error);
    size_t r = 0;
    if (!kind)
        return -1;
    while (r < RULES && strcmp(rules[r].name, kind))
        r++;
    if (r == RULES)
        return km_golden_unknown("kind", kind, NULL, error);
    *rule = (km_golden_rule){.scaled = rules[r].scaled, .bound.kind = rules[r].kind};
    for (size_t i = 0; i < 2 && rules[r].number[i].key; i++) {
        const json_t *json_value = json_object_get(json, rules[r].number[i].key);
        double value = json_number_value(json_value);
        if (!json_is_number(json_value) || !(value >= 0))
            return km_fail(error, "'%s' of kind %s must be a number, 0 or more",
                           rules[r].number[i].key, kind);
        memcpy((char *)rule + rules[r].number[i].at, &value, sizeof value);
    }
    return 0;
}

int km_golden_read_tolerance(json_t *tolerance, km_golden_case *c, km_error *error)
{
    const char *name;
    json_t *json;
    unsigned seen = 0;
    _Static_assert(KM_SLOT_COUNT <= 32, "a bit per slot");
    json_object_foreach(tolerance, name, json)
    {
        km_error why = {0};
        int slot = find_slot(c, KM_GOLDEN_EXPECTED, name, &why);
        if (slot >= 0 && seen & 1u << slot)
            slot = km_fail(&why, "given twice");
        if (slot < 0 || read_rule(json, &c->rule[slot], &why))
            return km_fail(error, "tolerance of '%.60s': %s", name, why.text);
        seen |= 1u << slot;
    }
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (c->tensor[KM_GOLDEN_EXPECTED][s].recorded && !(seen & 1u << s))
            return km_fail(error, "no tolerance for expected tensor '%s'", km_slot_name[s]);
    return 0;
}
