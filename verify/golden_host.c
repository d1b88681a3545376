/* golden_host.c: the few ops without backends: their params, what they make of them, and the comparison.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_host.h"

#include <jansson.h>
#include <kernelmark_train.h>
#include <stdlib.h>
#include <string.h>

#include "verify/golden_json.h"

enum { MAX_OUTPUTS = 5, MAX_PARAMS = 9, MAX_SIZES = 5 };

/* What a case has, beside its results. */
typedef struct inputs {
    const json_t *params;
    const km_npy *tensor; /* the one that the op reads, or NULL */
} inputs;

/* Fills values; NULL, or what does not fit. */
typedef const char *compute_fn(const inputs *in, int output, double *values, int64_t count);

/* ---- the ops -------------------------------------------------------------------------------- */

static double number(const inputs *in, const char *name)
{
    return json_number_value(json_object_get(in->params, name));
}

static int is_word(const inputs *in, const char *name, const char *word)
{
    const char *text = json_string_value(json_object_get(in->params, name));
    return text && !strcmp(text, word);
}

static const char wrong_length[] = "'lr' must have one element more than there are epochs";

static const char *step_lr(const inputs *in, int output, double *lr, int64_t count)
{
    const int64_t size = (int64_t)number(in, "step_size");
    (void)output;
    if (size < 1)
        return "step_size must be 1 or more";
    for (int64_t e = 0; e < count; e++)
        lr[e] = km_step_lr(number(in, "base_lr"), size, number(in, "gamma"), e);
    return (double)count == number(in, "epochs") + 1 ? NULL : wrong_length;
}

static const char *cosine_lr(const inputs *in, int output, double *lr, int64_t count)
{
    const int64_t most = (int64_t)number(in, "T_max");
    (void)output;
    if (most < 1)
        return "T_max must be 1 or more";
    for (int64_t e = 0; e < count; e++)
        lr[e] = km_cosine_lr(number(in, "base_lr"), number(in, "eta_min"), most, e);
    return (double)count == number(in, "epochs") + 1 ? NULL : wrong_length;
}

static const char *plateau(const inputs *in, int output, double *lr, int64_t count)
{
    km_plateau p = {.lr = number(in, "base_lr"),
                    .factor = number(in, "factor"),
                    .threshold = number(in, "threshold"),
                    .min_lr = number(in, "min_lr"),
                    .eps = number(in, "eps"),
                    .patience = (int64_t)number(in, "patience"),
                    .cooldown = (int64_t)number(in, "cooldown"),
                    .maximize = is_word(in, "mode", "max"),
                    .absolute = is_word(in, "threshold_mode", "abs")};
    const char *broken = km_plateau_open(&p);
    const float *metric = in->tensor->data;
    (void)output;
    if (broken || count != in->tensor->count + 1)
        return broken ? broken : wrong_length;
    lr[0] = p.lr;
    for (int64_t e = 1; e < count; e++)
        lr[e] = km_plateau_step(&p, (double)metric[e - 1]);
    return NULL;
}

static const char *scale(const inputs *in, int output, double *value, int64_t count)
{
    const json_t *sizes = json_object_get(in->params, "weight_size");
    const int dims = (int)json_array_size(sizes);
    int64_t size[MAX_SIZES];
    double fan_in, fan_out;
    if (dims < 2 || dims > MAX_SIZES || count != 1)
        return "weight_size must have 2 to 5 numbers, and every result one";
    for (int d = 0; d < dims; d++)
        size[d] = json_integer_value(json_array_get(sizes, (size_t)d));
    km_fans(size, dims, &fan_in, &fan_out);
    const double all[MAX_OUTPUTS] = {
        km_xavier_normal_std(fan_in, fan_out, 1), km_xavier_uniform_bound(fan_in, fan_out, 1),
        km_he_normal_std(fan_in, 0), km_he_uniform_bound(fan_in, 0), km_lecun_normal_std(fan_in)};
    *value = all[output];
    return NULL;
}

typedef struct host_op {
    const char *op, *direction, *params[MAX_PARAMS + 1], *input;
    int must_read; /* nonzero: `input` must be there */
    const char *output[MAX_OUTPUTS + 1];
    compute_fn *compute;
} host_op;

static const host_op ops[] = {
    {"StepLR", "schedule", {"base_lr", "epochs", "gamma", "step_size"}, NULL, 0, {"lr"}, step_lr},
    {"CosineAnnealingLR",
     "schedule",
     {"T_max", "base_lr", "epochs", "eta_min"},
     NULL,
     0,
     {"lr"},
     cosine_lr},
    {"ReduceLROnPlateau",
     "schedule",
     {"base_lr", "cooldown", "eps", "factor", "min_lr", "mode", "patience", "threshold",
      "threshold_mode"},
     "metrics",
     1,
     {"lr"},
     plateau},
    {"init",
     "forward",
     {"weight_size"},
     "fan",
     0,
     {"xavier_normal_std", "xavier_uniform_bound", "kaiming_normal_std_relu_fan_in",
      "kaiming_uniform_bound_relu_fan_in", "lecun_normal_std_fan_in"},
     scale},
};

/* ---- reading -------------------------------------------------------------------------------- */

static const host_op *find_op(const json_t *root)
{
    const char *name = json_string_value(json_object_get(root, "op"));
    for (size_t i = 0; name && i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(ops[i].op, name))
            return &ops[i];
    return NULL;
}

static int index_of(const char *const *list, const char *name)
{
    for (int i = 0; list[i]; i++)
        if (!strcmp(list[i], name))
            return i;
    return -1;
}

/* All that the op needs, and nothing that it does not know. */
static int check_params(const host_op *op, json_t *params, km_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(params, name, value)
    {
        if (index_of(op->params, name) < 0)
            return km_golden_unknown("param", name, NULL, error);
        if (!json_is_number(value) && !json_is_string(value) && !json_is_array(value))
            return km_fail(error, "param '%.40s' must be a number, a word or numbers", name);
    }
    for (int i = 0; op->params[i]; i++)
        if (!json_object_get(params, op->params[i]))
            return km_fail(error, "param '%s' is missing", op->params[i]);
    return 0;
}

static int read_shape(const json_t *shape, km_npy *a, km_error *error)
{
    a->ndim = (int)json_array_size(shape);
    if (a->ndim > KM_NPY_MAX_NDIM)
        return km_fail(error, "shape has too many dimensions");
    for (int d = 0; d < a->ndim; d++)
        a->dim[d] = json_integer_value(json_array_get(shape, (size_t)d));
    return km_npy_set_count(a, error);
}

/* Results take the slots 0, 1, ... of the case, by their place in the op's list; what is read takes slot 0. */
static int read_tensor(const char *folder, const host_op *op, const json_t *entry,
                       km_golden_case *c, km_error *error)
{
    const char *role = km_golden_word(entry, "role", error);
    const char *name = role ? km_golden_word(entry, "name", error) : NULL;
    const char *file = name ? km_golden_word(entry, "file", error) : NULL;
    const json_t *shape = file ? km_golden_field(entry, "shape", JSON_ARRAY, error) : NULL;
    if (!shape)
        return -1;
    const int expected = !strcmp(role, "expected");
    const int slot = expected                                ? index_of(op->output, name)
                     : op->input && !strcmp(op->input, name) ? 0
                                                             : -1;
    if (slot < 0 || (!expected && strcmp(role, "input")))
        return km_golden_unknown("tensor", name, NULL, error);
    km_golden_tensor *t = &c->tensor[expected ? KM_GOLDEN_EXPECTED : KM_GOLDEN_INPUT][slot];
    if (t->recorded)
        return km_fail(error, "'%.60s' is listed twice", name);
    if (!km_golden_is_name(file) || strlen(file) >= sizeof t->file)
        return km_fail(error, "file '%.80s' does not lie in the case's folder", file);
    strcpy(t->file, file);
    t->recorded = 1;
    t->array.type = expected ? KM_NPY_F8 : KM_NPY_F4;
    if (expected)
        c->name[slot] = op->output[slot];
    return read_shape(shape, &t->array, error) || km_golden_read_array(folder, t, error);
}

static int read_case(const char *folder, const host_op *op, const json_t *root, km_golden_case *c,
                     km_error *error)
{
    const char *direction = km_golden_word(root, "direction", error);
    if (!direction)
        return -1;
    snprintf(c->op_name, sizeof c->op_name, "%s", op->op);
    snprintf(c->direction, sizeof c->direction, "%s", direction);
    if (strcmp(direction, op->direction))
        return km_golden_unknown("direction", direction, op->direction, error);
    json_t *params = km_golden_field(root, "params", JSON_OBJECT, error);
    const json_t *tensors = params ? km_golden_field(root, "tensors", JSON_ARRAY, error) : NULL;
    const json_t *rules = tensors ? km_golden_field(root, "tolerance", JSON_OBJECT, error) : NULL;
    if (!rules || check_params(op, params, error))
        return -1;
    for (size_t i = 0; i < json_array_size(tensors); i++)
        if (read_tensor(folder, op, json_array_get(tensors, i), c, error))
            return -1;
    if (op->must_read && !c->tensor[KM_GOLDEN_INPUT][0].recorded)
        return km_fail(error, "input '%s' is not recorded", op->input);
    for (int s = 0; op->output[s]; s++) {
        const json_t *rule = json_object_get(rules, op->output[s]);
        if (!c->tensor[KM_GOLDEN_EXPECTED][s].recorded)
            return km_fail(error, "expected '%s' is not recorded", op->output[s]);
        if (!rule)
            return km_fail(error, "no tolerance for expected tensor '%s'", op->output[s]);
        if (km_golden_read_rule(rule, &c->rule[s], error))
            return -1;
        if (c->rule[s].scaled)
            return km_fail(error, "'%s' has no error scale", op->output[s]);
    }
    return 0;
}

/* ---- results -------------------------------------------------------------------------------- */

static int compute_output(const host_op *op, const inputs *in, int s, km_golden_case *c,
                          km_golden_run *run, km_error *error)
{
    const int64_t count = c->tensor[KM_GOLDEN_EXPECTED][s].array.count;
    double *values = malloc(((size_t)count + 1) * sizeof *values);
    float *got = malloc(((size_t)count + 1) * sizeof *got);
    const char *misfit = values && got ? op->compute(in, s, values, count) : "out of memory";
    for (int64_t i = 0; !misfit && i < count; i++)
        got[i] = (float)values[i];
    free(values);
    run->got[s] = got;
    if (misfit)
        return km_fail(error, "%s", misfit);
    km_golden_compare(c, (km_slot)s, got, &run->figures, &run->worst);
    return 0;
}

static int compute(const host_op *op, const json_t *root, km_golden_case *c, km_golden_run *run,
                   km_error *error)
{
    const km_golden_tensor *read = &c->tensor[KM_GOLDEN_INPUT][0];
    const inputs in = {json_object_get(root, "params"), read->recorded ? &read->array : NULL};
    for (int s = 0; op->output[s]; s++)
        if (compute_output(op, &in, s, c, run, error))
            return -1;
    if (run->figures.wrong) {
        run->status = KM_GOLDEN_WRONG;
        snprintf(run->reason, sizeof run->reason, "%lld of %lld elements outside the tolerance",
                 (long long)run->figures.wrong, (long long)run->figures.elements);
    }
    return 0;
}

int km_golden_host(const char *folder, km_golden_case *c, km_golden_run *run, km_error *error)
{
    FILE *file = km_golden_open(folder, "case.json", error);
    json_t *root = file ? json_loadf(file, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const host_op *op = find_op(root);
    int result = 1;
    *c = (km_golden_case){0};
    *run = (km_golden_run){.figures = km_figures_none(), .worst.slot = -1};
    if (op)
        result = read_case(folder, op, root, c, error) || compute(op, root, c, run, error) ? -1 : 0;
    if (result < 0)
        km_golden_host_free(c, run);
    if (file)
        fclose(file);
    json_decref(root);
    return result;
}

void km_golden_host_free(km_golden_case *c, km_golden_run *run)
{
    for (int s = 0; s < MAX_OUTPUTS; s++) {
        free((void *)run->got[s]);
        run->got[s] = NULL;
    }
    km_golden_case_free(c);
}
