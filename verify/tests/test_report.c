/* test_report.c: the figures and the escaping of the reports, on runs with known numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../bench/report_model.h"
#include "../../bench/report_text.h"
#include "../../core/outfile.h"

/* ---- runs made here ---------------------------------------------------------------------------
 */

typedef struct draft {
    FILE *file;
    char path[40];
    int count[KM_STATUS_COUNT], cells;
} draft;

static draft begin_run(const char *model)
{
    draft d = {.path = "/tmp/test_report.XXXXXX"};
    d.file = fdopen(mkstemp(d.path), "w");
    assert_non_null(d.file);
    fprintf(d.file,
            "{\"type\":\"run\",\"schema\":\"kernelmark-run\",\"version\":1,\"tool\":\"1.0\","
            "\"cpu\":{\"model\":\"%s\"},\"roofs\":{\"fma\":{\"avx2\":100},\"bandwidth\":"
            "[{\"level\":\"L1\",\"reads\":1,\"writes\":1,\"gbps\":50}]}}\n",
            model);
    return d;
}

static void put_id(draft *d, const char *op, const char *text, const char *backend, int threads)
{
    fprintf(d->file,
            "{\"type\":\"cell\",\"op\":\"%s\",\"pass\":\"forward\",\"case\":\"%s\","
            "\"backend\":\"%s\",\"layout\":\"plain\",\"threads\":%d,",
            op, text, backend, threads);
    d->cells++;
}

static void add_ok(draft *d, const char *text, const char *backend, int threads, double ns)
{
    put_id(d, "relu", text, backend, threads);
    fprintf(d->file,
            "\"status\":\"ok\",\"verify\":{\"max_ulp\":%g,\"elements\":8},\"flops\":1000,"
            "\"bytes\":8000,\"gflops\":%g,\"ns\":{\"min\":%g,\"median\":%g,\"ci95\":[%g,%g]}}\n",
            ns / 10, 1000 / ns, ns, ns, ns * 0.9, ns * 1.1);
    d->count[KM_OK]++;
}

static void add_other(draft *d, const char *text, const char *backend, int status, const char *why)
{
    put_id(d, "relu", text, backend, 1);
    fprintf(d->file, "\"status\":\"%s\",\"reason\":\"%s\"}\n", km_status_names[status], why);
    d->count[status]++;
}

static km_run *finish_run(draft *d)
{
    km_error e = {""};
    fprintf(d->file,
            "{\"type\":\"end\",\"cells\":%d,\"ok\":%d,\"wrong\":%d,\"skipped\":%d,"
            "\"crashed\":%d}\n",
            d->cells, d->count[0], d->count[1], d->count[2], d->count[3]);
    fclose(d->file);
    km_run *run = km_run_read(d->path, &e);
    unlink(d->path);
    assert_string_equal(e.text, "");
    assert_non_null(run);
    return run;
}

/* Speed-ups of avx2: 2 and 8 (and 100 where onednn has none); of onednn: 4 and 4. */
static km_run *known_run(void)
{
    draft d = begin_run("<img src=x onerror=alert(1)> & co");
    add_ok(&d, "n10", "ref", 1, 80);
    add_ok(&d, "n10", "avx2", 1, 40);
    add_ok(&d, "n10", "onednn", 1, 20);
    add_ok(&d, "n20", "ref", 1, 160);
    add_ok(&d, "n20", "avx2", 1, 20);
    add_ok(&d, "n20", "onednn", 1, 40);
    add_ok(&d, "n30", "ref", 1, 200);
    add_ok(&d, "n30", "avx2", 1, 2);
    add_other(&d, "n30", "onednn", KM_SKIPPED, "a, \\\"b\\\"\\n<script>x</script>");
    return finish_run(&d);
}

typedef int reporter(FILE *, const km_report *, km_error *);

/* The report of the run, as many times over as asked for. */
static char *text_of_many(reporter *report, const km_run *run, size_t times)
{
    char *text = NULL;
    size_t size;
    km_error e = {""};
    const km_run *runs[] = {run, run};
    km_report r = {.run = runs, .run_count = times};
    FILE *out = open_memstream(&text, &size);
    int bad = report(out, &r, &e);
    fclose(out);
    assert_string_equal(e.text, "");
    assert_int_equal(bad, 0);
    return text;
}

static char *text_of(reporter *report, const km_run *run)
{
    return text_of_many(report, run, 1);
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* ---- figures ----------------------------------------------------------------------------------
 */

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9 * fabs(b);
}

static void common_cells(void **state)
{
    (void)state;
    km_run *run = known_run();
    km_view *v = km_view_of(run, &(km_report){0}, NULL);
    assert_non_null(v);
    assert_int_equal(v->group_count, 1);
    const km_row *row = &v->group[0].row[0];
    assert_int_equal(row->case_count, 3);
    assert_int_equal(row->common, 2);
    assert_true(near(row->entry[0].speedup, 1));
    assert_true(near(row->entry[1].speedup, 4)); /* not the 9.28 that the third case would give */
    assert_true(near(row->entry[2].speedup, 4));
    assert_int_equal(row->entry[1].note, 0);
    assert_int_equal(row->entry[2].note, 1);
    assert_int_equal(row->peer.best, 1);
    assert_true(near(row->peer.value, 1)); /* 20/40 and 40/20 */
    assert_true(near(v->group[0].total[1], 4));
    assert_int_equal(row->worst, 1); /* 4 ULP at n10; onednn has 4 too, the first stands */
    km_view_free(v);
    km_run_free(run);
}

/* Ulps of sums that cancel say nothing: what says so is shown by its bound. */
static void errors_in_bounds(void **state)
{
    (void)state;
    draft d = begin_run("cpu");
    static const char *const backends[] = {"ref", "avx2"};
    for (int b = 0; b < 2; b++) {
        put_id(&d, "conv2d", "n1", backends[b], 1);
        fprintf(d.file, "\"status\":\"ok\",\"verify\":{\"max_ulp\":2e6,\"bound_used\":0.125,"
                        "\"measure\":\"bound\",\"elements\":8}}\n");
        d.count[KM_OK]++;
    }
    km_run *run = finish_run(&d);
    km_view *v = km_view_of(run, &(km_report){0}, NULL);
    assert_non_null(v);
    const km_row *row = &v->group[0].row[0];
    assert_true(row->in_bounds && near(row->entry[1].error, 0.125));
    assert_string_equal(km_text_cell_error(&run->cells[1]).s, "12.5 %");
    assert_string_equal(km_text_error(2.5, false).s, "2.50 ulp");
    km_view_free(v);
    km_run_free(run);
}

/* Four medians with the same relative interval: half of it after a mean of two ratios. */
static void peer_interval(void **state)
{
    (void)state;
    km_run *run = known_run();
    km_view *v = km_view_of(run, &(km_report){0}, NULL);
    const km_peer_ratio *peer = &v->group[0].row[0].peer;
    double half = log(1.1 / 0.9) / 2;
    assert_true(fabs(log(peer->high) - half) < 1e-6);
    assert_true(fabs(log(peer->low) + half) < 1e-6);
    km_view_free(v);
    km_run_free(run);
}

/* ref runs on one thread only and joins both groups; omp has its own cells in each. */
static void thread_groups(void **state)
{
    (void)state;
    draft d = begin_run("m");
    add_ok(&d, "n10", "ref", 1, 80);
    add_ok(&d, "n10", "omp", 1, 40);
    add_ok(&d, "n10", "omp", 2, 20);
    km_run *run = finish_run(&d);
    km_view *v = km_view_of(run, &(km_report){0}, NULL);
    assert_int_equal(v->group_count, 2);
    assert_int_equal(v->group[1].threads, 2);
    assert_true(near(v->group[0].row[0].entry[1].speedup, 2));
    assert_true(near(v->group[1].row[0].entry[1].speedup, 4));
    km_view_free(v);
    km_run_free(run);
}

/* A wrong cell shows no speed, and the reason is on the page. */
static void wrong_cells(void **state)
{
    (void)state;
    draft d = begin_run("m");
    add_ok(&d, "n10", "ref", 1, 80);
    add_other(&d, "n10", "avx2", KM_WRONG, "y[3] is off");
    km_run *run = finish_run(&d);
    char *text = text_of(km_report_markdown, run);
    assert_true(strncmp(text, "**kernelmark: FAILED**, 1 of 2 cells ok, 1 wrong", 48) == 0);
    has(text, "| relu forward | –¹ |");
    has(text, "¹ avx2 wrong: y\\[3\\] is off");
    free(text);
    km_run_free(run);
}

/* ---- texts ------------------------------------------------------------------------------------
 */

static void markdown(void **state)
{
    (void)state;
    km_run *run = known_run();
    char *text = text_of(km_report_markdown, run);
    has(text, "| relu forward | 4.00× | 4.00×¹ | 1.00× [0.90, 1.11] avx2 |");
    has(text, "| 2 of 3 |");
    has(text, "&lt;script>");
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "<img"));
    free(text);
    km_run_free(run);
}

/* However many rows there are, the page fits a comment and says what it leaves out. */
static void markdown_fits(void **state)
{
    (void)state;
    draft d = begin_run("m");
    for (int i = 0; i < 3000; i++) {
        char op[40];
        snprintf(op, sizeof op, "operation_number_%d", i);
        put_id(&d, op, "n1", "ref", 1);
        fputs("\"status\":\"ok\",\"ns\":{\"min\":1,\"median\":2}}\n", d.file);
        d.count[KM_OK]++;
    }
    km_run *run = finish_run(&d);
    char *text = text_of(km_report_markdown, run);
    assert_in_range(strlen(text), 50000, 60000);
    has(text, "left out here for length");
    has(text, "How to read this");
    free(text);
    km_run_free(run);
}

static void csv(void **state)
{
    (void)state;
    km_run *run = known_run();
    char *text = text_of(km_report_csv, run);
    has(text, "run,commit,cpu,op,pass,case,backend,layout,threads,isa,status,reason,impl,");
    has(text, ",relu,forward,n10,avx2,plain,1,,ok,,,4,");
    has(text, ",skipped,\"a, \"\"b\"\"\n<script>x</script>\",");
    has(text, ",36,44,0\n");
    free(text);
    km_run_free(run);
}

/* Tests that need gnuplot fail without it: the build asks for it. */
static void html(void **state)
{
    (void)state;
    km_run *run = known_run();
    char *text = text_of(km_report_html, run);
    has(text, "&lt;img src=x onerror=alert(1)&gt; &amp; co");
    has(text, "&lt;script&gt;x&lt;/script&gt;");
    has(text, "role=\"img\"><title>");
    has(text, "L1 50.0 GB/s");
    const char *never[] = {"<script", "<img",    "http:", "https:",       "xlink", "<?xml",
                           "<link",   "@import", "url(",  "gnuplot_plot", "nan",   "inf "};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strstr(text, never[i]))
            fail_msg("\"%s\" is in the page", never[i]);
    free(text);
    km_run_free(run);
}

/* Every id once, or links and shapes would meet the wrong one. */
static void html_ids(void **state)
{
    (void)state;
    km_run *run = known_run();
    char *text = text_of_many(km_report_html, run, 2);
    for (char *at = text; (at = strstr(at, " id=")); at++) {
        char id[80];
        snprintf(id, sizeof id, "%.*s", (int)strcspn(at + 1, " />") + 1, at);
        size_t length = strlen(id);
        for (char *other = at + 1; (other = strstr(other, id)); other++)
            if (strchr(" />", other[length]))
                fail_msg("\"%s\" appears twice", id);
    }
    free(text);
    km_run_free(run);
}

/* A denormal time makes an infinite rate: it is left out of the charts and hangs nothing. */
static void absurd_figures(void **state)
{
    (void)state;
    draft d = begin_run("m");
    for (int i = 0; i < 2; i++) {
        put_id(&d, "relu", i ? "n10" : "n20", "ref", 1);
        fputs("\"status\":\"ok\",\"flops\":1e308,\"bytes\":1e-300,\"gflops\":1e308,"
              "\"ns\":{\"min\":5e-324,\"median\":5e-324}}\n",
              d.file);
        d.count[KM_OK]++;
    }
    km_run *run = finish_run(&d);
    char *text = text_of(km_report_html, run);
    has(text, "This run has no figures for it.");
    free(text);
    km_run_free(run);
}

static void no_gnuplot(void **state)
{
    (void)state;
    km_run *run = known_run();
    km_error e = {""};
    char *path = strdup(getenv("PATH"));
    km_report r = {.run = (const km_run *const *)&run, .run_count = 1};
    setenv("PATH", "/nonexistent", 1);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(km_report_html(out, &r, &e), -1);
    setenv("PATH", path, 1);
    fclose(out);
    assert_int_equal(size, 0);
    has(e.text, "gnuplot");
    free(text);
    free(path);
    km_run_free(run);
}

static void figures(void **state)
{
    (void)state;
    assert_string_equal(km_text_speedup(9.996).s, "10.0×");
    assert_string_equal(km_text_speedup(0.25).s, "0.250×");
    assert_string_equal(km_text_speedup(NAN).s, "–");
    assert_string_equal(km_text_time(999.6).s, "1.00 µs");
    assert_string_equal(km_text_time(1234567).s, "1.23 ms");
    assert_string_equal(km_text_bytes(49152).s, "48 KiB");
    assert_string_equal(km_text_superscript(120).s, "¹²⁰");
    assert_int_equal(km_cut("aé", 2), 1);
    assert_int_equal(km_cut("aé", 3), 3);
}

/* ---- output files --------------------------------------------------------------------------- */

static void outfile(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_report.XXXXXX", path[64];
    km_outfile out;
    km_error e = {""};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/report", folder);
    assert_int_equal(km_outfile_open(&out, path, &e), 0);
    fputs("one", out.stream);
    assert_int_equal(access(path, F_OK), -1); /* not there before it is whole */
    assert_int_equal(km_outfile_commit(&out, &e), 0);
    assert_int_equal(km_outfile_open(&out, path, &e), 0);
    fputs("two and more", out.stream);
    km_outfile_abort(&out);
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_size, 3);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* nothing left beside it */
}

static void full_disk(void **state)
{
    (void)state;
    km_outfile out;
    km_error e = {""};
    assert_int_equal(km_outfile_open(&out, "/dev/full", &e), 0);
    fputs("text", out.stream);
    assert_int_equal(km_outfile_commit(&out, &e), -1);
    assert_string_equal(e.text, "cannot write /dev/full: No space left on device");
    assert_int_equal(km_outfile_open(&out, "/nonexistent/file", &e), -1);
    has(e.text, "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_cells),   cmocka_unit_test(errors_in_bounds),
        cmocka_unit_test(peer_interval),  cmocka_unit_test(thread_groups),
        cmocka_unit_test(wrong_cells),    cmocka_unit_test(markdown),
        cmocka_unit_test(markdown_fits),  cmocka_unit_test(csv),
        cmocka_unit_test(html),           cmocka_unit_test(html_ids),
        cmocka_unit_test(absurd_figures), cmocka_unit_test(no_gnuplot),
        cmocka_unit_test(figures),        cmocka_unit_test(outfile),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
