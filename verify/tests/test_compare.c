/* test_compare.c: the comparator accepts what lies within the bound, and nothing else.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <float.h>
#include <math.h>

#include "verify/compare.h"

static const km_bound exact = {.kind = KM_EXACT}, two_ulp = {.kind = KM_ULP, .ulp = 2},
                      mixed = {.kind = KM_MIXED, .rtol = 1e-5, .atol = 1e-6},
                      sum = {.kind = KM_SUM};

/* 1 right, 0 wrong; the counts must say the same. */
static int accepts(km_rule rule, float got, double want)
{
    km_figures f = km_figures_none();
    int right = km_compare_one(&rule, got, want, 0, &f);
    assert_int_equal(f.elements, 1);
    assert_int_equal(f.wrong, !right);
    assert_int_equal(f.first_wrong, right ? -1 : 0);
    assert_true(f.bound_used > 1 || right);
    return right;
}

static float payload(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void ulp_errors(void **state)
{
    (void)state;
    assert_true(km_ulp_error(1, 1) == 0);
    assert_true(km_ulp_error(nextafterf(1, 2), 1) == 1);
    /* below a power of two the spacing halves; the unit is that of the expected value */
    assert_true(km_ulp_error(nextafterf(1, 0), 1) == 0.5);
    assert_true(km_ulp_error(1, nextafterf(1, 0)) == 1);
    /* the exact value counts, not its rounding */
    assert_true(km_ulp_error(1, 1 + 0x1p-25) == 0.25);
    assert_true(km_ulp_error(0, 0x1p-149) == 1 && km_ulp_error(0x1p-149, 0) == 1);
    assert_true(km_ulp_error(0x1p-126, 0x1.fffffcp-127) == 1);
    assert_true(km_ulp_error(0, 0x1p-126) == 0x1p23);
    assert_true(km_ulp_error(-0x1p-149, 0x1p-149) == 2);
    assert_true(km_ulp_error(-1, 1) == 0x1p24);
    assert_true(km_ulp_error(FLT_MAX, (double)FLT_MAX) == 0);
    assert_true(km_ulp_error(nextafterf(FLT_MAX, 0), (double)FLT_MAX) == 1);
}

/* The unit of every exponent, against the library's own arithmetic. */
static void units_of_all_exponents(void **state)
{
    (void)state;
    for (int e = -149; e < 128; e++)
        for (int sign = -1; sign <= 1; sign += 2) {
            const float want = (float)(sign * ldexp(1, e)), next = nextafterf(want, 2 * want);
            const int top = e == 127; /* twice it is infinity, and so would be the direction */
            assert_true(km_ulp_error(next, want) == 1 && (top || km_ulp_error(want, next) == 1));
        }
}

static void worst_of_an_array(void **state)
{
    const double want[] = {1, 1, 1, 2, NAN, INFINITY};
    float got[] = {1, 1 + 0x1p-22f, 1 - 0x1p-22f, 2 + 0x1p-22f, NAN, INFINITY};
    double ulp;
    (void)state;
    assert_int_equal(km_worst_ulp(got, want, 6, &ulp), 1); /* the first of equals */
    assert_true(ulp == 2);
    assert_int_equal(km_worst_ulp(got, want, 1, &ulp), 0);
    assert_true(ulp == 0);
    got[4] = 0;
    assert_int_equal(km_worst_ulp(got, want, 6, &ulp), 4);
    assert_true(ulp == INFINITY);
}

/* What km_sure_ulp calls certain must pass the rule at every magnitude. */
static void sure_ulps(void **state)
{
    const km_bound rules[] = {exact, two_ulp, mixed, sum};
    const double scale = 1;
    (void)state;
    for (int r = 0; r < 4; r++)
        for (int e = -149; e < 127; e++) {
            const km_rule rule = {rules[r], .terms = 9, .scale = r == 3 ? &scale : NULL};
            const float want = (float)ldexp(1, e);
            const double unit = fmax(ldexp(1, e - 23), 0x1p-149);
            const double ulps = floor(fmin(km_sure_ulp(&rule), 0x1p20));
            assert_true(accepts(rule, (float)(want + ulps * unit), want));
        }
    assert_true(km_sure_ulp(&(km_rule){.bound = two_ulp}) == 2);
    assert_true(km_sure_ulp(&(km_rule){.bound = mixed}) > 40);
}

static void ulp_of_other_classes(void **state)
{
    const double classes[] = {NAN, INFINITY, -INFINITY, 1};
    (void)state;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            assert_true(km_ulp_error(classes[i], classes[j]) == (i == j ? 0 : INFINITY));
}

/* No rule, however wide, lets one class pass as another. */
static void classes(void **state)
{
    const km_bound rules[] = {
        exact, {.kind = KM_ULP, .ulp = 1e30}, {.kind = KM_MIXED, .rtol = 1e30, .atol = 1e300}, sum};
    const float values[] = {NAN, INFINITY, -INFINITY, 0};
    const double scale = 1e300;
    (void)state;
    for (int r = 0; r < 4; r++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++) {
                const km_rule rule = {rules[r], .terms = 9, .scale = &scale, .flush = 1};
                assert_int_equal(accepts(rule, values[i], values[j]), i == j);
            }
}

static void largest_and_infinity(void **state)
{
    const double half_up = 0x1.fffffefp127, above = 0x1.ffffffp127; /* rounds to FLT_MAX, to inf */
    (void)state;
    assert_false(accepts((km_rule){exact}, FLT_MAX, INFINITY));
    assert_false(accepts((km_rule){two_ulp}, FLT_MAX, INFINITY));
    assert_false(accepts((km_rule){two_ulp}, INFINITY, FLT_MAX));
    assert_true(accepts((km_rule){exact}, FLT_MAX, half_up));
    assert_false(accepts((km_rule){exact}, INFINITY, half_up));
    assert_true(accepts((km_rule){exact}, INFINITY, above));
    assert_false(accepts((km_rule){exact}, FLT_MAX, above));
    /* half a unit from the expected value, which is finite: within a bound of two */
    assert_true(accepts((km_rule){two_ulp}, FLT_MAX, above));
    assert_true(accepts((km_rule){mixed}, FLT_MAX, above));
    assert_false(accepts((km_rule){two_ulp}, FLT_MAX, 2 * above));
}

static void nan_payloads(void **state)
{
    (void)state;
    assert_true(accepts((km_rule){exact}, payload(0x7fc00001), NAN));
    assert_true(accepts((km_rule){exact}, payload(0xffa5a5a5), NAN));
    assert_true(accepts((km_rule){two_ulp}, payload(0x7fe5a5a5), -NAN));
    assert_false(accepts((km_rule){exact}, payload(0x7fe5a5a5), 1));
}

static void exact_rule(void **state)
{
    (void)state;
    assert_true(accepts((km_rule){exact}, -0.0f, 0.0));
    assert_true(accepts((km_rule){exact}, 0.0f, -0.0));
    assert_true(accepts((km_rule){exact}, 0.1f, 0.1)); /* the oracle's value, rounded */
    assert_false(accepts((km_rule){exact}, nextafterf(0.1f, 1), 0.1));
    assert_false(accepts((km_rule){exact}, 0x1p-149f, 0));
    assert_false(accepts((km_rule){exact}, 0, 0x1p-149));
    assert_false(accepts((km_rule){exact}, -1, 1));
}

static void ulp_rule(void **state)
{
    (void)state;
    float one = 1, up2 = 1 + 2 * FLT_EPSILON, up3 = 1 + 3 * FLT_EPSILON;
    assert_true(accepts((km_rule){two_ulp}, up2, one));
    assert_false(accepts((km_rule){two_ulp}, up3, one));
    assert_true(accepts((km_rule){two_ulp}, 0x1p-148f, 0));
    assert_false(accepts((km_rule){two_ulp}, 3 * 0x1p-149f, 0));
    assert_false(accepts((km_rule){two_ulp}, 1e-30f, 0));
}

static void mixed_rule(void **state)
{
    const double eight = 8;
    (void)state;
    assert_true(accepts((km_rule){mixed}, 1.0000109f, 1));
    assert_false(accepts((km_rule){mixed}, 1.0000115f, 1));
    assert_true(accepts((km_rule){mixed}, 0.99e-6f, 0));
    assert_false(accepts((km_rule){mixed}, 1.01e-6f, 0));
    assert_false(accepts((km_rule){mixed}, -1, 1));
    /* the scale multiplies the absolute part alone */
    assert_true(accepts((km_rule){mixed, .scale = &eight}, 7.9e-6f, 0));
    assert_false(accepts((km_rule){mixed, .scale = &eight}, 8.1e-6f, 0));
    assert_false(accepts((km_rule){mixed, .scale = &eight}, 1.00002f, 1));
}

/* min(K + 8, 8 sqrt K + 8) u S + 2^-126 */
static void sum_rule(void **state)
{
    const double s = 3, u = 0x1p-24;
    const km_rule few = {sum, .terms = 4, .scale = &s}, many = {sum, .terms = 10000, .scale = &s};
    (void)state;
    assert_true(fabs(km_tolerance(&few, 1, 0) - 12 * u * s) < 1e-20);
    assert_true(fabs(km_tolerance(&many, 1, 0) - 808 * u * s) < 1e-20);
    assert_true(accepts(many, (float)(800 * u * s), 0));
    assert_false(accepts(many, (float)(820 * u * s), 0));
    const double nothing = 0; /* an empty sum is zero, or next to it */
    const km_rule empty = {sum, .terms = 0, .scale = &nothing};
    assert_true(accepts(empty, 0, 0));
    assert_false(accepts(empty, 1e-37f, 0));
}

static void flush_allowance(void **state)
{
    const double subnormal = 0x1p-130, smallest = 0x1p-126;
    (void)state;
    for (int k = 0; k < 2; k++) {
        const km_bound b = k ? two_ulp : exact;
        assert_false(accepts((km_rule){b}, 0, subnormal));
        assert_true(accepts((km_rule){b, .flush = 1}, 0, subnormal));
        assert_true(accepts((km_rule){b, .flush = 1}, -0.0f, subnormal));
        /* zero is what may be flushed to, and only below the smallest normal number */
        assert_false(accepts((km_rule){b, .flush = 1}, 0, smallest));
        assert_false(accepts((km_rule){b, .flush = 1}, 0x1p-140f, subnormal));
        assert_false(accepts((km_rule){b, .flush = 1}, 0x1p-126f, subnormal));
        assert_false(accepts((km_rule){b, .flush = 1}, NAN, subnormal));
    }
}

/* A bound that is not a number must not be a bound that everything meets. */
static void nan_tolerance(void **state)
{
    const double none = NAN;
    const km_bound bad[] = {{.kind = KM_ULP, .ulp = NAN},
                            {.kind = KM_MIXED, .rtol = NAN},
                            {.kind = KM_MIXED, .atol = NAN}};
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(accepts((km_rule){bad[i]}, 1.5f, 1));
        assert_false(km_compare_one(&(km_rule){bad[i]}, 1, 1, 0, &(km_figures){0}));
    }
    assert_false(accepts((km_rule){sum, .terms = 3, .scale = &none}, 2, 1));
}

static void compare(const km_rule *rule, const float *got, const double *want, int64_t count,
                    km_figures *f)
{
    const km_tensor t = {.data = (float *)got, .count = count, .ndim = 1, .dim = {count}};
    km_compare(rule, &t, want, f);
}

/* Whole numbers are compared as they are: float has no room for 2^24 + 1. */
static void whole_numbers_keep_their_bits(void **state)
{
    const int32_t got[] = {16777217, -1};
    const double want[] = {16777216, -1};
    const km_tensor t = {
        .data = (int32_t *)got, .count = 2, .ndim = 1, .dim = {2}, .type = KM_INT32};
    km_figures f = km_figures_none();
    (void)state;
    km_compare(&(km_rule){.bound.kind = KM_EXACT, .whole = 1}, &t, want, &f);
    assert_int_equal(f.wrong, 1);
    assert_int_equal(f.first_wrong, 0);
}

static void figures_of_a_tensor(void **state)
{
    enum { COUNT = 67 };
    float got[COUNT];
    double want[COUNT];
    const km_rule rule = {two_ulp};
    (void)state;
    for (int bad = 0; bad < COUNT; bad++) {
        for (int i = 0; i < COUNT; i++)
            got[i] = (float)(want[i] = i + 1);
        got[bad] = -got[bad];
        got[COUNT - 1] = NAN;
        km_figures f = km_figures_none();
        compare(&rule, got, want, COUNT, &f);
        assert_int_equal(f.elements, COUNT);
        assert_int_equal(f.wrong, bad == COUNT - 1 ? 1 : 2);
        assert_int_equal(f.first_wrong, bad);
        assert_true(f.want == bad + 1 && isinf(f.max_ulp) && isinf(f.bound_used));
    }
}

static void figures_add_up(void **state)
{
    const float a[] = {1, 1 + FLT_EPSILON, 5}, b[] = {1.5f, 2 + 8 * FLT_EPSILON};
    const double want_a[] = {1, 1, 4}, want_b[] = {1, 2};
    const km_rule rule = {two_ulp};
    km_figures all = km_figures_none();
    (void)state;
    compare(&rule, a, want_a, 0, &all);
    assert_int_equal(all.elements, 0);
    assert_int_equal(all.first_wrong, -1);
    compare(&rule, a, want_a, 3, &all);
    compare(&rule, b, want_b, 2, &all);
    assert_int_equal(all.elements, 5);
    assert_int_equal(all.wrong, 3);
    assert_int_equal(all.first_wrong, 2); /* of the first call that had one */
    assert_true(all.got == 5 && all.want == 4);
    assert_true(all.max_abs == 1 && all.max_rel == 0.5);
    assert_true(all.max_ulp == 0x1p22 && all.bound_used == 0x1p21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ulp_errors),           cmocka_unit_test(units_of_all_exponents),
        cmocka_unit_test(worst_of_an_array),    cmocka_unit_test(sure_ulps),
        cmocka_unit_test(ulp_of_other_classes), cmocka_unit_test(classes),
        cmocka_unit_test(largest_and_infinity), cmocka_unit_test(nan_payloads),
        cmocka_unit_test(exact_rule),           cmocka_unit_test(ulp_rule),
        cmocka_unit_test(mixed_rule),           cmocka_unit_test(sum_rule),
        cmocka_unit_test(flush_allowance),      cmocka_unit_test(nan_tolerance),
        cmocka_unit_test(figures_of_a_tensor),  cmocka_unit_test(whole_numbers_keep_their_bits),
        cmocka_unit_test(figures_add_up),
    };
    return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
