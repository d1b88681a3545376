/* conv2d_depthwise_rows.c: forward and backward_data of plain planes, vectors along rows.
 *
 * A tile is ROWS rows of results by a vector. For each column of taps, each row of the source is loaded once, and a
 * column of weights stays in registers beside the sums. A last tile overlaps the one before and forms the same sums
 * again. With two residues of the columns, results of both are zipped. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_depthwise_rows.h"
#include "conv2d_passes.h"

enum { ROWS = 7, MOST = 7 }; /* MOST: rows of taps */

typedef struct plan {
    km_conv_shape shape;
    km_depth_plan depth;
    km_slot source, result;
    int64_t parts, taps; /* taps: of the kernel */
    int64_t work;        /* floats of a part */
    float *works;
    km_depth_lanes **lanes; /* of each stage */
} plan;

/* ---- a tile ---- */

typedef struct tile {
    const km_conv_taps *w;
    const km_depth_lanes *lanes; /* of all strips */
    const float *weights;        /* column of taps, row of taps */
    const float *x;              /* column 0 of the row of the first result's first tap */
    float *to;                   /* the first result */
    int64_t x_row, to_row;
    float start;
    int low, high; /* rows of the source that lie inside */
    int64_t j;     /* column of the first result */
} tile;

/* masked: some columns lie outside; checked: some rows do. */
KM_INLINE void tile_sum(const tile *t, int64_t j, int taps, int step, int rows, int masked,
                        int checked, vf *sum)
{
    const km_depth_lanes *lanes = t->lanes + j / V * t->w->count;
    const int low = t->low, high = t->high;
#pragma GCC unroll 7
    for (int r = 0; r < rows; r++)
        sum[r] = v_set(t->start);
    for (int64_t c = 0; c < t->w->count; c++) {
        const float *x = t->x + j * step + t->w->place[c];
        const km_depth_lanes in = masked ? lanes[c] : (km_depth_lanes){0};
        vf w[MOST];
#pragma GCC unroll 7
        for (int k = 0; k < taps; k++)
            w[k] = v_set(t->weights[c * taps + k]);
#pragma GCC unroll 21
        for (int i = 0; i < (rows - 1) * step + taps; i++, x += t->x_row) {
            if (checked && (i < low || i >= high))
                continue;
            const vf xi = km_depth_load(x, &in, step, masked);
#pragma GCC unroll 7
            for (int k = 0; k < taps; k++)
                if (i >= k && (i - k) % step == 0 && (i - k) / step < rows)
                    sum[(i - k) / step] = v_fma(xi, w[k], sum[(i - k) / step]);
        }
    }
}

/* Inner strips up to column `end`, each whole. */
KM_INLINE void tile_inner(const tile *t, int64_t end, int taps, int step, int rows)
{
    for (int64_t j = t->j; j < end; j += V) {
        vf sum[ROWS];
        tile_sum(t, j, taps, step, rows, 0, 0, sum);
#pragma GCC unroll 7
        for (int r = 0; r < rows; r++)
            v_store(t->to + r * t->to_row + (j - t->j), sum[r]);
    }
}

/* One strip, of which n columns are wanted. */
KM_INLINE void tile_edge(const tile *t, int64_t n, int taps, int step, int rows, int checked)
{
    vf sum[ROWS];
    tile_sum(t, t->j, taps, step, rows, 1, checked, sum);
#pragma GCC unroll 7
    for (int r = 0; r < rows; r++)
        v_store_n(t->to + r * t->to_row, sum[r], n);
}

enum { INNER, SIDE, CORNER, KINDS };

#define TILE(taps, step, rows)                                                                     \
    static void tile_0_##taps##_##step##_##rows(const tile *t, int64_t end)                        \
    {                                                                                              \
        tile_inner(t, end, taps, step, rows);                                                      \
    }                                                                                              \
    static void tile_1_##taps##_##step##_##rows(const tile *t, int64_t n)                          \
    {                                                                                              \
        tile_edge(t, n, taps, step, rows, 0);                                                      \
    }                                                                                              \
    static void tile_2_##taps##_##step##_##rows(const tile *t, int64_t n)                          \
    {                                                                                              \
        tile_edge(t, n, taps, step, rows, 1);                                                      \
    }
#define TILES(taps, step) TILE(taps, step, 1) TILE(taps, step, 7)
TILES(1, 1)
TILES(2, 1)
TILES(3, 1)
TILES(5, 1)
TILES(7, 1)
TILES(3, 2)
TILES(5, 2)
TILES(7, 2)

/* By step, rows of taps, one row or ROWS, kind. */
typedef void (*tile_fn)(const tile *, int64_t);
#define ENTRY(t, s, r) tile_0_##t##_##s##_##r, tile_1_##t##_##s##_##r, tile_2_##t##_##s##_##r
#define ENTRIES(t, s)  [t] = {{ENTRY(t, s, 1)}, {ENTRY(t, s, 7)}}
static const tile_fn tiles[2][MOST + 1][2][KINDS] = {
    {ENTRIES(1, 1), ENTRIES(2, 1), ENTRIES(3, 1), ENTRIES(5, 1), ENTRIES(7, 1)},
    {ENTRIES(3, 2), ENTRIES(5, 2), ENTRIES(7, 2)},
};

/* ---- planes ---- */

/* One plane of a stage's results, or of two stages that are zipped. */
typedef struct job {
    const plan *p;
    const km_depth_stage *s;
    const tile_fn *fns;
    tile tile;
    int rows;
    const float *x;
    float *buffer;
} job;

/* The rows of results from row i on. */
static void set_rows(job *j, int64_t i)
{
    const km_conv_taps *h = &j->s->h;
    const int64_t at = h->place[km_depth_tap(h, 0)] + i * h->step;
    j->tile.x = j->x + at * j->tile.x_row;
    j->tile.low = (int)km_max64(0, -at);
    j->tile.high = (int)km_min64(h->in - at, (j->rows - 1) * h->step + h->count);
}

static int is_inside(const job *j)
{
    const km_conv_taps *h = &j->s->h;
    return j->tile.low == 0 && j->tile.high == (j->rows - 1) * h->step + h->count;
}

/* All columns of the rows, to y. */
static void run_columns(job *j, float *y)
{
    const km_depth_stage *s = j->s;
    const int64_t end = s->w.out;
    const int inside = is_inside(j);
    tile *t = &j->tile;
    for (t->j = 0; t->j < end;) {
        t->to = y + t->j;
        if (inside && t->j >= s->strip && t->j < s->strips_end) {
            j->fns[INNER](t, s->strips_end);
            t->j = s->strips_end;
        } else {
            j->fns[inside ? SIDE : CORNER](t, end - t->j);
            t->j += V;
        }
    }
}

/* A strip at column `column` of a residue of the columns, to the buffer. */
static void run_strip(job *j, int64_t column, float *to)
{
    const km_depth_stage *s = j->s;
    tile *t = &j->tile;
    t->to = to;
    t->j = column;
    if (is_inside(j) && column >= s->strip && column < s->strips_end)
        j->fns[INNER](t, column + V);
    else if (column < s->w.out)
        j->fns[is_inside(j) ? SIDE : CORNER](t, V);
}

/* Two residues of the columns, each with its job. y: of the first row. */
static void run_zipped(job *even, job *odd, float *y)
{
    const int64_t width = even->p->shape.w.in, row = even->s->to_row;
    float *first = even->buffer, *second = first + ROWS * V;
    for (int64_t c = 0; c < even->s->w.out; c += V) {
        const int64_t left = width - 2 * c;
        run_strip(even, c, first);
        run_strip(odd, c, second);
        for (int r = 0; r < even->rows; r++) {
            const vf a = v_load(first + r * V), b = v_load(second + r * V);
            float *to = y + r * row + 2 * c;
            v_store_n(to, v_zip_low(a, b), left);
            if (left > V)
                v_store_n(to + V, v_zip_high(a, b), left - V);
        }
    }
}

static void run_rows(job *j, int64_t i, float *y)
{
    y += j->s->to + i * j->s->to_row;
    set_rows(j, i);
    if (j->s->to_column == 1) {
        run_columns(j, y);
        return;
    }
    set_rows(j + 1, i);
    run_zipped(j, j + 1, y);
}

/* Weights of a stage: columns of taps, rows in the order of their places. */
static void order_weights(const plan *p, const km_depth_stage *s, const float *weight, float *to)
{
    const int64_t rows = s->h.count;
    for (int64_t r = 0; r < rows; r++) {
        const float *from = weight + s->h.index[km_depth_tap(&s->h, r)] * p->shape.w.kernel;
        for (int64_t c = 0; c < s->w.count; c++)
            to[c * rows + r] = from[s->w.index[c]];
    }
}

static void open_job(job *j, const plan *p, int64_t stage, const float *x, float start, float *work)
{
    const km_depth_stage *s = &p->depth.stage[stage];
    *j = (job){.p = p, .s = s, .rows = s->h.out >= ROWS ? ROWS : 1, .x = x};
    j->fns = tiles[s->h.step - 1][s->h.count][j->rows == ROWS];
    j->buffer = work + p->depth.stages * p->taps;
    j->tile = (tile){.w = &s->w, .weights = work + stage * p->taps, .start = start};
    j->tile.lanes = p->lanes[stage];
    j->tile.x_row = p->depth.x_row;
    j->tile.to_row = s->to_column == 1 ? s->to_row : V;
}

static void run_plane(const plan *p, const float *x, const float *weight, float start, float *y,
                      float *work)
{
    const int64_t pair = p->depth.stage->to_column;
    for (int64_t i = 0; i < p->depth.stages; i++)
        order_weights(p, &p->depth.stage[i], weight, work + i * p->taps);
    for (int64_t i = 0; i < p->depth.stages; i += pair) {
        const int64_t out = p->depth.stage[i].h.out;
        job j[2];
        for (int64_t k = 0; k < pair; k++)
            open_job(&j[k], p, i + k, x, start, work);
        const int64_t rows = j->rows;
        int64_t r = 0;
        for (; r + rows <= out; r += rows)
            run_rows(j, r, y);
        if (r < out)
            run_rows(j, out - rows, y);
    }
}

/* ---- parts: planes ---- */

static void run_part(const km_args *args, int phase, int part)
{
    (void)phase;
    const plan *p = args->plan;
    const km_conv_shape *s = &p->shape;
    const int64_t channels = s->groups * s->k, planes = s->n * channels;
    const km_tensor *biases = &args->slot[KM_BIAS];
    const float *bias = p->result == KM_Y && biases->count ? biases->data : NULL;
    const int64_t in = p->result == KM_Y ? s->h.in * s->w.in : s->h.out * s->w.out;
    const int64_t out = p->result == KM_Y ? s->h.out * s->w.out : s->h.in * s->w.in;
    int64_t i = planes * part / p->parts, channel = i % channels;
    for (; i < planes * (part + 1) / p->parts; i++) {
        run_plane(p, (const float *)args->slot[p->source].data + (s->k == 1 ? i : i / s->k) * in,
                  (const float *)args->slot[KM_WEIGHT].data + channel * p->taps,
                  bias ? bias[channel] : 0, (float *)args->slot[p->result].data + i * out,
                  p->works + part * p->work);
        if (++channel == channels)
            channel = 0;
    }
}

/* ---- plan ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    for (int64_t i = 0; p->lanes && i < p->depth.stages; i++)
        free(p->lanes[i]);
    km_depth_close(&p->depth);
    free(p->lanes);
    free(p->works);
    free(p);
}

/* Whether there are tiles for it. Taps that never meet the input are gone: what is left may have gaps. */
static int has_tile(const km_depth_stage *s)
{
    const km_conv_taps *h = &s->h;
    if (h->step != s->w.step || h->step > 2 || h->count > MOST ||
        !tiles[h->step - 1][h->count][0][0] || s->to_column > 2)
        return 0;
    for (int64_t i = 1; i < h->count; i++)
        if (h->place[km_depth_tap(h, i)] != h->place[km_depth_tap(h, i - 1)] + 1)
            return 0;
    return 1;
}

static int open_plan(plan *p)
{
    int failed = km_depth_open(&p->depth, &p->shape, p->result == KM_GRAD_X);
    p->taps = p->shape.h.kernel * p->shape.w.kernel;
    p->work = km_round_up(p->depth.stages * p->taps + 2 * ROWS * V, ALIGN);
    p->works = aligned_alloc(ALIGN * sizeof(float), (size_t)(p->parts * p->work) * sizeof(float));
    p->lanes = calloc((size_t)p->depth.stages, sizeof *p->lanes);
    for (int64_t i = 0; !failed && p->lanes && i < p->depth.stages; i++) {
        p->lanes[i] = km_depth_strips(&p->depth.stage[i].w);
        failed |= !p->lanes[i];
    }
    return failed || !p->works || !p->lanes ? -1 : 0;
}

/* Sums over the channels of a group are others' business. */
static int is_for_others(const km_conv_shape *s, km_slot result)
{
    return s->c != 1 || s->k == 0 || (result == KM_GRAD_X && (s->k > 1 || s->w.in < 2)) ||
           km_depth_is_short(s, s->w.out) || s->w.stride > 2 || s->h.kernel > 2 * MOST;
}

static const char *open(const km_args *args, km_slot result, void **out)
{
    static const char reason[] = "no tile of rows for it";
    const km_conv_shape s = km_conv_shape_of(args->params);
    if (is_for_others(&s, result))
        return reason;
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    *p = (plan){.shape = s, .result = result, .parts = km_max64(1, args->threads)};
    p->source = result == KM_Y ? KM_X : KM_GRAD_Y;
    if (open_plan(p)) {
        close(p);
        return "out of memory";
    }
    for (int64_t i = 0; i < p->depth.stages; i++)
        if (!has_tile(&p->depth.stage[i])) {
            close(p);
            return reason;
        }
    *out = p;
    return NULL;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    static const char impl[] = "depthwise, tiles of rows";
    memcpy(info->impl, impl, sizeof impl);
    info->workspace_bytes = p->parts * p->work * (int64_t)sizeof(float);
}

const km_conv_algorithm km_conv_rows = {open, run_part, close, describe, 1};
