/* test_gradcheck.c: the gradient check finds wrong derivatives of every op, and none in the right ones.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdio.h>

#include "core/case.h"
#include "core/registry.h"
#include "verify/gradcheck.h"

/* The op under test: a pass has no context of its own. */
static const km_op *op;

static void oracle(const km_args *args)
{
    km_oracle_kernel(op->name, "backward")->run(args);
}

#define OUT ((double *)args->slot[KM_GRAD_X].data)
#define G   ((const double *)args->slot[KM_GRAD_Y].data)
#define X   ((const double *)args->slot[KM_X].data)
#define N   (args->slot[KM_GRAD_X].count)

/* ---- wrong in any op -------------------------------------------------------------------------- */

static void factor_two(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= 2;
}

static void sign(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = -OUT[i];
}

static void zero(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = 0;
}

static void largest_one_percent(const km_args *args)
{
    int64_t largest = 0;
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        largest = fabs(OUT[i]) > fabs(OUT[largest]) ? i : largest;
    OUT[largest] *= 1.01;
}

static void all_per_mille(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= 1.001;
}

static void constant_added(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] += 1e-3;
}

static void upstream_ignored(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] /= G[i];
}

static void upstream_twice(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= G[i];
}

static void upstream_size(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] *= G[i] < 0 ? -1 : 1;
}

static void clipped(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = fmin(1, fmax(-1, OUT[i]));
}

static void pairs_swapped(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i + 1 < N; i += 2) {
        double kept = OUT[i];
        OUT[i] = OUT[i + 1];
        OUT[i + 1] = kept;
    }
}

static void reversed(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N / 2; i++) {
        double kept = OUT[i];
        OUT[i] = OUT[N - 1 - i];
        OUT[N - 1 - i] = kept;
    }
}

static void summed_up(const km_args *args)
{
    double sum = 0;
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = sum += OUT[i];
}

static void accumulated(const km_args *args)
{
    static double kept[1 << 13];
    memcpy(kept, OUT, (size_t)N * sizeof *kept);
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] += kept[i];
}

static void one_nan(const km_args *args)
{
    oracle(args);
    OUT[N - 1] = NAN;
}

static int calls;

/* Right for the cotangent of the first call, whatever comes later. */
static void remembered(const km_args *args)
{
    static double kept[1 << 13];
    if (calls++ == 0) {
        oracle(args);
        memcpy(kept, OUT, (size_t)N * sizeof *kept);
    }
    memcpy(OUT, kept, (size_t)N * sizeof *kept);
}

static void not_zero_at_zero(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] += G[i] == 0 ? 1e-9 : 0;
}

static void nothing(const km_args *args)
{
    (void)args;
}

static void (*const everywhere[])(const km_args *) = {
    factor_two,     sign,          zero,    largest_one_percent, all_per_mille,    constant_added,
    upstream_twice, upstream_size, clipped, pairs_swapped,       upstream_ignored, reversed,
    summed_up,      accumulated,   one_nan, remembered,          not_zero_at_zero, nothing};
enum { EVERYWHERE = sizeof everywhere / sizeof *everywhere };

/* ---- wrong in one op -------------------------------------------------------------------------- */

static void tanh_for_erf(const km_args *args)
{
    km_args other = *args;
    km_case params = *args->params;
    params.attr[KM_APPROXIMATE] = 1;
    other.params = &params;
    oracle(&other);
}

static void attributes_ignored(const km_args *args)
{
    km_args other = *args;
    km_case params;
    km_case_default(op, &params);
    other.params = &params;
    oracle(&other);
}

static void silu_term_missing(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i] / (1 + exp(-X[i]));
}

static void hardswish_term_missing(const km_args *args)
{
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i] * (X[i] > 3 ? 1 : X[i] < -3 ? 0 : 2 * X[i] / 6);
}

static void tanh_without_square(const km_args *args)
{
    const double *y = args->slot[KM_Y].data;
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i] * (1 - fabs(y[i]));
}

static void slope_forgotten(const km_args *args)
{
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        OUT[i] = G[i];
}

static void weight_without_mask(const km_args *args)
{
    double *w = args->slot[KM_GRAD_WEIGHT].data;
    oracle(args);
    for (int64_t i = 0; i < N; i++)
        w[0] += X[i] > 0 ? G[i] * X[i] : 0;
}

static void weights_swapped(const km_args *args)
{
    double *w = args->slot[KM_GRAD_WEIGHT].data;
    oracle(args);
    double kept = w[0];
    w[0] = w[1];
    w[1] = kept;
}

static void weight_averaged(const km_args *args)
{
    double *w = args->slot[KM_GRAD_WEIGHT].data;
    oracle(args);
    w[2] /= (double)N;
}

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

/* Every element (97), and projected on random directions (5000). */
static void wrong_in_every_op(void **state)
{
    const char *const texts[] = {"n97", "n5000"};
    int caught = 0, count = 0;
    km_error error;
    (void)state;
    for (const km_op *const *o = km_ops(); *o; o++)
        for (int m = 0; m < EVERYWHERE; m++)
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
        for (const char *const *listed = (*o)->quick; *listed; listed++)
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
        for (uint64_t seed = 1; seed <= 10; seed++) {
            shrink("", strcmp((*o)->name, "prelu") ? "n2500" : "n10c3h10w9", text, sizeof text);
            if (check((*o)->name, text, seed, oracle, &error))
                fail_msg("%s/%s, seed %d: %s", (*o)->name, text, (int)seed, error.text);
        }
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
    for (const km_op *const *o = km_ops(); *o; o++) {
        assert_true(km_gradcheck_applies(*o, km_pass_find(*o, "backward")));
        assert_false(km_gradcheck_applies(*o, km_pass_find(*o, "forward")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_in_every_op),         cmocka_unit_test(wrong_in_one_op),
        cmocka_unit_test(right_ones_pass),           cmocka_unit_test(right_ones_pass_projected),
        cmocka_unit_test(message_names_the_element), cmocka_unit_test(applies_to_backward),
    };
    return cmocka_run_group_tests_name("gradcheck", tests, NULL, NULL);
}
