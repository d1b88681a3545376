/* runfile_read.c: reads a run file line by line and holds it to the format's order and counts.
 *
 * Nothing in the file is trusted: lines and cells are bounded, jansson rejects what is not strict
 * JSON (NaN, 1e400, duplicate keys, bad UTF-8), and every field is checked before it is used.
 * SPDX-License-Identifier: Apache-2.0 */
#include "runfile.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 4 << 20, MAX_CELLS = 1000000 };

typedef struct reader {
    FILE *file;
    char *line;
    size_t length, room;
    long number; /* of the line, from 1 */
    km_run *run;
    size_t cell_room;
    json_t *seen; /* the ids of the cells so far */
    bool ended;
} reader;

/* 1: a line is in r->line; 0: end of file; -1: error. getline would take memory without limit. */
static int next_line(reader *r, km_error *e)
{
    int c;
    r->length = 0;
    r->number++;
    while ((c = getc_unlocked(r->file)) != EOF && c != '\n') {
        if (r->length == r->room) {
            size_t room = r->room ? 2 * r->room : 4096;
            char *grown = room <= MAX_LINE ? realloc(r->line, room) : NULL;
            if (!grown)
                return km_fail(e, room > MAX_LINE ? "line is too long" : "out of memory");
            r->line = grown;
            r->room = room;
        }
        r->line[r->length++] = (char)c;
    }
    if (ferror(r->file))
        return km_fail(e, "%s", strerror(errno));
    return c != EOF || r->length > 0;
}

static bool type_is(const json_t *line, const char *type)
{
    const char *text = json_string_value(json_object_get(line, "type"));
    return text && !strcmp(text, type);
}

static int take_header(reader *r, json_t *line, km_error *e)
{
    const char *schema = json_string_value(json_object_get(line, "schema"));
    json_t *version = json_object_get(line, "version");
    if (!type_is(line, "run") || !schema || strcmp(schema, KM_RUN_SCHEMA) != 0)
        return km_fail(e, "not a run file (the first line is no \"" KM_RUN_SCHEMA "\" header)");
    if (!json_is_integer(version) || json_integer_value(version) != KM_RUN_VERSION)
        return km_fail(e, "schema version is not %d, which this program reads", KM_RUN_VERSION);
    return km_run_header_parse(line, r->run, e);
}

static int note_id(reader *r, const km_cell_record *c, km_error *e)
{
    json_t *id = json_sprintf("%s/%s/%s/%s/%s/%lld", c->op, c->pass, c->case_text, c->backend,
                              c->layout, (long long)c->threads);
    const char *text = json_string_value(id);
    int bad = 0;
    if (text && json_object_get(r->seen, text))
        bad = km_fail(e, "cell %.300s appears twice", text);
    else if (!text || json_object_set_new(r->seen, text, json_true()))
        bad = km_fail(e, "out of memory");
    json_decref(id);
    return bad;
}

static int take_cell(reader *r, json_t *line, km_error *e)
{
    km_run *run = r->run;
    if (run->cell_count == MAX_CELLS)
        return km_fail(e, "more than %d cells", MAX_CELLS);
    if (run->cell_count == r->cell_room) {
        size_t room = r->cell_room ? 2 * r->cell_room : 256;
        km_cell_record *grown = realloc(run->cells, room * sizeof *grown);
        if (!grown)
            return km_fail(e, "out of memory");
        run->cells = grown;
        r->cell_room = room;
    }
    km_cell_record *cell = &run->cells[run->cell_count++];
    *cell = (km_cell_record){0};
    if (km_cell_parse(line, cell, e) || note_id(r, cell, e))
        return -1;
    run->count[cell->status]++;
    return 0;
}

/* "crashed" came after the first files were written: it may be left out if it is 0. */
static int take_end(reader *r, json_t *line, km_error *e)
{
    json_t *cells = json_object_get(line, "cells");
    if (!json_is_integer(cells) || (size_t)json_integer_value(cells) != r->run->cell_count)
        return km_fail(e, "end line: \"cells\" is not the %zu that the file holds",
                       r->run->cell_count);
    for (int i = 0; i < KM_STATUS_COUNT; i++) {
        json_t *n = json_object_get(line, km_status_names[i]);
        if (!n && i == KM_CRASHED && !r->run->count[i])
            continue;
        if (!json_is_integer(n) || json_integer_value(n) != r->run->count[i])
            return km_fail(e, "end line: \"%s\" is not the %lld that the file holds",
                           km_status_names[i], (long long)r->run->count[i]);
    }
    r->ended = true;
    return 0;
}

static int take_line(reader *r, km_error *e)
{
    json_error_t why;
    if (r->ended)
        return km_fail(e, "text after the end line");
    json_t *line = json_loadb(r->line ? r->line : "", r->length, JSON_REJECT_DUPLICATES, &why);
    if (!line)
        return km_fail(e, "%.200s (column %d)", why.text, why.column);
    if (json_array_append_new(r->run->lines, line))
        return km_fail(e, "out of memory");
    if (!json_is_object(line))
        return km_fail(e, "not a JSON object");
    if (r->number == 1)
        return take_header(r, line, e);
    if (type_is(line, "cell"))
        return take_cell(r, line, e);
    if (type_is(line, "end"))
        return take_end(r, line, e);
    return km_fail(e, "\"type\" is neither cell nor end");
}

static int take_all(reader *r, km_error *e)
{
    int more;
    while ((more = next_line(r, e)) > 0)
        if (take_line(r, e))
            return -1;
    if (more == 0 && r->number == 1)
        return km_fail(e, "the file is empty");
    if (more == 0 && !r->ended)
        return km_fail(e, "no end line: the run was cut short");
    return more;
}

km_run *km_run_read(const char *path, km_error *e)
{
    bool standard = !strcmp(path, "-");
    reader r = {.file = standard ? stdin : fopen(path, "re"), .seen = json_object()};
    km_error why = {""};
    int bad = 0;
    r.run = calloc(1, sizeof *r.run);
    if (!r.file)
        bad = km_fail(e, "%s: %s", path, strerror(errno));
    else if (!r.run || !r.seen || !(r.run->lines = json_array()))
        bad = km_fail(e, "%s: out of memory", path);
    else if (take_all(&r, &why))
        bad = km_fail(e, "%s:%ld: %s", path, r.number, why.text);
    else
        r.run->path = path;
    if (r.file && !standard)
        fclose(r.file);
    json_decref(r.seen);
    free(r.line);
    if (bad) {
        km_run_free(r.run);
        return NULL;
    }
    return r.run;
}

void km_run_free(km_run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->cell_count; i++)
        free(run->cells[i].ns.samples);
    free(run->cells);
    free(run->libraries);
    free(run->fma);
    free(run->bandwidth);
    free(run->isas_buffer);
    json_decref(run->lines);
    free(run);
}

/* "n8c64h56w56_num_parameters64": letters and sizes up to the first '_'. */
double km_case_elements(const char *text)
{
    double product = 1;
    bool any = false;
    while (*text && *text != '_') {
        char letter = *text++;
        double size = 0;
        if (*text < '0' || *text > '9')
            return NAN;
        while (*text >= '0' && *text <= '9')
            size = 10 * size + (*text++ - '0');
        if (strchr("nchw", letter)) {
            product *= size;
            any = true;
        }
    }
    return any && product > 0 ? product : NAN;
}

const char *km_case_attributes(const char *text)
{
    const char *at = strchr(text, '_');
    return at ? at : "";
}
