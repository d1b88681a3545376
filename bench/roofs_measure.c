/* roofs_measure.c: measures a team's roofs in sweeps.
 *
 * A sweep is a burst of runs of every figure. A figure's runs so lie seconds apart, and a
 * disturbance spoils a few runs of many figures rather than all runs of one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/roof_figure.h"
#include "bench/roofs.h"
#include "core/cpu.h"

enum { LEAST_SWEEPS = KM_ROOF_VARIANTS, MOST_SWEEPS = 40 };
static const double team_seconds = 4;
static const size_t least_memory = (size_t)256 << 20;

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void list_figures(km_roof_team *t, km_roofs *r, int which)
{
    const char *isa;
    for (int i = 0; i < KM_ROOF_ISAS && (isa = km_isa_at((size_t)i)); i++)
        if (!km_isa_unusable(isa) && km_roof_kernels_of(isa)) {
            t->wide[1] = t->wide[0] ? t->wide[0] : km_roof_kernels_of(isa);
            t->wide[0] = km_roof_kernels_of(isa);
            t->list[t->figures++] = (km_roof_figure){.best = &r->fma[which][i], .isa = i};
        }
    for (int level = 0; level < KM_ROOF_LEVELS; level++)
        for (int mix = 0; mix < KM_ROOF_MIXES; mix++)
            for (int nt = 0; nt < 2; nt++)
                if (km_roof_expected(r, level, mix, nt) && (!nt || t->wide[0]->stream[mix][0].nt))
                    t->list[t->figures++] =
                        (km_roof_figure){&r->gbps[which][level][mix][nt], -1, level, mix, nt, {0}};
}

/* Four times the last cache, and beyond all of them when there are several; never most of what the
 * machine has. */
static size_t memory_total(const km_roof_team *t)
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
static int open_memory(km_roof_team *t, km_roof_worker *w)
{
    size_t need = memory_total(t) / (size_t)t->threads;
    for (int level = KM_L1; level < KM_ROOF_LEVELS; level++)
        need = larger(need, 2 * km_roof_working_set(t, level, KM_ROOF_VARIANTS - 1));
    t->region = (need + KM_ROOF_SCRATCH + ((size_t)2 << 20) - 1) >> 21 << 21;
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

static int sweeps(km_roof_team *t, km_roof_worker *w)
{
    double deadline = km_roof_now() + team_seconds;
    for (int i = 0; i < MOST_SWEEPS; i++)
        for (int j = 0; j < t->figures; j++) {
            if (i >= LEAST_SWEEPS && km_roof_now() > deadline)
                return 0;
            if (km_roof_burst(t, w, &t->list[j], i % KM_ROOF_VARIANTS))
                return -1;
        }
    return 0;
}

static int measure_team(km_roofs *r, int which, int threads, km_error *error)
{
    km_roof_team t = {.threads = threads, .memory = MAP_FAILED};
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
