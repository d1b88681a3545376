/* junit.c: the JUnit XML that CI servers read: failure for wrong and crashed, skipped with its reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/junit.h"

#include <stdio.h>
#include <string.h>

#include "core/outfile.h"

/* XML 1.0 has no way to write most control characters: they become '?'. */
static void put_escaped(FILE *f, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc((unsigned char)*text < ' ' ? '?' : *text, f);
        }
}

static void put_case(FILE *f, const km_junit_case *c)
{
    fprintf(f, "  <testcase classname=\"kernelmark.%s.%s\" name=\"", c->suite, c->backend);
    put_escaped(f, c->name);
    fputs("\"", f);
    if (c->status == KM_OK) {
        fputs("/>\n", f);
        return;
    }
    const char *element = c->status == KM_SKIPPED ? "skipped" : "failure";
    fprintf(f, "><%s message=\"", element);
    put_escaped(f, c->reason);
    fputs("\">", f);
    put_escaped(f, c->reproduce ? c->reproduce : "");
    fprintf(f, "</%s></testcase>\n", element);
}

typedef struct source {
    void (*get)(size_t i, const void *context, km_junit_case *out);
    const void *context;
    size_t count;
} source;

/* Writes the suite that starts at i; returns where the next one starts. */
static size_t put_suite(FILE *f, const source *s, size_t i)
{
    km_junit_case first, c;
    size_t end = i, failures = 0, skipped = 0;
    s->get(i, s->context, &first);
    for (; end < s->count; end++) {
        s->get(end, s->context, &c);
        if (strcmp(c.suite, first.suite))
            break;
        failures += c.status == KM_WRONG || c.status == KM_CRASHED;
        skipped += c.status == KM_SKIPPED;
    }
    fprintf(f, " <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\">\n",
            first.suite, end - i, failures, skipped);
    for (; i < end; i++) {
        s->get(i, s->context, &c);
        put_case(f, &c);
    }
    fputs(" </testsuite>\n", f);
    return end;
}

int km_junit_write(const char *path, size_t count,
                   void (*get)(size_t i, const void *context, km_junit_case *out),
                   const void *context, km_error *error)
{
    km_outfile out;
    const source s = {get, context, count};
    if (km_outfile_open(&out, path, error))
        return -1;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out.stream);
    for (size_t i = 0; i < count;)
        i = put_suite(out.stream, &s, i);
    fputs("</testsuites>\n", out.stream);
    return km_outfile_commit(&out, error);
}
