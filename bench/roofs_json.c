/* roofs_json.c: the roofs as JSON, for run files and for the cache, and back.
 *
 *     {"threads": 2, "caches": {"L1": 32768, ...},
 *      "fma": {"avx2": GFLOP/s with all threads, ...}, "fma_one_thread": {...},
 *      "bandwidth": [{"level": "L1", "reads": 1, "writes": 1, "in_place": false, "nt": false,
 *                     "threads": 1, "gbps": 250.1}, ...]}
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench/roofs.h"
#include "core/cpu.h"

static const char *const fma_key[KM_ROOF_TEAMS] = {"fma_one_thread", "fma"};
static const double most_plausible = 1e7; /* GB/s or GFLOP/s */

static int threads_of(const km_roofs *r, int team)
{
    return team == KM_ROOF_ALL ? r->threads : 1;
}

/* With one thread both teams are the same, and measured once. */
static int first_team(const km_roofs *r)
{
    return r->threads > 1 ? KM_ROOF_ALL : KM_ROOF_ONE;
}

static json_t *fma_object(const double fma[KM_ROOF_ISAS])
{
    json_t *object = json_object();
    const char *isa;
    for (int i = 0; i < KM_ROOF_ISAS && (isa = km_isa_at((size_t)i)); i++)
        if (fma[i] > 0)
            json_object_set_new(object, isa, json_real(fma[i]));
    return object;
}

static void append_stream(json_t *list, const km_roofs *r, int team, int level, int mix, int nt)
{
    const struct km_roof_mix *m = &km_roof_mix[mix];
    double gbps = r->gbps[team][level][mix][nt];
    if (gbps > 0)
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:b, s:b, s:i, s:f}", "level",
                                              km_roof_level_name[level], "reads", m->reads,
                                              "writes", m->writes, "in_place", m->in_place, "nt",
                                              nt, "threads", threads_of(r, team), "gbps", gbps));
}

json_t *km_roofs_json(const km_roofs *r)
{
    json_t *list = json_array(), *caches = json_object();
    for (int level = 0; level < KM_MEMORY; level++)
        json_object_set_new(caches, km_roof_level_name[level], json_integer(r->cache[level]));
    for (int team = KM_ROOF_ONE; team <= first_team(r); team++)
        for (int level = 0; level < KM_ROOF_LEVELS; level++)
            for (int mix = 0; mix < KM_ROOF_MIXES; mix++)
                for (int nt = 0; nt < 2; nt++)
                    append_stream(list, r, team, level, mix, nt);
    return json_pack("{s:i, s:o, s:o, s:o, s:o}", "threads", r->threads, "caches", caches, "fma",
                     fma_object(r->fma[first_team(r)]), "fma_one_thread",
                     fma_object(r->fma[KM_ROOF_ONE]), "bandwidth", list);
}

/* ---- back ---------------------------------------------------------------------------------- */

static int plausible(const json_t *value)
{
    double x = json_number_value(value);
    return json_is_number(value) && x > 0 && x < most_plausible;
}

/* Every usable level that has kernels in this build, and no other. */
static int parse_fma(const json_t *object, double fma[KM_ROOF_ISAS])
{
    size_t found = 0;
    const char *isa;
    for (int i = 0; i < KM_ROOF_ISAS && (isa = km_isa_at((size_t)i)); i++) {
        if (km_isa_unusable(isa) || !km_roof_kernels_of(isa))
            continue;
        const json_t *value = json_object_get(object, isa);
        if (!plausible(value))
            return -1;
        fma[i] = json_number_value(value);
        found++;
    }
    return found == json_object_size(object) ? 0 : -1;
}

static int parse_stream(const json_t *entry, km_roofs *r)
{
    const char *level;
    int reads, writes, in_place, nt, threads;
    json_t *gbps;
    if (json_unpack((json_t *)entry, "{s:s, s:i, s:i, s:b, s:b, s:i, s:o !}", "level", &level,
                    "reads", &reads, "writes", &writes, "in_place", &in_place, "nt", &nt, "threads",
                    &threads, "gbps", &gbps) ||
        !plausible(gbps) || (threads != 1 && threads != r->threads))
        return -1;
    int l = 0, m = 0, team = threads > 1 ? KM_ROOF_ALL : KM_ROOF_ONE;
    while (l < KM_ROOF_LEVELS && strcmp(km_roof_level_name[l], level))
        l++;
    while (m < KM_ROOF_MIXES && (km_roof_mix[m].reads != reads || km_roof_mix[m].writes != writes ||
                                 km_roof_mix[m].in_place != in_place))
        m++;
    if (l == KM_ROOF_LEVELS || m == KM_ROOF_MIXES || !km_roof_expected(r, l, m, nt) ||
        r->gbps[team][l][m][nt] > 0)
        return -1;
    r->gbps[team][l][m][nt] = json_number_value(gbps);
    return 0;
}

/* Streaming stores may be missing: not every build has them. */
static int complete(const km_roofs *r)
{
    for (int team = KM_ROOF_ONE; team <= first_team(r); team++)
        for (int level = 0; level < KM_ROOF_LEVELS; level++)
            for (int mix = 0; mix < KM_ROOF_MIXES; mix++)
                if (km_roof_expected(r, level, mix, 0) && !(r->gbps[team][level][mix][0] > 0))
                    return 0;
    return 1;
}

static int parse_caches(const json_t *caches, km_roofs *r)
{
    km_roofs_caches(r);
    for (int level = 0; level < KM_MEMORY; level++)
        if (json_integer_value(json_object_get(caches, km_roof_level_name[level])) !=
            r->cache[level])
            return -1;
    return 0;
}

int km_roofs_parse(const json_t *object, km_roofs *r, km_error *error)
{
    *r = (km_roofs){.threads = (int)json_integer_value(json_object_get(object, "threads"))};
    const json_t *list = json_object_get(object, "bandwidth");
    if (r->threads < 1)
        return km_fail(error, "\"threads\" is missing or not a count");
    if (parse_caches(json_object_get(object, "caches"), r))
        return km_fail(error, "\"caches\" are not this machine's");
    for (int team = KM_ROOF_ONE; team <= first_team(r); team++)
        if (parse_fma(json_object_get(object, fma_key[team]), r->fma[team]))
            return km_fail(error, "\"%s\" does not hold this machine's ISA levels", fma_key[team]);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (parse_stream(json_array_get(list, i), r))
            return km_fail(error, "\"bandwidth\" entry %zu is not valid", i);
    return complete(r) ? 0 : km_fail(error, "\"bandwidth\" is not complete");
}
