/* test_golden_run.c: one recorded case on kernels that misbehave, and the rules of comparison.
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_set.h"

#include <math.h>
#include <unistd.h>

#include "verify/golden_report.h"

enum { COUNT = 5 };
static const float x[COUNT] = {-2, -0.5f, 0, 0.5f, 2}, g[COUNT] = {1, 2, 3, 4, 5};
static const double relu[COUNT] = {0, 0, 0, 0.5, 2};

static const set_case forward = {
    "forward",
    "relu",
    "forward",
    "",
    "\"y\": {\"kind\": \"exact\"}",
    {{"input", "x", x, 1, {COUNT}}, {"expected", "y", relu, 1, {COUNT}}}};

/* ---- kernels -------------------------------------------------------------------------------- */

static float *data(const km_args *args, km_slot slot)
{
    return args->slot[slot].data;
}

static void right(const km_args *args)
{
    for (int i = 0; i < COUNT; i++)
        data(args, KM_Y)[i] = fmaxf(0, data(args, KM_X)[i]);
}

static void idle(const km_args *args)
{
    (void)args;
}

static void too_far(const km_args *args)
{
    for (int i = 0; i <= COUNT; i++)
        ((volatile float *)args->slot[KM_Y].data)[i] = 1;
}

static void too_early(const km_args *args)
{
    right(args);
    ((volatile float *)args->slot[KM_Y].data)[-1] = 1;
}

static void leaves(const km_args *args)
{
    right(args);
    _exit(0);
}

static void spoils_input(const km_args *args)
{
    right(args);
    data(args, KM_X)[0] = 1;
}

static void tells_threads(const km_args *args)
{
    for (int i = 0; i < COUNT; i++)
        data(args, KM_Y)[i] = (float)args->threads;
}

static const char *decline(const km_args *args, void **plan)
{
    (void)args, (void)plan;
    return "not today";
}

static km_golden_run run_kernel(const km_kernel *kernel, uint32_t flags)
{
    const km_kernel list[] = {*kernel, {0}};
    const km_kernel *const lists[] = {list, NULL};
    const km_backend backend = {.abi = KM_ABI, .flags = flags, .name = "fake", .kernels = lists};
    char path[400];
    km_golden_case c;
    km_golden_run run;
    km_error error;
    snprintf(path, sizeof path, "%s/forward", set_folder);
    assert_int_equal(km_golden_case_load(path, &c, &error), 0);
    km_golden_run_open(&run, &c, &backend, 3);
    km_golden_case_free(&c);
    return run;
}

static void verdicts(void **state)
{
    static const struct {
        km_kernel kernel;
        km_golden_status status;
        const char *reason;
    } kernels[] = {
        {{.run = right}, KM_GOLDEN_OK, ""},
        {{.run = idle}, KM_GOLDEN_WRONG, "5 of 5 elements"},
        {{.run = too_far}, KM_GOLDEN_CRASHED, "y past its end, at byte 20 of 20"},
        {{.run = too_early}, KM_GOLDEN_WRONG, "y: overwritten"},
        {{.run = leaves}, KM_GOLDEN_CRASHED, "process ended"},
        {{.run = spoils_input}, KM_GOLDEN_CRASHED, " inside input x, which is read-only"},
        {{.run = right, .open = decline}, KM_GOLDEN_SKIPPED, "not today"},
        {{.offer = KM_NOT_OFFERED, .note = "later"}, KM_GOLDEN_SKIPPED, "later"},
        {{.op = "elu", .run = right}, KM_GOLDEN_SKIPPED, "no such kernel"},
    };
    (void)state;
    set_put(&forward);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        km_kernel kernel = kernels[i].kernel;
        kernel.op = kernel.op ? kernel.op : "relu";
        kernel.pass = "forward";
        km_golden_run run = run_kernel(&kernel, 0);
        if (run.status != kernels[i].status || !strstr(run.reason, kernels[i].reason))
            fail_msg("kernel %zu: %s, %s", i, km_golden_status_name[run.status], run.reason);
        km_golden_run_close(&run);
    }
}

static void threads_are_handed_on(void **state)
{
    const km_kernel kernel = {.op = "relu", .pass = "forward", .run = tells_threads};
    (void)state;
    set_put(&forward);
    km_golden_run threaded = run_kernel(&kernel, KM_THREADED), single = run_kernel(&kernel, 0);
    assert_true(((const float *)threaded.got[KM_Y])[0] == 3);
    assert_true(((const float *)single.got[KM_Y])[0] == 1);
    km_golden_run_close(&threaded);
    km_golden_run_close(&single);
}

/* ---- rules and tensors ---------------------------------------------------------------------- */

static void mask_and_scale(void **state)
{
    static const double off[COUNT] = {0, 0, 100, 0.5, 2};
    static const int64_t mask[COUNT] = {1, 1, 0, 1, 1};
    static const float scale[COUNT] = {0, 0, NAN, 1, 1};
    set_case c = forward;
    (void)state;
    c.tensor[1].data = off;
    c.tensor[2] = (set_tensor){"mask", "y", mask, 1, {COUNT}};
    set_put(&c);
    set_expect(NULL, "ref", KM_EXIT_OK, "4 elements compared");
    c.name = "scaled";
    c.tolerance = "\"y\": {\"kind\": \"bound\", \"coef\": 1, \"k\": 9}";
    c.tensor[3] = (set_tensor){"error_scale", "y", scale, 1, {COUNT}};
    set_put(&c);
    set_expect(NULL, "ref", KM_EXIT_OK, "2 runs: 2 ok");
    c.name = "no_limit";
    c.tensor[2] = c.tensor[3];
    c.tensor[3].role = NULL;
    set_put(&c);
    set_expect("no_limit", "ref", KM_EXIT_FAILED, "y.scale.npy: element 2 is nan");
}

/* |err| <= coef u S + 2^-126, from both sides: relu(0.5) is off by 2^-24, S is 1/2. */
static void bound_is_sharp(void **state)
{
    static const double off[COUNT] = {0, 0, 0, 0.5 + 0x1p-24, 2};
    static const float scale[COUNT] = {0, 0, 0, 0.5f, 0};
    set_case c = forward;
    (void)state;
    c.tensor[1].data = off;
    c.tensor[2] = (set_tensor){"error_scale", "y", scale, 1, {COUNT}};
    c.tolerance = "\"y\": {\"kind\": \"bound\", \"coef\": 2}";
    set_put(&c);
    set_expect(NULL, "ref", KM_EXIT_OK, "1 ok");
    set_edit("forward", "\"coef\": 2", "\"coef\": 1.999");
    set_expect(NULL, "ref", KM_EXIT_FAILED, "worst y[3]: got 0.5, want 0.50000005960464478");
}

/* sigmoid's backward pass reads y, which the recording lacks; gelu's attribute is a word. */
static void saved_tensors_and_choices(void **state)
{
    double sigmoid[COUNT], gelu[COUNT];
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        double v = (double)x[i], s = 1 / (1 + exp(-v));
        sigmoid[i] = (double)g[i] * s * (1 - s);
        gelu[i] = v / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v)));
    }
    set_case c = {"sigmoid",
                  "sigmoid",
                  "backward",
                  "",
                  "\"grad_x\": {\"kind\": \"mixed\", \"rtol\": 1e-5, \"atol\": 1e-6}",
                  {{"input", "x", x, 1, {COUNT}},
                   {"input", "grad_y", g, 1, {COUNT}},
                   {"expected", "grad_x", sigmoid, 1, {COUNT}}}};
    set_put(&c);
    c = forward;
    c.name = c.op = "gelu";
    c.params = "\"approximate\": \"tanh\"";
    c.tolerance = "\"y\": {\"kind\": \"mixed\", \"rtol\": 1e-6, \"atol\": 1e-7}";
    c.tensor[1].data = gelu;
    set_put(&c);
    set_expect(NULL, "ref", KM_EXIT_OK, "2 runs: 2 ok");
    set_edit("gelu", "\"tanh\"", "\"none\"");
    set_expect("gelu", "ref", KM_EXIT_FAILED, "1 wrong");
    set_edit("gelu", "\"none\"", "\"erf\"");
    set_expect("gelu", "ref", KM_EXIT_FAILED, "param 'approximate' cannot be 'erf'");
    set_edit("gelu", "\"erf\"", "1");
    set_expect("gelu", "ref", KM_EXIT_FAILED, "param 'approximate' cannot be");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_open, set_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(verdicts),       TEST(threads_are_handed_on),     TEST(mask_and_scale),
        TEST(bound_is_sharp), TEST(saved_tensors_and_choices),
    };
    return cmocka_run_group_tests_name("golden_run", tests, NULL, NULL);
}
