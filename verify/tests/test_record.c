/* test_record.c: what verify writes, the reader of run files reads back, figure by figure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <signal.h>

#include "bench/runfile.h"
#include "core/registry.h"
#include "verify/record.h"

enum { CELLS = 5 };

static char folder[] = "/tmp/kernelmark-record-XXXXXX", path[100];
static const km_run_facts facts = {
    .command = "verify", .seed = 1234567890123, .threads = 3, .timed_data = "usual"};
static km_cell cells[CELLS];
static km_result results[CELLS];

/* Values that lose something in fewer digits than the file has. */
static void make_ok(km_result *r)
{
    *r = (km_result){.status = KM_OK, .checks = 77, .workspace_bytes = 4096, .open_ns = 1234.5};
    strcpy(r->impl, "brgemm \"quoted\" \\ \t ok");
    r->figures = (km_figures){.elements = 1LL << 40,
                              .max_ulp = 0.75,
                              .max_abs = 1.25e-7,
                              .max_rel = 3e-45,
                              .bound_used = 0.123456789,
                              .first_wrong = -1};
    r->gradcheck = (km_gradcheck){97, 1.5e-11};
    r->flops = 1e9;
    r->bytes = 8192;
    r->edge_deviations = 3;
    strcpy(r->edge_note, "x = nan gives 0");
    r->timing = (km_timing){.samples = 3,
                            .sample = {3, 1, 2.5},
                            .min = 1,
                            .median = 2.5,
                            .p90 = 3,
                            .mad = 0.5,
                            .ci_low = 1,
                            .ci_high = 3,
                            .gflops = 12.5,
                            .gbps = 6.25,
                            .roof_bound = "L1",
                            .roof_limit = 1,
                            .roof_percent = 40,
                            .speedup_vs_ref = 2};
}

static void make_cells(void)
{
    for (int i = 0; i < CELLS; i++) {
        cells[i] = (km_cell){.op = km_op_find("gelu"), .threads = i + 1, .layout = i & 1};
        cells[i].pass = &cells[i].op->pass[0];
        cells[i].backend = km_backend_find("ref");
        snprintf(cells[i].case_text, KM_CASE_TEXT, "n%d_approximate=tanh", i);
    }
    make_ok(&results[0]);
    results[1] = (km_result){.status = KM_WRONG,
                             .checks = 1,
                             .reason = "got nan,\nwant \x01 1",
                             .reproduce = "kernelmark verify gelu --case n1"};
    results[1].figures = (km_figures){.elements = 9,
                                      .wrong = 9,
                                      .max_ulp = INFINITY,
                                      .max_abs = NAN,
                                      .max_rel = -INFINITY,
                                      .bound_used = INFINITY};
    results[2] = (km_result){.status = KM_SKIPPED, .reason = "this CPU has no \xC3\xA9"};
    results[3] = (km_result){
        .status = KM_CRASHED, .reason = "read of x past its end", .reproduce = "kernelmark verify"};
    make_ok(&results[4]);
    results[4].timing.gflops = NAN; /* and no time of a cell that was not timed */
    results[4].timing.samples = 0;
}

static int write_all(km_error *error)
{
    km_recorder r;
    if (km_record_open(&r, path, &facts, error))
        return -1;
    for (int i = 0; i < CELLS; i++)
        km_record_cell(&r, &cells[i], &results[i]);
    assert_int_equal(r.counts.cells, CELLS);
    assert_int_equal(r.counts.ok, 2);
    assert_true(r.counts.wrong == 1 && r.counts.skipped == 1 && r.counts.crashed == 1);
    assert_true(r.counts.elements == 2 * (1LL << 40) + 9);
    return km_record_close(&r, error);
}

static km_run *round_trip(void)
{
    km_error error = {""};
    if (write_all(&error))
        fail_msg("%s", error.text);
    km_run *run = km_run_read(path, &error);
    if (!run)
        fail_msg("%s", error.text);
    return run;
}

static void header_and_counts(void **state)
{
    (void)state;
    km_run *run = round_trip();
    assert_true(run->seed == 1234567890123 && run->threads == 3);
    assert_string_equal(run->timed_data, "usual");
    assert_int_equal(run->cell_count, CELLS);
    assert_int_equal(run->count[KM_OK], 2);
    assert_int_equal(run->count[KM_WRONG], 1);
    assert_int_equal(run->count[KM_SKIPPED], 1);
    assert_int_equal(run->count[KM_CRASHED], 1);
    assert_true(*run->commit && *run->compiler && *run->cpu && run->cores > 0);
    km_run_free(run);
}

static void figures(void **state)
{
    (void)state;
    km_run *run = round_trip();
    const km_cell_record *c = &run->cells[0];
    assert_string_equal(c->op, "gelu");
    assert_string_equal(c->case_text, "n0_approximate=tanh");
    assert_string_equal(c->isa, "baseline");
    assert_string_equal(c->impl, "brgemm \"quoted\" \\ \t ok");
    assert_true(c->threads == 1 && c->workspace_bytes == 4096 && c->open_ns == 1234.5);
    assert_true(c->verify.elements == 1LL << 40 && c->verify.max_ulp == 0.75);
    assert_true(c->verify.max_abs == 1.25e-7 && c->verify.bound_used == 0.123456789);
    assert_true(c->verify.max_rel == 3e-45);
    assert_string_equal(c->verify.measure, "ulp");
    assert_true(c->gradcheck.directions == 97 && c->gradcheck.max_rel == 1.5e-11);
    assert_true(c->ns.min == 1 && c->ns.median == 2.5 && c->ns.p90 == 3 && c->ns.mad == 0.5);
    assert_true(c->ns.ci95[0] == 1 && c->ns.ci95[1] == 3 && c->ns.sample_count == 3);
    assert_true(c->ns.samples[0] == 3 && c->ns.samples[1] == 1 && c->ns.samples[2] == 2.5);
    assert_true(c->gflops == 12.5 && c->gbps == 6.25 && c->speedup_vs_ref == 2);
    assert_string_equal(c->roof.bound, "L1");
    assert_true(c->flops == 1e9 && c->bytes == 8192 && c->roof.percent == 40);
    km_run_free(run);
}

static void what_is_left_out(void **state)
{
    (void)state;
    km_run *run = round_trip();
    assert_true(isnan(run->cells[1].verify.max_ulp) && isnan(run->cells[1].verify.max_abs));
    assert_int_equal(run->cells[1].verify.elements, 9);
    assert_string_equal(run->cells[1].layout, "native");
    assert_string_equal(run->cells[2].reason, "this CPU has no \xC3\xA9");
    assert_int_equal(run->cells[2].verify.elements, -1);
    assert_string_equal(run->cells[3].reason, "read of x past its end");
    assert_true(isnan(run->cells[4].ns.median) && isnan(run->cells[4].gflops));
    km_run_free(run);
}

/* Each line alone is JSON without NaN or infinity. */
static void lines_are_json(void **state)
{
    char line[8192];
    int count = 0;
    (void)state;
    km_run_free(round_trip());
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (; fgets(line, sizeof line, f); count++) {
        json_error_t error;
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        assert_non_null(o);
        json_decref(o);
        assert_null(strstr(line, ":NaN"));
        assert_null(strstr(line, ":nan"));
        assert_null(strstr(line, ":inf"));
        assert_null(strstr(line, ":Infinity"));
    }
    fclose(f);
    assert_int_equal(count, CELLS + 2);
}

/* A reason with bytes that are no UTF-8 must not cost the whole cell. */
static void foreign_bytes(void **state)
{
    (void)state;
    strcpy(results[3].reason, "plugin says \xff\xfe");
    km_error error = {""};
    int failed = write_all(&error);
    km_run *run = failed ? NULL : km_run_read(path, &error);
    strcpy(results[3].reason, "read of x past its end");
    if (!run)
        fail_msg("%s", error.text);
    assert_holds(run->cells[3].reason, "plugin says ");
    km_run_free(run);
}

static void unwritable(void **state)
{
    km_recorder r;
    km_error error;
    (void)state;
    assert_int_equal(km_record_open(&r, "/nonexistent/run.jsonl", &facts, &error), -1);
    assert_holds(error.text, "cannot write /nonexistent/run.jsonl: No such file");
    assert_int_equal(km_record_open(&r, folder, &facts, &error), -1);
    assert_holds(error.text, "it is a directory");
    assert_int_equal(km_record_open(&r, "/dev/full", &facts, &error), 0);
    km_record_cell(&r, &cells[0], &results[0]);
    assert_int_equal(km_record_close(&r, &error), -1);
    assert_holds(error.text, "No space left");
    assert_int_equal(km_record_open(&r, NULL, &facts, &error), 0);
    km_record_cell(&r, &cells[0], &results[0]);
    assert_int_equal(km_record_close(&r, &error), 0);
}

/* A disk that fills up half-way leaves the old file as it was, and nothing beside it. */
static void full_disk(void **state)
{
    struct rlimit was, small = {1500, RLIM_INFINITY};
    km_error error = {""};
    (void)state;
    km_run_free(round_trip());
    getrlimit(RLIMIT_FSIZE, &was);
    small.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int failed = write_all(&error);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(failed, -1);
    assert_holds(error.text, "File too large");
    km_run *run = km_run_read(path, &error);
    assert_non_null(run);
    km_run_free(run);
    char command[200];
    snprintf(command, sizeof command, "test \"$(ls %s)\" = run.jsonl", folder);
    assert_int_equal(system(command), 0);
}

static void aborted(void **state)
{
    km_recorder r;
    km_error error;
    char command[200];
    (void)state;
    unlink(path);
    assert_int_equal(km_record_open(&r, path, &facts, &error), 0);
    km_record_cell(&r, &cells[0], &results[0]);
    km_record_abort(&r);
    snprintf(command, sizeof command, "test -z \"$(ls %s)\"", folder);
    assert_int_equal(system(command), 0);
}

static int open_folder(void **state)
{
    (void)state;
    make_cells();
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/run.jsonl", folder);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_counts), cmocka_unit_test(figures),
        cmocka_unit_test(what_is_left_out),  cmocka_unit_test(lines_are_json),
        cmocka_unit_test(foreign_bytes),     cmocka_unit_test(unwritable),
        cmocka_unit_test(full_disk),         cmocka_unit_test(aborted),
    };
    return cmocka_run_group_tests_name("record", tests, open_folder, close_folder);
}
