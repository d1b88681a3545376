/* test_gradcheck.c: the gradient check finds wrong derivatives of every op, and none in the right ones.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/pass.h"
#include "gradcheck_faults.h"

#include <stdio.h>

#include "verify/gradcheck.h"

static void (*const everywhere[])(const km_args *) = {
    factor_two,     sign,          zero,    largest_one_percent, all_per_mille,    constant_added,
    upstream_twice, upstream_size, clipped, pairs_swapped,       upstream_ignored, reversed,
    summed_up,      accumulated,   one_nan, remembered,          not_zero_at_zero, nothing};
enum { EVERYWHERE = sizeof everywhere / sizeof *everywhere };

static const struct {
    const char *op, *text;
    void (*backward)(const km_args *args);
} special[] = {
    {"gelu", "n97", tanh_for_erf},
    {"gelu", "n97_approximate=tanh", attributes_ignored},
    {"elu", "n97_alpha1.1", attributes_ignored},
    {"leaky_relu", "n97_negative_slope0.011", attributes_ignored},
    {"softplus", "n97_beta1.01", attributes_ignored},
    {"silu", "n97", silu_term_missing},
    {"hardswish", "n97", hardswish_term_missing},
    {"tanh", "n97", tanh_without_square},
    {"prelu", "n3c4h5w2_num_parameters4", slope_forgotten},
    {"prelu", "n3c4h5w2", weight_without_mask},
    {"prelu", "n3c4h5w2_num_parameters4", weight_without_mask},
    {"prelu", "n3c4h5w2_num_parameters4", weights_swapped},
    {"prelu", "n3c4h5w2_num_parameters4", weight_averaged},
};

/* ---- the tests -------------------------------------------------------------------------------- */

static int check(const char *name, const char *text, uint64_t seed,
                 void (*backward)(const km_args *), km_error *error)
{
    km_case c;
    km_gradcheck result;
    op = km_op_find(name);
    calls = 0;
    assert_int_equal(km_case_parse(op, text, &c, error), 0);
    const km_gradcheck_subject subject = {km_oracle_kernel(name, "forward")->run, backward};
    *error = (km_error){""};
    int failed = km_gradcheck_subject_run(op, km_pass_find(op, "backward"), &c, seed, &subject,
                                          &result, error);
    assert_true(result.directions > 0 || failed);
    assert_int_equal(failed, *error->text ? -1 : 0);
    return failed;
}

static int is_pointwise(const km_op *o)
{
    return !strcmp(o->family, "activation");
}

/* Every element (97), and projected on random directions (5000). */
static void wrong_in_every_op(void **state)
{
    const char *const texts[] = {"n97", "n5000"};
    int caught = 0, count = 0;
    km_error error;
    (void)state;
    for (const km_op *const *o = km_ops(); *o; o++)
        for (int m = 0; is_pointwise(*o) && m < EVERYWHERE; m++)
            for (int t = 0; t < 2; t++, count++) {
                int failed = check((*o)->name, texts[t], 1, everywhere[m], &error);
                caught += failed != 0;
                if (!failed)
                    print_error("survived: %d in %s/%s\n", m, (*o)->name, texts[t]);
            }
    print_message("# %d of %d wrong gradients caught\n", caught, count);
    assert_int_equal(caught, count);
}

static void wrong_in_one_op(void **state)
{
    int count = sizeof special / sizeof *special, caught = 0;
    km_error error;
    (void)state;
    for (int i = 0; i < count; i++) {
        int failed = check(special[i].op, special[i].text, 1, special[i].backward, &error);
        caught += failed != 0;
        if (!failed)
            print_error("survived: %d in %s/%s\n", i, special[i].op, special[i].text);
    }
    print_message("# %d of %d wrong gradients of single ops caught\n", caught, count);
    assert_int_equal(caught, count);
}

/* One of the op's listed cases, made small; its attributes stay. */
static void shrink(const char *text, const char *sizes, char *small, size_t size)
{
    const char *attributes = strchr(text, '_');
    int tied = attributes && strstr(attributes, "num_parameters");
    snprintf(small, size, "%s%s", sizes, tied ? "_num_parameters3" : attributes ? attributes : "");
}

static void right_ones_pass(void **state)
{
    char text[128];
    km_error error;
    (void)state;
    for (const km_op *const *o = km_ops(); *o; o++)
        for (const char *const *listed = (*o)->quick; is_pointwise(*o) && *listed; listed++)
            for (uint64_t seed = 1; seed <= 100; seed++) {
                shrink(*listed, strcmp((*o)->name, "prelu") ? "n61" : "n3c3h4w2", text,
                       sizeof text);
                if (check((*o)->name, text, seed, oracle, &error))
                    fail_msg("%s/%s, seed %d: %s", (*o)->name, text, (int)seed, error.text);
            }
}

static void right_ones_pass_projected(void **state)
{
    char text[128];
    km_error error;
    (void)state;
    for (const km_op *const *o = km_ops(); *o; o++)
        for (uint64_t seed = 1; is_pointwise(*o) && seed <= 10; seed++) {
            shrink("", strcmp((*o)->name, "prelu") ? "n2500" : "n10c3h10w9", text, sizeof text);
            if (check((*o)->name, text, seed, oracle, &error))
                fail_msg("%s/%s, seed %d: %s", (*o)->name, text, (int)seed, error.text);
        }
}

/* ---- ops whose cases have more sizes than one: their edge cases, all passes, all gradients ---- */

typedef struct attempt {
    const km_op *op;
    const km_pass *pass;
    km_case c;
} attempt;

/* Emulators and sanitizers run this too. */
static int is_cheap(const attempt *a)
{
    const km_pass *forward = km_pass_find(a->op, "forward");
    return km_pass_flops(a->op, forward, &a->c) * (double)km_pass_elements(a->op, forward, &a->c) <
           1e7;
}

/* Without a bias, what its pass sums up is the gradient of nothing. */
static int has_inputs(const attempt *a)
{
    const km_pass *forward = km_pass_find(a->op, "forward");
    km_args args;
    km_args_shape(a->op, forward, &a->c, &args);
    for (const km_use *use = forward->use; use->access != KM_END; use++) {
        const int grad = km_slot_grad(use->slot);
        if (use->access == KM_READ && args.slot[use->slot].ndim && grad >= 0 &&
            km_use_find(a->pass, (km_slot)grad))
            return 1;
    }
    return 0;
}

/* Calls `visit` for every cheap edge case and pass that has a gradient to check. */
static void for_attempts(void (*visit)(const attempt *a, int *count), int *count)
{
    for (const km_op *const *o = km_ops(); *o; o++)
        for (const char *const *text = (*o)->edge; !is_pointwise(*o) && *text; text++)
            for (int p = 0; p < (*o)->passes; p++) {
                attempt a = {.op = *o, .pass = &(*o)->pass[p]};
                km_error error;
                assert_int_equal(km_case_parse(*o, *text, &a.c, &error), 0);
                if (km_gradcheck_applies(*o, a.pass) && has_inputs(&a) && is_cheap(&a))
                    visit(&a, count);
            }
}

static void visit_right(const attempt *a, int *count)
{
    km_gradcheck result;
    km_error error;
    if (km_gradcheck_run(a->op, a->pass, &a->c, 1, &result, &error))
        fail_msg("%s/%s: %s", a->op->name, a->pass->name, error.text);
    ++*count;
}

static void right_edges_pass(void **state)
{
    int count = 0;
    (void)state;
    for_attempts(visit_right, &count);
    print_message("# %d right gradients of edge cases\n", count);
}

/* A gradient of 4e-8 of a mean near 1, whose last digits are all that a step changes. */
static void rounding_is_no_error(void **state)
{
    (void)state;
    const km_op *loss = km_op_find("binary_cross_entropy_with_logits");
    km_case c;
    km_gradcheck result = {0};
    km_error error = {""};
    assert_int_equal(km_case_parse(loss, "n1023", &c, &error), 0);
    if (km_gradcheck_run(loss, km_pass_find(loss, "backward"), &c, 1, &result, &error))
        fail_msg("%s", error.text);
    assert_true(result.max_rel < 1e-6);
}

static void visit_wrong(const attempt *a, int *count)
{
    for (faulty_slot = 0; faulty_slot < KM_SLOT_COUNT; faulty_slot++)
        for (faulty_way = 0; faulty_way < FAULTY_WAYS; faulty_way++) {
            const km_gradcheck_subject subject = {km_oracle_kernel(a->op->name, "forward")->run,
                                                  one_slot_wrong};
            km_gradcheck result;
            km_error error;
            op = a->op;
            faulty_pass = a->pass->name;
            faulty_change = 0;
            int caught =
                km_gradcheck_subject_run(a->op, a->pass, &a->c, 1, &subject, &result, &error);
            if (!caught && faulty_change > 1e-3)
                fail_msg("survived: %d in slot %d of %s/%s", faulty_way, faulty_slot, a->op->name,
                         a->pass->name);
            *count += caught != 0;
        }
}

static void wrong_edges_are_caught(void **state)
{
    int count = 0;
    (void)state;
    for_attempts(visit_wrong, &count);
    print_message("# %d wrong gradients of edge cases caught\n", count);
}

static void message_names_the_element(void **state)
{
    km_error error;
    (void)state;
    assert_int_equal(check("silu", "n7", 1, one_nan, &error), -1);
    assert_holds(error.text, "grad_x[6] at x = ");
    assert_holds(error.text, "analytic nan, numeric ");
    assert_int_equal(check("prelu", "n3c4h5w2_num_parameters4", 1, weights_swapped, &error), -1);
    assert_holds(error.text, "grad_weight[0] at weight = ");
}

static void applies_to_backward(void **state)
{
    (void)state;
    for (const km_op *const *o = km_ops(); *o; o++)
        for (int p = 0; p < (*o)->passes; p++) {
            const km_pass *pass = &(*o)->pass[p];
            assert_int_equal(km_gradcheck_applies(*o, pass),
                             strstr(pass->name, "backward") != NULL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_in_every_op),      cmocka_unit_test(wrong_in_one_op),
        cmocka_unit_test(right_ones_pass),        cmocka_unit_test(right_ones_pass_projected),
        cmocka_unit_test(right_edges_pass),       cmocka_unit_test(rounding_is_no_error),
        cmocka_unit_test(wrong_edges_are_caught), cmocka_unit_test(message_names_the_element),
        cmocka_unit_test(applies_to_backward),
    };
    return cmocka_run_group_tests_name("gradcheck", tests, NULL, NULL);
}
