/* report_model.c: arranges the cells of a run into groups, rows and grids.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const km_cell_record *km_row_cell(const km_row *row, size_t which_case, size_t backend)
{
    return backend == KM_NO_BACKEND ? NULL : row->grid[which_case * KM_REPORT_BACKENDS + backend];
}

bool km_cell_timed(const km_cell_record *cell)
{
    return cell && cell->status == KM_OK && cell->ns.median > 0;
}

double km_cell_speedup(const km_group *group, const km_row *row, size_t which_case, size_t backend)
{
    const km_cell_record *cell = km_row_cell(row, which_case, backend);
    const km_cell_record *base = km_row_cell(row, which_case, group->baseline);
    if (!km_cell_timed(cell))
        return NAN;
    if (km_cell_timed(base))
        return base->ns.median / cell->ns.median;
    return cell->speedup_vs_ref > 0 ? cell->speedup_vs_ref : NAN;
}

/* Makes room for one more element; the new one is zeroed. NULL: out of memory. */
static void *push(void *list, size_t *count, size_t size)
{
    char **data = list;
    if (!(*count & (*count - 1))) { /* full whenever the count is a power of two */
        void *grown = realloc(*data, (*count ? 2 * *count : 1) * size);
        if (!grown)
            return NULL;
        *data = grown;
    }
    return memset(*data + (*count)++ * size, 0, size);
}

static size_t find_backend(const km_group *g, const char *name)
{
    for (size_t i = 0; i < g->backend_count; i++)
        if (!strcmp(g->backend[i], name))
            return i;
    return KM_NO_BACKEND;
}

/* Cells come row by row: the last row is nearly always the one. */
static km_row *row_of(km_group *g, const km_cell_record *c)
{
    for (size_t i = g->row_count; i-- > 0;)
        if (!strcmp(g->row[i].op, c->op) && !strcmp(g->row[i].pass, c->pass))
            return &g->row[i];
    km_row *row = push(&g->row, &g->row_count, sizeof *row);
    if (row) {
        row->op = c->op;
        row->pass = c->pass;
    }
    return row;
}

/* Adds a case with an empty grid line; returns its index or -1. */
static long add_case(km_row *row, const char *text)
{
    size_t cases = row->case_count, width = KM_REPORT_BACKENDS * sizeof *row->grid;
    const char **entry = push(&row->case_text, &row->case_count, sizeof *entry);
    if (!entry || !push(&row->grid, &cases, width))
        return -1;
    *entry = text;
    return (long)row->case_count - 1;
}

static long case_of(km_row *row, const char *text)
{
    for (size_t i = row->case_count; i-- > 0;)
        if (!strcmp(row->case_text[i], text))
            return (long)i;
    return add_case(row, text);
}

static int add_cell(km_group *g, const km_cell_record *c, km_error *e)
{
    size_t backend = find_backend(g, c->backend);
    if (backend == KM_NO_BACKEND) {
        if (g->backend_count == KM_REPORT_BACKENDS)
            return km_fail(e, "more than %d backends in one run", KM_REPORT_BACKENDS);
        backend = g->backend_count++;
        g->backend[backend] = c->backend;
    }
    km_row *row = row_of(g, c);
    long which = row ? case_of(row, c->case_text) : -1;
    if (which < 0)
        return km_fail(e, "out of memory");
    row->grid[(size_t)which * KM_REPORT_BACKENDS + backend] = c;
    return 0;
}

static km_group *group_of(km_view *v, const char *layout, int64_t threads)
{
    for (size_t i = 0; i < v->group_count; i++)
        if (v->group[i].threads == threads && !strcmp(v->group[i].layout, layout))
            return &v->group[i];
    km_group *g = push(&v->group, &v->group_count, sizeof *g);
    if (g)
        *g = (km_group){.layout = layout, .threads = threads};
    return g;
}

/* Backends of a layout that run on one thread only; small: at most as many as backends. */
typedef struct loners {
    const km_cell_record *cell[KM_REPORT_BACKENDS];
    bool threaded[KM_REPORT_BACKENDS];
    size_t count;
} loners;

static size_t find_loner(const loners *l, const km_cell_record *c)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->cell[i]->backend, c->backend) && !strcmp(l->cell[i]->layout, c->layout))
            return i;
    return l->count;
}

static int find_loners(const km_run *run, loners *l, km_error *e)
{
    for (size_t i = 0; i < run->cell_count; i++) {
        size_t at = find_loner(l, &run->cells[i]);
        if (at == KM_REPORT_BACKENDS)
            return km_fail(e, "%s: more than %d backends", run->path, KM_REPORT_BACKENDS);
        if (at == l->count)
            l->cell[l->count++] = &run->cells[i];
        l->threaded[at] |= run->cells[i].threads > 1;
    }
    return 0;
}

/* A layout where every backend is a loner still has its group of one thread. */
static int make_groups(km_view *v, const loners *l, km_error *e)
{
    for (size_t i = 0; i < v->run->cell_count; i++) {
        const km_cell_record *c = &v->run->cells[i];
        if (l->threaded[find_loner(l, c)] && !group_of(v, c->layout, c->threads))
            return km_fail(e, "out of memory");
    }
    for (size_t i = 0; i < l->count; i++) {
        bool present = false;
        for (size_t k = 0; k < v->group_count; k++)
            present |= !strcmp(v->group[k].layout, l->cell[i]->layout);
        if (!present && !group_of(v, l->cell[i]->layout, 1))
            return km_fail(e, "out of memory");
    }
    return 0;
}

static int fill_groups(km_view *v, const loners *l, km_error *e)
{
    for (size_t i = 0; i < v->run->cell_count; i++) {
        const km_cell_record *c = &v->run->cells[i];
        bool loner = !l->threaded[find_loner(l, c)];
        for (size_t k = 0; k < v->group_count; k++) {
            km_group *g = &v->group[k];
            if (strcmp(g->layout, c->layout) != 0 || (!loner && g->threads != c->threads))
                continue;
            if (add_cell(g, c, e))
                return -1;
        }
    }
    return 0;
}

static int arrange(km_view *v, const km_report *report, km_error *e)
{
    loners l = {0};
    if (find_loners(v->run, &l, e) || make_groups(v, &l, e) || fill_groups(v, &l, e))
        return -1;
    for (size_t i = 0; i < v->group_count; i++) {
        km_group *g = &v->group[i];
        g->baseline = find_backend(g, report->baseline ? report->baseline : "ref");
        g->peer = find_backend(g, report->peer ? report->peer : "onednn");
        km_group_figures(g);
    }
    return km_view_notes(v) ? km_fail(e, "out of memory") : 0;
}

km_view *km_view_of(const km_run *run, const km_report *report, km_error *e)
{
    km_view *v = calloc(1, sizeof *v);
    if (!v) {
        km_fail(e, "out of memory");
        return NULL;
    }
    v->run = run;
    if (arrange(v, report, e)) {
        km_view_free(v);
        return NULL;
    }
    return v;
}

void km_view_free(km_view *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->group_count; i++) {
        for (size_t k = 0; k < v->group[i].row_count; k++) {
            free(v->group[i].row[k].case_text);
            free(v->group[i].row[k].grid);
        }
        free(v->group[i].row);
    }
    for (size_t i = 0; i < v->note_count; i++)
        free(v->note[i]);
    free(v->note);
    free(v->group);
    free(v);
}
