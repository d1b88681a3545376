/* exhaustive.c: the float inputs in blocks, blocks dealt to child processes in turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/exhaustive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/registry.h"
#include "verify/isolate.h"
#include "verify/work.h"

enum { BLOCK = 1 << 16, MAX_PROCESSES = 64 };
static const double timeout_seconds = 6 * 3600;

typedef struct share {
    const km_cell *cell;
    km_exhaustive *result;   /* in shared memory */
    volatile uint64_t *done; /* blocks, in shared memory */
    uint64_t first, stride, blocks, step;
    float x[BLOCK], y[BLOCK];
    double wide_x[BLOCK], want[BLOCK];
} share;

static void fill_block(share *s, uint64_t block)
{
    for (uint32_t i = 0; i < BLOCK; i++) {
        /* a sample varies the low bits too */
        uint32_t bits = (uint32_t)((block * BLOCK + i) * s->step + i % s->step);
        memcpy(&s->x[i], &bits, sizeof bits);
        s->wide_x[i] = s->x[i];
    }
}

static void oracle_block(share *s, const km_case *c)
{
    km_args args;
    km_args_shape(s->cell->op, s->cell->pass, c, &args);
    args.slot[KM_X].data = s->wide_x;
    args.slot[KM_Y].data = s->want;
    km_oracle_run(s->cell->op, s->cell->pass, &args);
}

/* NaN results differ in payload from ISA to ISA, and may */
static uint64_t block_digest(share *s, uint64_t block)
{
    for (int i = 0; i < BLOCK; i++)
        if (isnan(s->y[i]))
            s->y[i] = NAN;
    return XXH3_64bits_withSeed(s->y, sizeof s->y, block);
}

static void compare_block(share *s, const km_rule *rule)
{
    km_exhaustive *r = s->result;
    for (int i = 0; i < BLOCK; i++) {
        km_figures f = km_figures_none();
        if (!km_compare_one(rule, s->y[i], s->want[i], i, &f) && r->wrong++ == 0)
            r->first_wrong_x = s->x[i];
        double ulp = km_ulp_error(s->y[i], s->want[i]);
        if (ulp > r->max_ulp) {
            r->max_ulp = ulp;
            r->worst_x = s->x[i];
            r->worst_got = s->y[i];
            r->worst_want = s->want[i];
        }
    }
    r->inputs += BLOCK;
}

static void run_share(void *share_)
{
    share *s = share_;
    const km_use *y = km_use_find(s->cell->pass, KM_Y);
    const int target = (km_backend_flags(s->cell->backend) & KM_HOLDS_TARGET) != 0;
    const km_rule rule = {.bound = target ? y->target : y->gate, .flush = !target};
    km_args args;
    km_case c = s->cell->params;
    c.dim[KM_DIM_N] = BLOCK;
    km_args_shape(s->cell->op, s->cell->pass, &c, &args);
    args.slot[KM_X].data = s->x;
    args.slot[KM_Y].data = s->y;
    const km_kernel *k = s->cell->kernel;
    if (k->open && k->open(&args, &args.plan))
        return;
    for (uint64_t block = s->first; block < s->blocks; block += s->stride) {
        fill_block(s, block);
        k->run(&args);
        oracle_block(s, &c);
        compare_block(s, &rule);
        s->result->digest ^= block_digest(s, block);
        ++*s->done;
    }
    if (k->close)
        k->close(args.plan);
}

int km_exhaustive_applies(const km_pass *pass)
{
    return pass->use[0].slot == KM_X && pass->use[0].access == KM_READ &&
           pass->use[1].slot == KM_Y && pass->use[1].access == KM_WRITE &&
           pass->use[2].access == KM_END;
}

static void merge(km_exhaustive *into, const km_exhaustive *part)
{
    if (part->max_ulp > into->max_ulp) {
        into->max_ulp = part->max_ulp;
        into->worst_x = part->worst_x;
        into->worst_got = part->worst_got;
        into->worst_want = part->worst_want;
    }
    if (!into->wrong)
        into->first_wrong_x = part->first_wrong_x;
    into->wrong += part->wrong;
    into->inputs += part->inputs;
    into->digest ^= part->digest;
}

/* What the children write: one result each, and how many blocks each has done. */
typedef struct board {
    km_exhaustive result[MAX_PROCESSES];
    uint64_t done[MAX_PROCESSES];
} board;

static int wait_for_all(const int *pid, int processes, const board *b, uint64_t blocks,
                        void (*progress)(double done), km_error *error)
{
    int failed = 0;
    char reason[256] = "";
    for (int p = 0; p < processes; p++) {
        /* short waits on the first, so that the progress line moves */
        uint64_t done = 0;
        while (progress && !km_isolate_poll(pid[p], 1.0)) {
            done = 0;
            for (int q = 0; q < processes; q++)
                done += ((const volatile uint64_t *)b->done)[q];
            progress((double)done / (double)blocks);
        }
        if (km_isolate_wait(pid[p], timeout_seconds, reason, sizeof reason))
            failed = km_fail(error, "crashed: %s", reason);
    }
    return failed;
}

static int run_shares(share *s, board *b, int processes, void (*progress)(double done),
                      km_exhaustive *result, km_error *error)
{
    int pid[MAX_PROCESSES];
    for (int p = 0; p < processes; p++) {
        s->first = (uint64_t)p;
        s->stride = (uint64_t)processes;
        s->result = &b->result[p];
        s->done = &b->done[p];
        pid[p] = km_isolate_start(run_share, s);
    }
    int failed = wait_for_all(pid, processes, b, s->blocks, progress, error);
    for (int p = 0; p < processes; p++)
        merge(result, &b->result[p]);
    if (!failed && result->inputs != s->blocks * BLOCK)
        failed = km_fail(error, "the kernel declined the case");
    return failed;
}

int km_exhaustive_run(const km_cell *cell, int processes, uint64_t step,
                      void (*progress)(double done), km_exhaustive *result, km_error *error)
{
    *result = (km_exhaustive){0};
    if (!km_exhaustive_applies(cell->pass))
        return km_fail(error, "%s/%s is not a function of x alone: --exhaustive cannot run it",
                       cell->op->name, cell->pass->name);
    if (processes > MAX_PROCESSES)
        processes = MAX_PROCESSES;
    share *s = malloc(sizeof *s);
    board *b = km_shared_open(sizeof *b);
    int failed = s && b ? 0 : km_fail(error, "out of memory");
    if (!failed) {
        s->cell = cell;
        s->step = step;
        s->blocks = ((uint64_t)1 << 32) / step / BLOCK;
        failed = run_shares(s, b, processes, progress, result, error);
    }
    km_shared_close(b, sizeof *b);
    free(s);
    return failed;
}
