/* golden_json.c: strict reading of case.json. Unknown names are errors, with a suggestion; unknown
 * further fields (tier, notes) are not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_json.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "core/case.h"
#include "core/names.h"
#include "core/registry.h"

enum { MAX_JSON = 1 << 20 };

/* Names in golden sets that differ from the slot's. */
static const struct {
    const char *name, *slot;
} aliases[] = {{"input", "x"}, {"grad_input", "grad_x"}};

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

int km_golden_is_name(const char *text)
{
    return *text && !strchr(text, '/') && strcmp(text, ".") && strcmp(text, "..");
}

/* ---- fields --------------------------------------------------------------------------------- */

static const char *type_name(json_type type)
{
    return type == JSON_OBJECT ? "an object" : type == JSON_ARRAY ? "an array" : "a string";
}

static json_t *field(const json_t *object, const char *key, json_type type, km_error *error)
{
    json_t *value = json_object_get(object, key);
    if (value && json_typeof(value) == type)
        return value;
    if (value)
        km_fail(error, "field '%s' must be %s", key, type_name(type));
    else
        km_fail(error, "field '%s' is missing", key);
    return NULL;
}

static const char *word(const json_t *object, const char *key, km_error *error)
{
    return json_string_value(field(object, key, JSON_STRING, error));
}

static int unknown(const char *what, const char *name, const char *near, km_error *error)
{
    return near ? km_fail(error, "unknown %s '%.60s'; did you mean '%s'?", what, name, near)
                : km_fail(error, "unknown %s '%.60s'", what, name);
}

/* ---- op and pass ---------------------------------------------------------------------------- */

static const char *op_candidate(size_t i, const void *unused)
{
    (void)unused;
    return km_ops()[i] ? km_ops()[i]->name : NULL;
}

static const char *pass_candidate(size_t i, const void *op_)
{
    const km_op *op = op_;
    return i < (size_t)op->passes ? op->pass[i].name : NULL;
}

static int read_names(const json_t *root, km_golden_case *c, km_error *error)
{
    const char *name = word(root, "case", error);
    const char *op = name ? word(root, "op", error) : NULL;
    const char *direction = op ? word(root, "direction", error) : NULL;
    if (!direction)
        return -1;
    snprintf(c->op_name, sizeof c->op_name, "%s", op);
    snprintf(c->direction, sizeof c->direction, "%s", direction);
    if (!km_golden_is_name(name))
        return km_fail(error, "case '%.60s' is not a folder name", name);
    c->op = km_op_find(op);
    if (!c->op)
        return unknown("op", op, km_nearest(op, op_candidate, NULL), error);
    c->pass = km_pass_find(c->op, direction);
    if (!c->pass)
        return unknown("direction", direction, km_nearest(direction, pass_candidate, c->op), error);
    return 0;
}

/* ---- params --------------------------------------------------------------------------------- */

static const char *attr_candidate(size_t i, const void *op_)
{
    const km_op *op = op_;
    return i < (size_t)op->attrs ? km_attr_name[op->attr[i].attr] : NULL;
}

static const km_attr_spec *find_attr(const km_op *op, const char *name)
{
    for (int i = 0; i < op->attrs; i++)
        if (!strcmp(km_attr_name[op->attr[i].attr], name))
            return &op->attr[i];
    return NULL;
}

static int read_param(const km_attr_spec *a, const json_t *json, double *value, km_error *error)
{
    const char *name = km_attr_name[a->attr], *choice = json_string_value(json);
    double number = json_number_value(json);
    if (!a->choices) {
        /* beyond float there is no conversion */
        if (!json_is_number(json) || !(fabs(number) <= FLT_MAX))
            return km_fail(error, "param '%s' must be a number that a float can hold", name);
        *value = (float)number;
        return 0;
    }
    for (int i = 0; choice && a->choices[i]; i++)
        if (!strcmp(a->choices[i], choice)) {
            *value = i;
            return 0;
        }
    return km_fail(error, "param '%s' cannot be '%.40s'; first choice: '%s'", name,
                   choice ? choice : "a value that is no string", a->choices[0]);
}

static int read_params(json_t *params, km_golden_case *c, km_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(params, name, value)
    {
        const km_attr_spec *a = find_attr(c->op, name);
        if (!a)
            return unknown("param", name, km_nearest(name, attr_candidate, c->op), error);
        if (read_param(a, value, &c->params.attr[a->attr], error))
            return -1;
    }
    return 0;
}

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
    int slot = km_slot_find(slot_name);
    if (slot >= 0 && slot_fits(c, role, (km_slot)slot))
        return slot;
    return km_fail(error, "unknown tensor '%.60s': %s/%s has no such %s", name, c->op->name,
                   c->pass->name, role == KM_GOLDEN_INPUT ? "input" : "result");
}

static int find_role(const char *name, km_error *error)
{
    for (int r = 0; r < KM_GOLDEN_ROLES; r++)
        if (!strcmp(roles[r].name, name))
            return r;
    return unknown("role", name, NULL, error);
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

static int read_tensor(const json_t *entry, km_golden_case *c, km_error *error)
{
    const char *role_name = word(entry, "role", error);
    const char *name = role_name ? word(entry, "name", error) : NULL;
    const char *dtype = name ? word(entry, "dtype", error) : NULL;
    const char *file = dtype ? word(entry, "file", error) : NULL;
    const json_t *shape = file ? field(entry, "shape", JSON_ARRAY, error) : NULL;
    int role = shape ? find_role(role_name, error) : -1;
    int slot = role >= 0 ? find_slot(c, (km_golden_role)role, name, error) : -1;
    if (slot < 0)
        return -1;
    km_golden_tensor *t = &c->tensor[role][slot];
    if (t->recorded)
        return km_fail(error, "%s '%s' is listed twice", role_name, name);
    t->recorded = 1;
    t->array.type = roles[role].type;
    if (strcmp(dtype, km_npy_type_name(t->array.type)))
        return km_fail(error, "dtype of %s '%s' is '%.20s', must be '%s'", role_name, name, dtype,
                       km_npy_type_name(t->array.type));
    return read_file_name(file, c->tensor[role], t->file, error) ||
           read_shape(shape, &t->array, error);
}

static int read_tensors(const json_t *tensors, km_golden_case *c, km_error *error)
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
    const char *kind = word(json, "kind", error);
    size_t r = 0;
    if (!kind)
        return -1;
    while (r < RULES && strcmp(rules[r].name, kind))
        r++;
    if (r == RULES)
        return unknown("kind", kind, NULL, error);
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

static int read_tolerance(json_t *tolerance, km_golden_case *c, km_error *error)
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

static int read_case(const json_t *root, km_golden_case *c, km_error *error)
{
    json_t *params, *tensors, *tolerance;
    if (!json_is_object(root))
        return km_fail(error, "not an object");
    if (read_names(root, c, error))
        return -1;
    km_case_default(c->op, &c->params);
    return !(params = field(root, "params", JSON_OBJECT, error)) ||
                   read_params(params, c, error) ||
                   !(tensors = field(root, "tensors", JSON_ARRAY, error)) ||
                   read_tensors(tensors, c, error) ||
                   !(tolerance = field(root, "tolerance", JSON_OBJECT, error)) ||
                   read_tolerance(tolerance, c, error)
               ? -1
               : 0;
}

int km_golden_json_read(FILE *file, km_golden_case *c, km_error *error)
{
    struct stat s;
    json_error_t where;
    if (fstat(fileno(file), &s) || s.st_size > MAX_JSON)
        return km_fail(error, "larger than %d bytes", MAX_JSON);
    json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return km_fail(error, "line %d: %s", where.line, where.text);
    int failed = read_case(root, c, error);
    json_decref(root);
    return failed;
}
