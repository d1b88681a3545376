/* conv2d_native_tile.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_native_tile.h"
#include "tile_step.h"

/* AHEAD: floats of weights between what is multiplied and what is fetched from L2. */
enum { LINE = 16, AHEAD = 16 * TILE_COLUMNS, EACH = 4 };

/* What the tile will write, and other weights, while it computes: a few lines for each term, so that no others wait. */
KM_INLINE void expect_some(const km_conv_pixels *t, int64_t term, int vectors, int rows)
{
    const float *w = t->ahead + term * t->lines * LINE, *end = w + t->lines * LINE;
    for (int64_t i = term * EACH; i < (term + 1) * EACH && i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            __builtin_prefetch(t->y + t->to[i] + v * t->y_vector, 1);
    for (; w < end; w += LINE)
        __builtin_prefetch(w, 0, 2);
}

/* One channel of all pixels by its weights. */
KM_INLINE void multiply(vf *sum, const float *x, int step, const float *w, int vectors, int rows)
{
#pragma GCC unroll 4
    for (int v = 0; v < vectors * V; v += LINE)
        __builtin_prefetch(w + AHEAD + v);
    km_tile_step(sum, x, step, w, V, vectors, rows);
}

/* A step of the loop over channels is short enough to be repeated from the queue of decoded instructions: where another
 * thread shares the core's decoders, longer loops take a fifth more time. */
KM_INLINE void sum_blocked(const km_conv_pixels *t, vf *sum, int vectors, int rows)
{
    const float *w = t->w;
    const int64_t *offset = t->offset, *full = offset + t->full, *end = offset + t->terms;
    const int64_t *others = offset + (t->lines ? t->full : (rows + EACH - 1) / EACH);
    for (; offset < full; offset++) {
        const float *x = t->x + offset[0], *next = t->x + offset[1];
        if (offset < others)
            expect_some(t, offset - t->offset, vectors, rows);
#pragma GCC unroll 1
        for (int c = 0; c < V; c++, w += vectors * V) {
            __builtin_prefetch(next + c * V);
            multiply(sum, x + c, V, w, vectors, rows);
        }
    }
    for (; offset < end; offset++)
        for (int64_t c = 0; c < t->last; c++, w += vectors * V)
            multiply(sum, t->x + offset[0] + c, V, w, vectors, rows);
}

KM_INLINE void sum_flat(const km_conv_pixels *t, vf *sum, int vectors, int rows)
{
    for (int i = 0; i * EACH < rows; i++)
        expect_some(t, i, vectors, rows);
    const float *w = t->w, *x = t->x + *t->offset;
    const int64_t *end = t->offset + t->terms;
    for (const int64_t *offset = t->offset + 1; offset <= end; offset++, w += vectors * V) {
        const float *next = t->x + *offset;
        multiply(sum, x, 1, w, vectors, rows);
        x = next;
    }
}

KM_INLINE void store(const km_conv_pixels *t, const vf *sum, int vectors, int rows)
{
    const int64_t *to = t->to, next = t->y_vector;
    float *y = t->y;
    if (t->add) {
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                float *at = y + to[i] + v * next;
                v_store(at, v_add(sum[i * vectors + v], v_load(at)));
            }
        return;
    }
    vf bias[TILE_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        bias[v] = t->bias ? v_load_n(t->bias + v * V, v == vectors - 1 ? t->lanes : V) : v_set(0);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            v_store(y + to[i] + v * next, v_add(sum[i * vectors + v], bias[v]));
}

/* Padding must be zero even where a pixel is NaN. */
KM_INLINE void clear_padding(const km_conv_pixels *t, int vectors, int rows)
{
    float *last = t->y + (vectors - 1) * t->y_vector;
    for (int i = 0; i < rows; i++)
        v_store(last + t->to[i], v_load_n(last + t->to[i], t->lanes));
}

KM_INLINE void run(const km_conv_pixels *t, int vectors, int rows, int is_flat)
{
    vf sum[TILE_SUMS];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = v_set(0);
    if (is_flat)
        sum_flat(t, sum, vectors, rows);
    else
        sum_blocked(t, sum, vectors, rows);
    store(t, sum, vectors, rows);
    if (t->lanes < V)
        clear_padding(t, vectors, rows);
}

/* A function for each width, with a case for each height; blocked, and from planes. */
#define HEIGHT(rows)                                                                               \
    case rows:                                                                                     \
        run(t, VECTORS, rows, FLAT);                                                               \
        break;
#define PIXELS(name, vectors, flat)                                                                \
    static void name(const km_conv_pixels *t, int rows)                                            \
    {                                                                                              \
        enum { VECTORS = vectors, FLAT = flat };                                                   \
        switch (rows) {                                                                            \
            TILE_HEIGHTS(HEIGHT)                                                                   \
        }                                                                                          \
    }
#define BLOCKED(vectors) PIXELS(blocked_##vectors, vectors, 0)
#define FLAT(vectors)    PIXELS(flat_##vectors, vectors, 1)
TILE_WIDTHS(BLOCKED)
TILE_WIDTHS(FLAT)

void km_conv_pixels_any(const km_conv_pixels *t, int vectors, int rows, int is_flat)
{
    typedef void (*tile_fn)(const km_conv_pixels *, int);
#define BLOCKED_ENTRY(v) blocked_##v,
#define FLAT_ENTRY(v)    flat_##v,
    static const tile_fn tiles[2][TILE_VECTORS] = {{TILE_WIDTHS(BLOCKED_ENTRY)},
                                                   {TILE_WIDTHS(FLAT_ENTRY)}};
    tiles[is_flat][vectors - 1](t, rows);
}
