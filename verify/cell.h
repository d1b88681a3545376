/* cell.h: everything that verify does to one cell, in the order a reader would wish for: the case
 * itself, in place, elsewhere in memory, on other thread counts; then all lengths from 0 to 67 at all
 * alignments; then every special value in every lane.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CELL_H
#define KM_CELL_H

#include "verify/bed.h"
#include "verify/result.h"

typedef struct km_verify_options {
    uint64_t seed;
    int offset;     /* elements by which the tensors of the case itself are displaced */
    int case_only;  /* nonzero: the case itself only, as before a measurement */
    int timeout;    /* seconds that the kernel gets for everything; 0: 300 */
    int one_thread; /* nonzero: never start a second thread, not even to compare the results */
    int no_sweep;   /* nonzero: another cell has swept the same lengths and special values */
    const char *command_tail; /* options a reproducing command needs, such as --plugin FILE */
} km_verify_options;

/* Verifies the cell in a child process; the result is always filled in. `work` holds the case's data. */
void km_verify_cell(const km_cell *cell, const km_work *work, const km_verify_options *options,
                    km_result *result);

/* ---- parts, for cell.c, sweep.c and special.c ---- */

/* What the parts share while they look at one cell in the child. */
typedef struct km_exam {
    const km_cell *cell;
    const km_verify_options *options;
    km_result *result;
    int target; /* nonzero: the backend is held to the op's target */
} km_exam;

/* Runs once and checks everything but values; a failure is written to the result. */
int km_exam_run(const km_exam *exam, km_bed *bed);

/* Whether element i has the same bits in both tensors, or is NaN in both. */
int km_same_element(const km_tensor *a, const km_tensor *b, int64_t i);

/* Compares one output in the bed with the oracle, or all of them; adds to the result's figures. */
int km_exam_slot(const km_exam *exam, const km_bed *bed, km_slot slot, const char *where);
int km_exam_values(const km_exam *exam, const km_bed *bed, const char *where);

/* Marks the result wrong, with the first reason only, and a command that reproduces it. */
int km_exam_fail(const km_exam *exam, const km_work *work, int offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The sizes of an op that are swept: km_op.sweep, or its last one. Returns how many. */
int km_swept_sizes(const km_op *op, km_dim swept[KM_MAX_SWEEPS]);

/* The case with every size as small as the op allows (at most 3) and one set to `size`; -1 if that is not a
 * legal case. */
int km_small_case(const km_cell *cell, km_dim swept, int64_t size, km_case *small);

/* Whether the sweeps of both cells would run the same short cases: they differ in size alone. */
int km_same_sweep(const km_cell *a, const km_cell *b);

int km_exam_trajectory(const km_exam *exam);
int km_exam_sweep(const km_exam *exam);
int km_exam_specials(const km_exam *exam);

#endif
