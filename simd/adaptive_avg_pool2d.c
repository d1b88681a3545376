/* adaptive_avg_pool2d.c: averages on a grid of given size.
 *
 * One window, the global average, is a sum over a plane; a grid that divides the plane evenly has
 * windows that slide (average.h). Any other grid goes row by row: rows are added as vectors, then the
 * columns of each window one by one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "average.h"

typedef struct span {
    int64_t from, to;
} span;

typedef struct plan {
    enum { GLOBAL, EVEN, UNEVEN } grid;
    km_pool *inner; /* EVEN: of average.h, a km_gradient for backward */
    km_pool pool;
    span *rows, *columns;     /* forward: elements of a window; backward: windows of an element */
    float *count_h, *count_w; /* of windows */
    float *scratch;
    int64_t line; /* elements of scratch memory of each part */
    void (*close)(void *);
} plan;

static span elements(const km_axis *a, int64_t i)
{
    return (span){i * a->in / a->out, ((i + 1) * a->in + a->out - 1) / a->out};
}

/* The windows that hold element i: i + 1 > from and i < to, solved for the window. */
static span windows(const km_axis *a, int64_t i)
{
    return (span){i * a->out / a->in, ((i + 1) * a->out + a->in - 1) / a->in};
}

static int set_tables(plan *p, int backward)
{
    const km_axis *h = &p->pool.h, *w = &p->pool.w;
    const int64_t rows = backward ? h->in : h->out, columns = backward ? w->in : w->out;
    p->rows = km_pool_memory(&p->pool, rows, sizeof *p->rows);
    p->columns = km_pool_memory(&p->pool, columns, sizeof *p->columns);
    p->count_h = km_pool_memory(&p->pool, h->out, sizeof(float));
    p->count_w = km_pool_memory(&p->pool, w->out + V, sizeof(float));
    if (!p->rows || !p->columns || !p->count_h || !p->count_w)
        return -1;
    for (int64_t i = 0; i < rows; i++)
        p->rows[i] = (backward ? windows : elements)(h, i);
    for (int64_t j = 0; j < columns; j++)
        p->columns[j] = (backward ? windows : elements)(w, j);
    for (int64_t i = 0; i < h->out; i++)
        p->count_h[i] = (float)(elements(h, i).to - elements(h, i).from);
    for (int64_t j = 0; j < w->out + V; j++)
        p->count_w[j] = j < w->out ? (float)(elements(w, j).to - elements(w, j).from) : 1;
    return 0;
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    if (p->inner)
        p->close(p->inner);
    for (int i = 0; i < p->pool.memories; i++)
        free(p->pool.memory[i]);
    free(p);
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    if (p->inner)
        km_pool_describe(p->inner, info); /* a km_gradient starts with its pool */
    else
        info->workspace_bytes = p->pool.bytes;
}

/* A grid of windows that are their own stride. */
static const char *open_even(plan *p, const km_args *args, int backward)
{
    km_axis axes[2] = {p->pool.h, p->pool.w};
    for (int i = 0; i < 2; i++) {
        axes[i].kernel = axes[i].stride = axes[i].in / axes[i].out;
        axes[i].dilation = 1;
    }
    p->close = backward ? km_gradient_close : km_pool_close;
    return (backward ? km_average_gradient_open : km_average_open)(args, axes[0], axes[1], 0, 1,
                                                                   (void **)&p->inner);
}

static const char *open_uneven(plan *p, const km_args *args, int backward)
{
    const int parts = args->threads > 1 ? args->threads : 1;
    p->line = ((backward ? p->pool.w.out : p->pool.w.in) + 2 * V - 1) / V * V;
    p->scratch = km_pool_memory(&p->pool, p->line * parts, sizeof(float));
    return !p->scratch || set_tables(p, backward) ? "out of memory" : 0;
}

static const char *open(const km_args *args, void **out, int backward)
{
    plan *p = calloc(1, sizeof *p);
    const char *reason = 0;
    if (!p)
        return "out of memory";
    const km_slot x = backward ? KM_GRAD_X : KM_X, y = backward ? KM_GRAD_Y : KM_Y;
    km_axis h = km_axis_of(args, 0, x, y), w = km_axis_of(args, 1, x, y);
    h.stride = w.stride = 1; /* until it is known */
    km_pool_axes(&p->pool, args, h, w);
    if (h.out == 1 && w.out == 1) {
        p->grid = GLOBAL;
    } else if (h.out > 0 && w.out > 0 && h.in % h.out == 0 && w.in % w.out == 0) {
        p->grid = EVEN;
        reason = open_even(p, args, backward);
    } else {
        p->grid = UNEVEN;
        reason = open_uneven(p, args, backward);
    }
    if (reason) {
        close(p);
        p = 0;
    }
    *out = p;
    return reason;
}

/* ---- the global average ---- */

static float plane_average(const float *x, int64_t n)
{
    vf sum[2] = {v_set(0), v_set(0)};
    int64_t i = 0;
    for (; i + 2 * V <= n; i += 2 * V) {
        sum[0] = v_add(sum[0], v_load(x + i));
        sum[1] = v_add(sum[1], v_load(x + i + V));
    }
    for (; i < n; i += V)
        sum[i / V % 2] = v_add(sum[i / V % 2], v_load_n(x + i, n - i));
    return (float)(v_sum(v_add(sum[0], sum[1])) / (double)n);
}

static void fill_plane(float *grad_x, float share, int64_t n)
{
    const vf v = v_set(share);
    for (int64_t i = 0; i < n; i += V)
        v_store_n(grad_x + i, v, n - i);
}

/* ---- uneven grids ---- */

static float sum_of(const float *line, span s)
{
    float sum = 0;
    for (int64_t i = s.from; i < s.to; i++)
        sum += line[i];
    return sum;
}

static void average_uneven(const plan *p, float *line, const float *x, float *y)
{
    const int64_t width = p->pool.w.in;
    for (int64_t i = 0; i < p->pool.h.out; i++, y += p->pool.w.out) {
        for (int64_t w = 0; w < width; w += V) {
            vf sum = v_set(0);
            for (int64_t h = p->rows[i].from; h < p->rows[i].to; h++)
                sum = v_add(sum, v_load_n(x + h * width + w, width - w));
            v_store(line + w, sum);
        }
        for (int64_t j = 0; j < p->pool.w.out; j++)
            y[j] = sum_of(line, p->columns[j]) / (p->count_h[i] * p->count_w[j]);
    }
}

static void spread_uneven(const plan *p, float *line, const float *g, float *grad_x)
{
    const int64_t out = p->pool.w.out;
    for (int64_t h = 0; h < p->pool.h.in; h++, grad_x += p->pool.w.in) {
        for (int64_t j = 0; j < out; j += V) {
            vf sum = v_set(0);
            for (int64_t i = p->rows[h].from; i < p->rows[h].to; i++) {
                const vf count = v_mul(v_set(p->count_h[i]), v_load(p->count_w + j));
                sum = v_add(sum, v_div(v_load_n(g + i * out + j, out - j), count));
            }
            v_store(line + j, sum);
        }
        for (int64_t w = 0; w < p->pool.w.in; w++)
            grad_x[w] = sum_of(line, p->columns[w]);
    }
}

/* ---- passes ---- */

static void forward_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    const int64_t inputs = p->pool.h.in * p->pool.w.in, outputs = p->pool.h.out * p->pool.w.out;
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    int64_t from, to;
    (void)phase;
    if (p->inner) {
        km_args inner = *args;
        inner.plan = p->inner;
        km_average_part(&inner, part);
        return;
    }
    km_pool_range(&p->pool, p->pool.planes, args->threads, part, &from, &to);
    for (int64_t i = from; i < to; i++)
        if (p->grid == GLOBAL)
            y[i] = plane_average(x + i * inputs, inputs);
        else
            average_uneven(p, p->scratch + part * p->line, x + i * inputs, y + i * outputs);
}

static void backward_part(const km_args *args, int phase, int part)
{
    const plan *p = args->plan;
    const int64_t inputs = p->pool.h.in * p->pool.w.in, outputs = p->pool.h.out * p->pool.w.out;
    const float *g = args->slot[KM_GRAD_Y].data;
    float *grad_x = args->slot[KM_GRAD_X].data;
    int64_t from, to;
    (void)phase;
    if (p->inner) {
        km_args inner = *args;
        inner.plan = p->inner;
        km_gradient_planes(&inner, part, 0);
        return;
    }
    km_pool_range(&p->pool, p->pool.planes, args->threads, part, &from, &to);
    for (int64_t i = from; i < to; i++)
        if (p->grid == GLOBAL)
            fill_plane(grad_x + i * inputs, g[i] / (float)inputs, inputs);
        else
            spread_uneven(p, p->scratch + part * p->line, g + i * outputs, grad_x + i * inputs);
}

static const char *open_forward(const km_args *args, void **out)
{
    return open(args, out, 0);
}

static const char *open_backward(const km_args *args, void **out)
{
    return open(args, out, 1);
}

static void forward(const km_args *args)
{
    forward_part(args, 0, 0);
}

static void backward(const km_args *args)
{
    backward_part(args, 0, 0);
}

extern const km_kernel KM_KERNELS(adaptive_avg_pool2d)[];
const km_kernel KM_KERNELS(adaptive_avg_pool2d)[] = {
    {.op = "adaptive_avg_pool2d",
     .pass = "forward",
     .open = open_forward,
     .run = forward,
     .run_part = forward_part,
     .close = close,
     .describe = describe},
    {.op = "adaptive_avg_pool2d",
     .pass = "backward",
     .open = open_backward,
     .run = backward,
     .run_part = backward_part,
     .close = close,
     .describe = describe},
    {0},
};
