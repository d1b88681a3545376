/* cpu.c: ISA levels by compiler built-ins (which ask CPUID and the OS), the rest from sysfs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int always(void)
{
    return 1;
}

#if defined __x86_64__ || defined __i386__
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#define has_neon NULL
#else
#define has_avx2   NULL
#define has_avx512 NULL
#if defined __aarch64__
#define has_neon always /* part of the AArch64 baseline */
#else
#define has_neon NULL
#endif
#endif

static const struct {
    const char *name;
    int lanes;
    int (*present)(void);
    const char *missing;
} levels[] = {
    {"baseline", 1, always, ""},
    {"neon", 4, has_neon, "this CPU has no NEON"},
    {"avx2", 8, has_avx2, "this CPU or OS has no AVX2 with FMA"},
    {"avx512", 16, has_avx512, "this CPU or OS has no AVX-512 F, BW, DQ and VL"},
};
enum { LEVELS = sizeof levels / sizeof *levels };
static int cap = LEVELS - 1;

const char *km_isa_at(size_t i)
{
    return i < LEVELS ? levels[i].name : NULL;
}

static int level(const char *isa)
{
    for (int i = 0; i < LEVELS; i++)
        if (!strcmp(levels[i].name, isa))
            return i;
    return -1;
}

int km_isa_lanes(const char *isa)
{
    int i = level(isa);
    return i < 0 ? 0 : levels[i].lanes;
}

const char *km_isa_unusable(const char *isa)
{
    int i = level(isa);
    if (i < 0)
        return "unknown ISA level";
    if (!levels[i].present || !levels[i].present())
        return levels[i].missing;
    return i > cap ? "above the --isa cap" : NULL;
}

static const char *isa_candidate(size_t i, const void *unused)
{
    (void)unused;
    return km_isa_at(i);
}

int km_isa_cap(const char *isa, km_error *error)
{
    int i = level(isa);
    const char *near = i < 0 ? km_nearest(isa, isa_candidate, NULL) : NULL;
    if (i < 0 && near)
        return km_fail(error, "unknown ISA level '%.60s'; did you mean '%s'?", isa, near);
    if (i < 0)
        return km_fail(error, "unknown ISA level '%.60s'; levels are baseline, neon, avx2, avx512",
                       isa);
    cap = i;
    return 0;
}

/* First line of a small file, without newline; empty if unreadable. */
static void read_line(const char *path, char *line, size_t size)
{
    *line = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    if (fgets(line, (int)size, f))
        line[strcspn(line, "\n")] = 0;
    fclose(f);
}

static void read_model(char *model, size_t size)
{
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(model, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!strncmp(line, "model name", 10) && colon) {
            line[strcspn(line, "\n")] = 0;
            snprintf(model, size, "%.120s", colon + 2);
            break;
        }
    }
    if (f)
        fclose(f);
}

static int64_t cache_bytes(int index, int *cache_level, int *instruction)
{
    char path[96], text[64], *end;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", index);
    read_line(path, text, sizeof text);
    *cache_level = atoi(text);
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", index);
    read_line(path, text, sizeof text);
    *instruction = !strcmp(text, "Instruction");
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
    read_line(path, text, sizeof text);
    int64_t bytes = strtoll(text, &end, 10);
    return *end == 'K' ? bytes << 10 : *end == 'M' ? bytes << 20 : bytes;
}

void km_cpu_read(km_cpu *cpu)
{
    *cpu = (km_cpu){0};
    read_model(cpu->model, sizeof cpu->model);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", cpu->governor,
              sizeof cpu->governor);
    cpu_set_t set;
    cpu->cores = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    int64_t *const size[] = {NULL, &cpu->l1d, &cpu->l2, &cpu->l3};
    for (int i = 0; i < 8; i++) {
        int cache_level, instruction;
        int64_t bytes = cache_bytes(i, &cache_level, &instruction);
        if (cache_level >= 1 && cache_level <= 3 && !instruction)
            *size[cache_level] = bytes;
    }
}
