/* test_golden.c: sets of small cases, right, wrong and damaged, through the whole command.
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_set.h"

#include <float.h>
#include <math.h>
#include <unistd.h>

enum { SPECIALS = 10 };

static const float special_x[SPECIALS] = {NAN,       INFINITY,   -INFINITY, -0.0f,    0.0f,
                                          0x1p-149f, -0x1p-140f, FLT_MAX,   -FLT_MAX, -1.5f};
static const double special_relu[SPECIALS] = {NAN,      INFINITY, 0,       -0.0, 0,
                                              0x1p-149, 0,        FLT_MAX, 0,    0};

/* A right recording of relu's forward pass. */
static const set_case good = {
    "good",
    "relu",
    "forward",
    "",
    "\"y\": {\"kind\": \"exact\"}",
    {{"input", "x", special_x, 1, {SPECIALS}}, {"expected", "y", special_relu, 1, {SPECIALS}}}};

static void special_values(void **state)
{
    (void)state;
    set_put(&good);
    set_expect(NULL, "ref", KM_EXIT_OK, "1 runs: 1 ok, 0 wrong");
    set_case leaky = good;
    leaky.name = "leaky";
    leaky.op = "leaky_relu";
    leaky.params = "\"negative_slope\": 0.5";
    leaky.tolerance = "\"y\": {\"kind\": \"ulp\", \"max_ulp\": 1}";
    double want[SPECIALS];
    for (int i = 0; i < SPECIALS; i++)
        want[i] = special_x[i] > 0 ? special_x[i] : 0.5 * (double)special_x[i];
    leaky.tensor[1].data = want;
    set_put(&leaky);
    set_expect("leak*", "ref", KM_EXIT_OK, "1 runs: 1 ok, 0 wrong");
}

/* A class that differs is wrong under every rule, and the worst element is named. */
static void wrong_class(void **state)
{
    static const char *const rules[] = {"\"kind\": \"exact\"",
                                        "\"kind\": \"ulp\", \"max_ulp\": 9e9",
                                        "\"kind\": \"mixed\", \"rtol\": 1e9, \"atol\": 1e30"};
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        char name[] = "class0", tolerance[100];
        double want[SPECIALS];
        name[5] = (char)('0' + i);
        snprintf(tolerance, sizeof tolerance, "\"y\": {%s}", rules[i]);
        memcpy(want, special_relu, sizeof want);
        want[4] = NAN;
        set_case c = good;
        c.name = name;
        c.tolerance = tolerance;
        c.tensor[1].data = want;
        set_put(&c);
        set_expect(name, "ref", KM_EXIT_FAILED, "worst y[4]: got 0, want nan");
    }
}

static void empty_alone_proves_nothing(void **state)
{
    (void)state;
    set_case c = good;
    c.name = "empty";
    c.tensor[0].dim[0] = c.tensor[1].dim[0] = 0;
    set_put(&c);
    set_expect("empty", "ref", KM_EXIT_FAILED, "no element was compared");
    set_put(&good);
    set_expect(NULL, "ref", KM_EXIT_OK, "2 cases, 2 runs: 2 ok");
}

typedef struct prelu_shape {
    int ndim;
    int64_t dim[6], slopes;
} prelu_shape;

static float prelu_x[720], prelu_g[720], prelu_w[3] = {0.25f, -2, 0}, prelu_scale[3];
static double prelu_y[720], prelu_gx[720], prelu_gw[3];

/* Small whole numbers: every sum is exact. */
static void compute_prelu(const prelu_shape *s)
{
    int64_t count = 1, plane = 1;
    for (int d = 0; d < s->ndim; d++) {
        count *= s->dim[d];
        plane *= d > 1 ? s->dim[d] : 1;
    }
    memset(prelu_gw, 0, sizeof prelu_gw);
    memset(prelu_scale, 0, sizeof prelu_scale);
    for (int64_t i = 0; i < count; i++) {
        int64_t k = s->slopes == 1 ? 0 : i / plane % 3;
        float x = prelu_x[i] = (float)(i % 7 - 3), g = prelu_g[i] = (float)(i % 5 - 2);
        double slope = x > 0 ? 1 : (double)prelu_w[k];
        prelu_y[i] = slope * (double)x;
        prelu_gx[i] = slope * (double)g;
        prelu_gw[k] += x > 0 ? 0 : (double)(g * x);
        prelu_scale[k] += x > 0 ? 0 : fabsf(g * x);
    }
}

static set_tensor like_x(const prelu_shape *s, const char *role, const char *name, const void *data)
{
    set_tensor t = {role, name, data, s->ndim, {0}};
    memcpy(t.dim, s->dim, sizeof t.dim);
    return t;
}

static void put_prelu(const prelu_shape *s, char letter)
{
    char forward[] = "forward_", backward[] = "backward_", params[40];
    forward[7] = backward[8] = letter;
    snprintf(params, sizeof params, "\"num_parameters\": %d", (int)s->slopes);
    compute_prelu(s);
    set_put(&(set_case){forward,
                        "prelu",
                        "forward",
                        params,
                        "\"y\": {\"kind\": \"exact\"}",
                        {like_x(s, "input", "input", prelu_x),
                         {"input", "weight", prelu_w, 1, {s->slopes}},
                         like_x(s, "expected", "y", prelu_y)}});
    set_put(&(set_case){backward,
                        "prelu",
                        "backward",
                        params,
                        "\"grad_input\": {\"kind\": \"exact\"}, "
                        "\"grad_weight\": {\"kind\": \"bound\", \"coef\": 0}",
                        {like_x(s, "input", "input", prelu_x),
                         {"input", "weight", prelu_w, 1, {s->slopes}},
                         like_x(s, "input", "grad_y", prelu_g),
                         like_x(s, "expected", "grad_input", prelu_gx),
                         {"expected", "grad_weight", prelu_gw, 1, {s->slopes}},
                         {"error_scale", "grad_weight", prelu_scale, 1, {s->slopes}}}});
}

/* prelu in none to five dimensions, its slopes one or per channel: [2,3,4,5,6] is n2c3h4w30. */
static void prelu_shapes(void **state)
{
    static const prelu_shape shapes[] = {
        {0, {0}, 1},
        {1, {7}, 1},
        {1, {0}, 1},
        {2, {2, 3}, 1},
        {2, {2, 3}, 3},
        {3, {2, 3, 5}, 3},
        {3, {0, 3, 5}, 3},
        {4, {2, 3, 1, 1}, 3},
        {5, {2, 3, 4, 5, 6}, 3},
        {5, {2, 3, 4, 5, 6}, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        put_prelu(&shapes[i], (char)('a' + i));
    set_expect(NULL, "ref", KM_EXIT_OK, "20 runs: 20 ok");
    set_edit("forwardf", "[2, 3, 5]", "[2, 5, 3]");
    set_expect("forwardf", "ref", KM_EXIT_FAILED, "num_parameters must be 1 or c");
    set_edit("forwarde", "[3]", "[2]");
    set_expect("forwarde", "ref", KM_EXIT_FAILED, "shape of 'weight' is (2,), prelu needs (3,)");
    set_edit("forwardd", "[2, 3]", "[3, 2]");
    set_expect("forwardd", "ref", KM_EXIT_FAILED, "shape of 'y' is (2, 3), prelu needs (3, 2)");
}

/* A class is an index: one that is none must not reach a kernel. */
static void classes_out_of_range(void **state)
{
    static const float logits[6];
    static const double loss[] = {1.0986122886681098};
    int64_t target[] = {2, -100};
    const set_case c = {"loss",
                        "cross_entropy",
                        "forward",
                        "",
                        "\"y\": {\"kind\": \"mixed\", \"rtol\": 1e-5, \"atol\": 0}",
                        {{"input", "x", logits, 2, {2, 3}},
                         {"input", "target", target, 1, {2}},
                         {"expected", "y", loss, 1, {1}}}};
    static const int64_t bad[] = {3, -1, 100, -101};
    (void)state;
    set_put(&c);
    set_expect(NULL, "ref", KM_EXIT_OK, "1 runs: 1 ok");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[120];
        assert_int_equal(set_close(NULL), 0);
        assert_int_equal(mkdir(set_folder, 0700), 0);
        target[1] = bad[i];
        set_put(&c);
        snprintf(message, sizeof message,
                 "target.npy: element 1 is %d: a class must be 0 or more and less than c = 3, or "
                 "ignore_index = -100",
                 (int)bad[i]);
        set_expect(NULL, NULL, KM_EXIT_FAILED, message);
    }
    set_edit("loss", "\"params\": {}", "\"params\": {\"ignore_index\": -101}");
    set_expect(NULL, "ref", KM_EXIT_OK, "1 runs: 1 ok");
}

/* Every name and number of a right case.json, damaged one at a time. */
static void damaged_json(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } edits[] = {
        {"\"op\": \"relu\"", "\"op\": \"rellu\"", "unknown op 'rellu'; did you mean 'relu'"},
        {"\"op\": \"relu\"", "\"op\": \"unfold3d\"", "unknown op 'unfold3d'"},
        {"\"op\": \"relu\"", "\"op\": 3", "field 'op' must be a string"},
        {"\"op\": \"relu\", ", "", "field 'op' is missing"},
        {"\"op\": \"relu\"", "\"op\": \"relu\", \"op\": \"elu\"", "duplicate"},
        {"\"case\": \"good\"", "\"case\": \"../good\"", "not a folder name"},
        {"forward", "forwards", "unknown direction 'forwards'; did you mean 'forward'"},
        {"\"params\": {}", "\"params\": {\"alpha\": 1}", "unknown param 'alpha'"},
        {"\"params\": {}", "\"params\": []", "field 'params' must be an object"},
        {"\"role\": \"input\"", "\"role\": \"inputs\"", "tensors[0]: unknown role 'inputs'"},
        {"\"name\": \"x\"", "\"name\": \"z\"", "tensors[0]: unknown tensor 'z'"},
        {"\"name\": \"x\"", "\"name\": \"weight\"", "relu/forward has no such input"},
        {"\"name\": \"y\"", "\"name\": \"grad_x\"", "relu/forward has no such result"},
        {"\"name\": \"y\"", "\"name\": 1", "field 'name' must be a string"},
        {"\"dtype\": \"<f4\"", "\"dtype\": \"<f8\"", "dtype of input 'x' is '<f8', must be '<f4'"},
        {"x.npy", "y.npy", "y.npy: dtype is <f8, declared <f4"},
        {"\"x.npy\"", "\"../good/x.npy\"", "does not lie in the case's folder"},
        {"\"x.npy\"", "\"/etc/passwd\"", "does not lie in the case's folder"},
        {"\"x.npy\"", "\"..\"", "does not lie in the case's folder"},
        {"\"x.npy\"", "\"\"", "does not lie in the case's folder"},
        {"\"x.npy\"", "\"gone.npy\"", "gone.npy: cannot open"},
        {"\"shape\": [10]", "\"shape\": [11]", "needs (11,)"},
        {"\"shape\": [10]", "\"shape\": [-10]", "negative"},
        {"\"shape\": [10]", "\"shape\": [10.0]", "no whole number"},
        {"\"shape\": [10]", "\"shape\": [4294967296, 4294967296]", "larger than any memory"},
        {"\"shape\": [10]", "\"shape\": [1000000000000000]", "this machine has"},
        {"\"kind\": \"exact\"", "\"kind\": \"exactly\"", "tolerance of 'y': unknown kind"},
        {"\"kind\": \"exact\"", "\"kind\": \"ulp\"", "'max_ulp' of kind ulp must be a number"},
        {"\"kind\": \"exact\"", "\"kind\": \"ulp\", \"max_ulp\": -1", "0 or more"},
        {"\"kind\": \"exact\"", "\"kind\": \"mixed\", \"rtol\": 1", "'atol' of kind mixed"},
        {"\"kind\": \"exact\"", "\"kind\": \"bound\", \"coef\": 1", "error_scale of 'y'"},
        {"\"y\": {", "\"x\": {", "tolerance of 'x': unknown tensor 'x'"},
        {"\"y\": {\"kind\": \"exact\"}", "", "no tolerance for expected tensor 'y'"},
        {"]}", "], }", "case.json: line 1"},
        {"]}", "]} x", "case.json: line 1"},
        {"{", "[{", "case.json: line 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        set_put(&good);
        set_edit("good", edits[i].from, edits[i].to);
        set_expect(NULL, NULL, KM_EXIT_FAILED,
                   "1 runs: 0 ok, 0 wrong, 0 crashed, 0 skipped, 1 error");
        set_expect(NULL, NULL, KM_EXIT_FAILED, edits[i].message);
        assert_int_equal(set_close(NULL), 0);
        assert_int_equal(mkdir(set_folder, 0700), 0);
    }
}

static void missing_and_repeated_tensors(void **state)
{
    set_case c = good;
    (void)state;
    c.name = "no_y";
    c.tensor[1].role = NULL;
    c.tolerance = "";
    set_put(&c);
    set_expect("no_y", NULL, KM_EXIT_FAILED, "expected 'y', which relu/forward writes");
    c = good;
    c.name = "no_x";
    c.tensor[0] = c.tensor[1];
    c.tensor[1].role = NULL;
    set_put(&c);
    set_expect("no_x", NULL, KM_EXIT_FAILED, "input 'x' is not recorded");
    c = good;
    c.name = "twice";
    c.tensor[2] = c.tensor[0];
    c.tensor[2].name = "input"; /* another name of x */
    set_put(&c);
    set_expect("twice", NULL, KM_EXIT_FAILED, "tensors[2]: input 'input' is listed twice");
    c = good;
    c.name = "no_grad";
    c.direction = "backward";
    c.tolerance = "\"grad_x\": {\"kind\": \"exact\"}";
    c.tensor[1].name = "grad_x";
    set_put(&c);
    set_expect("no_grad", NULL, KM_EXIT_FAILED, "input 'grad_y', which relu/backward reads");
}

static void damaged_files(void **state)
{
    size_t size;
    (void)state;
    set_put(&good);
    char *x = set_read("good", "x.npy", &size);
    set_write("good", "x.npy", x, size - 1);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "x.npy: truncated: 39 bytes of data");
    set_write("good", "x.npy", x, size + 1);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "x.npy: oversized: 41 bytes of data");
    char *dtype = strstr(x + 10, "<f4");
    memcpy(dtype, "<i4", 3);
    set_write("good", "x.npy", x, size);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "x.npy: dtype '<i4'");
    memcpy(dtype, "<i8", 3);
    set_write("good", "x.npy", x, size);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "x.npy: dtype is <i8, declared <f4");
    memcpy(dtype, "<f4", 3);
    *strstr(x + 10, "10") = '2';
    set_write("good", "x.npy", x, size);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "x.npy: shape is (20,), declared (10,)");
    set_write("good", "x.npy", "", 0);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "x.npy: too short");
    set_write("good", "case.json", "", 0);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "case.json: line");
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(special_values, set_open, set_close),
        cmocka_unit_test_setup_teardown(wrong_class, set_open, set_close),
        cmocka_unit_test_setup_teardown(empty_alone_proves_nothing, set_open, set_close),
        cmocka_unit_test_setup_teardown(prelu_shapes, set_open, set_close),
        cmocka_unit_test_setup_teardown(classes_out_of_range, set_open, set_close),
        cmocka_unit_test_setup_teardown(damaged_json, set_open, set_close),
        cmocka_unit_test_setup_teardown(missing_and_repeated_tensors, set_open, set_close),
        cmocka_unit_test_setup_teardown(damaged_files, set_open, set_close),
    };
    return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
