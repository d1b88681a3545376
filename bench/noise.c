/* noise.c: load, frequency governor, stolen time, and the scatter of a fixed piece of work.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/noise.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/stats.h"
#include "core/cpu.h"

enum { PIECES = 200, STEPS = 200000 };
static const double busy_load = 0.5, wide_jitter = 0.10, much_steal = 0.02;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void advise(km_noise *n, int noisy, const char *text)
{
    if (n->advices < KM_MAX_ADVICE)
        snprintf(n->advice[n->advices++], sizeof n->advice[0], "%s", text);
    n->noisy |= noisy;
}

/* A chain of dependent multiplications: its time depends on the clock and on interruptions alone. */
static double measure_jitter(void)
{
    double took[PIECES];
    volatile uint64_t sink = 1;
    for (int i = 0; i < PIECES; i++) {
        uint64_t x = sink;
        double start = now();
        for (int k = 0; k < STEPS; k++)
            x = x * 6364136223846793005u + 1442695040888963407u;
        sink = x;
        took[i] = now() - start;
    }
    return km_quantile(took, PIECES, 0.9) / km_quantile(took, PIECES, 0) - 1;
}

/* Share of the time since boot in which the hypervisor ran somebody else; 0 if unreadable. */
static double read_steal(void)
{
    double v[8] = {0}, all = 0;
    FILE *f = fopen("/proc/stat", "r");
    int got = f ? fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3],
                         &v[4], &v[5], &v[6], &v[7])
                : 0;
    if (f)
        fclose(f);
    for (int i = 0; i < got; i++)
        all += i == 3 || i == 4 ? 0 : v[i]; /* idle time says nothing */
    return got == 8 && all > 0 ? v[7] / all : 0;
}

static double read_load(int cores)
{
    double load = 0;
    FILE *f = fopen("/proc/loadavg", "r");
    if (f && fscanf(f, "%lf", &load) != 1)
        load = 0;
    if (f)
        fclose(f);
    return cores ? load / cores : load;
}

void km_noise_read(km_noise *n)
{
    km_cpu cpu;
    char text[160];
    *n = (km_noise){0};
    km_cpu_read(&cpu);
    n->load = read_load(cpu.cores);
    n->jitter = measure_jitter();
    double steal = read_steal();
    if (n->load > busy_load) {
        snprintf(text, sizeof text,
                 "load is %.2f per core: other programs share the caches; stop them first",
                 n->load);
        advise(n, 1, text);
    }
    if (n->jitter > wide_jitter) {
        snprintf(text, sizeof text,
                 "equal pieces of work vary by %.0f %%: expect wide intervals; use --repetitions",
                 100 * n->jitter);
        advise(n, 1, text);
    }
    if (steal > much_steal) {
        snprintf(text, sizeof text,
                 "the hypervisor took %.1f %% of the busy time: compare within one run only",
                 100 * steal);
        advise(n, 0, text);
    }
    if (*cpu.governor && strcmp(cpu.governor, "performance")) {
        snprintf(text, sizeof text,
                 "frequency governor is %.20s: 'cpupower frequency-set -g performance' steadies it",
                 cpu.governor);
        advise(n, 0, text);
    }
}
