/* roofs_measure.c: runs the roof kernels.
 *
 * All figures of a team are measured in sweeps: one short run of each, again and again, so that a
 * figure's runs lie seconds apart and a disturbance spoils a few runs of many figures rather than
 * all runs of one. Even sweeps stream with the widest ISA level, odd ones with the next: on some
 * CPUs that is the faster one. Threads are plain POSIX threads, started for every run: no OpenMP
 * pool comes to life here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/roofs.h"
#include "core/cpu.h"

enum { LEAST_SWEEPS = 5, MOST_SWEEPS = 40, MOST_FIGURES = 64, SCRATCH = 4096 };
static const double team_seconds = 3.5, run_seconds = 2.5e-3;
static const size_t least_memory = (size_t)256 << 20, slice_total = (size_t)32 << 20;

typedef struct figure {
    double *best; /* where the roof goes */
    int isa;      /* of an FMA figure; -1: a stream */
    int level, mix, nt;
    int64_t turns[2]; /* per call, for each of the two ISA levels; 0: not known yet */
} figure;

typedef struct team {
    int threads;
    const km_roof_kernels *wide[2]; /* the widest usable ISA level and the next, or the same */
    char *memory;                   /* one region per thread */
    size_t region, cursor;
    figure list[MOST_FIGURES];
    int figures;
    int64_t cache[KM_MEMORY];
} team;

/* ---- one run --------------------------------------------------------------------------------- */

typedef struct gate {
    atomic_int waiting;
} gate;

typedef struct worker {
    km_roof_kernel *kernel;
    km_roof_job job;
    int warm; /* one turn beforehand, to fill the cache */
    gate *start;
    double begin, end;
} worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Yields: there may be more threads than free cores. */
static void pass(gate *g)
{
    atomic_fetch_sub(&g->waiting, 1);
    while (atomic_load(&g->waiting) > 0)
        sched_yield();
}

static void *work(void *argument)
{
    worker *w = argument;
    km_roof_job once = w->job;
    once.turns = 1;
    if (w->warm)
        w->kernel(&once);
    pass(w->start);
    w->begin = now();
    w->kernel(&w->job);
    w->end = now();
    return NULL;
}

/* Starts the gate's threads; on failure lets those through that exist. Returns how many do. */
static int start(worker *w, pthread_t *thread, int threads)
{
    int started = 0;
    while (started < threads && !pthread_create(&thread[started], NULL, work, &w[started]))
        started++;
    if (started < threads)
        atomic_fetch_sub(&w->start->waiting, threads - started);
    return started;
}

/* Seconds from the first thread's begin to the last one's end; -1 if threads could not start. */
static double run(worker *w, int threads)
{
    gate g = {threads};
    pthread_t *thread = calloc((size_t)threads, sizeof *thread);
    for (int i = 0; i < threads; i++)
        w[i].start = &g;
    int started = !thread ? 0 : threads > 1 ? start(w, thread, threads) : 1;
    if (thread && threads == 1)
        work(w);
    double begin = w[0].begin, end = w[0].end;
    for (int i = 0; thread && threads > 1 && i < started; i++) {
        pthread_join(thread[i], NULL);
        begin = i && begin < w[i].begin ? begin : w[i].begin;
        end = i && end > w[i].end ? end : w[i].end;
    }
    free(thread);
    return started == threads ? end - begin : -1;
}

/* ---- what to run ------------------------------------------------------------------------------ */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Half of what one thread has of a level, so that nothing else need be evicted. Of a shared L3,
 * more than the L2s hold. */
static size_t working_set(const team *t, int level)
{
    if (level == KM_MEMORY)
        return larger(slice_total / (size_t)t->threads, (size_t)1 << 20);
    if (level == KM_L3)
        return larger((size_t)t->cache[KM_L3] / 2 / (size_t)t->threads,
                      (size_t)t->cache[KM_L2] * 2);
    return (size_t)t->cache[level] / 2;
}

/* Arrays one after the other, in whole pages where they are long enough. */
static km_roof_job lay_out(const team *t, const figure *f, int thread)
{
    char *region = t->memory + (size_t)thread * t->region;
    int arrays =
        km_roof_mix[f->mix].reads + km_roof_mix[f->mix].writes * !km_roof_mix[f->mix].in_place;
    size_t unit = working_set(t, f->level) / (size_t)arrays >= 4096 ? 4096 : KM_ROOF_STEP;
    km_roof_job job = {.bytes = working_set(t, f->level) / (size_t)arrays / unit * unit};
    char *at = region + SCRATCH + (f->level == KM_MEMORY ? t->cursor : 0);
    for (int i = 0; i < KM_ROOF_ARRAYS; i++)
        job.array[i] = f->isa < 0 && i < arrays ? at + (size_t)i * job.bytes : region;
    return job;
}

static const km_roof_kernels *kernels_of(const team *t, const figure *f, int sweep)
{
    return f->isa < 0 ? t->wide[sweep & 1] : km_roof_kernels_of(km_isa_at((size_t)f->isa));
}

static double run_figure(team *t, worker *w, const figure *f, int sweep, int64_t turns)
{
    const km_roof_kernels *k = kernels_of(t, f, sweep);
    for (int i = 0; i < t->threads; i++) {
        w[i] = (worker){.job = lay_out(t, f, i), .warm = f->level != KM_MEMORY};
        w[i].job.turns = turns;
        w[i].kernel = f->isa >= 0 ? k->fma : f->nt ? k->stream_nt[f->mix] : k->stream[f->mix];
    }
    if (f->level == KM_MEMORY) {
        t->cursor += working_set(t, KM_MEMORY);
        if (SCRATCH + t->cursor + working_set(t, KM_MEMORY) > t->region)
            t->cursor = 0;
    }
    return run(w, t->threads);
}

/* Operations or bytes of one turn of the whole team, in units of 1e9. */
static double amount(const team *t, const figure *f, int sweep)
{
    const struct km_roof_mix *mix = &km_roof_mix[f->mix];
    double each = f->isa >= 0 ? kernels_of(t, f, sweep)->flops_per_turn
                              : (double)lay_out(t, f, 0).bytes * (mix->reads + mix->writes);
    return each * t->threads * 1e-9;
}

/* Doubles the turns until they can be timed, then scales them to a run's length. */
static int calibrate(team *t, worker *w, figure *f, int sweep)
{
    int64_t turns = 1;
    double seconds = run_figure(t, w, f, sweep, turns);
    while (f->level != KM_MEMORY && seconds >= 0 && seconds < run_seconds / 10) {
        turns *= 2;
        seconds = run_figure(t, w, f, sweep, turns);
    }
    if (seconds < 0)
        return -1;
    double scale = f->level == KM_MEMORY ? 1 : run_seconds / seconds;
    f->turns[sweep & 1] = scale > 1 ? (int64_t)((double)turns * scale) : turns;
    return 0;
}

static int sweep_once(team *t, worker *w, int sweep)
{
    for (int i = 0; i < t->figures; i++) {
        figure *f = &t->list[i];
        if (!f->turns[sweep & 1] && calibrate(t, w, f, sweep))
            return -1;
        double seconds = run_figure(t, w, f, sweep, f->turns[sweep & 1]);
        if (seconds < 0)
            return -1;
        double rate = amount(t, f, sweep) * (double)f->turns[sweep & 1] / seconds;
        if (seconds > 0 && rate > *f->best)
            *f->best = rate;
    }
    return 0;
}

/* ---- a team ------------------------------------------------------------------------------------ */

static void list_figures(team *t, km_roofs *r, int which)
{
    const char *isa;
    for (int i = 0; i < KM_ROOF_ISAS && (isa = km_isa_at((size_t)i)); i++)
        if (!km_isa_unusable(isa) && km_roof_kernels_of(isa)) {
            t->wide[1] = t->wide[0] ? t->wide[0] : km_roof_kernels_of(isa);
            t->wide[0] = km_roof_kernels_of(isa);
            t->list[t->figures++] = (figure){.best = &r->fma[which][i], .isa = i};
        }
    for (int level = 0; level < KM_ROOF_LEVELS; level++)
        for (int mix = 0; mix < KM_ROOF_MIXES; mix++)
            for (int nt = 0; nt < 2; nt++)
                if (km_roof_expected(r, level, mix, nt) && (!nt || t->wide[0]->stream_nt[mix]))
                    t->list[t->figures++] = (figure){.best = &r->gbps[which][level][mix][nt],
                                                     .isa = -1,
                                                     .level = level,
                                                     .mix = mix,
                                                     .nt = nt};
}

/* Four times the last cache, and beyond all of them when there are several; never most of what the
 * machine has. */
static size_t memory_total(const team *t)
{
    size_t total = larger(least_memory, 4 * (size_t)t->cache[KM_L3]);
    size_t quarter = (size_t)sysconf(_SC_PHYS_PAGES) / 4 * (size_t)sysconf(_SC_PAGESIZE);
    total = larger(total, (size_t)t->threads * ((size_t)16 << 20));
    return total < quarter ? total : quarter;
}

static void touch(const km_roof_job *job)
{
    memset(job->array[0], 1, job->bytes);
}

/* Each thread touches its own region first: that is where its memory will be. */
static int open_memory(team *t, worker *w)
{
    size_t need = 2 * SCRATCH + larger(working_set(t, KM_MEMORY), working_set(t, KM_L3));
    need = larger(larger(need, working_set(t, KM_L2) + SCRATCH), working_set(t, KM_L1) + SCRATCH);
    t->region = larger(memory_total(t) / (size_t)t->threads, need);
    t->region = (t->region + ((size_t)2 << 20) - 1) >> 21 << 21;
    t->memory = mmap(NULL, t->region * (size_t)t->threads, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t->memory == MAP_FAILED)
        return -1;
    madvise(t->memory, t->region * (size_t)t->threads, MADV_HUGEPAGE);
    for (int i = 0; i < t->threads; i++)
        w[i] =
            (worker){.kernel = touch, .job = {{t->memory + (size_t)i * t->region}, t->region, 1}};
    return run(w, t->threads) < 0 ? -1 : 0;
}

static int measure_team(km_roofs *r, int which, int threads, km_error *error)
{
    team t = {.threads = threads, .memory = MAP_FAILED};
    worker *w = calloc((size_t)threads, sizeof *w);
    memcpy(t.cache, r->cache, sizeof t.cache);
    list_figures(&t, r, which);
    int failed = !w || open_memory(&t, w);
    double deadline = now() + team_seconds;
    for (int i = 0; !failed && i < MOST_SWEEPS && (i < LEAST_SWEEPS || now() < deadline); i++)
        failed = sweep_once(&t, w, i);
    int why = errno;
    if (t.memory != MAP_FAILED)
        munmap(t.memory, t.region * (size_t)threads);
    free(w);
    return failed ? km_fail(error, "cannot measure the roofs with %d threads: %s", threads,
                            strerror(why ? why : ENOMEM))
                  : 0;
}

int km_roofs_measure(km_roofs *r, int threads, km_error *error)
{
    *r = (km_roofs){.threads = threads < 1 ? 1 : threads};
    km_roofs_caches(r);
    if (measure_team(r, KM_ROOF_ONE, 1, error))
        return -1;
    return r->threads > 1 ? measure_team(r, KM_ROOF_ALL, r->threads, error) : 0;
}
