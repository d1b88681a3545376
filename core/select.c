/* select.c: expands patterns, cases and backends into cells.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/select.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "core/tags.h"

enum { SEGMENTS = 4 };
enum { OP, PASS, CASE, BACKEND };

typedef struct pattern {
    char buffer[512];
    const char *segment[SEGMENTS]; /* NULL: any */
    int used;
} pattern;

void km_cell_id(const km_cell *cell, char *id, size_t size)
{
    snprintf(id, size, "%s/%s/%s/%s", cell->op->name, cell->pass->name, cell->case_text,
             cell->backend->name);
}

int km_same_case(const km_cell *a, const km_cell *b)
{
    return a->op == b->op && a->pass == b->pass && !strcmp(a->case_text, b->case_text);
}

const char *km_cell_skip(const km_cell *cell)
{
    const char *reason = km_backend_unusable(cell->backend);
    if (!reason && !cell->kernel->run)
        reason = cell->kernel->note ? cell->kernel->note : "not offered";
    return reason;
}

static int split(const char *text, pattern *p, km_error *error)
{
    *p = (pattern){0};
    if (strlen(text) >= sizeof p->buffer)
        return km_fail(error, "pattern '%.40s...' is too long", text);
    strcpy(p->buffer, text);
    char *at = p->buffer;
    for (int s = 0; at; s++) {
        if (s == SEGMENTS)
            return km_fail(
                error, "pattern '%.200s' has more than four segments: op/pass/case/backend", text);
        char *slash = strchr(at, '/');
        if (slash)
            *slash++ = 0;
        if (!*at)
            return km_fail(error, "pattern '%.200s' has an empty segment", text);
        p->segment[s] = at;
        at = slash;
    }
    return 0;
}

static int matches(const char *glob, const char *text)
{
    return !glob || !fnmatch(glob, text, 0);
}

static int case_matches(const char *glob, const km_op *op, const char *text)
{
    km_case c;
    km_error ignored;
    char canonical[KM_CASE_TEXT];
    if (matches(glob, text))
        return 1;
    if (strpbrk(glob, "*?[") || km_case_parse(op, glob, &c, &ignored))
        return 0;
    km_case_format(op, &c, canonical);
    return !strcmp(canonical, text);
}

/* ---- did you mean -------------------------------------------------------------------------- */

static const char *op_candidate(size_t i, const void *unused)
{
    (void)unused;
    return km_ops()[i] ? km_ops()[i]->name : NULL;
}

static const char *pass_candidate(size_t i, const void *unused)
{
    (void)unused;
    size_t seen = 0;
    for (const km_op *const *op = km_ops(); *op; op++)
        for (int p = 0; p < (*op)->passes; p++)
            if (seen++ == i)
                return (*op)->pass[p].name;
    return NULL;
}

static const char *backend_candidate(size_t i, const void *unused)
{
    (void)unused;
    return i < km_backend_count() ? km_backend_at(i)->name : NULL;
}

static int no_such(const char *what, const char *word,
                   const char *(*candidate)(size_t, const void *), km_error *error)
{
    const char *near = km_nearest(word, candidate, NULL);
    if (near)
        return km_fail(error, "no %s matches '%.80s'; did you mean '%s'?", what, word, near);
    return km_fail(error, "no %s matches '%.80s'; see 'kernelmark list --%ss'", what, word,
                   strcmp(what, "backend") ? "op" : what);
}

static int any_match(const char *glob, const char *(*candidate)(size_t, const void *))
{
    const char *name;
    for (size_t i = 0; (name = candidate(i, NULL)); i++)
        if (matches(glob, name))
            return 1;
    return 0;
}

/* Whether a segment of the pattern is the name of nothing. */
static int names_nothing(const pattern *p)
{
    return !any_match(p->segment[OP], op_candidate) ||
           !any_match(p->segment[PASS], pass_candidate) ||
           !any_match(p->segment[BACKEND], backend_candidate);
}

static int explain_no_match(const char *text, km_error *error)
{
    pattern p;
    if (split(text, &p, error))
        return -1;
    if (!any_match(p.segment[OP], op_candidate))
        return no_such("op", p.segment[OP], op_candidate, error);
    if (!any_match(p.segment[PASS], pass_candidate))
        return no_such("pass", p.segment[PASS], pass_candidate, error);
    if (p.segment[BACKEND] && !any_match(p.segment[BACKEND], backend_candidate))
        return no_such("backend", p.segment[BACKEND], backend_candidate, error);
    return km_fail(error,
                   "pattern '%.200s' matches no listed case; --case runs any other, 'kernelmark "
                   "list' shows them",
                   text);
}

/* ---- expansion ------------------------------------------------------------------------------ */

static void append(km_cells *cells, const km_cell *cell)
{
    /* doubling at powers of two keeps this a single array without a capacity field */
    if (!(cells->count & (cells->count - 1)) || !cells->cell) {
        size_t room = cells->count ? cells->count * 2 : 1;
        cells->cell = realloc(cells->cell, room * sizeof *cells->cell);
        if (!cells->cell)
            abort();
    }
    cells->cell[cells->count++] = *cell;
}

static int listed(const km_cells *cells, const km_cell *cell)
{
    for (size_t i = cells->count; i-- > 0;) {
        const km_cell *c = &cells->cell[i];
        if (c->op != cell->op || c->pass != cell->pass)
            return 0; /* cells of one pass stand together */
        if (c->backend == cell->backend && !strcmp(c->case_text, cell->case_text))
            return 1;
    }
    return 0;
}

static int wanted_backend(const km_select *select, const char *name)
{
    for (size_t i = 0; i < select->backends.count; i++)
        if (matches(select->backends.text[i], name))
            return 1;
    return !select->backends.count;
}

typedef struct expansion {
    const km_select *select;
    pattern *patterns;
    size_t pattern_count;
    unsigned char *case_used;
    km_cells *cells;
} expansion;

static int wanted(const expansion *x, const km_cell *cell)
{
    int found = !x->pattern_count;
    for (size_t i = 0; i < x->pattern_count; i++) {
        pattern *p = &x->patterns[i];
        if (matches(p->segment[OP], cell->op->name) &&
            matches(p->segment[PASS], cell->pass->name) &&
            case_matches(p->segment[CASE], cell->op, cell->case_text) &&
            matches(p->segment[BACKEND], cell->backend->name))
            found = p->used = 1;
    }
    return found;
}

/* Whether a cell was selected, be it listed already. */
static int add_backends(const expansion *x, km_cell *cell)
{
    int found = 0;
    km_case_format(cell->op, &cell->params, cell->case_text);
    for (size_t b = 0; b < km_backend_count(); b++) {
        cell->backend = km_backend_at(b);
        cell->kernel = km_kernel_find(cell->backend, cell->op->name, cell->pass->name);
        cell->threads = cell->backend->flags & KM_THREADED ? x->select->threads : 1;
        cell->layout = x->select->layout;
        if (!cell->kernel || !wanted_backend(x->select, cell->backend->name) || !wanted(x, cell))
            continue;
        found = 1;
        if (!listed(x->cells, cell))
            append(x->cells, cell);
    }
    return found;
}

static int add_listed(const expansion *x, km_cell *cell, const char *const *entries,
                      km_error *error)
{
    char text[KM_CASE_TEXT];
    for (; entries && *entries; entries++) {
        cell->tags = km_case_listed(*entries, text);
        if (x->select->tags.count && !km_tags_match(&x->select->tags, cell->tags))
            continue;
        if (km_case_parse(cell->op, text, &cell->params, error))
            return -1; /* this machine's memory cannot hold it, or a bug in the list */
        add_backends(x, cell);
    }
    return 0;
}

/* A --case text may name its op and pass: the last segment is the case. */
static int given_case_fits(const char *text, const km_cell *cell, const char **case_text)
{
    char op[64] = "", pass[64] = "";
    const char *last = strrchr(text, '/');
    *case_text = last ? last + 1 : text;
    if (last)
        sscanf(text, "%63[^/]/%63[^/]", op, pass);
    int with_pass = last && strchr(text, '/') != last;
    if (with_pass && strchr(strchr(text, '/') + 1, '/') != last)
        return 0; /* more than OP/PASS/CASE */
    return (!last || matches(op, cell->op->name)) &&
           (!with_pass || matches(pass, cell->pass->name));
}

static void add_given(const expansion *x, km_cell *cell)
{
    for (size_t i = 0; i < x->select->cases.count; i++) {
        const char *case_text;
        km_error ignored;
        if (!given_case_fits(x->select->cases.text[i], cell, &case_text) ||
            km_case_parse(cell->op, case_text, &cell->params, &ignored))
            continue;
        x->case_used[i] |= (unsigned char)add_backends(x, cell);
    }
}

static int add_pass(const expansion *x, const km_op *op, const km_pass *pass, km_error *error)
{
    km_cell cell = {.op = op, .pass = pass, .tags = ""};
    unsigned suites = x->select->suites;
    if (x->select->cases.count) {
        add_given(x, &cell);
        return 0;
    }
    return add_listed(x, &cell, suites & KM_SUITE_QUICK ? op->quick : NULL, error) ||
                   add_listed(x, &cell, suites & KM_SUITE_FULL ? op->full : NULL, error) ||
                   add_listed(x, &cell, suites & KM_SUITE_EDGE ? op->edge : NULL, error)
               ? -1
               : 0;
}

/* ---- complaints about what was not used ------------------------------------------------------ */

/* The op and pass that a --case text names must exist. */
static int check_case_names(const char *text, km_error *error)
{
    char copy[512], *op = copy, *pass, *rest;
    snprintf(copy, sizeof copy, "%s", text);
    if (!(pass = strchr(op, '/')))
        return 0;
    *pass++ = 0;
    rest = strchr(pass, '/');
    if (rest && strchr(rest + 1, '/'))
        return km_fail(error, "case '%.200s' has more than three segments: op/pass/case", text);
    if (rest)
        *rest = 0;
    if (!any_match(op, op_candidate))
        return no_such("op", op, op_candidate, error);
    return rest && !any_match(pass, pass_candidate) ? no_such("pass", pass, pass_candidate, error)
                                                    : 0;
}

/* Says why a --case text produced nothing: the parser's own message, for the first op it may mean.
 */
static int explain_case(const km_select *select, const char *text, km_error *error)
{
    if (check_case_names(text, error))
        return -1;
    for (const km_op *const *op = km_ops(); *op; op++) {
        km_cell cell = {.op = *op, .pass = &(*op)->pass[0]};
        const char *case_text = text;
        char glob[64] = "*";
        if (select->patterns.count)
            sscanf(select->patterns.text[0], "%63[^/]", glob);
        if (strchr(text, '/'))
            sscanf(text, "%63[^/]", glob);
        if (strrchr(text, '/'))
            case_text = strrchr(text, '/') + 1;
        if (matches(glob, (*op)->name))
            return km_case_parse(*op, case_text, &cell.params, error)
                       ? -1
                       : km_fail(error,
                                 "case '%.80s' matches no cell of the given patterns and backends",
                                 text);
    }
    return km_fail(error, "case '%.80s' names no op", text);
}

static int complain(const expansion *x, km_error *error)
{
    const km_select *s = x->select;
    for (size_t i = 0; i < x->pattern_count; i++)
        if (!x->patterns[i].used && (!s->cases.count || names_nothing(&x->patterns[i])))
            return explain_no_match(s->patterns.text[i], error);
    for (size_t i = 0; i < s->cases.count; i++)
        if (!x->case_used[i])
            return explain_case(s, s->cases.text[i], error);
    for (size_t i = 0; i < x->pattern_count; i++)
        if (!x->patterns[i].used)
            return explain_no_match(s->patterns.text[i], error);
    if (!x->cells->count)
        return km_fail(error, "nothing matches: no such backend has a kernel for the selected ops");
    return 0;
}

static int check_backends(const km_select *select, km_error *error)
{
    for (size_t i = 0; i < select->backends.count; i++)
        if (!any_match(select->backends.text[i], backend_candidate))
            return no_such("backend", select->backends.text[i], backend_candidate, error);
    return 0;
}

static int expand(expansion *x, km_error *error)
{
    const km_select *s = x->select;
    for (size_t i = 0; i < s->patterns.count; i++)
        if (split(s->patterns.text[i], &x->patterns[i], error))
            return -1;
    x->pattern_count = s->patterns.count;
    for (const km_op *const *op = km_ops(); *op; op++)
        for (int p = 0; p < (*op)->passes; p++)
            if (add_pass(x, *op, &(*op)->pass[p], error))
                return -1;
    return complain(x, error);
}

int km_select_cells(const km_select *select, km_cells *cells, km_error *error)
{
    *cells = (km_cells){0};
    if (check_backends(select, error) || km_tags_check(&select->tags, error))
        return -1;
    if (select->tags.count && select->cases.count)
        return km_fail(error,
                       "--tag chooses among the listed cases, so --case leaves it nothing to do");
    expansion x = {.select = select, .cells = cells};
    x.patterns = calloc(select->patterns.count + 1, sizeof *x.patterns);
    x.case_used = calloc(select->cases.count + 1, 1);
    int failed = x.patterns && x.case_used ? expand(&x, error) : km_fail(error, "out of memory");
    free(x.patterns);
    free(x.case_used);
    if (failed)
        km_cells_free(cells);
    return failed;
}

void km_cells_free(km_cells *cells)
{
    free(cells->cell);
    *cells = (km_cells){0};
}
