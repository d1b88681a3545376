/* conv2d_native_weights_plan.c: plans of backward_weights over blocked tensors, and their layouts.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_native_weights.h"

/* What a tile reads of a block, FLOATS, stays in the first cache. */
enum { FLOATS = 5376, PIXELS = 112 };

typedef km_conv_native_weights_plan plan;

static void run(const km_args *args)
{
    const plan *p = args->plan;
    for (int part = 0; part < p->parts; part++)
        km_conv_native_weights_part(args, 0, part);
}

/* ---- native layouts ---- */

static km_conv_filters filters_of(const plan *p)
{
    const km_conv_shape *s = &p->shape;
    const int64_t taps = s->h.kernel * s->w.kernel;
    return (km_conv_filters){&p->h, &p->w, s->c, s->k, V, taps, s->c * taps, s->w.kernel};
}

static int64_t native_count(const void *plan_, km_slot slot)
{
    const plan *p = plan_;
    const km_conv_blocked b = km_conv_native_weights_blocked(p, slot);
    const km_conv_filters f = filters_of(p);
    if (slot == KM_GRAD_WEIGHT)
        return p->shape.groups * km_conv_filters_count(&f);
    return slot == KM_X || slot == KM_GRAD_Y ? km_conv_blocked_count(&b) : 0;
}

static void to_native(void *plan_, km_slot slot, const void *plain, void *native)
{
    const km_conv_blocked b = km_conv_native_weights_blocked(plan_, slot);
    km_conv_to_blocks(&b, plain, native);
}

static void from_native(void *plan_, km_slot slot, const void *native, void *plain)
{
    const plan *p = plan_;
    const km_conv_shape *s = &p->shape;
    const km_conv_filters f = filters_of(p);
    const int64_t size = f.result_step * s->k;
    if (slot != KM_GRAD_WEIGHT)
        return;
    memset(plain, 0, (size_t)(s->groups * size) * sizeof(float)); /* taps that meet no input */
    for (int64_t g = 0; g < s->groups; g++)
        km_conv_copy_filters(&f, (float *)plain + g * size,
                             (float *)native + g * km_conv_filters_count(&f), 1);
}

/* ---- plan ---- */

static void close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    km_conv_taps_close(&p->h);
    km_conv_taps_close(&p->w);
    free(p->offset);
    free(p->copies);
    free(p);
}

static void cut(plan *p)
{
    const int64_t read = km_min64(p->h.step, p->h.count) * km_min64(p->w.step, p->w.count) * V;
    const int64_t pixels = p->gathered ? PIXELS : km_min64(PIXELS, FLOATS / (read + TILE_COLUMNS));
    const int64_t wanted = km_max64(1, pixels / p->w.out);
    const int64_t blocks = km_ceil_div(p->h.out, km_min64(p->h.out, wanted));
    p->rows = km_ceil_div(p->h.out, blocks);
    p->images = blocks > 1 ? 1 : km_max64(1, km_min64(p->shape.n, wanted / p->rows));
    p->joined = !p->gathered && km_conv_windows_joined(&p->w);
    p->width = p->in_place ? p->w.in : km_conv_windows_reach(&p->w, p->w.out);
    p->copy = p->in_place ? 0 : km_conv_windows_reach(&p->h, p->rows) * p->width * V;
    const km_conv_block b = {.h = &p->h, .w = &p->w, .layout = p->rows};
    if (p->gathered)
        p->copy = km_round_up(km_conv_planes(&b) * V, ALIGN);
}

/* Short rows take longer to change than to sum. */
static int open_taps(plan *p)
{
    enum { LONG = 12, LONG_OF_STRIDE = 24 };
    const km_conv_shape *s = &p->shape;
    if (km_conv_taps_open(&p->h, &s->h, -1, 0) || km_conv_taps_open(&p->w, &s->w, -1, 0))
        return -1;
    if (!km_conv_native_weights_taps(p))
        return 0;
    p->in_place = km_conv_windows_inside(&p->h) && km_conv_windows_inside(&p->w);
    p->gathered = !p->in_place && p->w.out < (p->w.step == 1 ? LONG : LONG_OF_STRIDE);
    if (!p->gathered)
        return 0;
    km_conv_taps_close(&p->w);
    return km_conv_taps_open(&p->w, &s->w, -1, 1);
}

/* Where balanced tiles begin, and where the last ends; returns what follows. */
static int64_t *fill_starts(int64_t *to, int64_t count, int64_t most)
{
    const int64_t tiles = km_ceil_div(count, most);
    for (int64_t i = 0; i <= tiles; i++)
        *to++ = km_conv_tile_start(count, most, i);
    return to;
}

static void fill_offsets(plan *p)
{
    const km_conv_block b = {.h = &p->h, .w = &p->w, .layout = p->rows};
    const int64_t top = p->in_place ? 0 : p->h.place[0], left = p->in_place ? 0 : p->w.place[0];
    if (p->gathered)
        km_conv_offsets(&b, 1, p->offset);
    for (int64_t i = 0; i < km_conv_native_weights_taps(p); i++) {
        const int64_t row = p->h.place[i / p->w.count] - top,
                      column = p->w.place[i % p->w.count] - left;
        p->offset[i] = (p->gathered ? p->offset[i] : row * p->width + column) * V;
    }
}

static int open_tables(plan *p)
{
    const int64_t vectors = km_conv_blocks_of(p->shape.k), rows = (p->joined ? p->w.count : 1) * V;
    p->offset = malloc((size_t)(km_conv_native_weights_taps(p) + vectors + rows + V + 3) *
                       sizeof *p->offset);
    if (!p->offset)
        return -1;
    fill_offsets(p);
    p->tile = p->offset + km_conv_native_weights_taps(p);
    p->piece = fill_starts(p->tile, vectors, TILE_VECTORS);
    p->rest = fill_starts(p->piece, rows, TILE_ROWS);
    fill_starts(p->rest, p->shape.c % V, TILE_ROWS);
    return 0;
}

static int open_work(plan *p)
{
    const int64_t floats = km_round_up(p->parts * p->images * p->copy + ALIGN, ALIGN);
    p->copies = aligned_alloc(ALIGN * sizeof(float), (size_t)floats * sizeof(float));
    return p->copies ? open_tables(p) : -1;
}

/* Plain tensors fill the vectors with pixels, whatever the channels. */
static int is_for_plain(const km_conv_shape *c)
{
    return c->n == 0 || c->c < V / 2 || c->k * 4 < km_round_up(c->k, V) * 3;
}

static const char *open(const km_args *args, void **out)
{
    const km_conv_shape c = km_conv_shape_of(args->params);
    if (is_for_plain(&c))
        return "few channels";
    plan *p = calloc(1, sizeof *p);
    int failed = !p;
    if (p) {
        p->shape = c;
        p->parts = km_max64(1, args->threads);
        failed = open_taps(p);
        if (!failed && km_conv_native_weights_taps(p)) {
            cut(p);
            failed = open_work(p);
        }
    }
    const char *reason = failed                           ? "out of memory"
                         : km_conv_native_weights_taps(p) ? NULL
                                                          : "no tap meets the input";
    if (reason)
        close(p);
    else
        *out = p;
    return reason;
}

static void describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    strcpy(info->impl, "direct, blocked channels");
    info->workspace_bytes = p->parts * p->images * p->copy * (int64_t)sizeof *p->copies;
}

const km_kernel km_conv_native_weights[] = {{.op = "conv2d",
                                             .pass = "backward_weights",
                                             .open = open,
                                             .run = run,
                                             .close = close,
                                             .describe = describe,
                                             .run_part = km_conv_native_weights_part,
                                             .native_count = native_count,
                                             .to_native = to_native,
                                             .from_native = from_native},
                                            {0}};
