/* trajectory.c: fifty steps of a pass `step`, with new data before each, from the state that its op starts with. The
 * kernel goes on from its own rounded results, the oracle from its own in double, and after every step each element of
 * what is no state must lie within KM_STEPS of the oracle's, after the last one the state as well. Every second step is laid against the other guard page.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "verify/cell.h"

/* Elements; no vector divides it. The whole case is examined at one step. */
enum { STEPS = 50, LENGTH = 1037 };

/* What the kernel made is what it finds next. */
static void keep_results(const km_bed *bed, km_work *w)
{
    for (const km_use *use = w->pass->use; use->access != KM_END; use++)
        if (use->access == KM_UPDATE)
            memcpy(w->input[use->slot], bed->args.slot[use->slot].data,
                   (size_t)w->shape.slot[use->slot].count * sizeof(float));
}

/* State only after the last step: a gradient that all but cancels against its weight decay is wrong in every digit, and
 * so are the first averages of it, which nothing but their sum with others makes good. */
static int exam_step(const km_exam *exam, const km_bed *bed, int last, const char *where)
{
    for (const km_use *use = bed->work->pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ && (last || use->fill != KM_FILL_STATE) &&
            km_exam_slot(exam, bed, use->slot, where))
            return -1;
    return 0;
}

static int travel(const km_exam *exam, km_bed *bed, km_work *w)
{
    km_error error;
    char where[32];
    for (int t = 1; t <= STEPS; t++) {
        const km_run_plan how = {t & 1 ? KM_FLUSH_END : KM_FLUSH_START, 0, 0, 0xFF};
        if (t > 1 && km_work_advance(w, &error))
            return km_exam_fail(exam, w, 0, "%s", error.text);
        snprintf(where, sizeof where, "after step %d of %d", t, STEPS);
        km_bed_lay(bed, w, &how, exam->cell);
        if (km_exam_run(exam, bed) || exam_step(exam, bed, t == STEPS, where))
            return -1;
        keep_results(bed, w);
    }
    return 0;
}

int km_exam_trajectory(const km_exam *exam)
{
    const km_cell *cell = exam->cell;
    const km_run_plan how = {KM_FLUSH_END, 0, 0, 0xFF};
    const char *declined;
    km_case few = cell->params;
    km_error error;
    km_work w;
    km_bed bed;
    few.dim[KM_DIM_N] = few.dim[KM_DIM_N] < LENGTH ? few.dim[KM_DIM_N] : LENGTH;
    if (km_work_open_start(&w, cell->op, cell->pass, &few, exam->options->seed, &error))
        return km_exam_fail(exam, &w, 0, "%s", error.text);
    int failed = km_bed_open(&bed, &w, &error);
    if (!failed) {
        km_bed_lay(&bed, &w, &how, cell);
        km_bed_plan(&bed, cell->kernel, &declined);
        failed = declined ? 0 : travel(exam, &bed, &w);
        km_bed_unplan(&bed, cell->kernel);
    }
    km_bed_close(&bed);
    km_work_close(&w);
    return failed;
}
