/* schedule.c: learning rates by epoch or by metric.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark_train.h>
#include <math.h>
#include <stddef.h>

double km_step_lr(double base_lr, int64_t step_size, double gamma, int64_t epoch)
{
    return base_lr * pow(gamma, (double)(epoch / step_size));
}

double km_cosine_lr(double base_lr, double eta_min, int64_t t_max, int64_t epoch)
{
    const double turn = cos(3.14159265358979323846 * (double)epoch / (double)t_max);
    return eta_min + (base_lr - eta_min) * (1 + turn) / 2;
}

const char *km_plateau_open(km_plateau *p)
{
    p->best = p->maximize ? -INFINITY : INFINITY;
    p->bad = p->cooling = 0;
    if (!(p->lr >= 0) || !isfinite(p->lr))
        return "lr must be finite, 0 or more";
    if (!(p->factor > 0 && p->factor < 1))
        return "factor must lie in (0, 1)";
    if (!(p->threshold >= 0) || !(p->min_lr >= 0) || !(p->eps >= 0))
        return "threshold, min_lr and eps must be 0 or more";
    return p->patience < 0 || p->cooldown < 0 ? "patience and cooldown must be 0 or more" : NULL;
}

/* False for a NaN. */
static int is_better(const km_plateau *p, double metric)
{
    if (p->maximize)
        return metric > (p->absolute ? p->best + p->threshold : p->best * (1 + p->threshold));
    return metric < (p->absolute ? p->best - p->threshold : p->best * (1 - p->threshold));
}

static void reduce(km_plateau *p)
{
    const double lower = fmax(p->lr * p->factor, p->min_lr);
    if (p->lr - lower > p->eps)
        p->lr = lower;
    p->cooling = p->cooldown;
    p->bad = 0;
}

double km_plateau_step(km_plateau *p, double metric)
{
    const int better = is_better(p, metric);
    p->bad = better ? 0 : p->bad + 1;
    if (better)
        p->best = metric;
    if (p->cooling > 0) {
        p->cooling--;
        p->bad = 0;
    }
    if (p->bad > p->patience)
        reduce(p);
    return p->lr;
}
