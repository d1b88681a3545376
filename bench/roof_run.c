/* roof_run.c: threads that begin together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/roof_run.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

double km_roof_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Yields while waiting: there may be more threads than free cores. */
static void *work(void *argument)
{
    km_roof_worker *w = argument;
    if (w->warmup.turns > 0)
        w->kernel(&w->warmup);
    atomic_fetch_sub(w->waiting, 1);
    while (atomic_load(w->waiting) > 0)
        sched_yield();
    w->begin = km_roof_now();
    w->kernel(&w->job);
    w->end = km_roof_now();
    return NULL;
}

/* When there is a thread for every CPU, each gets its own: placed freely, two of them may share one
 * for as long as a run lasts. With fewer, the scheduler knows better which CPUs share a core. */
static void place(pthread_attr_t *attributes, int i, int count)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) || CPU_COUNT(&all) != count)
        return;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && i-- == 0)
            CPU_SET(cpu, &one);
    pthread_attr_setaffinity_np(attributes, sizeof one, &one);
}

static int start_one(km_roof_worker *w, pthread_t *thread, int i, int count)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
        return -1;
    place(&attributes, i, count);
    int failed = pthread_create(thread, &attributes, work, w);
    pthread_attr_destroy(&attributes);
    return failed ? -1 : 0;
}

/* Returns how many threads there are; if fewer than count, nobody waits for the others. */
static int start(km_roof_worker *w, pthread_t *thread, int count)
{
    int started = 0;
    while (started < count && !start_one(&w[started], &thread[started], started, count))
        started++;
    if (started < count)
        atomic_fetch_sub(w->waiting, count - started);
    return started;
}

static int run_threads(km_roof_worker *w, int count)
{
    pthread_t *thread = count > 0 ? calloc((size_t)count, sizeof *thread) : NULL;
    int started = thread ? start(w, thread, count) : 0;
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    free(thread);
    return started == count ? 0 : -1;
}

double km_roof_run(km_roof_worker *w, int count)
{
    atomic_int waiting = count;
    for (int i = 0; i < count; i++)
        w[i].waiting = &waiting;
    if (count == 1)
        work(w);
    else if (run_threads(w, count))
        return -1;
    double begin = w[0].begin, end = w[0].end;
    for (int i = 1; i < count; i++) {
        begin = w[i].begin < begin ? w[i].begin : begin;
        end = w[i].end > end ? w[i].end : end;
    }
    return end - begin;
}
