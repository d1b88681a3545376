/* report_html_text.c: what the HTML report says in words: verdict, machine, method, how to repeat.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_html.h"
#include "report_text.h"

#include <inttypes.h>
#include <string.h>

void km_html_verdict(FILE *out, const km_report *report)
{
    int64_t count[KM_STATUS_COUNT];
    int64_t cells = km_count_cells(report, count);
    const char *verdict = km_verdict(count);
    fprintf(out,
            "<section class=\"verdict %s\"><p><strong>%s</strong>: %" PRId64 " of %" PRId64
            " cells are verified right</p>\n<ul class=counts>",
            strcmp(verdict, "passed") ? "failed" : "passed", verdict, count[KM_OK], cells);
    for (int s = 0; s < KM_STATUS_COUNT; s++)
        fprintf(out, "<li><strong>%" PRId64 "</strong> %s", count[s], km_status_names[s]);
    fputs("</ul></section>\n", out);
}

static void put_pair(FILE *out, const char *term, const char *text)
{
    if (!*text)
        return;
    fprintf(out, "<dt>%s<dd>", term);
    km_put_html(out, text);
    putc('\n', out);
}

static void put_roofs(FILE *out, const km_run *run)
{
    if (!run->fma_count)
        return;
    fputs("<dt>Measured arithmetic<dd>", out);
    for (size_t i = 0; i < run->fma_count; i++) {
        fputs(i ? ", " : "", out);
        km_put_html(out, run->fma[i].name);
        fprintf(out, " %s", km_text_number(run->fma[i].number, " GFLOP/s").s);
    }
    putc('\n', out);
}

static const char method[] =
    "<p>Every cell is an op, a pass, a case, a backend. It is checked against a double-precision "
    "oracle first and timed only if it is right; a cell that is not ok has no time. A time is the "
    "median of the samples with its 95 % interval. A speed-up is the reference's median over the "
    "cell's; over several cases it is the geometric mean over those that every backend with a "
    "figure in the row has. The interval of a ratio carries those of the medians through the "
    "mean. An error is the largest distance from the oracle, in units in the last place or, where "
    "sums cancel, in per cent of what the bound allows.</p>\n";

void km_html_machine(FILE *out, const km_run *run)
{
    fputs("<dl>\n<dt>Machine<dd>", out);
    km_put_machine(out, run, km_put_html);
    fputs("\n<dt>Build<dd>", out);
    km_put_build(out, run, km_put_html);
    putc('\n', out);
    put_pair(out, "Commit", run->commit);
    put_pair(out, "Flags", run->flags);
    put_roofs(out, run);
    put_pair(out, "Run file", run->path);
    fputs("</dl>\n", out);
    fputs(method, out);
}

void km_html_reproduce(FILE *out, const km_run *run)
{
    fputs("<p>On the same machine, at the same commit:</p>\n<pre>git checkout ", out);
    km_put_html(out, *run->commit ? run->commit : "COMMIT");
    fputs("\n./run                              # builds, verifies, times, reports\n"
          "kernelmark bench --json run.jsonl",
          out);
    if (run->threads > 0)
        fprintf(out, " --threads %" PRId64, run->threads);
    if (run->seed >= 0)
        fprintf(out, " --seed %" PRId64, run->seed);
    fputs("\nkernelmark report run.jsonl --html report.html</pre>\n"
          "<p>One cell alone: <code>kernelmark bench op/pass/case/backend</code>, "
          "for example <code>kernelmark bench ",
          out);
    if (run->cell_count) {
        const km_cell_record *c = &run->cells[run->cell_count - 1];
        const char *part[] = {c->op, c->pass, c->case_text, c->backend};
        for (int i = 0; i < 4; i++) {
            fputs(i ? "/" : "", out);
            km_put_html(out, part[i]);
        }
    }
    fputs("</code>.</p>\n", out);
    if (run->dirty)
        fputs("<p>This build had uncommitted changes: the commit alone does not give it.</p>\n",
              out);
}
