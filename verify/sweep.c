/* sweep.c: every length from 0 to four of the widest vectors plus three, against either guard page and
 * at every alignment: tails that are skipped, written twice, or read and written outside.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "core/pass.h"
#include "verify/cell.h"

enum { LONGEST = 4 * 16 + 3, ALIGNMENTS = 16, AFFORDABLE = 1 << 14 };

int km_swept_sizes(const km_op *op, km_dim swept[KM_MAX_SWEEPS])
{
    memcpy(swept, op->sweep, sizeof op->sweep);
    if (!op->sweeps)
        swept[0] = op->dim[op->dims - 1].dim;
    return op->sweeps ? op->sweeps : 1;
}

int km_small_case(const km_cell *cell, km_dim swept, int64_t size, km_case *small)
{
    const km_op *op = cell->op;
    km_error ignored;
    *small = cell->params;
    for (int i = 0; i < op->dims; i++) {
        int64_t *other = &small->dim[op->dim[i].dim], whole = *other;
        if (op->dim[i].dim == swept)
            continue;
        *other = whole < 3 ? whole : 3;
        if (op->check && op->check(small))
            *other = whole; /* tied to an attribute, such as c to num_parameters */
    }
    small->dim[swept] = size;
    return km_case_check(op, small, &ignored);
}

/* Where several sizes are swept, each length takes one displacement, another for each of sixteen lengths. */
static int sweep_placements(const km_exam *exam, km_bed *bed, const km_work *w, int64_t length)
{
    char where[64];
    int alignments = km_pass_elements(w->op, w->pass, &w->params) > AFFORDABLE ? 1 : ALIGNMENTS;
    for (int offset = -1; offset < alignments; offset++) {
        if (w->op->sweeps > 1 && offset > 0 && offset != length % ALIGNMENTS)
            continue;
        /* -1: flush against the end; else displaced from the start */
        const km_run_plan how = {offset < 0 ? KM_FLUSH_END : KM_FLUSH_START,
                                 offset < 0 ? 0 : offset, 0, offset & 1 ? 0xFF : 0x11};
        snprintf(where, sizeof where, "sweep of lengths, offset %d", offset < 0 ? 0 : offset);
        km_bed_lay(bed, w, &how, exam->cell);
        if (km_exam_run(exam, bed) || km_exam_values(exam, bed, where))
            return -1;
    }
    return 0;
}

static int sweep_length(const km_exam *exam, km_bed *bed, const km_case *small, int64_t length)
{
    const km_run_plan how = {KM_FLUSH_END, 0, 0, 0xFF};
    const char *declined;
    km_error error;
    km_work w;
    if (km_work_open(&w, exam->cell->op, exam->cell->pass, small, exam->options->seed, &error))
        return 0; /* out of memory on a handful of elements: the case itself was checked */
    km_bed_lay(bed, &w, &how, exam->cell);
    km_bed_plan(bed, exam->cell->kernel, &declined);
    int failed = declined ? 0 : sweep_placements(exam, bed, &w, length);
    km_bed_unplan(bed, exam->cell->kernel);
    km_work_close(&w);
    return failed;
}

/* The longest short case, or 0 if there is none: a size that an attribute ties down has nothing to sweep. */
static int64_t longest_case(const km_cell *cell, km_dim swept, km_case *small)
{
    int64_t longest = LONGEST;
    while (longest > 0 && km_small_case(cell, swept, longest, small))
        longest--;
    return longest;
}

int km_same_sweep(const km_cell *a, const km_cell *b)
{
    km_dim swept[KM_MAX_SWEEPS];
    km_case one, other;
    int count = km_swept_sizes(a->op, swept);
    for (int i = 0; i < count; i++) {
        int64_t longest = longest_case(a, swept[i], &one);
        if (longest != longest_case(b, swept[i], &other) ||
            (longest && memcmp(&one, &other, sizeof one)))
            return 0;
    }
    return 1;
}

static int sweep_size(const km_exam *exam, km_dim swept)
{
    km_case small;
    km_error error;
    km_work largest;
    km_bed bed;
    const int64_t longest = longest_case(exam->cell, swept, &small);
    if (longest == 0 || km_work_open(&largest, exam->cell->op, exam->cell->pass, &small,
                                     exam->options->seed, &error))
        return 0;
    int failed = km_bed_open(&bed, &largest, &error);
    for (int64_t n = 0; !failed && n <= longest; n++)
        if (!km_small_case(exam->cell, swept, n, &small))
            failed = sweep_length(exam, &bed, &small, n);
    km_bed_close(&bed);
    km_work_close(&largest);
    return failed;
}

int km_exam_sweep(const km_exam *exam)
{
    km_dim swept[KM_MAX_SWEEPS];
    int count = km_swept_sizes(exam->cell->op, swept), failed = 0;
    for (int i = 0; i < count && !failed; i++)
        failed = sweep_size(exam, swept[i]);
    return failed;
}
