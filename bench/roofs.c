/* roofs.c: questions to the measured roofs. Pure functions of km_roofs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/roofs.h"

#include <math.h>
#include <string.h>

#include "core/cpu.h"

const char *const km_roof_level_name[KM_ROOF_LEVELS] = {"L1", "L2", "L3", "memory"};

#define MIX(r, w, p) {r, w, p},
const struct km_roof_mix km_roof_mix[KM_ROOF_MIXES] = {KM_ROOF_MIX_LIST(MIX)};
#undef MIX

int km_roof_expected(const km_roofs *r, int level, int mix, int nt)
{
    if (level != KM_MEMORY && r->cache[level] == 0)
        return 0;
    return !nt || (level == KM_MEMORY && km_roof_mix[mix].writes && !km_roof_mix[mix].in_place);
}

void km_roofs_merge(km_roofs *r, const km_roofs *other)
{
    for (int team = 0; team < KM_ROOF_TEAMS; team++) {
        for (int i = 0; i < KM_ROOF_ISAS; i++)
            r->fma[team][i] = fmax(r->fma[team][i], other->fma[team][i]);
        for (int level = 0; level < KM_ROOF_LEVELS; level++)
            for (int mix = 0; mix < KM_ROOF_MIXES; mix++)
                for (int nt = 0; nt < 2; nt++)
                    r->gbps[team][level][mix][nt] =
                        fmax(r->gbps[team][level][mix][nt], other->gbps[team][level][mix][nt]);
    }
}

static int team(const km_roofs *r, int threads)
{
    return threads > 1 && r->threads > 1 ? KM_ROOF_ALL : KM_ROOF_ONE;
}

double km_roof_compute(const km_roofs *r, const char *isa, int threads)
{
    double best = 0;
    const char *name;
    for (int i = 0; i < KM_ROOF_ISAS && (name = km_isa_at((size_t)i)); i++) {
        for (int t = 0; t <= team(r, threads); t++)
            best = fmax(best, r->fma[t][i]);
        if (isa && !strcmp(name, isa))
            break;
    }
    return best;
}

/* Seconds per GB at a level, or INFINITY. */
static double cost_of_mix(const km_roofs *r, int level, int mix, int threads)
{
    double best = 0;
    for (int t = 0; t <= team(r, threads); t++)
        for (int l = level; l < KM_ROOF_LEVELS; l++)
            for (int nt = 0; nt < 2; nt++)
                best = fmax(best, r->gbps[t][l][mix][nt]);
    return 1 / best;
}

static double share_of_writes(int mix)
{
    return (double)km_roof_mix[mix].writes / (km_roof_mix[mix].reads + km_roof_mix[mix].writes);
}

/* Between the two measured mixes around this share of writes. */
static double cost(const km_roofs *r, int level, double share, int threads)
{
    int above = 1;
    while (above < KM_ROOF_IN_PLACE - 1 && share_of_writes(above) < share)
        above++;
    double low = share_of_writes(above - 1), high = share_of_writes(above);
    double at = fmin(fmax((share - low) / (high - low), 0), 1);
    double from = cost_of_mix(r, level, above - 1, threads);
    double to = cost_of_mix(r, level, above, threads);
    return at <= 0 ? from : at >= 1 ? to : from + at * (to - from);
}

static double cost_in_place(const km_roofs *r, int level, int threads)
{
    return fmin(cost_of_mix(r, level, KM_ROOF_IN_PLACE, threads), cost(r, level, 0.5, threads));
}

static double capacity(const km_roofs *r, int level, int threads)
{
    if (level == KM_MEMORY)
        return INFINITY;
    return (double)r->cache[level] * (level < KM_L3 && threads > 1 ? threads : 1);
}

static int level_of(const km_roofs *r, double working_set, int threads)
{
    int level = KM_L1;
    while (level < KM_MEMORY && working_set > capacity(r, level, threads))
        level++;
    return level;
}

/* Sums up over the levels, each for the part of the working set that it can hold. */
static double mean_cost(const km_roofs *r, double working_set, double share, double in_place,
                        int threads)
{
    double sum = 0, held = 0;
    for (int level = KM_L1; held < working_set; level++) {
        double holds = fmin(capacity(r, level, threads), working_set);
        if (holds <= held)
            continue;
        double part = (holds - held) / working_set, mixed = 0;
        if (in_place < 1)
            mixed = (1 - in_place) * cost(r, level, share, threads);
        if (in_place > 0)
            mixed += in_place * cost_in_place(r, level, threads);
        sum += part * mixed;
        held = holds;
    }
    return sum;
}

double km_roof_bandwidth(const km_roofs *r, double working_set, int reads, int writes, int threads,
                         const char **level)
{
    double bytes = fmax(working_set, 1), share = writes / fmax(reads + writes, 1);
    if (level)
        *level = km_roof_level_name[level_of(r, bytes, threads)];
    return 1 / mean_cost(r, bytes, share, 0, threads);
}

/* What is updated counts as in-place traffic, the rest by its own mix. */
static double transfer_ns(const km_roofs *r, const km_roof_load *load, double working_set)
{
    double moved = load->read + load->written, updated = 2 * load->in_place;
    double rest = moved - updated;
    double share = rest > 0 ? (load->written - load->in_place) / rest : 0;
    if (moved <= 0)
        return 0;
    return moved * mean_cost(r, working_set, share, updated / moved, load->threads);
}

void km_roof_of_cell(const km_roofs *r, const km_roof_load *load, km_roof_limit *limit)
{
    double working_set = load->read + load->written - load->in_place;
    double arithmetic =
        load->flops > 0 ? load->flops / km_roof_compute(r, load->isa, load->threads) : 0;
    double transfer = transfer_ns(r, load, working_set);
    *limit = (km_roof_limit){
        .bound = arithmetic > transfer
                     ? "compute"
                     : km_roof_level_name[level_of(r, working_set, load->threads)],
        .ns = fmax(arithmetic, transfer),
    };
    if (!isfinite(limit->ns))
        limit->ns = 0;
}
