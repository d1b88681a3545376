/* exhaustive.c: the float inputs in blocks, which child processes take as they get free.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/exhaustive.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/fpstate.h"
#include "core/guard.h"
#include "core/pass.h"
#include "core/registry.h"
#include "verify/isolate.h"
#include "verify/work.h"

enum { BLOCK = 1 << 16, MAX_PROCESSES = 64 };
static const double timeout_seconds = 6 * 3600;

/* One backend under examination. */
typedef struct entrant {
    const km_cell *cell;
    km_rule rule;
    km_args args;
    int declined;
    km_exhaustive *result; /* in shared memory */
} entrant;

/* In shared memory: which block is next, and a result per process and cell. */
typedef struct board {
    atomic_uint_fast64_t next;
    km_exhaustive result[];
} board;

typedef struct share {
    entrant *entrants;
    size_t count;
    board *board;
    uint64_t blocks;
    km_sample sample;
    km_case params;
    km_guard x_room, y_room; /* no backend shall spoil what the next one reads */
    float *x, *y;
    double wide_x[BLOCK], want[BLOCK];
} share;

enum { BYTES = BLOCK * sizeof(float) };

/* ---- one block ------------------------------------------------------------------------------ */

static void fill_block(share *s, uint64_t block)
{
    const uint32_t step = s->sample.step, first = (uint32_t)(block * BLOCK * step);
    uint32_t low = (s->sample.seed % step + step - 1) % step;
    km_guard_protect(&s->x_room, 0);
    for (uint32_t i = 0; i < BLOCK; i++) {
        const uint32_t bits = first + i * step + low;
        low = low + 1 < step ? low + 1 : 0; /* a sample varies the low bits too */
        memcpy(&s->x[i], &bits, sizeof bits);
        s->wide_x[i] = s->x[i];
    }
    km_guard_protect(&s->x_room, 1);
}

static void oracle_block(share *s)
{
    const km_cell *cell = s->entrants[0].cell;
    km_args args;
    km_args_shape(cell->op, cell->pass, &s->params, &args);
    args.slot[KM_X].data = s->wide_x;
    args.slot[KM_Y].data = s->want;
    km_oracle_run(cell->op, cell->pass, &args);
}

/* NaN results differ in payload from ISA to ISA, and may */
static uint64_t block_digest(share *s, uint64_t block)
{
    for (int i = 0; i < BLOCK; i++)
        s->y[i] = isnan(s->y[i]) ? NAN : s->y[i];
    return XXH3_64bits_withSeed(s->y, BYTES, block);
}

/* Positive floats come before negative ones. */
static int precedes(float a, float b)
{
    uint32_t a_bits, b_bits;
    memcpy(&a_bits, &a, sizeof a);
    memcpy(&b_bits, &b, sizeof b);
    return a_bits < b_bits;
}

/* Keeps the worst of both, the same one in whatever order the blocks were done. */
static void merge(km_exhaustive *into, const km_exhaustive *part)
{
    if (!into->inputs || part->max_ulp > into->max_ulp ||
        (part->max_ulp == into->max_ulp && precedes(part->worst_x, into->worst_x))) {
        into->max_ulp = part->max_ulp;
        into->worst_x = part->worst_x;
        into->worst_got = part->worst_got;
        into->worst_want = part->worst_want;
    }
    if (part->wrong && (!into->wrong || precedes(part->first_wrong_x, into->first_wrong_x)))
        into->first_wrong_x = part->first_wrong_x;
    into->wrong += part->wrong;
    into->inputs += part->inputs;
    into->digest ^= part->digest;
}

static void compare_block(share *s, const entrant *e, km_exhaustive *r)
{
    const int64_t worst = km_worst_ulp(s->y, s->want, BLOCK, &r->max_ulp);
    r->inputs = BLOCK;
    r->worst_x = s->x[worst];
    r->worst_got = s->y[worst];
    r->worst_want = s->want[worst];
    if (r->max_ulp <= km_sure_ulp(&e->rule))
        return;
    km_figures f = km_figures_none();
    km_compare(&e->rule, &e->args.slot[KM_Y], s->want, &f);
    r->wrong = (uint64_t)f.wrong;
    r->first_wrong_x = f.wrong ? s->x[f.first_wrong] : 0;
}

static void run_block(share *s, entrant *e, uint64_t block)
{
    km_exhaustive r = {0};
    const uint64_t state = km_fpstate();
    e->cell->kernel->run(&e->args);
    km_fpstate_restore(state); /* the next one and the oracle have a right to it */
    compare_block(s, e, &r);
    r.digest = block_digest(s, block);
    merge(e->result, &r);
}

/* ---- a child -------------------------------------------------------------------------------- */

static void open_entrant(share *s, entrant *e)
{
    const km_cell *c = e->cell;
    const km_use *y = km_use_find(c->pass, KM_Y);
    const int target = (km_backend_flags(c->backend) & KM_HOLDS_TARGET) != 0;
    e->rule = (km_rule){.bound = target ? y->target : y->gate, .flush = !target};
    km_args_shape(c->op, c->pass, &s->params, &e->args);
    e->args.threads = 1; /* the processes have all cores already */
    e->args.slot[KM_X].data = s->x;
    e->args.slot[KM_Y].data = s->y;
    e->declined = c->kernel->open && c->kernel->open(&e->args, &e->args.plan);
}

static void run_share(void *share_)
{
    share *s = share_;
    for (size_t i = 0; i < s->count; i++)
        open_entrant(s, &s->entrants[i]);
    for (uint64_t block; (block = atomic_fetch_add(&s->board->next, 1)) < s->blocks;) {
        fill_block(s, block);
        oracle_block(s);
        for (size_t i = 0; i < s->count; i++)
            if (!s->entrants[i].declined)
                run_block(s, &s->entrants[i], block);
    }
    for (size_t i = 0; i < s->count; i++)
        if (s->entrants[i].cell->kernel->close)
            s->entrants[i].cell->kernel->close(s->entrants[i].args.plan);
}

int km_exhaustive_applies(const km_pass *pass)
{
    return pass->use[0].slot == KM_X && pass->use[0].access == KM_READ &&
           pass->use[1].slot == KM_Y && pass->use[1].access == KM_WRITE &&
           pass->use[1].type == KM_REAL_TYPE && pass->use[2].access == KM_END;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static int wait_for_all(const share *s, const int *pid, int processes,
                        void (*progress)(double done), km_error *error)
{
    int failed = 0;
    char reason[256] = "";
    for (int p = 0; p < processes; p++) {
        /* short waits, so that the progress line moves */
        while (progress && !km_isolate_poll(pid[p], 1.0)) {
            const double done = (double)atomic_load(&s->board->next) / (double)s->blocks;
            progress(done < 1 ? done : 1);
        }
        if (km_isolate_wait(pid[p], timeout_seconds, reason, sizeof reason))
            failed = km_fail(error, "crashed: %s", reason);
    }
    return failed;
}

static int run_shares(share *s, int processes, void (*progress)(double done),
                      km_exhaustive *results, km_error *error)
{
    int pid[MAX_PROCESSES];
    for (int p = 0; p < processes; p++) {
        for (size_t i = 0; i < s->count; i++)
            s->entrants[i].result = &s->board->result[(size_t)p * s->count + i];
        pid[p] = km_isolate_start(run_share, s);
    }
    if (wait_for_all(s, pid, processes, progress, error))
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        results[i] = (km_exhaustive){0};
        for (int p = 0; p < processes; p++)
            if (s->board->result[(size_t)p * s->count + i].inputs)
                merge(&results[i], &s->board->result[(size_t)p * s->count + i]);
        if (results[i].inputs && results[i].inputs != s->blocks * BLOCK)
            return km_fail(error, "%s declined the case in some processes only",
                           s->entrants[i].cell->backend->name);
    }
    return 0;
}

static int open_share(share *s, km_error *error)
{
    if (km_guard_open(&s->x_room, "x", BYTES, error) ||
        km_guard_open(&s->y_room, "y", BYTES, error))
        return -1;
    s->x = km_guard_place(&s->x_room, BYTES, KM_FLUSH_END, 0);
    s->y = km_guard_place(&s->y_room, BYTES, KM_FLUSH_END, 0);
    return 0;
}

static void close_share(share *s)
{
    if (s->x_room.map)
        km_guard_close(&s->x_room);
    if (s->y_room.map)
        km_guard_close(&s->y_room);
}

static void describe(share *s, const km_cell *cells, km_sample sample)
{
    for (size_t i = 0; i < s->count; i++)
        s->entrants[i].cell = &cells[i];
    s->sample = sample;
    s->blocks = ((uint64_t)1 << 32) / sample.step / BLOCK;
    s->params = cells->params;
    s->params.dim[KM_DIM_N] = BLOCK;
}

int km_exhaustive_run(const km_cell *cells, size_t count, int processes, km_sample sample,
                      void (*progress)(double done), km_exhaustive *results, km_error *error)
{
    if (!km_exhaustive_applies(cells->pass))
        return km_fail(error, "%s/%s is not a function of x alone: --exhaustive cannot run it",
                       cells->op->name, cells->pass->name);
    if (processes > MAX_PROCESSES)
        processes = MAX_PROCESSES;
    const size_t bytes = sizeof(board) + (size_t)processes * count * sizeof(km_exhaustive);
    share *s = calloc(1, sizeof *s);
    entrant *entrants = calloc(count, sizeof *entrants);
    board *b = km_shared_open(bytes);
    int failed = -1;
    if (!s || !entrants || !b) {
        km_fail(error, "out of memory");
    } else if (!open_share(s, error)) {
        s->entrants = entrants;
        s->count = count;
        s->board = b;
        describe(s, cells, sample);
        failed = run_shares(s, processes, progress, results, error);
    }
    if (s)
        close_share(s);
    km_shared_close(b, bytes);
    free(entrants);
    free(s);
    return failed;
}
