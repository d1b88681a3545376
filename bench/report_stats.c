/* report_stats.c: the figures of a report: geometric means over common cases, and their interval.
 *
 * A mean of speed-ups is only fair over cases that every backend of the row has run; a backend that
 * skips its worst case must not gain by it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_model.h"

#include <math.h>

static void count_cells(const km_group *g, km_row *row)
{
    for (size_t b = 0; b < g->backend_count; b++) {
        km_entry *entry = &row->entry[b];
        *entry = (km_entry){.speedup = NAN, .error = NAN};
        for (size_t c = 0; c < row->case_count; c++) {
            const km_cell_record *cell = km_row_cell(row, c, b);
            if (!cell)
                continue;
            entry->count[cell->status]++;
            entry->timed += km_cell_timed(cell);
            if (cell->status == KM_OK)
                entry->error = fmax(entry->error, km_cell_error(cell));
            row->in_bounds |= km_cell_in_bounds(cell);
        }
    }
}

/* Nothing listed: nothing is common. */
static bool is_common(const km_group *g, const km_row *row, size_t which_case)
{
    bool any = false;
    for (size_t b = 0; b < g->backend_count; b++) {
        if (!row->entry[b].timed)
            continue;
        if (!km_cell_timed(km_row_cell(row, which_case, b)))
            return false;
        any = true;
    }
    return any;
}

static double log_speedups(const km_group *g, const km_row *row, size_t backend)
{
    double sum = 0;
    for (size_t c = 0; c < row->case_count; c++)
        if (is_common(g, row, c))
            sum += log(km_cell_speedup(g, row, c, backend));
    return sum;
}

static bool lists_all(const km_group *g, const km_row *row)
{
    for (size_t b = 0; b < g->backend_count; b++)
        if (!row->entry[b].timed)
            return false;
    return true;
}

static size_t best_other(const km_group *g, const km_row *row)
{
    size_t best = KM_NO_BACKEND;
    for (size_t b = 0; b < g->backend_count; b++)
        if (b != g->baseline && b != g->peer && row->entry[b].speedup > 0 &&
            (best == KM_NO_BACKEND || row->entry[b].speedup > row->entry[best].speedup))
            best = b;
    return best;
}

/* Standard error of a median's logarithm; NAN without an interval. */
static double log_error(const km_ns *ns)
{
    return (log(ns->ci95[1]) - log(ns->ci95[0])) / (2 * 1.959964);
}

static km_peer_ratio peer_ratio(const km_group *g, const km_row *row)
{
    km_peer_ratio r = {NAN, NAN, NAN, best_other(g, row)};
    if (g->peer == KM_NO_BACKEND || !row->entry[g->peer].timed || r.best == KM_NO_BACKEND ||
        !row->common)
        return r;
    double sum = 0, variance = 0, n = (double)row->common;
    for (size_t c = 0; c < row->case_count; c++) {
        if (!is_common(g, row, c))
            continue;
        const km_ns *ours = &km_row_cell(row, c, r.best)->ns;
        const km_ns *theirs = &km_row_cell(row, c, g->peer)->ns;
        sum += log(theirs->median / ours->median);
        variance += pow(log_error(ours), 2) + pow(log_error(theirs), 2);
    }
    double half = 1.959964 * sqrt(variance) / n;
    r.value = exp(sum / n);
    r.low = exp(sum / n - half);
    r.high = exp(sum / n + half);
    return r;
}

static size_t worst_error(const km_group *g, const km_row *row)
{
    size_t worst = KM_NO_BACKEND;
    for (size_t b = 0; b < g->backend_count; b++)
        if (b != g->baseline && row->entry[b].error >= 0 &&
            (worst == KM_NO_BACKEND || row->entry[b].error > row->entry[worst].error))
            worst = b;
    return worst;
}

static void row_figures(km_group *g, km_row *row)
{
    count_cells(g, row);
    for (size_t c = 0; c < row->case_count; c++)
        row->common += is_common(g, row, c);
    bool in_total = row->common && lists_all(g, row);
    g->total_cases += in_total ? row->common : 0;
    for (size_t b = 0; b < g->backend_count; b++) {
        if (!row->entry[b].timed || !row->common)
            continue;
        double sum = log_speedups(g, row, b);
        row->entry[b].speedup = exp(sum / (double)row->common);
        g->total[b] += in_total ? sum : 0;
    }
    row->peer = peer_ratio(g, row);
    row->worst = worst_error(g, row);
}

void km_group_figures(km_group *g)
{
    for (size_t i = 0; i < g->row_count; i++)
        row_figures(g, &g->row[i]);
    for (size_t b = 0; b < g->backend_count; b++)
        g->total[b] = g->total_cases ? exp(g->total[b] / (double)g->total_cases) : NAN;
}
