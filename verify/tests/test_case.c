/* test_case.c: case texts: what is taken, what is refused and why, and one canonical form for each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/case.h"
#include "core/pass.h"
#include "core/random.h"
#include "core/registry.h"

static void canonical(const char *op, const char *text, char out[KM_CASE_TEXT])
{
    km_case c;
    km_error error = {""};
    if (km_case_parse(km_op_find(op), text, &c, &error))
        fail_msg("%s", error.text);
    km_case_format(km_op_find(op), &c, out);
}

static void every_listed_case(void **state)
{
    char once[KM_CASE_TEXT], twice[KM_CASE_TEXT];
    int count = 0;
    (void)state;
    for (const km_op *const *op = km_ops(); *op; op++)
        for (int list = 0; list < 3; list++) {
            const char *const *const lists[] = {(*op)->quick, (*op)->full, (*op)->edge};
            for (const char *const *text = lists[list]; text && *text; text++, count++) {
                km_case a, b;
                km_error error;
                char listed[KM_CASE_TEXT];
                km_case_listed(*text, listed);
                canonical((*op)->name, listed, once);
                canonical((*op)->name, once, twice);
                assert_string_equal(once, twice);
                assert_int_equal(km_case_parse(*op, listed, &a, &error), 0);
                assert_int_equal(km_case_parse(*op, once, &b, &error), 0);
                assert_memory_equal(&a, &b, sizeof a);
            }
        }
    assert_true(count > 50);
}

static const struct {
    const char *op, *text, *canonical;
} forms[] = {
    {"relu", "n8", "n8"},
    {"relu", "n007", "n7"},
    {"relu", "n0", "n0"},
    {"prelu", "n8", "n8c1h1w1"},
    {"prelu", "w2h3c4n5", "n5c4h3w2"},
    {"prelu", "n8c3_num_parameters3", "n8c3h1w1_num_parameters3"},
    {"prelu", "n8c3_num_parameters=3", "n8c3h1w1_num_parameters3"},
    {"prelu", "n8c1000_num_parameters1e3", "n8c1000h1w1_num_parameters1000"},
    {"prelu", "n1c16777217_num_parameters16777217", "n1c16777217h1w1_num_parameters16777217"},
    {"prelu", "n8c3_num_parameters1", "n8c3h1w1"},
    {"elu", "n8_alpha1", "n8"},
    {"elu", "n8_alpha=+2", "n8_alpha2"},
    {"elu", "n8_alpha.5", "n8_alpha0.5"},
    {"elu", "n8_alpha2.", "n8_alpha2"},
    {"elu", "n8_alpha100", "n8_alpha100"},
    {"elu", "n8_alpha1000000", "n8_alpha1e+06"},
    {"elu", "n8_alpha0.1", "n8_alpha0.1"},
    {"elu", "n8_alpha0.100000001490116", "n8_alpha0.1"}, /* the same float */
    {"elu", "n8_alpha0.10000001", "n8_alpha0.10000001"},
    {"leaky_relu", "n8_negative_slope-0.5", "n8_negative_slope-0.5"},
    {"leaky_relu", "n8_negative_slope1E-3", "n8_negative_slope0.001"},
    {"gelu", "n8_approximate=tanh", "n8_approximate=tanh"},
    {"gelu", "n8_approximatetanh", "n8_approximate=tanh"},
    {"gelu", "n8_approximate=none", "n8"},
    {"softplus", "n8_threshold10_beta2", "n8_beta2_threshold10"},
    {"conv2d", "c1h3w9k1s3_pad0x1", "n1c1h3w9k1r1s3_pad0x1"},
    {"conv2d", "c1h3w9k1r3s3_algorithm=winograd", "n1c1h3w9k1r3s3_algorithm=winograd"},
    {"conv2d", "c1h3w9k1r3s3_algorithm=direct", "n1c1h3w9k1r3s3"},
};

static void canonical_forms(void **state)
{
    char once[KM_CASE_TEXT], twice[KM_CASE_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        canonical(forms[i].op, forms[i].text, once);
        assert_string_equal(once, forms[i].canonical);
        canonical(forms[i].op, once, twice);
        assert_string_equal(twice, once);
    }
}

static const struct {
    const char *op, *text, *reason;
} refused[] = {
    {"relu", "", "size 'n' is missing"},
    {"relu", "_", "size 'n' is missing"},
    {"relu", "n", "size 'n' needs a whole number, not ''"},
    {"relu", "8", "unexpected '8'; the sizes of relu are n"},
    {"relu", "n8n8", "size 'n' is given twice"},
    {"relu", "n8c3", "unexpected 'c3'; the sizes of relu are n"},
    {"relu", "N8", "unexpected 'N8'"},
    {"relu", " n8", "unexpected ' n8'"},
    {"relu", "n 8", "needs a whole number"},
    {"relu", "n8 ", "unexpected ' '"},
    {"relu", "n-8", "size 'n' needs a whole number, not '-8'"},
    {"relu", "n+8", "needs a whole number"},
    {"relu", "n8.5", "unexpected '.5'"},
    {"relu", "n0x10", "unexpected 'x10'"},
    {"relu", "n1e3", "unexpected 'e3'"},
    {"relu", "n99999999999999999999999", "size 'n' is larger than any tensor can be"},
    {"relu", "n9223372036854775808", "size 'n' is larger than any tensor can be"},
    {"relu", "n9223372036854775807", "this machine has"},
    {"relu", "n1000000000000000", "this machine has"},
    {"prelu", "n4294967296c4294967296", "this machine has"},
    {"prelu", "n3c4294967296h4294967296w4294967296", "this machine has"},
    {"prelu", "c3", "size 'n' is missing"},
    {"relu", "n8_alpha2", "relu has no attributes, so not 'alpha'"},
    {"elu", "n8_", "elu has no attribute ''"},
    {"elu", "n8_alpha", "attribute 'alpha' of elu cannot be ''"},
    {"elu", "n8_alpha=", "attribute 'alpha' of elu cannot be ''"},
    {"elu", "n8_alpha==2", "cannot be '=2'"},
    {"elu", "n8_alpha2_alpha2", "attribute 'alpha' is given twice"},
    {"elu", "n8_alpah2", "elu has no attribute 'alpah'; did you mean 'alpha'?"},
    {"elu", "n8_zzzzzzz2", "elu has no attribute 'zzzzzzz'; its first is 'alpha'"},
    {"elu", "n8_alpha nan", "cannot be ' nan'"},
    {"elu", "n8_alphanan", "cannot be 'nan'"},
    {"elu", "n8_alpha-nan", "cannot be '-nan'"},
    {"elu", "n8_alphainf", "cannot be 'inf'"},
    {"elu", "n8_alpha-inf", "cannot be '-inf'"},
    {"elu", "n8_alphainfinity", "cannot be 'infinity'"},
    {"elu", "n8_alpha0x10", "cannot be '0x10'"},
    {"elu", "n8_alpha0x1p3", "cannot be '0x1p3'"},
    {"elu", "n8_alpha1e400", "attribute 'alpha' must be finite"},
    {"elu", "n8_alpha1e39", "attribute 'alpha' must be finite"},
    {"elu", "n8_alpha1e", "cannot be '1e'"},
    {"elu", "n8_alpha1-2", "cannot be '1-2'"},
    {"elu", "n8_alpha2x", "unexpected 'x' after attribute 'alpha'"},
    {"elu", "n8_alpha2,5", "unexpected ',5' after attribute 'alpha'"},
    {"elu", "n8alpha2", "unexpected 'alpha2'"},
    {"gelu", "n8_approximate=tan", "attribute 'approximate' of gelu cannot be 'tan'; first choice"},
    {"gelu", "n8_approximate=tanhh", "cannot be 'tanhh'"},
    {"gelu", "n8_approximate=1", "cannot be '1'"},
    {"gelu", "n8_aproximate=tanh", "did you mean 'approximate'?"},
    {"prelu", "n8c3_num_parameters2", "num_parameters must be 1 or c"},
    {"prelu", "n8c3_num_parameters0", "must lie in [1, 1e+09]"},
    {"prelu", "n8c3_num_parameters-3", "must lie in [1, 1e+09]"},
    {"prelu", "n8c3_num_parameters2.5", "must be a whole number"},
    {"prelu", "n8c3_num_parameters1e18", "must lie in [1, 1e+09]"},
    {"dropout", "n8_p1.5", "attribute 'p' must lie in [0, 1]"},
    {"dropout", "n8_p-0.1", "attribute 'p' must lie in [0, 1]"},
    {"dropout", "n8_seed1.5", "attribute 'seed' must be a whole number"},
    {"l1_penalty", "n8_lambda-1", "attribute 'lambda' must lie in [0, "},
    {"clip_grad_value", "n8_clip_value-1", "attribute 'clip_value' must lie in [0, "},
    {"clip_grad_norm", "n8_max_norm-1", "attribute 'max_norm' must lie in [0, "},
    {"clip_grad_norm", "n8_norm_type=3", "attribute 'norm_type' of clip_grad_norm cannot be '3'"},
    {"standardize_columns", "n2c3_correction2", "correction must be below n"},
    {"standardize_columns", "n2c3_dim1", "dim must be 0"},
    {"min_max_columns", "n2c3_range_min1", "range_min must be below range_max"},
    {"init", "c3k4_gain-1", "attribute 'gain' must lie in [0, 1e+06]"},
    {"init", "c3k4_method=he", "attribute 'method' of init cannot be 'he'"},
    {"conv2d", "c1h5w5k1r5s5_algorithm=winograd",
     "winograd takes 3x3 kernels with stride, dilation"},
    {"conv2d", "c1h5w5k1r3s3_stride2x1_algorithm=winograd", "winograd takes 3x3 kernels"},
    {"conv2d", "c2h5w5k2r3s3_groups2_algorithm=winograd", "winograd takes 3x3 kernels"},
};

static void refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        km_case c;
        km_error error = {""};
        char start[128];
        snprintf(start, sizeof start, "case '%s' of %s: ", refused[i].text, refused[i].op);
        if (!km_case_parse(km_op_find(refused[i].op), refused[i].text, &c, &error))
            fail_msg("taken: %s", refused[i].text);
        assert_holds(error.text, start);
        assert_holds(error.text, refused[i].reason);
    }
}

/* Ranges of every attribute of every op: just inside is legal, just outside is not. */
static void attribute_ranges(void **state)
{
    (void)state;
    for (const km_op *const *op = km_ops(); *op; op++)
        for (int i = 0; i < (*op)->attrs; i++) {
            const km_attr_spec *a = &(*op)->attr[i];
            km_case c;
            km_error error;
            char listed[KM_CASE_TEXT];
            km_case_listed(*(*op)->quick, listed);
            assert_int_equal(km_case_parse(*op, listed, &c, &error), 0);
            c.attr[a->attr] = 0.0 / 0.0;
            assert_int_equal(km_case_check(*op, &c, &error), -1);
            if (a->min == 0 && a->max == 0)
                continue;
            c.attr[a->attr] = 2 * a->max + 2;
            assert_int_equal(km_case_check(*op, &c, &error), -1);
            assert_holds(error.text, "must lie in");
            c.attr[a->attr] = a->min - 2;
            assert_int_equal(km_case_check(*op, &c, &error), -1);
        }
}

/* One hostile message must not forge another line of a log. */
static void control_characters(void **state)
{
    km_case c;
    km_error error;
    (void)state;
    assert_int_equal(km_case_parse(km_op_find("relu"), "n8\n\033[31mok", &c, &error), -1);
    for (const char *p = error.text; *p; p++)
        assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
}

/* Changes a few characters; the alphabet is what case texts are made of, and some bytes that are not. */
static void mutate(char *text, size_t size, uint64_t round)
{
    static const char alphabet[] = "nchw0123456789_=.+-eExalphtsku \n%\xff";
    uint32_t r[4];
    for (uint64_t edit = 0; edit < 1 + round % 4; edit++) {
        km_philox(8 * round + edit, 2026, r);
        size_t length = strlen(text), at = r[0] % (length + 1);
        char letter = alphabet[r[1] % (sizeof alphabet - 1)];
        if (r[2] % 3 == 0 && at < length)
            memmove(text + at, text + at + 1, length - at);
        else if (r[2] % 3 == 1 && at < length)
            text[at] = letter;
        else if (length + 2 < size) {
            memmove(text + at + 1, text + at, length - at + 1);
            text[at] = letter;
        }
    }
}

/* A mutated text is refused with a reason, or its canonical form is a fixed point. Run under ASan. */
static void fuzz(void **state)
{
    int taken = 0;
    (void)state;
    for (uint64_t round = 0; round < 40000; round++) {
        const km_op *op = km_op_find(forms[round % (sizeof forms / sizeof *forms)].op);
        char text[300], once[KM_CASE_TEXT], twice[KM_CASE_TEXT];
        km_case c;
        km_error error = {""};
        strcpy(text, forms[round % (sizeof forms / sizeof *forms)].text);
        mutate(text, sizeof text, round);
        /* the copy has its exact size, so that a read past its end is noticed */
        char *copy = strdup(text);
        int failed = km_case_parse(op, copy, &c, &error);
        free(copy);
        assert_true(!failed == !*error.text);
        if (failed)
            continue;
        km_case_format(op, &c, once);
        canonical(op->name, once, twice);
        assert_string_equal(once, twice);
        taken++;
    }
    assert_in_range(taken, 1000, 39000); /* both answers were tried */
}

static void bytes_and_flops(void **state)
{
    const km_op *op = km_op_find("relu");
    km_case c;
    km_error error;
    (void)state;
    assert_int_equal(km_case_parse(op, "n1000", &c, &error), 0);
    assert_true(km_pass_bytes(op, km_pass_find(op, "forward"), &c) == 8000);
    assert_true(km_pass_bytes(op, km_pass_find(op, "backward"), &c) == 12000);
    assert_true(km_pass_flops(op, km_pass_find(op, "forward"), &c) == 1000);
    assert_int_equal(km_pass_elements(op, km_pass_find(op, "backward"), &c), 3000);
    c.dim[KM_DIM_N] = INT64_MAX / 2;
    assert_true(km_pass_elements(op, km_pass_find(op, "backward"), &c) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_case),  cmocka_unit_test(canonical_forms),
        cmocka_unit_test(refusals),           cmocka_unit_test(attribute_ranges),
        cmocka_unit_test(control_characters), cmocka_unit_test(fuzz),
        cmocka_unit_test(bytes_and_flops),
    };
    return cmocka_run_group_tests_name("case", tests, NULL, NULL);
}
