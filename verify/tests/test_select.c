/* test_select.c: which cells a selection means, what is said when it means none, and which plugins are taken.
 * The plugins lie where FIXTURES says; a loaded one stays until the process ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cpu.h"
#include "core/registry.h"
#include "core/select.h"

enum { MOST = 6 };

/* One selection as a command line would make it; lists are NULL-ended. */
typedef struct line {
    const char *patterns[MOST], *cases[MOST], *backends[MOST], *tags[MOST];
    unsigned suites;
} line;

static km_text_list list_of(const char *const *text)
{
    km_text_list list = {0};
    for (; *text; text++)
        km_text_add(&list, *text);
    return list;
}

static int expand(const line *l, km_cells *cells, km_error *error)
{
    km_select s = {list_of(l->patterns),
                   list_of(l->cases),
                   list_of(l->backends),
                   list_of(l->tags),
                   l->suites ? l->suites : KM_SUITE_QUICK,
                   2,
                   KM_PLAIN};
    *error = (km_error){""};
    int failed = km_select_cells(&s, cells, error);
    km_text_free(&s.patterns);
    km_text_free(&s.cases);
    km_text_free(&s.backends);
    km_text_free(&s.tags);
    return failed;
}

/* The cells' ids, separated by blanks. */
static void expect_ids(line l, const char *want)
{
    km_cells cells;
    km_error error;
    char ids[4000] = "", id[400];
    if (expand(&l, &cells, &error))
        fail_msg("wanted %s: %s", want, error.text);
    for (size_t i = 0; i < cells.count && strlen(ids) < 3000; i++) {
        km_cell_id(&cells.cell[i], id, sizeof id);
        sprintf(ids + strlen(ids), "%s%s", i ? " " : "", id);
    }
    assert_string_equal(ids, want);
    km_cells_free(&cells);
}

/* All passes of the ops for which this is a case. */
static size_t passes_of(const char *text)
{
    size_t count = 0;
    for (const km_op *const *op = km_ops(); *op; op++) {
        km_case c;
        km_error error;
        count += km_case_parse(*op, text, &c, &error) ? 0 : (size_t)(*op)->passes;
    }
    return count;
}

static void expect_count(line l, size_t count)
{
    km_cells cells;
    km_error error;
    if (expand(&l, &cells, &error))
        fail_msg("%s", error.text);
    assert_int_equal(cells.count, count);
    km_cells_free(&cells);
}

static void patterns(void **state)
{
    (void)state;
    expect_ids((line){{"relu/forward/n4096/ref"}}, "relu/forward/n4096/ref");
    expect_ids((line){{"relu/*/n4096/ref"}}, "relu/forward/n4096/ref relu/backward/n4096/ref");
    expect_ids((line){{"relu/forward"}, .backends = {"ref"}},
               "relu/forward/n4096/ref relu/forward/n65536/ref relu/forward/n1048576/ref");
    expect_ids((line){{"[rs]*u/f*d/n4*6/r?f"}}, "relu/forward/n4096/ref selu/forward/n4096/ref "
                                                "silu/forward/n4096/ref");
    expect_ids((line){{"relu/forward/n0/ref"}, .suites = KM_SUITE_EDGE}, "relu/forward/n0/ref");
    expect_count((line){.backends = {"ref"}, .patterns = {"*"}, .cases = {"n8"}}, passes_of("n8"));
}

/* A tag chooses among the cases of the given lists. */
static void tags(void **state)
{
    const unsigned all = KM_SUITE_QUICK | KM_SUITE_FULL;
    (void)state;
    expect_ids((line){{"linear/forward"}, .backends = {"ref"}, .tags = {"resnet50"}, .suites = all},
               "linear/forward/n1c2048k1000/ref linear/forward/n8c2048k1000/ref");
    expect_ids((line){{"linear/forward"}, .backends = {"ref"}, .tags = {"resnet*", "mobile*"}},
               "linear/forward/n1c2048k1000/ref");
    expect_ids((line){{"max_pool2d/forward"}, .backends = {"ref"}, .tags = {"vgg16"}},
               "max_pool2d/forward/n1c512h14w14r2s2_stride2/ref");
}

/* Another spelling of a listed case selects it. */
static void other_spellings(void **state)
{
    (void)state;
    expect_ids((line){{"relu/forward/n04096/ref"}}, "relu/forward/n4096/ref");
    expect_ids((line){{"prelu/forward/n65536/ref"}}, "prelu/forward/n65536c1h1w1/ref");
    expect_ids((line){{"prelu/forward/w1n65536/ref"}}, "prelu/forward/n65536c1h1w1/ref");
    expect_ids((line){{"gelu/forward/n4096_approximatetanh/ref"}},
               "gelu/forward/n4096_approximate=tanh/ref");
    expect_ids((line){{"gelu/forward/n4096_approximate=none/ref"}}, "gelu/forward/n4096/ref");
}

static void given_cases(void **state)
{
    (void)state;
    expect_ids((line){{"relu"}, {"n5"}, {"ref"}}, "relu/forward/n5/ref relu/backward/n5/ref");
    expect_ids((line){{0}, {"relu/n5"}, {"ref"}}, "relu/forward/n5/ref relu/backward/n5/ref");
    expect_ids((line){{0}, {"relu/backward/n5"}, {"ref"}}, "relu/backward/n5/ref");
    expect_ids((line){{0}, {"*elu/fo*/n5"}, {"ref"}},
               "relu/forward/n5/ref leaky_relu/forward/n5/ref prelu/forward/n5c1h1w1/ref "
               "elu/forward/n5/ref "
               "selu/forward/n5/ref gelu/forward/n5/ref");
    expect_ids((line){{"relu/forward"}, {"n6", "n5"}, {"ref"}},
               "relu/forward/n6/ref relu/forward/n5/ref");
    expect_ids((line){{"*/forward"}, {"n5_negative_slope2"}, {"ref"}},
               "leaky_relu/forward/n5_negative_slope2/ref");
}

static void duplicates(void **state)
{
    (void)state;
    expect_ids((line){{"relu/forward", "relu/forward", "relu/f*"},
                      {"n5", "n05", "relu/n5"},
                      {"ref", "r*"}},
               "relu/forward/n5/ref");
    expect_count((line){{"relu/forward/*/ref", "relu"}, {0}, {"ref"}}, 6);
}

static const struct {
    line l;
    const char *want;
} nothing[] = {
    {{{"rellu"}}, "no op matches 'rellu'; did you mean 'relu'?"},
    {{{"unfold3d"}}, "no op matches 'unfold3d'; see 'kernelmark list --ops'"},
    {{{"relu/forwrad"}}, "no pass matches 'forwrad'; did you mean 'forward'?"},
    {{{"relu/sideways"}}, "no pass matches 'sideways'"},
    {{{"relu/*/*/rfe"}}, "no backend matches 'rfe'; did you mean 'ref'?"},
    {{{"relu/*/*/cudnn"}}, "no backend matches 'cudnn'; see 'kernelmark list --backends'"},
    {{{"relu"}, .backends = {"reff"}}, "no backend matches 'reff'; did you mean 'ref'?"},
    {{{"linear"}, .tags = {"resnet5"}}, "no tag matches 'resnet5'; did you mean 'resnet50'?"},
    {{{"linear"}, .tags = {"x"}}, "no tag matches 'x'; there are "},
    {{{"linear"}, {"n1c1k1"}, .tags = {"vgg16"}}, "--tag chooses among the listed cases"},
    {{{"relu"}, .tags = {"vgg16"}}, "matches no listed case"},
    {{{"relu", "tanhh"}}, "no op matches 'tanhh'; did you mean 'tanh'?"},
    {{{"relu/*/n77"}}, "pattern 'relu/*/n77' matches no listed case; --case runs any other"},
    {{{"relu/*/*/ref"}, .backends = {"omp"}}, "pattern 'relu/*/*/ref' matches no listed case"},
    {{{"relu//n8"}}, "pattern 'relu//n8' has an empty segment"},
    {{{""}}, "pattern '' has an empty segment"},
    {{{"relu/"}}, "has an empty segment"},
    {{{"a/b/c/d/e"}}, "has more than four segments: op/pass/case/backend"},
    {{{"relu"}, {"m8"}}, "case 'm8' of relu: unexpected 'm8'; the sizes of relu are n"},
    {{{"relu"}, {"n-8"}}, "size 'n' needs a whole number"},
    {{{"relu"}, {"n8", "n8x"}}, "case 'n8x' of relu: unexpected 'x'"},
    {{{"rellu"}, {"n8"}}, "no op matches 'rellu'; did you mean 'relu'?"},
    {{{"relu/forwrad"}, {"n8"}}, "no pass matches 'forwrad'; did you mean 'forward'?"},
    {{{0}, {"rellu/n8"}}, "no op matches 'rellu'; did you mean 'relu'?"},
    {{{0}, {"relu/forwrad/n8"}}, "no pass matches 'forwrad'; did you mean 'forward'?"},
    {{{0}, {"relu/forward/n8/ref"}}, "more than three segments: op/pass/case"},
    {{{"relu"}, {"elu/n8"}}, "case 'elu/n8' matches no cell of the given patterns"},
    {{{"elu", "relu"}, {"elu/n8"}}, "pattern 'relu' matches no listed case"},
};

static void nothing_matched(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        km_cells cells;
        km_error error;
        if (!expand(&nothing[i].l, &cells, &error))
            fail_msg("%zu matched %zu cells", i, cells.count);
        assert_holds(error.text, nothing[i].want);
        assert_int_equal(cells.count, 0);
    }
}

static void long_texts(void **state)
{
    static char text[5000];
    km_cells cells;
    km_error error;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(expand(&(line){{text}}, &cells, &error), -1);
    assert_int_equal(expand(&(line){{"relu"}, {text}}, &cells, &error), -1);
    assert_int_equal(expand(&(line){{"relu"}, .backends = {text}}, &cells, &error), -1);
    assert_int_equal(km_backend_load(text, &error), -1);
    assert_holds(error.text, "plugin path is too long");
}

/* ---- plugins ---------------------------------------------------------------------------------- */

static int load(const char *name, km_error *error)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/fixture_%s.so", getenv("FIXTURES"), name);
    *error = (km_error){""};
    return km_backend_load(path, error);
}

static const struct {
    const char *name, *want;
} plugins[] = {
    {"abi", "plugin ABI version 99, this kernelmark has "},
    {"symbol", "no symbol 'kernelmark_backend'; is it a kernelmark plugin?"},
    {"op", "kernel for unknown op 'unfold3d'"},
    {"pass", "op 'relu' has no pass 'sideways'"},
    {"run", "kernel relu/forward has no run function"},
    {"clash", "a backend named 'ref' exists already"},
    {"name", "backend name must be lower-case letters, digits, _ or -"},
    {"noname", "backend name must be"},
    {"kernels", "lists no kernels"},
    {"null", "kernelmark_backend returned NULL"},
    {"missing", "cannot load plugin: "},
};

static void refused_plugins(void **state)
{
    size_t before = km_backend_count();
    km_error error;
    (void)state;
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        assert_int_equal(load(plugins[i].name, &error), -1);
        assert_holds(error.text, plugins[i].want);
    }
    assert_int_equal(km_backend_load("/etc/hostname", &error), -1);
    assert_int_equal(km_backend_load("", &error), -1);
    assert_int_equal(km_backend_count(), before);
}

static void good_plugin(void **state)
{
    size_t before = km_backend_count();
    km_error error;
    (void)state;
    if (load("right", &error))
        fail_msg("%s", error.text);
    assert_int_equal(km_backend_count(), before + 1);
    assert_string_equal(km_backend_at(before)->name, "fixture");
    expect_ids((line){{"*/*/n4096/fixture"}}, "relu/forward/n4096/fixture");
    expect_count((line){{"*"}, .backends = {"fixture"}}, 3);
    assert_int_equal(load("right", &error), -1); /* a second time */
    assert_holds(error.text, "a backend named 'fixture' exists already");
    /* a vector backend is not asked for, so a plugin cannot become the one that others build upon */
    const km_backend *from;
    assert_non_null(km_widest_kernel("relu", "forward", &from));
    assert_string_not_equal(from->name, "fixture");
}

static void isa_cap(void **state)
{
    km_error error;
    (void)state;
    assert_int_equal(km_isa_cap("avx3", &error), -1);
    assert_holds(error.text, "did you mean 'avx2'?");
    assert_int_equal(km_isa_cap("pentium", &error), -1);
    assert_holds(error.text, "levels are baseline");
    assert_int_equal(km_isa_cap("baseline", &error), 0);
    for (size_t i = 1; km_isa_at(i); i++)
        assert_non_null(km_isa_unusable(km_isa_at(i)));
    const km_backend *from;
    assert_non_null(km_widest_kernel("relu", "forward", &from));
    assert_null(from->isa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),        cmocka_unit_test(tags),
        cmocka_unit_test(other_spellings), cmocka_unit_test(given_cases),
        cmocka_unit_test(duplicates),      cmocka_unit_test(nothing_matched),
        cmocka_unit_test(long_texts),      cmocka_unit_test(refused_plugins),
        cmocka_unit_test(good_plugin),     cmocka_unit_test(isa_cap),
    };
    return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
