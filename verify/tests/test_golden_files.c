/* test_golden_files.c: what lies in a set's folder, exit codes, dumps and JSON lines.
 * SPDX-License-Identifier: Apache-2.0 */
#include "golden_set.h"

#include <jansson.h>
#include <math.h>
#include <unistd.h>

enum { COUNT = 5 };
static const float x[COUNT] = {-2, -0.5f, 0, 0.5f, 2};
static const double relu[COUNT] = {0, 0, 0, 0.5, 2};

static const set_case forward = {
    "forward",
    "relu",
    "forward",
    "",
    "\"y\": {\"kind\": \"exact\"}",
    {{"input", "x", x, 1, {COUNT}}, {"expected", "y", relu, 1, {COUNT}}}};

/* ---- the folder ----------------------------------------------------------------------------- */

static void link_in_set(const char *target, const char *file)
{
    char path[400];
    snprintf(path, sizeof path, "%s/forward/%s", set_folder, file);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(target ? symlink(target, path) : mkfifo(path, 0600), 0);
}

static void files_that_are_none(void **state)
{
    (void)state;
    set_put(&forward);
    link_in_set("/dev/zero", "x.npy");
    set_expect(NULL, "ref", KM_EXIT_FAILED, "x.npy: a link that leaves the case's folder");
    link_in_set("x.npy", "x.npy");
    set_expect(NULL, "ref", KM_EXIT_FAILED, "x.npy: cannot open");
    link_in_set(".", "x.npy");
    set_expect(NULL, "ref", KM_EXIT_FAILED, "x.npy: a link that leaves the case's folder");
    link_in_set(NULL, "x.npy");
    set_expect(NULL, "ref", KM_EXIT_FAILED, "x.npy: cannot open: not a regular file");
    link_in_set(NULL, "case.json");
    set_expect(NULL, "ref", KM_EXIT_FAILED, "case.json: cannot open: not a regular file");
}

static void exit_codes(void **state)
{
    km_golden_counts n;
    km_error error;
    km_golden_options o = {.folder = "/nowhere", .out = stdout};
    (void)state;
    assert_int_equal(km_golden(&o, &n, &error), KM_EXIT_USAGE);
    assert_non_null(strstr(error.text, "cannot read golden set /nowhere"));
    set_expect(NULL, NULL, KM_EXIT_USAGE, "is no golden set");
    set_put(&forward);
    set_expect("forwart", NULL, KM_EXIT_USAGE, "no case matches 'forwart'; did you mean 'forward'");
    set_expect("zz*", NULL, KM_EXIT_USAGE, "no case matches 'zz*'; the first one is 'forward'");
    set_expect(NULL, "rev", KM_EXIT_USAGE, "no backend matches 'rev'; did you mean 'ref'");
    char path[400];
    snprintf(path, sizeof path, "%s/forward/case.json", set_folder);
    assert_int_equal(unlink(path), 0);
    set_expect(NULL, NULL, KM_EXIT_FAILED, "case.json: cannot open");
}

/* ---- dump and JSON -------------------------------------------------------------------------- */

static void dump_holds_what_was_computed(void **state)
{
    static const double wrong[COUNT] = {1, 1, 1, 1, 1};
    char folder[100], path[400];
    enum km_exit code;
    km_golden_counts n;
    set_case c = forward;
    (void)state;
    c.tensor[1].data = wrong;
    set_put(&c);
    snprintf(folder, sizeof folder, "%s/.dump/deep", set_folder);
    free(set_run(NULL, "ref", folder, &code, &n));
    assert_int_equal(code, KM_EXIT_FAILED);
    snprintf(path, sizeof path, "%s/ref/forward/y.npy", folder);
    FILE *f = fopen(path, "rb");
    km_npy a, declared = {.type = KM_NPY_F4, .ndim = 1, .dim = {COUNT}};
    km_error error;
    assert_non_null(f);
    assert_int_equal(km_npy_read(f, &declared, &a, &error), 0);
    for (int i = 0; i < COUNT; i++)
        assert_true((double)((float *)a.data)[i] == relu[i]);
    km_npy_free(&a);
    fclose(f);
    /* not into a file, not into nothing */
    char *out = set_run(NULL, "ref", path, &code, &n);
    assert_int_equal(code, KM_EXIT_INTERNAL);
    assert_non_null(strstr(out, "cannot create"));
    free(out);
    free(set_run(NULL, "ref", "", &code, &n));
    assert_int_equal(code, KM_EXIT_USAGE);
}

static void json_lines(void **state)
{
    static const double wrong[COUNT] = {0, 0, 0, NAN, 2};
    km_golden_options o = {.folder = set_folder};
    km_golden_counts n;
    km_error error;
    set_case c = forward;
    (void)state;
    c.tensor[1].data = wrong;
    set_put(&c);
    o.out = fopen("/dev/null", "w");
    o.json = tmpfile();
    km_text_add(&o.backends, "ref");
    assert_int_equal(km_golden(&o, &n, &error), KM_EXIT_FAILED);
    rewind(o.json);
    json_t *line = json_loadf(o.json, JSON_DISABLE_EOF_CHECK, NULL), *worst;
    assert_string_equal(json_string_value(json_object_get(line, "type")), "golden");
    assert_string_equal(json_string_value(json_object_get(line, "pass")), "forward");
    assert_string_equal(json_string_value(json_object_get(line, "params")), "n5");
    assert_string_equal(json_string_value(json_object_get(line, "status")), "wrong");
    worst = json_object_get(line, "worst");
    assert_int_equal(json_integer_value(json_object_get(worst, "index")), 3);
    assert_string_equal(json_string_value(json_object_get(worst, "want")), "nan");
    assert_null(json_object_get(worst, "ulp"));
    json_decref(line);
    fclose(o.json);
    o.json = fopen("/dev/full", "w");
    setbuf(o.json, NULL);
    assert_int_equal(km_golden(&o, &n, &error), KM_EXIT_INTERNAL);
    fclose(o.json);
    fclose(o.out);
    km_text_free(&o.backends);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_open, set_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_that_are_none),
        TEST(exit_codes),
        TEST(dump_holds_what_was_computed),
        TEST(json_lines),
    };
    return cmocka_run_group_tests_name("golden_files", tests, NULL, NULL);
}
