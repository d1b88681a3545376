/* golden_json.c: strict reading of case.json: its names. Unknown names are errors, with a
 * suggestion; further fields (tier, notes) are not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_json.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "core/case.h"
#include "core/names.h"
#include "core/registry.h"

enum { MAX_JSON = 1 << 20 };

int km_golden_is_name(const char *text)
{
    return *text && !strchr(text, '/') && strcmp(text, ".") && strcmp(text, "..");
}

/* ---- fields --------------------------------------------------------------------------------- */

static const char *type_name(json_type type)
{
    return type == JSON_OBJECT ? "an object" : type == JSON_ARRAY ? "an array" : "a string";
}

json_t *km_golden_field(const json_t *object, const char *key, json_type type, km_error *error)
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

const char *km_golden_word(const json_t *object, const char *key, km_error *error)
{
    return json_string_value(km_golden_field(object, key, JSON_STRING, error));
}

int km_golden_unknown(const char *what, const char *name, const char *near, km_error *error)
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

/* PyTorch ends the names of what works in place with an underscore. */
static const km_op *find_op(const char *name)
{
    char own[64];
    const size_t n = strlen(name);
    if (n < 2 || n > sizeof own || name[n - 1] != '_')
        return km_op_find(name);
    memcpy(own, name, n - 1);
    own[n - 1] = 0;
    return km_op_find(own);
}

static int read_names(const json_t *root, km_golden_case *c, km_error *error)
{
    const char *name = km_golden_word(root, "case", error);
    const char *op = name ? km_golden_word(root, "op", error) : NULL;
    const char *direction = op ? km_golden_word(root, "direction", error) : NULL;
    if (!direction)
        return -1;
    snprintf(c->op_name, sizeof c->op_name, "%s", op);
    snprintf(c->direction, sizeof c->direction, "%s", direction);
    if (!km_golden_is_name(name))
        return km_fail(error, "case '%.60s' is not a folder name", name);
    c->op = find_op(op);
    if (!c->op)
        return km_golden_unknown("op", op, km_nearest(op, op_candidate, NULL), error);
    c->pass = km_pass_find(c->op, direction);
    if (!c->pass)
        return km_golden_unknown("direction", direction,
                                 km_nearest(direction, pass_candidate, c->op), error);
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int read_case(const json_t *root, km_golden_case *c, km_error *error)
{
    json_t *params, *tensors, *tolerance;
    if (!json_is_object(root))
        return km_fail(error, "not an object");
    if (read_names(root, c, error))
        return -1;
    km_case_default(c->op, &c->params);
    return !(params = km_golden_field(root, "params", JSON_OBJECT, error)) ||
                   km_golden_read_params(params, c, error) ||
                   !(tensors = km_golden_field(root, "tensors", JSON_ARRAY, error)) ||
                   km_golden_read_tensors(tensors, c, error) ||
                   !(tolerance = km_golden_field(root, "tolerance", JSON_OBJECT, error)) ||
                   km_golden_read_tolerance(tolerance, c, error)
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
