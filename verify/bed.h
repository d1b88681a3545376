/* bed.h: a test bed: guarded buffers for every slot of a pass, in which a kernel is run and watched:
 * nothing outside touched, inputs unchanged, floating-point state kept.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_BED_H
#define KM_BED_H

#include "core/guard.h"
#include "core/select.h"
#include "verify/native.h"
#include "verify/pieces.h"
#include "verify/work.h"

/* How one run is laid out. */
typedef struct km_run_plan {
    km_side side;
    int offset;            /* elements; inputs and outputs are displaced by different amounts */
    int in_place;          /* give outputs that allow it the memory of their input */
    unsigned char prefill; /* byte that outputs are filled with beforehand */
} km_run_plan;

typedef struct km_bed {
    const km_work *work;
    km_guard guard[KM_SLOT_COUNT];
    km_args args;        /* plain tensors, whatever the layout: what is laid and compared */
    km_native native;    /* of the opened plan */
    km_kernel_info info; /* of the same; a kernel may choose another way for another shape */
    km_pieces
        pieces; /* where the case has lists: what the kernel gets in place of args' flat tensors */
    km_run_plan how; /* of the last lay */
} km_bed;

/* `room` is a work of the largest case that will be laid out in this bed. */
int km_bed_open(km_bed *bed, const km_work *room, km_error *error);
void km_bed_close(km_bed *bed);

/* Lays out the data of `work` and fills args, all but the plan. Inputs that no output shares are read-only
 * until the next call. */
void km_bed_lay(km_bed *bed, const km_work *work, const km_run_plan *how, const km_cell *cell);

/* Runs the kernel once on what was laid out; -1 with what it did wrong besides the values. */
int km_bed_run(km_bed *bed, const km_kernel *kernel, km_error *error);

/* Opens the kernel's plan for what was laid out, and lays it out in the plan's layout if it has one of its own.
 * *reason is NULL, or why the case is declined. */
void km_bed_plan(km_bed *bed, const km_kernel *kernel, const char **reason);
void km_bed_unplan(km_bed *bed, const km_kernel *kernel);

#endif
