/* test_properties.c: a property fails of a kernel that lacks it, and holds of the references.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>

#include "core/registry.h"
#include "verify/properties.h"
#include "verify/runner.h"

static void uphill(const km_args *args)
{
    float *param = args->slot[KM_PARAM].data;
    const float *grad = args->slot[KM_GRAD].data;
    for (int64_t i = 0; i < args->slot[KM_PARAM].count; i++)
        param[i] += 1e-4f * grad[i];
}

static void stays(const km_args *args)
{
    (void)args;
}

static void crashes(const km_args *args)
{
    (void)args;
    abort();
}

static km_property_result test_with(void (*run)(const km_args *), const char *op, const char *name)
{
    const km_kernel kernels[] = {
        {.op = "sgd", .pass = "step", .run = run}, {.op = "adam", .pass = "step", .run = run}, {0}};
    const km_kernel *const lists[] = {kernels, NULL};
    const km_backend backend = {.abi = KM_ABI, .name = "faulty", .kernels = lists};
    km_property_result result = {.status = KM_SKIPPED};
    const km_property *p;
    for (size_t i = 0; (p = km_property_at(i)); i++)
        if (!strcmp(p->op, op) && !strcmp(p->name, name))
            break;
    assert_non_null(p);
    km_property_run(p, &backend, 1, &result);
    return result;
}

static void a_wrong_optimizer_is_found(void **state)
{
    (void)state;
    km_property_result r = test_with(stays, "sgd", "reaches_minimum_quadratic");
    assert_int_equal(r.status, KM_WRONG);
    assert_holds(r.text, "no nearer than f = ");
    assert_int_equal(test_with(uphill, "sgd", "reaches_minimum_rosenbrock").status, KM_WRONG);
    r = test_with(uphill, "adam", "beats_sgd_quadratic");
    assert_int_equal(r.status, KM_WRONG);
}

static void a_crash_is_a_result(void **state)
{
    (void)state;
    const km_property_result r = test_with(crashes, "sgd", "reaches_minimum_quadratic");
    assert_int_equal(r.status, KM_CRASHED);
    assert_holds(r.text, "Aborted");
}

static void a_missing_kernel_is_skipped(void **state)
{
    (void)state;
    const km_property_result r = test_with(stays, "nag", "reaches_minimum_quadratic");
    assert_int_equal(r.status, KM_SKIPPED);
    assert_holds(r.text, "the backend has no such kernel");
}

static void the_reference_holds_them(void **state)
{
    km_property_result r;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        km_property_run(km_property_at(i), km_backend_find("ref"), 1, &r);
        assert_int_equal(r.status, KM_OK);
    }
}

static void runner_counts_steps(void **state)
{
    km_runner r;
    km_error error;
    (void)state;
    assert_int_equal(km_runner_open(&r, km_backend_find("ref"), "adagrad", "step",
                                    "n3_initial_accumulator_value0.5", &error),
                     0);
    assert_true(km_runner_data(&r, KM_SUM_OF_SQUARES)[2] == 0.5f);
    km_runner_data(&r, KM_GRAD)[2] = 1;
    km_runner_run(&r);
    km_runner_run(&r);
    assert_int_equal(r.args.step, 2);
    assert_true(km_runner_data(&r, KM_SUM_OF_SQUARES)[2] == 2.5f);
    km_runner_reset(&r);
    assert_true(km_runner_data(&r, KM_SUM_OF_SQUARES)[2] == 0.5f);
    km_runner_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_optimizer_is_found),  cmocka_unit_test(a_crash_is_a_result),
        cmocka_unit_test(a_missing_kernel_is_skipped), cmocka_unit_test(the_reference_holds_them),
        cmocka_unit_test(runner_counts_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
