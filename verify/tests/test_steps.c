/* test_steps.c: lists of tensors and passes that step: what only these checks find, and the case texts that go with them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "core/case.h"
#include "core/pass.h"
#include "core/registry.h"
#include "verify/cell.h"
#include "verify/isolate.h"

/* ---- kernels of sgd_momentum -------------------------------------------------------------------- */

static float *data(const km_args *args, km_slot slot, int piece)
{
    return km_piece_data(&args->slot[slot], piece);
}

static void move(const km_args *args, int piece, int64_t n, int first)
{
    const double *attr = args->params->attr;
    float *p = data(args, KM_PARAM, piece), *b = data(args, KM_MOMENTUM_BUFFER, piece);
    const float *g = data(args, KM_GRAD, piece);
    for (int64_t i = 0; i < n; i++) {
        b[i] = first ? g[i] : (float)(attr[KM_MOMENTUM] * b[i] + (1 - attr[KM_DAMPENING]) * g[i]);
        p[i] -= (float)attr[KM_LR] * b[i];
    }
}

static void move_all(const km_args *args, int first, int64_t more)
{
    for (int i = 0; i < km_pieces_of(&args->slot[KM_PARAM]); i++)
        move(args, i, km_piece_size(&args->slot[KM_PARAM], i) + more, first);
}

static void right(const km_args *args)
{
    move_all(args, args->step == 1, 0);
}

static void no_first_step(const km_args *args)
{
    move_all(args, 0, 0);
}

static void first_step_only_once(const km_args *args)
{
    move_all(args, args->step % 32 == 1, 0);
}

static void counts_by_itself(const km_args *args)
{
    static int steps;
    move_all(args, steps++ == 0, 0);
}

/* In the state alone, so that the parameters follow a step later. */
static void state_drifts(const km_args *args)
{
    move_all(args, args->step == 1, 0);
    for (int i = 0; i < km_pieces_of(&args->slot[KM_PARAM]); i++)
        for (int64_t j = 0; args->step == 50 && j < km_piece_size(&args->slot[KM_PARAM], i); j++)
            data(args, KM_MOMENTUM_BUFFER, i)[j] *= 1.01f;
}

static void first_piece_only(const km_args *args)
{
    move(args, 0, km_piece_size(&args->slot[KM_PARAM], 0), args->step == 1);
}

static void equal_pieces(const km_args *args)
{
    const int pieces = km_pieces_of(&args->slot[KM_PARAM]);
    for (int i = 0; i < pieces; i++)
        move(args, i, args->slot[KM_PARAM].count / pieces, args->step == 1);
}

static void past_the_piece(const km_args *args)
{
    move_all(args, args->step == 1, 1);
}

static void into_the_gradient(const km_args *args)
{
    const int last = km_pieces_of(&args->slot[KM_GRAD]) - 1;
    if (km_piece_size(&args->slot[KM_GRAD], last))
        data(args, KM_GRAD, last)[0] = 0;
    right(args);
}

static const struct subject {
    const char *name, *text;
    void (*run)(const km_args *args);
    const char *reason;
} faults[] =
    {
        {"no_first_step", "n37_dampening0.5", no_first_step, "after step 1 of 50: "},
        {"first_step_only_once", "n37", first_step_only_once, "after step 33 of 50: "},
        {"counts_by_itself", "n37", counts_by_itself, "case: 36 of 37 elements of param wrong"},
        {"state_drifts", "n37", state_drifts,
         "after step 50 of 50: 37 of 37 elements of momentum_"},
        {"first_piece_only", "n37l3", first_piece_only, "case: 33 of 37 elements of param wrong"},
        {"equal_pieces", "n37l3", equal_pieces, "past its end, at byte "},
        {"past_the_piece", "n37l3", past_the_piece, "past its end"},
        {"into_the_gradient", "n37l3", into_the_gradient, "inside input grad, which is read-only"},
},
  rights[] = {{"right", "n37_dampening0.5", right, NULL},
              {"right, a list", "n37l3_dampening0.5", right, NULL},
              {"right, empty pieces", "n2l7", right, NULL}};

static void examine(const struct subject *s, km_result *result)
{
    const km_kernel list[] = {{.op = "sgd_momentum", .pass = "step", .run = s->run}, {0}};
    const km_kernel *const kernels[] = {list, NULL};
    const km_backend backend = {.abi = KM_ABI,
                                .flags = KM_HOLDS_TARGET | KM_HOLDS_EDGES | KM_SAME_BITS,
                                .name = "faulty",
                                .kernels = kernels};
    const km_verify_options options = {.seed = 1, .timeout = 60};
    km_cell cell = {
        .op = km_op_find("sgd_momentum"), .backend = &backend, .kernel = list, .threads = 1};
    km_error error;
    km_work work;
    cell.pass = &cell.op->pass[0];
    strcpy(cell.case_text, s->text);
    assert_int_equal(km_case_parse(cell.op, s->text, &cell.params, &error), 0);
    assert_int_equal(km_work_open(&work, cell.op, cell.pass, &cell.params, 1, &error), 0);
    km_verify_cell(&cell, &work, &options, result);
    km_work_close(&work);
}

static void every_fault(void **state)
{
    km_result *r = *state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        examine(&faults[i], r);
        if (r->status == KM_OK || !strstr(r->reason, faults[i].reason))
            fail_msg("%s: \"%s\" does not hold \"%s\"", faults[i].name, r->reason,
                     faults[i].reason);
    }
}

static void no_false_alarm(void **state)
{
    km_result *r = *state;
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
        examine(&rights[i], r);
        if (r->status != KM_OK)
            fail_msg("%s: %s", rights[i].name, r->reason);
    }
}

/* ---- data --------------------------------------------------------------------------------------- */

static void pieces_of_a_list(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 100; n++)
        for (int l = 1; l < 9; l++) {
            assert_int_equal(km_piece_start(n, l, 0), 0);
            assert_int_equal(km_piece_start(n, l, l), n);
            for (int i = 0; i < l; i++)
                assert_true(km_piece_start(n, l, i) <= km_piece_start(n, l, i + 1));
        }
    assert_int_equal(km_piece_start(36, 3, 1), 4);
    assert_int_equal(km_piece_start(36, 3, 2), 16);
    assert_int_equal(km_piece_start((int64_t)1 << 60, 4096, 2048), (int64_t)1 << 58);
}

/* The second step goes on from the oracle's own result, with another gradient. */
static void a_trajectory_goes_on(void **state)
{
    const km_op *op = km_op_find("sgd");
    km_error error;
    km_case c;
    km_work w;
    double first, lr;
    (void)state;
    assert_int_equal(km_case_parse(op, "n5", &c, &error), 0);
    assert_int_equal(km_work_open_start(&w, op, &op->pass[0], &c, 1, &error), 0);
    lr = c.attr[KM_LR];
    const float grad = ((float *)w.input[KM_GRAD])[3], start = ((float *)w.input[KM_PARAM])[3];
    first = w.want[KM_PARAM][3];
    assert_true(fabs(first - (start - lr * grad)) < 1e-12);
    assert_int_equal(km_work_advance(&w, &error), 0);
    const float next = ((float *)w.input[KM_GRAD])[3];
    assert_true(next != grad);
    assert_true(fabs(w.want[KM_PARAM][3] - (first - lr * next)) < 1e-12);
    assert_int_equal(w.shape.step, 2);
    const km_rule rule = km_work_rule(&w, KM_PARAM, 1);
    const double most = fmax(fmax(fabs(start), fabs(first)), fabs(w.want[KM_PARAM][3]));
    const double way = lr * (fabs(grad) + fabs(next)), u = 0x1p-24;
    assert_true(fabs(km_tolerance(&rule, w.want[KM_PARAM][3], 3) / (32 * u * most + 1e-5 * way) -
                     1) < 1e-6);
    km_work_close(&w);
}

static void refused(const char *op, const char *text, const char *part)
{
    km_error error;
    km_case c;
    assert_int_equal(km_case_parse(km_op_find(op), text, &c, &error), -1);
    assert_holds(error.text, part);
}

static void bad_numbers(void **state)
{
    (void)state;
    refused("adam", "n4_lr-1", "'lr' must lie in [0, ");
    refused("adam", "n4_beta11", "beta1 and beta2 must be below 1");
    refused("adamw", "n4_beta2-0.1", "'beta2' must lie in [0, 1]");
    refused("adagrad", "n4_eps-1", "'eps' must lie in [0, ");
    refused("rmsprop", "n4_momentum1e999", "'momentum' must be finite");
    refused("sgd", "n4_momentum0.9", "it is sgd_momentum or nag");
    refused("sgd", "n4_max_norm-1", "'max_norm' must lie in [0, ");
    refused("sgd_momentum", "n4_nesterov1", "nesterov must be 0");
    refused("nag", "n4_dampening0.5", "dampening must be 0");
    refused("ewma", "n4_beta1", "beta must be below 1");
    refused("sgd", "n4l0", "size 'l' must be at least 1");
    refused("sgd", "n4l5000", "size 'l' must be at most 4096");
}

/* 0.999 is no float: 1 - beta2 would be off by 1e-5. */
static void precise_numbers(void **state)
{
    const km_op *op = km_op_find("adam");
    char text[KM_CASE_TEXT];
    km_error error;
    km_case c;
    (void)state;
    assert_int_equal(km_case_parse(op, "n4l1_beta20.9999_lr0.001", &c, &error), 0);
    assert_true(c.attr[KM_BETA2] == 0.9999 && c.attr[KM_BETA1] == 0.9);
    km_case_format(op, &c, text);
    assert_string_equal(text, "n4_beta20.9999");
    assert_int_equal(km_case_parse(op, "n4l2_beta20.99900000000000011", &c, &error), 0);
    km_case_format(op, &c, text);
    assert_string_equal(text, "n4l2_beta20.9990000000000001");
}

static int open_result(void **state)
{
    *state = km_shared_open(sizeof(km_result));
    return *state ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault),          cmocka_unit_test(no_false_alarm),
        cmocka_unit_test(pieces_of_a_list),     cmocka_unit_test(bad_numbers),
        cmocka_unit_test(a_trajectory_goes_on), cmocka_unit_test(precise_numbers),
    };
    return cmocka_run_group_tests_name("steps", tests, open_result, NULL);
}
