/* test_args.c: tensors that do not go with a pass are refused with the rule that they break.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/args.h"
#include "core/case.h"
#include "core/pass.h"
#include "core/registry.h"

enum { N = 8 };

/* A case of N elements, each slot with memory of its own. */
typedef struct setting {
    const km_op *op;
    const km_pass *pass;
    km_case params;
    km_args args;
    float memory[KM_SLOT_COUNT][2 * N];
} setting;

static void open(setting *s, const char *op, const char *pass, const char *text)
{
    km_error error;
    *s = (setting){.op = km_op_find(op)};
    s->pass = km_pass_find(s->op, pass);
    assert_non_null(s->pass);
    assert_int_equal(km_case_parse(s->op, text, &s->params, &error), 0);
    km_args_shape(s->op, s->pass, &s->params, &s->args);
    for (int i = 0; i < KM_SLOT_COUNT; i++)
        if (s->args.slot[i].ndim)
            s->args.slot[i].data = s->memory[i];
    s->args.step = 1;
}

static void accepted(const setting *s)
{
    km_error error;
    assert_int_equal(km_args_check(s->op, s->pass, &s->args, &error), 0);
}

static void refused(const setting *s, const char *rule)
{
    km_error error;
    assert_int_equal(km_args_check(s->op, s->pass, &s->args, &error), -1);
    assert_string_equal(error.text, rule);
}

static void step_before_the_first(void **state)
{
    setting s;
    (void)state;
    open(&s, "adam", "step", "n8");
    accepted(&s);
    s.args.step = 0;
    refused(&s, "step must be 1 or more: 0 is before the first");
    open(&s, "relu", "forward", "n8");
    s.args.step = 0;
    accepted(&s);
}

static void state_of_the_wrong_size(void **state)
{
    setting s;
    (void)state;
    open(&s, "adam", "step", "n8");
    s.args.slot[KM_EXP_AVG].count = 7;
    refused(&s, "exp_avg has 7 elements, adam needs 8");
    open(&s, "adam", "step", "n8");
    s.args.slot[KM_GRAD].type = KM_UINT8;
    refused(&s, "grad has another type of element than adam needs");
}

static void pieces_of_the_wrong_size(void **state)
{
    static const int64_t sizes[] = {2, 6};
    setting s;
    (void)state;
    open(&s, "sgd", "step", "n8l2");
    void *param[] = {s.memory[KM_PARAM], s.memory[KM_PARAM] + 2};
    km_tensor *t = &s.args.slot[KM_PARAM];
    t->pieces = 2;
    t->piece = param;
    t->piece_count = sizes;
    accepted(&s);
    t->piece_count = (const int64_t[]){2, 5};
    refused(&s, "param has 7 elements, sgd needs 8");
}

static void overlapping_tensors(void **state)
{
    setting s;
    (void)state;
    open(&s, "adam", "step", "n8");
    s.args.slot[KM_EXP_AVG].data = s.memory[KM_PARAM] + N - 1;
    refused(&s, "param and exp_avg overlap");
    s.args.slot[KM_EXP_AVG].data = s.memory[KM_PARAM] + N;
    accepted(&s);
    open(&s, "relu", "forward", "n8");
    s.args.slot[KM_Y].data = s.memory[KM_X];
    accepted(&s);
    s.args.slot[KM_Y].data = s.memory[KM_X] + 1;
    refused(&s, "x and y overlap");
    open(&s, "mse_loss", "backward", "n8");
    s.args.slot[KM_TARGET].data = s.memory[KM_X]; /* both are read only */
    accepted(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_before_the_first),
        cmocka_unit_test(state_of_the_wrong_size),
        cmocka_unit_test(pieces_of_the_wrong_size),
        cmocka_unit_test(overlapping_tensors),
    };
    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
