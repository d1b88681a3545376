/* roof_figure.c: lays out the arrays of a figure and runs its kernel.
 *
 * Runs are short, as on a busy machine nobody has all its CPUs for long.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/roof_figure.h"

#include "core/cpu.h"

enum { BURST = 4 };
static const double run_seconds = 0.6e-3;
static const size_t least_slice = (size_t)32 << 20;

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Of a cache, a part of what one thread has; of a shared L3 more than the L2s hold, but a small part: others,
 * on a virtual machine unseen ones, hold most of it, and what they push out comes from memory. Of memory, a
 * slice as large as the L3, so that the next one finds nothing of itself there. */
size_t km_roof_working_set(const km_roof_team *t, int level, int variant)
{
    size_t threads = (size_t)t->threads, quarters = variant & 2 ? 3 : 2;
    if (level == KM_MEMORY)
        return larger(larger(least_slice, (size_t)t->cache[KM_L3]) / threads, (size_t)1 << 20);
    if (level == KM_L3)
        return larger((size_t)t->cache[KM_L3] / 8 * (quarters - 1) / threads,
                      (size_t)t->cache[KM_L2] * 2);
    return (size_t)t->cache[level] / 4 * quarters;
}

static const km_roof_kernels *kernels_of(const km_roof_team *t, const km_roof_figure *f,
                                         int variant)
{
    return f->isa < 0 ? t->wide[variant & 1] : km_roof_kernels_of(km_isa_at((size_t)f->isa));
}

static const km_roof_stream *stream_of(const km_roof_team *t, const km_roof_figure *f, int variant)
{
    return &kernels_of(t, f, variant)->stream[f->mix][variant >> 1 & 1];
}

/* Arrays one after the other in 1/parts of the working set, in whole pages where they are long
 * enough: loads and stores that are a little more than a multiple of a page apart are mistaken for
 * each other (4K aliasing). */
static km_roof_job lay_out(const km_roof_team *t, const km_roof_figure *f, int thread, int variant,
                           size_t parts)
{
    size_t arrays = f->isa < 0 ? (size_t)stream_of(t, f, variant)->arrays : 0;
    size_t each = arrays ? km_roof_working_set(t, f->level, variant) / parts / arrays : 0;
    size_t unit = each >= 4096 ? 4096 : KM_ROOF_STEP;
    char *scratch = t->memory + (size_t)thread * t->region;
    char *data = scratch + KM_ROOF_SCRATCH + (f->level == KM_MEMORY ? t->cursor : 0);
    km_roof_job job = {.bytes = each / unit * unit, .turns = 1};
    job.ahead = f->level >= KM_L3 && variant & 4;
    for (size_t i = 0; i <= KM_ROOF_ARRAYS; i++)
        job.array[i] = i < arrays ? data + i * job.bytes : scratch;
    return job;
}

/* On to memory that was not touched for longest. */
static void advance(km_roof_team *t, size_t bytes)
{
    t->cursor += bytes;
    if (KM_ROOF_SCRATCH + t->cursor + km_roof_working_set(t, KM_MEMORY, 0) > t->region)
        t->cursor = 0;
}

static size_t parts_of(const km_roof_figure *f)
{
    return f->level == KM_MEMORY ? BURST : 1;
}

/* Seconds that `turns` turns take over 1/parts of the working set; -1 on failure. */
static double run_figure(km_roof_team *t, km_roof_worker *w, const km_roof_figure *f, int variant,
                         int64_t turns, size_t parts)
{
    for (int i = 0; i < t->threads; i++) {
        w[i] = (km_roof_worker){.job = lay_out(t, f, i, variant, parts)};
        w[i].kernel = f->isa >= 0 ? kernels_of(t, f, variant)->fma
                      : f->nt     ? stream_of(t, f, variant)->nt
                                  : stream_of(t, f, variant)->plain;
        if (f->level < KM_L3) /* one's own caches; the thread may be on another core than before */
            w[i].warmup = w[i].job;
        w[i].job.turns = turns;
    }
    if (f->level == KM_MEMORY)
        advance(t, km_roof_working_set(t, KM_MEMORY, 0) / parts);
    return km_roof_run(w, t->threads);
}

/* Fills the shared cache with the working set; before runs in memory, with what such a run leaves
 * there, so that each line brought in throws out one of the same kind. */
static int settle(km_roof_team *t, km_roof_worker *w, const km_roof_figure *f, int variant)
{
    return f->level >= KM_L3 && run_figure(t, w, f, variant, 1, 1) < 0 ? -1 : 0;
}

/* Operations or bytes of one turn of the whole team, in units of 1e9. */
static double amount(const km_roof_team *t, const km_roof_figure *f, int variant)
{
    if (f->isa >= 0)
        return kernels_of(t, f, variant)->flops_per_turn * t->threads * 1e-9;
    double bytes = (double)lay_out(t, f, 0, variant, parts_of(f)).bytes;
    int transfers = stream_of(t, f, variant)->arrays * (km_roof_mix[f->mix].in_place ? 2 : 1);
    return bytes * transfers * t->threads * 1e-9;
}

/* Doubles the turns until they can be timed, then scales them to a run's length. */
static int calibrate(km_roof_team *t, km_roof_worker *w, km_roof_figure *f, int variant)
{
    int64_t turns = 1;
    double seconds = 0, shortest = f->level == KM_MEMORY ? 0 : run_seconds / 8;
    while ((seconds = run_figure(t, w, f, variant, turns, parts_of(f))) >= 0 && seconds < shortest)
        turns *= 2;
    if (seconds < 0)
        return -1;
    double scale = f->level == KM_MEMORY ? 1 : run_seconds / seconds;
    f->turns[variant] = scale > 1 ? (int64_t)((double)turns * scale) : turns;
    return 0;
}

int km_roof_burst(km_roof_team *t, km_roof_worker *w, km_roof_figure *f, int variant)
{
    if (settle(t, w, f, variant) || (!f->turns[variant] && calibrate(t, w, f, variant)))
        return -1;
    for (int i = 0; i < BURST; i++) {
        double seconds = run_figure(t, w, f, variant, f->turns[variant], parts_of(f));
        double rate = amount(t, f, variant) * (double)f->turns[variant] / seconds;
        if (seconds < 0)
            return -1;
        if (seconds > 0 && rate > *f->best)
            *f->best = rate;
    }
    return 0;
}
