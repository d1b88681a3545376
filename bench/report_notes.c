/* report_notes.c: footnotes that say why a figure of a table is missing or partial.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_model.h"
#include "report_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASONS = 3, REASON_LENGTH = 200 };

/* The number of the footnote with this text, which is taken over; 0: out of memory. */
static size_t note_number(km_view *v, char *text)
{
    for (size_t i = 0; i < v->note_count; i++) {
        if (!strcmp(v->note[i], text)) {
            free(text);
            return i + 1;
        }
    }
    char **grown = realloc(v->note, (v->note_count + 1) * sizeof *grown);
    if (!grown) {
        free(text);
        return 0;
    }
    v->note = grown;
    v->note[v->note_count++] = text;
    return v->note_count;
}

static bool same_reason(const km_cell_record *a, const km_cell_record *b)
{
    return a->status == b->status && !strcmp(a->reason, b->reason);
}

/* The first cell of each reason; returns how many there are, of which REASONS are kept. */
static size_t find_reasons(const km_row *row, size_t backend, const km_cell_record **first)
{
    size_t count = 0;
    for (size_t c = 0; c < row->case_count; c++) {
        const km_cell_record *cell = km_row_cell(row, c, backend);
        if (!cell || cell->status == KM_OK)
            continue;
        size_t i = 0;
        while (i < count && i < REASONS && !same_reason(first[i], cell))
            i++;
        if (i < count && i < REASONS)
            continue;
        if (count < REASONS)
            first[count] = cell;
        count++;
    }
    return count;
}

/* "avx2 wrong for n1000, n4096: y[3] is off" or, for every case, "avx2 skipped: not offered". */
static void print_reason(FILE *out, const km_row *row, size_t backend, const km_cell_record *first)
{
    size_t alike = 0;
    const char *separator = " for ";
    for (size_t c = 0; c < row->case_count; c++) {
        const km_cell_record *cell = km_row_cell(row, c, backend);
        alike += cell && same_reason(cell, first);
    }
    fprintf(out, "%s %s", first->backend, km_status_names[first->status]);
    if (alike < row->case_count && alike > 3)
        fprintf(out, " for %zu of %zu cases", alike, row->case_count);
    for (size_t c = 0; alike < row->case_count && alike <= 3 && c < row->case_count; c++) {
        const km_cell_record *cell = km_row_cell(row, c, backend);
        if (!cell || !same_reason(cell, first))
            continue;
        fprintf(out, "%s%s", separator, cell->case_text);
        separator = ", ";
    }
    fprintf(out, ": %.*s", km_cut(first->reason, REASON_LENGTH), first->reason);
}

/* Nothing is wrong, and yet there is no figure. */
static const char *silent_reason(const km_row *row, const km_entry *entry)
{
    if (!entry->count[KM_OK])
        return "has no cell here";
    if (!entry->timed)
        return "was not timed";
    return row->common ? "has no baseline to compare with"
                       : "has no case in common with the others";
}

static char *note_text(const km_group *g, const km_row *row, size_t backend)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    const km_cell_record *first[REASONS];
    size_t reasons = find_reasons(row, backend, first);
    const km_entry *entry = &row->entry[backend];
    for (size_t i = 0; i < reasons && i < REASONS; i++) {
        fputs(i ? "; " : "", out);
        print_reason(out, row, backend, first[i]);
    }
    if (reasons > REASONS)
        fprintf(out, "; and %zu more reasons", reasons - REASONS);
    if (!reasons)
        fprintf(out, "%s %s", g->backend[backend], silent_reason(row, entry));
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

static bool needs_note(const km_entry *entry)
{
    return !(entry->speedup > 0) ||
           entry->count[KM_WRONG] + entry->count[KM_SKIPPED] + entry->count[KM_CRASHED] > 0;
}

int km_view_notes(km_view *v)
{
    for (size_t i = 0; i < v->group_count; i++) {
        km_group *g = &v->group[i];
        for (size_t r = 0; r < g->row_count; r++) {
            for (size_t b = 0; b < g->backend_count; b++) {
                km_entry *entry = &g->row[r].entry[b];
                if (b == g->baseline || !needs_note(entry)) /* it has no column */
                    continue;
                char *text = note_text(g, &g->row[r], b);
                entry->note = text ? note_number(v, text) : 0;
                if (!entry->note)
                    return -1;
            }
        }
    }
    return 0;
}
