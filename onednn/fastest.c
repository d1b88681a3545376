/* fastest.c: plans timed against each other, by turns, so that a change of clock meets them all.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fastest.h"

#include <stdlib.h>
#include <time.h>

/* The first round warms up. A plan that takes `hopeless` times the least so far runs no more. */
enum { LEAST_ROUNDS = 2, MOST_ROUNDS = 30 };
static const double budget = 0.015, hopeless = 5, hopeless_when_cold = 20;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Written, because pages that nobody wrote are all the same page in the cache. */
static float *some_numbers(int64_t count)
{
    float *data = aligned_alloc(64, ((size_t)count * sizeof(float) + 63) / 64 * 64);
    for (int64_t i = 0; data && i < count; i++)
        data[i] = (float)(i % 7 - 3);
    return data;
}

static int borrow(km_args *args, const int64_t *count)
{
    int failed = 0;
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        args->slot[s].data = count[s] ? some_numbers(count[s]) : NULL;
        failed |= count[s] && !args->slot[s].data;
    }
    return failed;
}

static void give_back(km_args *args)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        free(args->slot[s].data);
}

static double seconds_of(plan *p, km_args *args)
{
    args->plan = p;
    const double start = now();
    km_onednn_run(args);
    return now() - start;
}

static int compete(plan *const *candidate, int plans, km_args *args)
{
    double least[MAX_CANDIDATES];
    int out[MAX_CANDIDATES] = {0}, best = 0;
    const double start = now();
    for (int round = 0; round < MOST_ROUNDS; round++) {
        for (int i = 0; i < plans; i++) {
            if (out[i])
                continue;
            const double took = seconds_of(candidate[i], args);
            const double limit = round ? hopeless : hopeless_when_cold;
            least[i] = round < 2 || took < least[i] ? took : least[i];
            best = least[i] < least[best] ? i : best;
            out[i] = i != best && took > limit * least[best];
        }
        if (round + 1 >= LEAST_ROUNDS && now() - start > budget)
            break;
    }
    return best;
}

int km_onednn_fastest(plan *const *candidate, int plans, const km_args *args, const int64_t *count)
{
    km_args own = *args;
    if (plans == 1)
        return 0;
    const int best = borrow(&own, count) ? -1 : compete(candidate, plans, &own);
    give_back(&own);
    return best;
}
