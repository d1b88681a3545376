/* adaptive_avg_pool2d.c: averages on a grid of given size.
 *
 * One window, the global average of a plain tensor, is a sum over a plane; a grid that divides the plane
 * evenly has windows that slide; any other grid is one of spans, as pool.h has them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "average.h"
#include "pool_native.h"

static int is_global(const km_pool *p)
{
    return p->h.out == 1 && p->w.out == 1 && p->how != POOL_BLOCKS;
}

static const char *open(const km_args *args, void **plan, int backward)
{
    km_axis axes[] = {km_axis_of(args, 0, backward), km_axis_of(args, 1, backward)};
    const int even = axes[0].out > 0 && axes[1].out > 0 && axes[0].in % axes[0].out == 0 &&
                     axes[1].in % axes[1].out == 0;
    for (int i = 0; i < 2; i++)
        axes[i].kernel = axes[i].stride = even ? axes[i].in / axes[i].out : 0;
    return km_average_open(args, backward, axes, 0, 0, plan);
}

static const char *open_forward(const km_args *args, void **plan)
{
    return open(args, plan, 0);
}

static const char *open_backward(const km_args *args, void **plan)
{
    return open(args, plan, 1);
}

/* ---- the global average ---- */

static vf plane_sum(const float *x, int64_t n)
{
    vf sum[2] = {v_set(0), v_set(0)};
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
        sum[0] = v_add(sum[0], v_load(x + i));
        sum[1] = v_add(sum[1], v_load(x + i + V));
    }
    for (; i + V <= n; i += V)
        sum[0] = v_add(sum[0], v_load(x + i));
    return v_add(sum[0], i < n ? v_add(sum[1], v_load_n(x + i, n - i)) : sum[1]);
}

/* V planes at most: the lanes of each are added after a transposition. */
static void average_planes(const float *x, float *y, int64_t planes, int64_t n)
{
    vf sum[V];
    for (int l = 0; l < V; l++)
        sum[l] = plane_sum(x + (l < planes ? l : 0) * n, n);
    v_transpose(sum);
    for (int half = V / 2; half; half /= 2)
        for (int l = 0; l < half; l++)
            sum[l] = v_add(sum[l], sum[l + half]);
    v_store_n(y, v_mul(sum[0], v_set((float)(1 / (double)n))), planes);
}

/* Rounded up to whole vectors, but for the last plane of all. */
static void fill_plane(float *grad_x, float share, int64_t n, int last)
{
    const vf v = v_set(share);
    int64_t i = 0;
    for (; i + V <= n; i += V)
        v_store(grad_x + i, v);
    if (i < n && last)
        v_store_n(grad_x + i, v, n - i);
    else if (i < n)
        v_store(grad_x + i, v);
}

static void global_part(const km_args *args, int part)
{
    const km_pool *p = args->plan;
    const int64_t plane = p->h.in * p->w.in, groups = (p->planes + V - 1) / V;
    const int64_t from = groups * part / args->threads * V;
    const int64_t cut = groups * (part + 1) / args->threads * V;
    const int64_t to = cut < p->planes ? cut : p->planes;
    const float *x = args->slot[p->backward ? KM_GRAD_Y : KM_X].data;
    float *y = args->slot[p->backward ? KM_GRAD_X : KM_Y].data;
    for (int64_t i = from; i < to && !p->backward; i += V)
        average_planes(x + i * plane, y + i, to - i < V ? to - i : V, plane);
    for (int64_t i = from; i < to && p->backward; i++)
        fill_plane(y + i * plane, x[i] / (float)plane, plane, (to - i) * plane < V + plane);
}

/* ---- passes ---- */

static void run_part(const km_args *args, int phase, int part)
{
    (void)phase;
    if (is_global(args->plan))
        global_part(args, part);
    else
        km_average_part(args, part);
}

static void run(const km_args *args)
{
    run_part(args, 0, 0);
}

extern const km_kernel KM_KERNELS(adaptive_avg_pool2d)[];
const km_kernel KM_KERNELS(adaptive_avg_pool2d)[] = {
    KM_POOL_KERNEL("adaptive_avg_pool2d", "forward", open_forward),
    KM_POOL_KERNEL("adaptive_avg_pool2d", "backward", open_backward),
    {0},
};
