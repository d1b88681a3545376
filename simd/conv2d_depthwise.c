/* conv2d_depthwise.c: one channel of input and output to each group; vectors run along rows of results.
 *
 * Four rows of results at a time, each tap's weight in a register. The input's rows are copied as conv2d.h
 * says, so strides and dilation are runs of floats, too. Gradients of weights are sums in lanes over a block,
 * then in double; where one is NaN, the channel is summed again with what meets padding set to zero on both sides.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d.h"
#include "conv2d_passes.h"

enum { COLUMNS = 4096, ROWS = 4, COMMON = 9 }; /* taps of 3x3 have code of their own */

/* The results of one residue of the strides: position (i, j) at to + i * to_row + j * to_column. */
typedef struct stage {
    km_conv_taps h, w;
    km_conv_cuts cut;
    int64_t to, to_row, to_column, taps;
    int64_t *offset, *index; /* of each tap: in the planes, in the kernel */
} stage;

typedef struct plan {
    km_conv_shape shape;
    km_slot source, result;
    int64_t stages, parts, floats;
    int64_t planes, work; /* floats of a block's planes, and of all of a part's workspace */
    float *works, *ones;  /* ones: an input of ones, for what meets padding */
    stage stage[];
} plan;

static km_conv_block block_of(const plan *p, const stage *s, int64_t image, int64_t i)
{
    km_conv_block b = km_conv_block_of(&s->cut, &s->h, &s->w, image, i);
    b.plane =
        p->source == KM_GRAD_Y ? p->shape.h.out * p->shape.w.out : p->shape.h.in * p->shape.w.in;
    b.image = p->shape.groups * b.plane;
    return b;
}

/* ---- forward and backward_data ---- */

/* rows and count: constants, or count 0 and the number of taps in `taps`. */
KM_INLINE void sum_rows(const float *planes, int64_t width, const stage *s, const float *w,
                        int rows, int64_t count, vf sum[ROWS])
{
#pragma GCC unroll 9
    for (int64_t t = 0; t < count; t++) {
        const float *from = planes + s->offset[t];
        const vf wt = v_set(w[t]);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            sum[r] = v_fma(wt, v_load(from + r * width), sum[r]);
    }
}

static void store(const stage *s, float *to, vf sum, int64_t n)
{
    float lane[V];
    if (s->to_column == 1) {
        v_store_n(to, sum, n);
        return;
    }
    v_store(lane, sum);
    for (int64_t i = 0; i < n && i < V; i++)
        to[i * s->to_column] = lane[i];
}

/* Up to ROWS rows of results; to: of the first one. */
KM_INLINE void make_rows(const stage *s, const float *planes, const float *w, float bias, int rows,
                         int64_t count, float *to)
{
    const int64_t width = km_conv_width(&s->w);
    for (int64_t j = 0; j < s->w.out; j += V) {
        vf sum[ROWS] = {v_set(bias), v_set(bias), v_set(bias), v_set(bias)};
        sum_rows(planes + j, width, s, w, rows, count, sum);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            store(s, to + r * s->to_row + j * s->to_column, sum[r], s->w.out - j);
    }
}

static void make_block(const stage *s, const km_conv_block *b, const float *planes,
                       const float *weight, float bias, float *to)
{
    const int64_t width = km_conv_width(&s->w);
    float w[COMMON];
    int64_t i = 0;
    if (s->taps == COMMON) {
        for (int t = 0; t < COMMON; t++)
            w[t] = weight[s->index[t]];
        for (; i + ROWS <= b->rows; i += ROWS)
            make_rows(s, planes + i * width, w, bias, ROWS, COMMON, to + i * s->to_row);
        for (; i < b->rows; i++)
            make_rows(s, planes + i * width, w, bias, 1, COMMON, to + i * s->to_row);
        return;
    }
    /* any other number of taps, a few at a time would not keep their order: one row, all taps */
    for (; i < b->rows; i++)
        for (int64_t j = 0; j < s->w.out; j += V) {
            vf sum = v_set(bias);
            for (int64_t t = 0; t < s->taps; t++)
                sum = v_fma(v_set(weight[s->index[t]]),
                            v_load(planes + i * width + j + s->offset[t]), sum);
            store(s, to + i * s->to_row + j * s->to_column, sum, s->w.out - j);
        }
}

static void make_channel(const plan *p, const km_args *args, int64_t channel, float *planes)
{
    const km_tensor *y = &args->slot[p->result], *bias = &args->slot[KM_BIAS];
    const int64_t plane = y->dim[2] * y->dim[3];
    const float *x = args->slot[p->source].data;
    const float *weight = args->slot[KM_WEIGHT].data;
    const float b = p->result == KM_Y && bias->count ? ((const float *)bias->data)[channel] : 0;
    weight += channel * p->shape.h.kernel * p->shape.w.kernel;
    for (int64_t i = 0; i < p->stages; i++) {
        const stage *s = &p->stage[i];
        for (int64_t j = 0; j < s->cut.blocks; j++)
            for (int64_t n = 0; n < p->shape.n; n++) {
                const km_conv_block block = block_of(p, s, n, j);
                float *to = (float *)y->data + (n * p->shape.groups + channel) * plane + s->to;
                km_conv_fill_placed(&block, x + channel * block.plane, 1, planes);
                make_block(s, &block, planes, weight, b, to + block.first_row * s->to_row);
            }
    }
}

/* ---- backward_weights ---- */

/* Taps t.. of one block: up to COMMON sums in lanes. ones: NULL, or planes that are 0 where padding is. */
KM_INLINE void sum_taps(const stage *s, const km_conv_block *b, const float *planes,
                        const float *ones, const float *grad, int64_t first, int count, vf *sum)
{
    const int64_t width = km_conv_width(&s->w), out = s->w.out;
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < out; j += V) {
            const vf g = v_load_n(grad + i * out + j, out - j);
            const int64_t at = i * width + j;
#pragma GCC unroll 9
            for (int t = 0; t < count; t++) {
                const int64_t from = s->offset[first + t] + at;
                if (ones) {
                    const vm in = v_gt(v_load_n(ones + from, out - j), v_set(0));
                    const vf x = v_select(in, v_load_n(planes + from, out - j), v_set(0));
                    sum[t] = v_fma(x, v_select(in, g, v_set(0)), sum[t]);
                } else {
                    sum[t] = v_fma(v_load_n(planes + from, out - j), g, sum[t]);
                }
            }
        }
}

/* Adds one block to the totals of all taps. */
static void add_taps(const stage *s, const km_conv_block *b, const float *planes, const float *ones,
                     const float *grad, double *total)
{
    for (int64_t t = 0; t < s->taps; t += COMMON) {
        const int64_t count = km_min64(COMMON, s->taps - t);
        vf sum[COMMON];
        for (int i = 0; i < COMMON; i++)
            sum[i] = v_set(0);
        if (count == COMMON && !ones)
            sum_taps(s, b, planes, NULL, grad, t, COMMON, sum);
        else
            for (int i = 0; i < count; i++)
                sum_taps(s, b, planes, ones, grad, t + i, 1, sum + i);
        for (int i = 0; i < count; i++)
            total[t + i] += v_sum(sum[i]);
    }
}

static void sum_channel(const plan *p, const km_args *args, int64_t channel, int careful,
                        float *work, double *total)
{
    const stage *s = &p->stage[0];
    const km_tensor *g = &args->slot[KM_GRAD_Y];
    const float *x = args->slot[KM_X].data;
    memset(total, 0, (size_t)s->taps * sizeof *total);
    for (int64_t i = 0; i < s->cut.blocks * p->shape.n; i++) {
        const km_conv_block block = block_of(p, s, i % p->shape.n, i / p->shape.n);
        km_conv_block first = block; /* of the one image of ones */
        const float *grad =
            (const float *)g->data +
            ((block.first_image * g->dim[1] + channel) * s->h.out + block.first_row) * s->w.out;
        first.first_image = 0;
        km_conv_fill_placed(&block, x + channel * block.plane, 1, work);
        if (careful)
            km_conv_fill_placed(&first, p->ones, 1, work + p->planes);
        add_taps(s, &block, work, careful ? work + p->planes : NULL, grad, total);
    }
}

static void weigh_channel(const plan *p, const km_args *args, int64_t channel, float *work)
{
    const stage *s = &p->stage[0];
    const int64_t taps = p->shape.h.kernel * p->shape.w.kernel;
    float *to = (float *)args->slot[KM_GRAD_WEIGHT].data + channel * taps;
    double *total = (double *)(work + 2 * p->planes), all = 0;
    sum_channel(p, args, channel, 0, work, total);
    for (int64_t t = 0; t < s->taps; t++)
        all += total[t];
    if (isnan(all))
        sum_channel(p, args, channel, 1, work, total);
    memset(to, 0, (size_t)taps * sizeof *to);
    for (int64_t t = 0; t < s->taps; t++)
        to[s->index[t]] = (float)total[t];
}

/* ---- parts: channels ---- */

static void run_part(const km_args *args, int phase, int part)
{
    (void)phase;
    const plan *p = args->plan;
    const int64_t channels = p->shape.groups;
    float *work = p->works + part * p->work;
    for (int64_t c = channels * part / p->parts; c < channels * (part + 1) / p->parts; c++)
        if (p->result == KM_GRAD_WEIGHT)
            weigh_channel(p, args, c, work);
        else
            make_channel(p, args, c, work);
}

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    for (int64_t i = 0; i < p->stages; i++) {
        km_conv_taps_close(&p->stage[i].h);
        km_conv_taps_close(&p->stage[i].w);
        free(p->stage[i].offset);
    }
    free(p->works);
    free(p);
}

static int open_stage(plan *p, stage *s, int64_t i, int64_t j)
{
    const int data = p->result == KM_GRAD_X;
    if (km_conv_taps_open(&s->h, &p->shape.h, data ? i : -1, 0) ||
        km_conv_taps_open(&s->w, &p->shape.w, data ? j : -1, 0))
        return -1;
    s->to = data ? i * p->shape.w.in + j : 0;
    s->to_row = data ? p->shape.h.stride * p->shape.w.in : p->shape.w.out;
    s->to_column = data ? p->shape.w.stride : 1;
    s->taps = s->h.count * s->w.count;
    km_conv_cut(&s->cut, &s->h, &s->w, p->shape.n, COLUMNS, 0);
    const km_conv_block b = {&s->h, &s->w, .layout = s->cut.rows};
    p->planes = km_max64(p->planes, km_conv_planes(&b) + V);
    s->offset = malloc((size_t)(2 * s->taps + 1) * sizeof *s->offset);
    if (!s->offset)
        return -1;
    s->index = s->offset + s->taps;
    km_conv_offsets(&b, 1, s->offset);
    for (int64_t t = 0; t < s->taps; t++)
        s->index[t] = s->h.index[t / s->w.count] * p->shape.w.kernel + s->w.index[t % s->w.count];
    return 0;
}

static int open_work(plan *p)
{
    const int64_t ones = p->shape.h.in * p->shape.w.in;
    const int64_t taps = p->shape.h.kernel * p->shape.w.kernel;
    p->planes = km_round_up(p->planes, ALIGN);
    p->work = km_round_up(2 * p->planes + 2 * taps, ALIGN);
    p->floats = km_round_up(p->parts * p->work + ones, ALIGN);
    p->works = aligned_alloc(ALIGN * sizeof(float), (size_t)p->floats * sizeof(float));
    if (!p->works)
        return -1;
    memset(p->works, 0, (size_t)p->floats * sizeof(float));
    p->ones = p->works + p->parts * p->work;
    for (int64_t i = 0; i < ones; i++)
        p->ones[i] = 1;
    return 0;
}

static int open_plan(plan *p, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            if (open_stage(p, &p->stage[p->stages++], i, j))
                return -1;
    return open_work(p);
}

static const char *open(const km_args *args, km_slot result, void **out)
{
    const km_conv_shape s = km_conv_shape_of(args->params);
    const int64_t rows = result == KM_GRAD_X ? km_min64(s.h.stride, s.h.in) : 1;
    const int64_t columns = result == KM_GRAD_X ? km_min64(s.w.stride, s.w.in) : 1;
    if (s.c != 1 || s.k != 1)
        return "not a channel to each group";
    plan *p = calloc(1, sizeof *p + (size_t)(rows * columns) * sizeof(stage));
    if (!p)
        return "out of memory";
    *p = (plan){.shape = s, .result = result, .parts = km_max64(1, args->threads)};
    p->source = result == KM_GRAD_X ? KM_GRAD_Y : KM_X;
    if (open_plan(p, rows, columns)) {
        close(p);
        return "out of memory";
    }
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    static const char impl[] = "depthwise, vectors along rows";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = p->floats * (int64_t)sizeof(float);
}

const km_conv_algorithm km_conv_depthwise = {open, run_part, close, describe, 1};
