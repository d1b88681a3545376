/* golden_params.c: the params of a recording become attributes and sizes of a case.
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/names.h"
#include "core/pass.h"
#include "verify/golden_json.h"
#include "verify/work.h"

/* Attributes whose names differ. */
static const struct {
    const char *name, *attr;
} aliases[] = {{"padding", "pad"}, {"elementwise_affine", "affine"}};

/* Pairs that are two attributes. */
static const struct {
    const char *name, *attr[2];
} pairs[] = {{"betas", {"beta1", "beta2"}}, {"range", {"range_min", "range_max"}}};

/* Params that only say in words what the op does. */
static const char *const remarks[] = {"formula"};

/* Params that are sizes: of each number, the letter it goes to ('-': none; 'c' takes further numbers as factors
 * where `product`). One number for two letters means both. */
static const struct {
    const char *name, *letters;
    int product;
} sizes[] = {
    {"kernel_size", "rs", 0}, {"input_size", "nchw", 0}, {"weight_size", "k-rs", 0},
    {"output_size", "pq", 0}, {"in_channels", "c", 0},   {"out_channels", "k", 0},
    {"in_features", "c", 0},  {"out_features", "k", 0},  {"normalized_shape", "c", 1},
};

/* ---- attributes ----------------------------------------------------------------------------- */

static const char *attr_candidate(size_t i, const void *op_)
{
    const km_op *op = op_;
    return i < (size_t)op->attrs ? km_attr_name[op->attr[i].attr] : NULL;
}

static const km_attr_spec *find_attr(const km_op *op, const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (!strcmp(aliases[i].name, name))
            name = aliases[i].attr;
    for (int i = 0; i < op->attrs; i++)
        if (!strcmp(km_attr_name[op->attr[i].attr], name))
            return &op->attr[i];
    return NULL;
}

static int read_choice(const km_attr_spec *a, const json_t *json, double *value, km_error *error)
{
    char number[32];
    const char *choice = json_string_value(json);
    if (json_is_number(json)) {
        snprintf(number, sizeof number, "%g", json_number_value(json));
        choice = number;
    }
    for (int i = 0; choice && a->choices[i]; i++)
        if (!strcmp(a->choices[i], choice)) {
            *value = i;
            return 0;
        }
    return km_fail(error, "param '%s' cannot be '%.40s'; first choice: '%s'", km_attr_name[a->attr],
                   choice ? choice : "a value that is no string", a->choices[0]);
}

static int read_number(const km_attr_spec *a, const json_t *json, double *value, km_error *error)
{
    double number = json_is_true(json) ? 1 : json_number_value(json);
    /* beyond float there is no conversion */
    if ((!json_is_number(json) && !json_is_boolean(json)) || !(fabs(number) <= FLT_MAX))
        return km_fail(error, "param '%s' must be a number that a float can hold",
                       km_attr_name[a->attr]);
    *value = a->precise ? number : (double)(float)number;
    return 0;
}

static int read_pair(const km_attr_spec *a, const json_t *json, km_case *c, km_error *error)
{
    if (json_array_size(json) != 2)
        return km_fail(error, "param '%s' must be a number or a pair of them",
                       km_attr_name[a->attr]);
    return read_number(a, json_array_get(json, 0), &c->attr[a->attr], error) ||
           read_number(a, json_array_get(json, 1), &c->attr[a->pair], error);
}

static int read_attr(const km_attr_spec *a, const json_t *json, km_case *c, km_error *error)
{
    if (json_is_null(json))
        return 0;
    if (a->choices)
        return read_choice(a, json, &c->attr[a->attr], error);
    if (a->pair && json_is_array(json))
        return read_pair(a, json, c, error);
    if (read_number(a, json, &c->attr[a->attr], error))
        return -1;
    if (a->pair)
        c->attr[a->pair] = c->attr[a->attr];
    return 0;
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static int dim_of(const km_op *op, char letter)
{
    for (int i = 0; i < op->dims; i++)
        if (*km_dim_name[op->dim[i].dim] == letter)
            return op->dim[i].dim;
    return -1;
}

static int read_size(const char *name, const json_t *json, int64_t *size, km_error *error)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return km_fail(error, "param '%s' must hold whole numbers, 0 or more", name);
    *size = json_integer_value(json);
    return 0;
}

/* All numbers multiplied: normalized_shape. */
static int read_product(const char *name, const json_t *json, int64_t *size, km_error *error)
{
    int64_t one = 0;
    size_t n = json_array_size(json);
    *size = 1;
    for (size_t i = 0; i < n; i++)
        if (read_size(name, json_array_get(json, i), &one, error) ||
            (__builtin_mul_overflow(*size, one, size) &&
             km_fail(error, "param '%s' is larger than any tensor", name)))
            return -1;
    return n ? 0 : read_size(name, json, size, error);
}

static int read_letters(size_t which, const json_t *json, km_golden_case *c, km_error *error)
{
    const char *name = sizes[which].name, *letters = sizes[which].letters;
    size_t n = strlen(letters);
    if (json_is_array(json) && json_array_size(json) != n)
        return km_fail(error, "param '%s' must have %zu numbers", name, n);
    for (size_t i = 0; i < n; i++) {
        int dim = dim_of(c->op, letters[i]);
        int64_t size = 0;
        if (read_size(name, json_is_array(json) ? json_array_get(json, i) : json, &size, error))
            return -1;
        if (dim >= 0)
            c->params.dim[dim] = size;
    }
    return 0;
}

/* Whether this is a param of sizes for this op: it has the first letter. */
static int find_sizes(const km_op *op, const char *name)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!strcmp(sizes[i].name, name) && dim_of(op, *sizes[i].letters) >= 0)
            return (int)i;
    return -1;
}

static int read_sizes(size_t which, const json_t *json, km_golden_case *c, km_error *error)
{
    return sizes[which].product
               ? read_product(sizes[which].name, json,
                              &c->params.dim[dim_of(c->op, *sizes[which].letters)], error)
               : read_letters(which, json, c, error);
}

/* 1: it was no pair of attributes of this op. */
static int read_split(const char *name, const json_t *json, km_golden_case *c, km_error *error)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const km_attr_spec *a = find_attr(c->op, pairs[i].attr[0]);
        const km_attr_spec *b = find_attr(c->op, pairs[i].attr[1]);
        if (strcmp(pairs[i].name, name) || !a || !b)
            continue;
        if (json_array_size(json) != 2)
            return km_fail(error, "param '%s' must be a pair of numbers", name);
        return read_attr(a, json_array_get(json, 0), &c->params, error) ||
                       read_attr(b, json_array_get(json, 1), &c->params, error)
                   ? -1
                   : 0;
    }
    return 1;
}

static int is_remark(const char *name)
{
    for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++)
        if (!strcmp(remarks[i], name))
            return 1;
    return 0;
}

/* How many steps were recorded; 1: it is no such param. */
static int read_steps(const char *name, const json_t *json, km_golden_case *c, km_error *error)
{
    if (strcmp(name, "steps") || !km_pass_steps(c->pass))
        return 1;
    if (!json_is_integer(json) || json_integer_value(json) < 1 ||
        json_integer_value(json) > INT32_MAX)
        return km_fail(error, "param 'steps' must be a whole number, 1 or more");
    c->steps = json_integer_value(json);
    return 0;
}

/* Attribute, size, pair or number of steps. */
static int read_param(const char *name, const json_t *value, km_golden_case *c, km_error *error)
{
    const km_attr_spec *a = find_attr(c->op, name);
    const int which = a ? -1 : find_sizes(c->op, name);
    if (a)
        return read_attr(a, value, &c->params, error);
    if (which >= 0)
        return read_sizes((size_t)which, value, c, error);
    if (is_remark(name))
        return 0;
    int other = read_steps(name, value, c, error);
    if (other == 1)
        other = read_split(name, value, c, error);
    return other == 1
               ? km_golden_unknown("param", name, km_nearest(name, attr_candidate, c->op), error)
               : other;
}

int km_golden_read_params(json_t *params, km_golden_case *c, km_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(params, name, value)
    {
        if (read_param(name, value, c, error))
            return -1;
    }
    return 0;
}
