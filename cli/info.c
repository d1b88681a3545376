/* info.c: kernelmark info: the machine as kernelmark sees it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "bench/gbench.h"
#include "bench/noise.h"
#include "bench/roofs.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "core/build_info.h"
#include "core/cpu.h"
#include "core/registry.h"
#include "verify/isolate.h"

static void print_machine(void)
{
    km_cpu cpu;
    const char *isa;
    km_cpu_read(&cpu);
    printf("kernelmark  %s, commit %s%s, %s\n", km_version, km_build_commit(),
           km_build_dirty() ? " (modified)" : "", km_compiler);
    printf("cpu         %s, %d cores\n", cpu.model, cpu.cores);
    printf("caches      L1d %lld KiB, L2 %lld KiB, L3 %lld KiB\n", (long long)cpu.l1d >> 10,
           (long long)cpu.l2 >> 10, (long long)cpu.l3 >> 10);
    printf("governor    %s\n", *cpu.governor ? cpu.governor : "not readable");
    for (size_t i = 0; (isa = km_isa_at(i)); i++) {
        const char *unusable = km_isa_unusable(isa);
        printf("isa         %-9s %s\n", isa, unusable ? unusable : "usable");
    }
}

static void print_backends(void)
{
    const char *gbench = km_gbench_version();
    for (size_t i = 0; i < km_backend_count(); i++) {
        const km_backend *b = km_backend_at(i);
        const char *unusable = km_backend_unusable(b);
        const char *version = !unusable && b->version ? b->version() : NULL;
        printf("backend     %-9s %s%s%s\n", b->name, unusable ? unusable : b->summary,
               version ? ", version " : "", version ? version : "");
    }
    printf("library     Google Benchmark %s\n", gbench ? gbench : "not built in");
}

typedef struct job {
    km_roofs *roofs;
    km_error *error;
    int threads;
    km_roofs_how how;
} job;

static void get_roofs(void *job_)
{
    const job *j = job_;
    km_roofs_get(j->roofs, j->threads, j->how, j->error);
}

static void print_bandwidth(const km_roofs *r, int team)
{
    static const char *const how[] = {"", ", past the caches"};
    for (int level = 0; level < KM_ROOF_LEVELS; level++)
        for (int mix = 0; mix < KM_ROOF_MIXES; mix++)
            for (int nt = 0; nt < 2; nt++)
                if (r->gbps[team][level][mix][nt] > 0)
                    printf("roof        %-6s %d read : %d written%s%s, %d thread%s: %.1f GB/s\n",
                           km_roof_level_name[level], km_roof_mix[mix].reads,
                           km_roof_mix[mix].writes, km_roof_mix[mix].in_place ? " in place" : "",
                           how[nt], team == KM_ROOF_ONE ? 1 : r->threads,
                           team == KM_ROOF_ONE ? "" : "s", r->gbps[team][level][mix][nt]);
}

static void print_team(const km_roofs *r, int team)
{
    const char *isa;
    for (size_t i = 0; (isa = km_isa_at(i)); i++)
        if (r->fma[team][i] > 0)
            printf("roof        FMA %-9s %d thread%s: %.1f GFLOP/s\n", isa,
                   team == KM_ROOF_ONE ? 1 : r->threads, team == KM_ROOF_ONE ? "" : "s",
                   r->fma[team][i]);
    print_bandwidth(r, team);
}

static int print_roofs(const km_options *options, int threads, km_error *error)
{
    char reason[256];
    job j = {km_shared_open(sizeof *j.roofs), km_shared_open(sizeof *j.error), threads,
             options->measure_roofs};
    if (!j.roofs || !j.error)
        return km_fail(error, "out of memory");
    if (km_isolate(get_roofs, &j, 300, reason, sizeof reason))
        return km_fail(error, "measuring the roofs failed: %.200s", reason);
    if (*j.error->text)
        fprintf(stderr, "kernelmark: %s\n", j.error->text);
    print_team(j.roofs, KM_ROOF_ONE);
    if (threads > 1)
        print_team(j.roofs, KM_ROOF_ALL);
    return 0;
}

int km_command_info(const km_options *options)
{
    km_error error;
    km_noise noise;
    int threads;
    if (km_setup_backends(options, &error) || km_setup_threads(options, &threads, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    if (options->words.count) {
        km_fail(&error, "info takes no '%.60s'", options->words.text[0]);
        return km_complain(KM_EXIT_USAGE, &error);
    }
    print_machine();
    print_backends();
    fflush(stdout);
    if (print_roofs(options, threads, &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    km_noise_read(&noise);
    printf("noise       load %.2f per core, equal work varies by %.1f %%\n", noise.load,
           100 * noise.jitter);
    for (int i = 0; i < noise.advices; i++)
        printf("advice      %s\n", noise.advice[i]);
    return KM_EXIT_OK;
}
