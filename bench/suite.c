/* suite.c: one case, all backends: verified one by one on two sets of data, then raced; and the roof above a cell.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/suite.h"

#include <stdio.h>

#include "bench/race.h"
#include "core/pass.h"
#include "verify/isolate.h"

static const double large_flops = 4e9, large_bytes = 2e8;

int km_suite_roof(const km_cell *cell, const km_roofs *roofs, km_result *result)
{
    km_args shape;
    km_roof_limit limit;
    km_timing *t = &result->timing;
    km_roof_load load = {
        .flops = result->flops, .isa = cell->backend->isa, .threads = cell->threads};
    km_args_shape(cell->op, cell->pass, &cell->params, &shape);
    for (const km_use *use = cell->pass->use; use->access != KM_END; use++) {
        double bytes = (double)shape.slot[use->slot].count * (double)km_element_size(use->type);
        load.read += use->access != KM_WRITE ? bytes : 0;
        load.written += use->access != KM_READ ? bytes : 0;
        load.in_place += use->access == KM_UPDATE ? bytes : 0;
    }
    km_roof_of_cell(roofs, &load, &limit);
    if (!(limit.ns > 0))
        return 0;
    t->roof_bound = limit.bound;
    t->roof_limit = limit.ns;
    t->roof_percent = 100 * limit.ns / t->median;
    return t->ci_high < limit.ns;
}

/* ---- the group ------------------------------------------------------------------------------ */

static void verify_all(const km_cell *cells, size_t count, const km_work *work,
                       const km_suite_options *options, km_result *results)
{
    km_verify_options how = options->verify;
    how.case_only = 1;
    for (size_t i = 0; i < count; i++) {
        km_verify_cell(&cells[i], work, &how, &results[i]);
        if (results[i].status == KM_OK && !results[i].figures.elements) {
            results[i].status = KM_SKIPPED;
            snprintf(results[i].reason, sizeof results[i].reason,
                     "nothing to time: the case has no elements");
        }
    }
}

/* The data to be timed must come out right too. `again` lies in shared memory. */
static void verify_again(const km_cell *cells, size_t count, const km_work *work,
                         const km_suite_options *options, km_result *results, km_result *again)
{
    km_verify_options how = options->verify;
    how.case_only = 1;
    for (size_t i = 0; i < count; i++) {
        if (results[i].status != KM_OK)
            continue;
        km_verify_cell(&cells[i], work, &how, again);
        km_figures_add(&again->figures, &results[i].figures);
        again->checks += results[i].checks;
        results[i] = *again;
    }
}

/* On the data that verify has. */
static int verify_wide(const km_cell *cells, size_t count, const km_suite_options *options,
                       km_result *results, km_error *error)
{
    km_work work;
    if (km_work_open(&work, cells->op, cells->pass, &cells->params, options->verify.seed, error))
        return -1;
    verify_all(cells, count, &work, options, results);
    km_work_close(&work);
    return 0;
}

/* On the data that are timed, too. Where the oracle takes seconds, these are enough. */
static int verify_and_time(const km_cell *cells, size_t count, const km_work *work,
                           const km_suite_options *options, km_result *results, int verified,
                           km_error *error)
{
    km_result *again = km_shared_open(sizeof *again);
    if (!again)
        return km_fail(error, "out of memory");
    if (verified)
        verify_again(cells, count, work, options, results, again);
    else
        verify_all(cells, count, work, options, results);
    km_shared_close(again, sizeof *again);
    return km_race(cells, count, work, options, results, error);
}

int km_suite_run(const km_cell *cells, size_t count, const km_suite_options *options,
                 km_result *results, km_error *error)
{
    km_work work;
    const int wide = km_pass_flops(cells->op, cells->pass, &cells->params) < large_flops &&
                     km_pass_bytes(cells->op, cells->pass, &cells->params) < large_bytes;
    if (wide && verify_wide(cells, count, options, results, error))
        return -1;
    if (km_work_open_usual(&work, cells->op, cells->pass, &cells->params, options->verify.seed,
                           error))
        return -1;
    const int failed = verify_and_time(cells, count, &work, options, results, wide, error);
    km_work_close(&work);
    return failed;
}
