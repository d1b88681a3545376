/* early_stop.c: when to stop, and the parameters as they were at their best.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark_train.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t elements(const km_parameters *p)
{
    size_t n = 0;
    for (int i = 0; i < p->tensors; i++)
        n += (size_t)p->count[i];
    return n;
}

const char *km_early_stop_open(km_early_stop *e, const km_parameters *p)
{
    e->kept = NULL;
    e->best = e->maximize ? -INFINITY : INFINITY;
    e->bad = 0;
    e->epoch = e->best_epoch = -1;
    if (e->patience < 1)
        return "patience must be 1 or more";
    if (!(e->min_delta >= 0) || !isfinite(e->min_delta))
        return "min_delta must be finite, 0 or more";
    e->kept = malloc((elements(p) + 1) * sizeof *e->kept);
    return e->kept ? NULL : "out of memory";
}

/* False for a NaN. */
static int is_better(const km_early_stop *e, double metric)
{
    return e->maximize ? metric > e->best + e->min_delta : metric < e->best - e->min_delta;
}

int km_early_stop_step(km_early_stop *e, double metric, const km_parameters *p)
{
    float *to = e->kept;
    e->epoch++;
    if (!is_better(e, metric))
        return ++e->bad >= e->patience;
    e->best = metric;
    e->best_epoch = e->epoch;
    e->bad = 0;
    for (int i = 0; i < p->tensors; to += p->count[i++])
        memcpy(to, p->tensor[i], (size_t)p->count[i] * sizeof *to);
    return 0;
}

int km_early_stop_restore(const km_early_stop *e, const km_parameters *p)
{
    const float *from = e->kept;
    if (e->best_epoch < 0)
        return -1;
    for (int i = 0; i < p->tensors; from += p->count[i++])
        memcpy(p->tensor[i], from, (size_t)p->count[i] * sizeof *from);
    return 0;
}

void km_early_stop_close(km_early_stop *e)
{
    free(e->kept);
    e->kept = NULL;
}
