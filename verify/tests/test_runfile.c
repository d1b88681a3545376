/* test_runfile.c: the reader of run files takes what the format allows and nothing else.
 *
 * Each case is a short run with one thing changed; a refusal must name the line and the reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bench/runfile.h"

#define HEAD "{\"type\":\"run\",\"schema\":\"kernelmark-run\",\"version\":1,\"tool\":\"t\"}\n"
#define ID                                                                                         \
    "{\"type\":\"cell\",\"op\":\"relu\",\"pass\":\"forward\",\"case\":\"n8\",\"layout\":"          \
    "\"plain\","                                                                                   \
    "\"threads\":1,"
#define OK_CELL                                                                                    \
    ID "\"backend\":\"ref\",\"status\":\"ok\",\"ns\":{\"min\":1,\"median\":2,\"ci95\":[1.5,3],"    \
       "\"samples\":[1,2,3]}}\n"
#define SKIPPED ID "\"backend\":\"omp\",\"status\":\"skipped\",\"reason\":\"one core\"}\n"
#define END     "{\"type\":\"end\",\"cells\":2,\"ok\":1,\"wrong\":0,\"skipped\":1}\n"

static km_run *read_bytes(const char *bytes, size_t length, km_error *e)
{
    char path[] = "/tmp/test_runfile.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    km_run *run = km_run_read(path, e);
    unlink(path);
    return run;
}

static void good_run(void **state)
{
    (void)state;
    km_error e = {""};
    const char text[] = HEAD OK_CELL SKIPPED END;
    km_run *run = read_bytes(text, strlen(text), &e);
    assert_string_equal(e.text, "");
    assert_non_null(run);
    assert_int_equal(run->cell_count, 2);
    const km_cell_record *ok = &run->cells[0], *skipped = &run->cells[1];
    assert_string_equal(ok->op, "relu");
    assert_true(ok->ns.median == 2 && ok->ns.ci95[1] == 3 && isnan(ok->ns.p90));
    assert_int_equal(ok->ns.sample_count, 3);
    assert_true(ok->ns.samples[2] == 3);
    assert_int_equal(skipped->status, KM_SKIPPED);
    assert_string_equal(skipped->reason, "one core");
    assert_true(isnan(skipped->ns.median) && skipped->verify.elements == -1);
    assert_int_equal(run->count[KM_SKIPPED], 1);
    km_run_free(run);
}

static const char header[] =
    "{\"type\":\"run\",\"schema\":\"kernelmark-run\",\"version\":1,\"tool\":\"1.2\","
    "\"git\":{\"commit\":\"abc\",\"dirty\":true},\"compiler\":\"gcc\",\"future\":[1,{\"a\":2}],"
    "\"libraries\":{\"onednn\":\"3.7\"},\"cpu\":{\"model\":\"M\",\"isas\":[\"avx2\",\"fma\"],"
    "\"cores\":2,\"l1d\":49152},\"threads\":2,\"seed\":42,\"roofs\":{\"threads\":2,"
    "\"fma\":{\"avx2\":113.5},\"bandwidth\":[{\"level\":\"L1\",\"reads\":1,\"writes\":1,"
    "\"nt\":false,\"threads\":2,\"gbps\":400}]}}\n"
    "{\"type\":\"end\",\"cells\":0,\"ok\":0,\"wrong\":0,\"skipped\":0,\"crashed\":0}\n";

static void whole_header(void **state)
{
    (void)state;
    km_error e = {""};
    km_run *run = read_bytes(header, strlen(header), &e);
    assert_string_equal(e.text, "");
    assert_non_null(run);
    assert_string_equal(run->commit, "abc");
    assert_true(run->dirty);
    assert_string_equal(run->isas, "avx2 fma");
    assert_string_equal(run->libraries[0].name, "onednn");
    assert_true(run->fma[0].number == 113.5);
    assert_string_equal(run->bandwidth[0].level, "L1");
    assert_int_equal(run->l3, -1);
    assert_string_equal(run->flags, "");
    km_run_free(run);
}

static const struct {
    const char *text, *complaint;
} refused[] = {
    {"", "the file is empty"},
    {HEAD OK_CELL SKIPPED, ":4: no end line"},
    {HEAD OK_CELL "{\"type\":\"ce", ":3: "},
    {HEAD OK_CELL SKIPPED END "{}\n", ":5: text after the end line"},
    {HEAD OK_CELL END, ":3: end line: \"cells\" is not the 1"},
    {HEAD OK_CELL "{\"type\":\"end\",\"cells\":1,\"ok\":2,\"wrong\":0,\"skipped\":0}", "\"ok\" is"},
    {HEAD OK_CELL "{\"type\":\"end\",\"cells\":1,\"ok\":1,\"wrong\":0}", "\"skipped\" is not"},
    {HEAD HEAD END, ":2: \"type\" is neither"},
    {OK_CELL END, ":1: not a run file"},
    {"[]\n", ":1: not a JSON object"},
    {"\n" HEAD, ":1: "},
    {"{\"type\":\"run\",\"schema\":\"other\",\"version\":1,\"tool\":\"t\"}\n", "not a run file"},
    {"{\"type\":\"run\",\"schema\":\"kernelmark-run\",\"version\":2,\"tool\":\"t\"}\n", "version"},
    {"{\"type\":\"run\",\"schema\":\"kernelmark-run\",\"version\":1}\n", "\"tool\" is missing"},
    {"{\"type\":\"run\",\"schema\":\"kernelmark-run\",\"version\":1,\"tool\":1}\n", "not a text"},
    {HEAD OK_CELL OK_CELL END, ":3: cell relu/forward/n8/ref/plain/1 appears twice"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"ok\",\"gflops\":NaN}\n", ":2: invalid token"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"ok\",\"gflops\":1e999}\n", ":2: "},
    {HEAD ID "\"backend\":\"x\",\"status\":\"ok\",\"gflops\":\"1\"}\n", "\"gflops\" is not a num"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"ok\",\"op\":\"y\"}\n", "duplicate"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"fine\"}\n", "unknown status \"fine\""},
    {HEAD ID "\"backend\":\"x\",\"status\":\"wrong\"}\n", "wrong has no reason"},
    {HEAD ID "\"status\":\"ok\"}\n", "\"backend\" is missing"},
    {HEAD ID "\"backend\":\"a b\",\"status\":\"ok\"}\n", "\"backend\" is not a name"},
    {HEAD ID "\"backend\":\"<b>\",\"status\":\"ok\"}\n", "\"backend\" is not a name"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"ok\",\"ns\":3}\n", "\"ns\" is not an object"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"ok\",\"ns\":{\"min\":1}}\n", "\"ns.median\" is miss"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"ok\",\"ns\":{\"min\":0,\"median\":1}}\n", "above 0"},
    {HEAD ID
     "\"backend\":\"x\",\"status\":\"ok\",\"ns\":{\"min\":1,\"median\":1,\"ci95\":[2,1]}}\n",
     "ci95"},
    {HEAD ID "\"backend\":\"x\",\"status\":\"wrong\",\"reason\":\"r\","
             "\"ns\":{\"min\":1,\"median\":1}}\n",
     "carries a time"},
};

static void refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        km_error e = {""};
        km_run *run = read_bytes(refused[i].text, strlen(refused[i].text), &e);
        if (run || !strstr(e.text, refused[i].complaint) || strchr(e.text, '\n'))
            fail_msg("case %zu: wanted \"%s\", got \"%s\"", i, refused[i].complaint, e.text);
    }
}

static void no_file(void **state)
{
    (void)state;
    km_error e = {""};
    assert_null(km_run_read("/nonexistent/run.jsonl", &e));
    assert_string_equal(e.text, "/nonexistent/run.jsonl: No such file or directory");
    assert_null(km_run_read("/tmp", &e));
}

/* A line without an end must not take memory without end. */
static void long_line(void **state)
{
    (void)state;
    km_error e = {""};
    size_t length = 9 << 20;
    char *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, ' ', length);
    assert_null(read_bytes(bytes, length, &e));
    assert_non_null(strstr(e.text, ":1: line is too long"));
    free(bytes);
}

/* Every cut and a change of every byte: an answer or an error, never a crash (run under ASan). */
static void damaged(void **state)
{
    (void)state;
    const char text[] = HEAD OK_CELL SKIPPED END;
    size_t length = strlen(text);
    char copy[sizeof text];
    for (size_t i = 0; i + 1 < length; i++) {
        km_error e = {""};
        assert_null(read_bytes(text, i, &e));
        memcpy(copy, text, sizeof text);
        copy[i] = (char)(copy[i] ^ (1 << i % 8));
        km_run_free(read_bytes(copy, length, &e));
    }
}

static void case_texts(void **state)
{
    (void)state;
    assert_true(km_case_elements("n1000") == 1000);
    assert_true(km_case_elements("n8c64h56w56_num_parameters64") == 8 * 64 * 56 * 56);
    assert_true(km_case_elements("n2c3h4w5k64r3s3_stride1") == 120);
    assert_true(isnan(km_case_elements("")) && isnan(km_case_elements("k3")));
    assert_true(isnan(km_case_elements("n")) && isnan(km_case_elements("nx")));
    assert_string_equal(km_case_attributes("n65536_approximate=tanh"), "_approximate=tanh");
    assert_string_equal(km_case_attributes("n65536"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_run),   cmocka_unit_test(whole_header), cmocka_unit_test(refusals),
        cmocka_unit_test(no_file),    cmocka_unit_test(long_line),    cmocka_unit_test(damaged),
        cmocka_unit_test(case_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
