/* runfile_fields.c: the fields of a run file's lines, as tables, and how they are checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "runfile.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LISTED = 256 }; /* roofs and libraries of a run */

/* clang-format off */
#define CELL(member) offsetof(km_cell_record, member)
const km_field km_cell_fields[] = {
    {NULL, "op",              KM_NAME,  true,  CELL(op)},
    {NULL, "pass",            KM_NAME,  true,  CELL(pass)},
    {NULL, "case",            KM_NAME,  true,  CELL(case_text)},
    {NULL, "backend",         KM_NAME,  true,  CELL(backend)},
    {NULL, "layout",          KM_NAME,  true,  CELL(layout)},
    {NULL, "threads",         KM_COUNT, true,  CELL(threads)},
    {NULL, "isa",             KM_TEXT,  false, CELL(isa)},
    {NULL, "status",          KM_NAME,  true,  CELL(status_text)},
    {NULL, "reason",          KM_TEXT,  false, CELL(reason)},
    {NULL, "impl",            KM_TEXT,  false, CELL(impl)},
    {"verify", "max_ulp",     KM_REAL,  false, CELL(verify.max_ulp)},
    {"verify", "max_abs",     KM_REAL,  false, CELL(verify.max_abs)},
    {"verify", "max_rel",     KM_REAL,  false, CELL(verify.max_rel)},
    {"verify", "bound_used",  KM_REAL,  false, CELL(verify.bound_used)},
    {"verify", "elements",    KM_COUNT, true,  CELL(verify.elements)},
    {"gradcheck", "max_rel",  KM_REAL,  false, CELL(gradcheck.max_rel)},
    {"gradcheck", "directions", KM_COUNT, false, CELL(gradcheck.directions)},
    {"ns", "min",             KM_REAL,  true,  CELL(ns.min)},
    {"ns", "median",          KM_REAL,  true,  CELL(ns.median)},
    {"ns", "p90",             KM_REAL,  false, CELL(ns.p90)},
    {"ns", "mad",             KM_REAL,  false, CELL(ns.mad)},
    {NULL, "open_ns",         KM_REAL,  false, CELL(open_ns)},
    {NULL, "convert_ns",      KM_REAL,  false, CELL(convert_ns)},
    {NULL, "workspace_bytes", KM_COUNT, false, CELL(workspace_bytes)},
    {NULL, "flops",           KM_REAL,  false, CELL(flops)},
    {NULL, "bytes",           KM_REAL,  false, CELL(bytes)},
    {NULL, "gflops",          KM_REAL,  false, CELL(gflops)},
    {NULL, "gbps",            KM_REAL,  false, CELL(gbps)},
    {"roof", "bound",         KM_NAME,  true,  CELL(roof.bound)},
    {"roof", "limit",         KM_REAL,  false, CELL(roof.limit)},
    {"roof", "percent",       KM_REAL,  false, CELL(roof.percent)},
    {NULL, "speedup_vs_ref",  KM_REAL,  false, CELL(speedup_vs_ref)},
    {"verify", "measure",     KM_TEXT,  false, CELL(verify.measure)},
    {0},
};

#define RUN(member) offsetof(km_run, member)
static const km_field run_fields[] = {
    {NULL, "tool",            KM_TEXT,  true,  RUN(tool)},
    {"git", "commit",         KM_TEXT,  false, RUN(commit)},
    {"git", "dirty",          KM_FLAG,  false, RUN(dirty)},
    {NULL, "compiler",        KM_TEXT,  false, RUN(compiler)},
    {NULL, "flags",           KM_TEXT,  false, RUN(flags)},
    {"cpu", "model",          KM_TEXT,  false, RUN(cpu)},
    {"cpu", "cores",          KM_COUNT, false, RUN(cores)},
    {"cpu", "l1d",            KM_COUNT, false, RUN(l1d)},
    {"cpu", "l2",             KM_COUNT, false, RUN(l2)},
    {"cpu", "l3",             KM_COUNT, false, RUN(l3)},
    {NULL, "threads",         KM_COUNT, false, RUN(threads)},
    {NULL, "governor",        KM_TEXT,  false, RUN(governor)},
    {NULL, "seed",            KM_COUNT, false, RUN(seed)},
    {NULL, "timed_data",      KM_TEXT,  false, RUN(timed_data)},
    {NULL, "started",         KM_TEXT,  false, RUN(started)},
    {"roofs", "threads",      KM_COUNT, false, RUN(roof_threads)},
    {0},
};

#define BANDWIDTH(member) offsetof(km_bandwidth, member)
static const km_field bandwidth_fields[] = {
    {NULL, "level",           KM_NAME,  true,  BANDWIDTH(level)},
    {NULL, "reads",           KM_COUNT, false, BANDWIDTH(reads)},
    {NULL, "writes",          KM_COUNT, false, BANDWIDTH(writes)},
    {NULL, "nt",              KM_FLAG,  false, BANDWIDTH(nt)},
    {NULL, "threads",         KM_COUNT, false, BANDWIDTH(threads)},
    {NULL, "gbps",            KM_REAL,  true,  BANDWIDTH(gbps)},
    {0},
};
/* clang-format on */

/* Names go into cell ids, table headings and charts: visible ASCII without '/', and short. */
static bool is_name(const char *text)
{
    size_t length = 0;
    for (; text[length]; length++)
        if (text[length] <= ' ' || text[length] > '~' || strchr("/\\\"'`<>&", text[length]))
            return false;
    return length > 0 && length < 200;
}

static const char *kind_names[] = {"a text", "a name", "a number", "a whole number >= 0",
                                   "true or false"};

/* Puts the value of a key, or its absence (NULL), where the field says. */
static bool store(const km_field *f, const json_t *value, char *base)
{
    void *to = base + f->offset;
    switch (f->kind) {
    case KM_TEXT:
    case KM_NAME:
        *(const char **)to = value ? json_string_value(value) : "";
        return !value || (json_is_string(value) && (f->kind == KM_TEXT || is_name(*(char **)to)));
    case KM_REAL:
        *(double *)to = json_is_number(value) ? json_number_value(value) : NAN;
        return !value || json_is_number(value);
    case KM_COUNT:
        *(int64_t *)to = json_is_integer(value) ? json_integer_value(value) : -1;
        return !value || (json_is_integer(value) && json_integer_value(value) >= 0);
    case KM_FLAG:
        *(bool *)to = json_is_true(value);
        return !value || json_is_boolean(value);
    }
    return false;
}

/* Fields of an absent section are absent, required or not: a cell without times has no "ns". */
static int parse_fields(json_t *line, const km_field *f, void *base, km_error *e)
{
    for (; f->key; f++) {
        json_t *object = f->section ? json_object_get(line, f->section) : line;
        if (object && !json_is_object(object))
            return km_fail(e, "\"%s\" is not an object", f->section);
        json_t *value = json_object_get(object, f->key);
        const char *dot = f->section ? "." : "", *section = f->section ? f->section : "";
        if (!store(f, value, base))
            return km_fail(e, "\"%s%s%s\" is not %s", section, dot, f->key, kind_names[f->kind]);
        if (object && !value && f->required)
            return km_fail(e, "\"%s%s%s\" is missing", section, dot, f->key);
    }
    return 0;
}

static int parse_samples(json_t *ns, km_ns *to, km_error *e)
{
    json_t *list = json_object_get(ns, "samples"), *value;
    size_t i;
    if (list && !json_is_array(list))
        return km_fail(e, "\"ns.samples\" is not a list");
    to->sample_count = json_array_size(list);
    to->samples = calloc(to->sample_count + 1, sizeof *to->samples);
    if (!to->samples)
        return km_fail(e, "out of memory");
    json_array_foreach(list, i, value)
    {
        if (!json_is_number(value))
            return km_fail(e, "\"ns.samples\" holds something that is not a number");
        to->samples[i] = json_number_value(value);
    }
    return 0;
}

static int parse_ns(json_t *line, km_ns *to, km_error *e)
{
    json_t *ns = json_object_get(line, "ns"), *ci = json_object_get(ns, "ci95");
    to->ci95[0] = to->ci95[1] = NAN;
    if (!ns)
        return 0;
    if (!(to->min > 0) || !(to->median > 0))
        return km_fail(e, "a time that is not above 0");
    if (ci) {
        for (int i = 0; i < 2; i++) {
            json_t *end = json_array_get(ci, (size_t)i);
            to->ci95[i] = json_is_number(end) ? json_number_value(end) : NAN;
        }
        if (json_array_size(ci) != 2 || !(to->ci95[0] > 0) || !(to->ci95[1] >= to->ci95[0]))
            return km_fail(e, "\"ns.ci95\" is not [low, high]");
    }
    return parse_samples(ns, to, e);
}

static int check_status(km_cell_record *cell, km_error *e)
{
    while (cell->status < KM_STATUS_COUNT &&
           strcmp(cell->status_text, km_status_names[cell->status]) != 0)
        cell->status++;
    if (cell->status == KM_STATUS_COUNT)
        return km_fail(e, "unknown status \"%.40s\"", cell->status_text);
    if (cell->status != KM_OK && !isnan(cell->ns.median))
        return km_fail(e, "a cell that is %s carries a time", cell->status_text);
    if (cell->status != KM_OK && !*cell->reason)
        return km_fail(e, "a cell that is %s has no reason", cell->status_text);
    if (cell->threads < 1)
        return km_fail(e, "\"threads\" is not above 0");
    return 0;
}

int km_cell_parse(json_t *line, km_cell_record *cell, km_error *e)
{
    if (parse_fields(line, km_cell_fields, cell, e) || parse_ns(line, &cell->ns, e))
        return -1;
    return check_status(cell, e);
}

/* An object of name: version or name: number, in the file's order. */
static int parse_named(json_t *object, const char *what, bool numbers, km_named **list,
                       size_t *count, km_error *e)
{
    const char *name;
    json_t *value;
    if (object && !json_is_object(object))
        return km_fail(e, "\"%s\" is not an object", what);
    if (json_object_size(object) > MOST_LISTED)
        return km_fail(e, "\"%s\" has more than %d entries", what, MOST_LISTED);
    *list = calloc(json_object_size(object) + 1, sizeof **list);
    if (!*list)
        return km_fail(e, "out of memory");
    json_object_foreach(object, name, value)
    {
        if (numbers ? !json_is_number(value) : !json_is_string(value))
            return km_fail(e, "\"%s\" holds something that is not a %s", what,
                           numbers ? "number" : "text");
        (*list)[(*count)++] = (km_named){.name = name,
                                         .text = numbers ? "" : json_string_value(value),
                                         .number = json_number_value(value)};
    }
    return 0;
}

static int parse_bandwidth(json_t *list, km_run *run, km_error *e)
{
    json_t *value;
    size_t i;
    if (list && !json_is_array(list))
        return km_fail(e, "\"roofs.bandwidth\" is not a list");
    if (json_array_size(list) > MOST_LISTED)
        return km_fail(e, "\"roofs.bandwidth\" has more than %d entries", MOST_LISTED);
    run->bandwidth = calloc(json_array_size(list) + 1, sizeof *run->bandwidth);
    if (!run->bandwidth)
        return km_fail(e, "out of memory");
    json_array_foreach(list, i, value)
    {
        if (!json_is_object(value))
            return km_fail(e, "\"roofs.bandwidth\" holds something that is not an object");
        if (parse_fields(value, bandwidth_fields, &run->bandwidth[i], e))
            return -1;
        run->bandwidth_count++;
    }
    return 0;
}

static int parse_isas(json_t *list, km_run *run, km_error *e)
{
    json_t *value;
    size_t i, length = 1;
    if (list && !json_is_array(list))
        return km_fail(e, "\"cpu.isas\" is not a list");
    json_array_foreach(list, i, value)
    {
        if (!json_is_string(value))
            return km_fail(e, "\"cpu.isas\" holds something that is not a text");
        length += json_string_length(value) + 1;
    }
    char *end = run->isas_buffer = calloc(length, 1);
    if (!end)
        return km_fail(e, "out of memory");
    json_array_foreach(list, i, value) end =
        stpcpy(stpcpy(end, i ? " " : ""), json_string_value(value));
    run->isas = run->isas_buffer;
    return 0;
}

int km_run_header_parse(json_t *line, km_run *run, km_error *e)
{
    if (parse_fields(line, run_fields, run, e))
        return -1;
    json_t *cpu = json_object_get(line, "cpu"), *roofs = json_object_get(line, "roofs");
    if (parse_isas(json_object_get(cpu, "isas"), run, e) ||
        parse_named(json_object_get(line, "libraries"), "libraries", false, &run->libraries,
                    &run->library_count, e) ||
        parse_named(json_object_get(roofs, "fma"), "roofs.fma", true, &run->fma, &run->fma_count,
                    e))
        return -1;
    return parse_bandwidth(json_object_get(roofs, "bandwidth"), run, e);
}

bool km_cell_in_bounds(const km_cell_record *cell)
{
    return cell->verify.measure && !strcmp(cell->verify.measure, "bound");
}

double km_cell_error(const km_cell_record *cell)
{
    return km_cell_in_bounds(cell) ? cell->verify.bound_used : cell->verify.max_ulp;
}
