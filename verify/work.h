/* work.h: the data of one case of one pass: random inputs as float, and what the oracle makes of them.
 * Input values depend on seed, op, slot and element index only: a shorter case sees a prefix of a longer
 * one's data, and every backend and pass of an op sees the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_WORK_H
#define KM_WORK_H

#include <kernelmark.h>

#include "core/error.h"
#include "verify/compare.h"

/* What the inputs are like: as km_fill says, tails included, to find errors; small whole numbers; or as in use, to be
 * timed. */
typedef enum km_data { KM_DATA_WIDE, KM_DATA_INTEGERS, KM_DATA_USUAL } km_data;

/* What a trajectory keeps of the steps before the present one, for slots that are written. */
typedef struct km_travel {
    double
        *exact[KM_SLOT_COUNT]; /* the oracle's own values; NULL: it goes on from what `input` has */
    float *moved[KM_SLOT_COUNT];  /* D of KM_STEPS, */
    float *most[KM_SLOT_COUNT];   /* and M */
    double *slack[KM_SLOT_COUNT]; /* km_rule.slack: 16 t u M, the present step included */
} km_travel;

typedef struct km_work {
    const km_op *op;
    const km_pass *pass;
    km_case params;
    km_data data;
    km_args shape;              /* counts and dims of every slot; no data */
    void *input[KM_SLOT_COUNT]; /* of slots that are read: float or int32_t, as shape says */
    double *
        want[KM_SLOT_COUNT]; /* of slots that are written: the oracle's result, whatever the type */
    double *scale[KM_SLOT_COUNT]; /* of slots that are written: km_rule.scale, or NULL */
    uint64_t seed;
    km_travel travel; /* of a pass `step`; shape.step is which one `want` is the result of */
} km_work;

/* Fills the inputs from the seed and runs the oracle. */
int km_work_open(km_work *work, const km_op *op, const km_pass *pass, const km_case *c,
                 uint64_t seed, km_error *error);

/* With small whole numbers, whose results are exact. */
int km_work_open_integers(km_work *work, const km_op *op, const km_pass *pass, const km_case *c,
                          uint64_t seed, km_error *error);

/* With data as in use: km_fill_usual. */
int km_work_open_usual(km_work *work, const km_op *op, const km_pass *pass, const km_case *c,
                       uint64_t seed, km_error *error);

/* A pass `step` before its first one: its state is as km_op.initial says. (The others open it in front of the third.) */
int km_work_open_start(km_work *work, const km_op *op, const km_pass *pass, const km_case *c,
                       uint64_t seed, km_error *error);

/* Goes on to the next step: the oracle from its own unrounded state, with new data in all that the pass reads. What
 * `input` holds of updated slots is the caller's. */
int km_work_advance(km_work *work, km_error *error);

/* Runs the oracle again after inputs were changed. */
int km_work_oracle(km_work *work, km_error *error);
void km_work_close(km_work *work);

/* The rule for a written slot under the gate, or the target if `target`. */
km_rule km_work_rule(const km_work *work, km_slot slot, int target);

/* Runs a pass of the oracle on double tensors that `args` holds. */
void km_oracle_run(const km_op *op, const km_pass *pass, km_args *args);

#endif
