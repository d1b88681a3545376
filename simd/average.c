/* average.c: averages, as average.h. SPDX-License-Identifier: Apache-2.0 */
#include "average.h"

#include "pool_planes.h"

/* What window i counts along an axis. */
static double size_of(const km_axis *a, int64_t i, int with_pad)
{
    const int64_t start = i * a->stride - a->pad, end = start + a->kernel, padded = a->in + a->pad;
    return with_pad && a->stride ? (double)((end < padded ? end : padded) - start)
                                 : (double)km_elements(a, i).count;
}

static int set_scales(km_pool *p, double override, int with_pad)
{
    p->scale_h = km_pool_memory(p, p->h.out, sizeof(float));
    p->scale_w = km_pool_memory(p, p->w.out, sizeof(float));
    if (!p->scale_h || !p->scale_w)
        return -1;
    for (int64_t i = 0; i < p->h.out; i++)
        p->scale_h[i] = (float)(1 / (override != 0 ? override : size_of(&p->h, i, with_pad)));
    for (int64_t j = 0; j < p->w.out; j++)
        p->scale_w[j] = override != 0 ? 1 : (float)(1 / size_of(&p->w, j, with_pad));
    return 0;
}

const char *km_average_open(const km_args *args, int backward, const km_axis axes[2],
                            double override, int with_pad, void **plan)
{
    km_pool *p;
    const char *reason = km_pool_open(args, 0, backward, axes, &p);
    if (p && set_scales(p, override, with_pad)) {
        km_pool_close(p);
        p = 0;
        reason = "out of memory";
    }
    *plan = p;
    return reason;
}

void km_average_part(const km_args *args, int part)
{
    km_pool_run(args, part, 0);
}
