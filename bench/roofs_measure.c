/* roofs_measure.c: measures a team's roofs in sweeps.
 *
 * A sweep is one short run of every figure. A figure's runs so lie seconds apart, and a disturbance
 * spoils a few runs of many figures rather than all runs of one. Sweeps differ in what could be the
 * better choice on some CPU: the widest ISA level or the next; few arrays in half of a cache or more
 * of them in three quarters.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/roof_run.h"
#include "bench/roofs.h"
#include "core/cpu.h"

/* A variant: bit 0 is which of the two ISA levels, bit 1 how many arrays and how much of a cache. */
enum { LEAST_SWEEPS = 8, MOST_SWEEPS = 40, VARIANTS = 4, MOST_FIGURES = 64, SCRATCH = 4096 };
static const double team_seconds = 3.5, run_seconds = 2.5e-3;
static const size_t least_memory = (size_t)256 << 20, least_slice = (size_t)32 << 20;

typedef struct figure {
    double *best; /* where the roof goes */
    int isa;      /* of an FMA figure; -1: a stream */
    int level, mix, nt;
    int64_t turns[VARIANTS]; /* per run; 0: not known yet */
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

/* ---- what to run ------------------------------------------------------------------------------ */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Of a cache, a part of what one thread has; of a shared L3 more than the L2s hold. Of memory, a
 * slice that no cache holds besides another. */
static size_t working_set(const team *t, int level, int variant)
{
    size_t threads = (size_t)t->threads, quarters = variant & 2 ? 3 : 2;
    if (level == KM_MEMORY)
        return larger(larger(least_slice, (size_t)t->cache[KM_L3]) / threads, (size_t)1 << 20);
    size_t set = (size_t)t->cache[level] / 4 * quarters;
    return level == KM_L3 ? larger(set / threads, (size_t)t->cache[KM_L2] * 2) : set;
}

static const km_roof_kernels *kernels_of(const team *t, const figure *f, int variant)
{
    return f->isa < 0 ? t->wide[variant & 1] : km_roof_kernels_of(km_isa_at((size_t)f->isa));
}

static const km_roof_stream *stream_of(const team *t, const figure *f, int variant)
{
    return &kernels_of(t, f, variant)->stream[f->mix][variant >> 1 & 1];
}

/* Arrays one after the other, in whole pages where they are long enough: loads and stores that are
 * a little more than a multiple of a page apart are mistaken for each other (4K aliasing). */
static km_roof_job lay_out(const team *t, const figure *f, int thread, int variant)
{
    size_t arrays = f->isa < 0 ? (size_t)stream_of(t, f, variant)->arrays : 0;
    size_t each = arrays ? working_set(t, f->level, variant) / arrays : 0;
    size_t unit = each >= 4096 ? 4096 : KM_ROOF_STEP;
    char *scratch = t->memory + (size_t)thread * t->region;
    char *data = scratch + SCRATCH + (f->level == KM_MEMORY ? t->cursor : 0);
    km_roof_job job = {.bytes = each / unit * unit, .turns = 1};
    for (size_t i = 0; i <= KM_ROOF_ARRAYS; i++)
        job.array[i] = i < arrays ? data + i * job.bytes : scratch;
    return job;
}

/* On to memory that was not touched for longest. */
static void advance(team *t)
{
    size_t slice = working_set(t, KM_MEMORY, 0);
    t->cursor += slice;
    if (SCRATCH + t->cursor + slice > t->region)
        t->cursor = 0;
}

/* The warm-up fills a cache; before a run in memory it leaves in the caches what such a run leaves
 * there, so that each line brought in throws out one of the same kind. */
static double run_figure(team *t, km_roof_worker *w, const figure *f, int variant, int64_t turns)
{
    for (int i = 0; i < t->threads; i++) {
        w[i] = (km_roof_worker){.warmup = lay_out(t, f, i, variant)};
        w[i].kernel = f->isa >= 0 ? kernels_of(t, f, variant)->fma
                      : f->nt     ? stream_of(t, f, variant)->nt
                                  : stream_of(t, f, variant)->plain;
    }
    if (f->level == KM_MEMORY)
        advance(t);
    for (int i = 0; i < t->threads; i++) {
        w[i].job = lay_out(t, f, i, variant);
        w[i].job.turns = turns;
    }
    if (f->level == KM_MEMORY)
        advance(t);
    return km_roof_run(w, t->threads);
}

/* Operations or bytes of one turn of the whole team, in units of 1e9. */
static double amount(const team *t, const figure *f, int variant)
{
    if (f->isa >= 0)
        return kernels_of(t, f, variant)->flops_per_turn * t->threads * 1e-9;
    double each = (double)lay_out(t, f, 0, variant).bytes * stream_of(t, f, variant)->arrays;
    return each * (km_roof_mix[f->mix].in_place ? 2 : 1) * t->threads * 1e-9;
}

/* Doubles the turns until they can be timed, then scales them to a run's length. */
static int calibrate(team *t, km_roof_worker *w, figure *f, int variant)
{
    int64_t turns = 1;
    double seconds = run_figure(t, w, f, variant, turns);
    while (f->level != KM_MEMORY && seconds >= 0 && seconds < run_seconds / 10) {
        turns *= 2;
        seconds = run_figure(t, w, f, variant, turns);
    }
    if (seconds < 0)
        return -1;
    double scale = f->level == KM_MEMORY ? 1 : run_seconds / seconds;
    f->turns[variant] = scale > 1 ? (int64_t)((double)turns * scale) : turns;
    return 0;
}

static int run_and_keep(team *t, km_roof_worker *w, figure *f, int variant)
{
    if (!f->turns[variant] && calibrate(t, w, f, variant))
        return -1;
    double seconds = run_figure(t, w, f, variant, f->turns[variant]);
    double rate = amount(t, f, variant) * (double)f->turns[variant] / seconds;
    if (seconds > 0 && rate > *f->best)
        *f->best = rate;
    return seconds < 0 ? -1 : 0;
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
                if (km_roof_expected(r, level, mix, nt) && (!nt || t->wide[0]->stream[mix][0].nt))
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
static int open_memory(team *t, km_roof_worker *w)
{
    size_t need = memory_total(t) / (size_t)t->threads;
    for (int level = KM_L1; level < KM_ROOF_LEVELS; level++)
        need = larger(need, 2 * working_set(t, level, VARIANTS - 1));
    t->region = (need + SCRATCH + ((size_t)2 << 20) - 1) >> 21 << 21;
    size_t total = t->region * (size_t)t->threads;
    t->memory = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t->memory == MAP_FAILED)
        return -1;
    madvise(t->memory, total, MADV_HUGEPAGE);
    for (int i = 0; i < t->threads; i++)
        w[i] = (km_roof_worker){
            .kernel = touch,
            .job = {.array = {t->memory + (size_t)i * t->region}, .bytes = t->region},
        };
    return km_roof_run(w, t->threads) < 0 ? -1 : 0;
}

static int sweeps(team *t, km_roof_worker *w)
{
    double deadline = km_roof_now() + team_seconds;
    for (int i = 0; i < MOST_SWEEPS && (i < LEAST_SWEEPS || km_roof_now() < deadline); i++)
        for (int j = 0; j < t->figures; j++)
            if (run_and_keep(t, w, &t->list[j], i % VARIANTS))
                return -1;
    return 0;
}

static int measure_team(km_roofs *r, int which, int threads, km_error *error)
{
    team t = {.threads = threads, .memory = MAP_FAILED};
    km_roof_worker *w = calloc((size_t)threads, sizeof *w);
    memcpy(t.cache, r->cache, sizeof t.cache);
    list_figures(&t, r, which);
    errno = 0;
    int failed = !w || open_memory(&t, w) || sweeps(&t, w), why = errno;
    if (t.memory != MAP_FAILED)
        munmap(t.memory, t.region * (size_t)threads);
    free(w);
    return failed ? km_fail(error, "cannot measure the roofs with %d threads: %s", threads,
                            strerror(why ? why : EAGAIN))
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
