/* report_text.c: figures as people write them, and texts escaped for where they go.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define DASH "–"

/* Three significant digits without an exponent: 1.23, 12.3, 123, 1234. */
static int digits_after(double value)
{
    double size = fabs(value);
    if (size >= 99.95 || size == 0)
        return 0;
    if (size >= 9.995)
        return 1;
    return size >= 0.9995 ? 2 : 3;
}

km_text km_text_number(double value, const char *unit)
{
    km_text t = {DASH};
    if (isfinite(value) && fabs(value) < 1e7 && (value == 0 || fabs(value) >= 1e-3))
        snprintf(t.s, sizeof t.s, "%.*f%s", digits_after(value), value, unit);
    else if (isfinite(value))
        snprintf(t.s, sizeof t.s, "%.2e%s", value, unit);
    return t;
}

km_text km_text_speedup(double value)
{
    return km_text_number(value, "×");
}

km_text km_text_error(double value, bool in_bounds)
{
    return in_bounds ? km_text_number(100 * value, " %") : km_text_number(value, " ulp");
}

km_text km_text_cell_error(const km_cell_record *cell)
{
    return km_text_error(km_cell_error(cell), km_cell_in_bounds(cell));
}

static double time_scale(double ns, const char **unit)
{
    static const char *units[] = {" ns", " µs", " ms", " s"};
    double scale = 1;
    int i = 0;
    for (; i < 3 && ns / scale >= 999.5; i++)
        scale *= 1000;
    *unit = units[i];
    return scale;
}

km_text km_text_time(double ns)
{
    const char *unit;
    double scale = time_scale(ns, &unit);
    return km_text_number(ns / scale, unit);
}

/* Both ends in one unit and with the digits of the lower, so that they compare at a glance. */
km_text km_text_interval(const km_ns *ns)
{
    km_text t = {DASH};
    const char *unit;
    double scale = time_scale(ns->median, &unit), low = ns->ci95[0] / scale;
    if (isfinite(low))
        snprintf(t.s, sizeof t.s, "%.*f" DASH "%.*f%s", digits_after(low), low, digits_after(low),
                 ns->ci95[1] / scale, unit);
    return t;
}

km_text km_text_bytes(int64_t bytes)
{
    static const char *units[] = {" B", " KiB", " MiB", " GiB"};
    double value = (double)bytes;
    int i = 0;
    for (; i < 3 && value >= 1024; i++)
        value /= 1024;
    km_text t = {DASH};
    if (bytes >= 0)
        snprintf(t.s, sizeof t.s, "%.4g%s", value, units[i]);
    return t;
}

km_text km_text_short(double value)
{
    static const char *units[] = {"", "k", "M", "G", "T"};
    int i = 0;
    for (; i < 4 && value >= 999.5; i++)
        value /= 1000;
    km_text t;
    snprintf(t.s, sizeof t.s, "%.3g%s", value, units[i]);
    return t;
}

km_text km_text_superscript(size_t number)
{
    static const char *digit[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    km_text t = {""};
    char decimal[24], *end = t.s;
    if (number)
        snprintf(decimal, sizeof decimal, "%zu", number);
    for (const char *d = decimal; number && *d; d++)
        end = stpcpy(end, digit[*d - '0']);
    return t;
}

int km_cut(const char *text, int most)
{
    int length = (int)strnlen(text, (size_t)most + 1);
    if (length <= most)
        return length;
    for (length = most; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
        length--;
    return length;
}

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static char visible(char c)
{
    return (unsigned char)c < ' ' || c == 0x7F ? ' ' : c;
}

void km_put_html(FILE *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = html_entity(*text);
        if (entity)
            fputs(entity, out);
        else
            putc(visible(*text), out);
    }
}

/* Escapes what would start markup, HTML included; an underscore within a word starts none, and
 * left alone it reads better on a terminal. */
void km_put_markdown(FILE *out, const char *text)
{
    for (char before = ' '; *text; before = *text++) {
        bool inside = isalnum((unsigned char)before) && isalnum((unsigned char)text[1]);
        if (*text == '<' || *text == '&')
            fputs(html_entity(*text), out);
        else if (strchr("\\`*[]|~#@", *text) || (*text == '_' && !inside))
            fprintf(out, "\\%c", *text);
        else
            putc(visible(*text), out);
    }
}

void km_put_csv(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void put_cache(FILE *out, const char *name, int64_t bytes)
{
    if (bytes > 0)
        fprintf(out, ", %s %s", name, km_text_bytes(bytes).s);
}

void km_put_machine(FILE *out, const km_run *run, km_put *put)
{
    put(out, *run->cpu ? run->cpu : "unknown CPU");
    if (run->cores > 0)
        fprintf(out, ", %" PRId64 " core%s", run->cores, run->cores == 1 ? "" : "s");
    put_cache(out, "L1d", run->l1d);
    put_cache(out, "L2", run->l2);
    put_cache(out, "L3", run->l3);
    if (*run->isas) {
        fputs("; ", out);
        put(out, run->isas);
    }
    if (*run->governor) {
        fputs("; governor ", out);
        put(out, run->governor);
    }
}

static void put_short_commit(FILE *out, const char *commit, km_put *put)
{
    km_text t = {"no commit"};
    if (*commit)
        snprintf(t.s, sizeof t.s, "%.*s", km_cut(commit, 12), commit);
    put(out, t.s);
}

void km_put_build(FILE *out, const km_run *run, km_put *put)
{
    fputs("kernelmark ", out);
    put(out, run->tool);
    fprintf(out, " (");
    put_short_commit(out, run->commit, put);
    fprintf(out, "%s)", run->dirty ? ", with uncommitted changes" : "");
    if (*run->compiler) {
        fputs(", ", out);
        put(out, run->compiler);
    }
    for (size_t i = 0; i < run->library_count; i++) {
        fputs(", ", out);
        put(out, run->libraries[i].name);
        putc(' ', out);
        put(out, run->libraries[i].text);
    }
    if (run->seed >= 0)
        fprintf(out, "; seed %" PRId64, run->seed);
    if (*run->started) {
        fputs("; started ", out);
        put(out, run->started);
    }
}

int64_t km_count_cells(const km_report *report, int64_t count[KM_STATUS_COUNT])
{
    int64_t cells = 0;
    memset(count, 0, KM_STATUS_COUNT * sizeof *count);
    for (size_t i = 0; i < report->run_count; i++)
        for (int s = 0; s < KM_STATUS_COUNT; s++) {
            count[s] += report->run[i]->count[s];
            cells += report->run[i]->count[s];
        }
    return cells;
}

const char *km_verdict(const int64_t count[KM_STATUS_COUNT])
{
    if (count[KM_WRONG] + count[KM_CRASHED])
        return "FAILED";
    return count[KM_OK] ? "passed" : "NOTHING RAN";
}
