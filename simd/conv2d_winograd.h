/* conv2d_winograd.h: 3x3 convolutions of stride 1 by Winograd's F(4x4,3x3) or F(2x2,3x3).
 *
 * Tiles of m x m results are computed from the (m + 2) x (m + 2) pixels that they see: V = B^T d B of each source
 * channel, U = G g G^T of each pair of channels, M = sum over the channels of U V at each of the points (a product of
 * matrices: tiles by channels), results A^T M A. Tiles of all images are numbered row by row.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CONV2D_WINOGRAD_H
#define KM_CONV2D_WINOGRAD_H

#include "conv2d_native.h"

enum { WINO_TAPS = 9, WINO_SIDE = 6, WINO_POINTS = WINO_SIDE * WINO_SIDE };

/* Blocks of tiles by weights that were transformed before; all tiles by weights that are transformed when they come up
 * and never kept, a piece that stays in L2 at a time; or in registers. */
typedef enum km_wino_way { WINO_BLOCKS, WINO_PIECES, WINO_REGISTERS } km_wino_way;

typedef struct km_winograd {
    int64_t n, sources, results; /* images and channels */
    int64_t in_h, in_w, h, w;    /* planes of the source and of the result */
    int64_t pad_h, pad_w;        /* before the source; less than 0: the results start further in */
    km_slot source, result;
    int native, backward;
    int m, side, points;             /* of F(m,3): m + 2, and its square */
    int64_t tiles_h, tiles_w, tiles; /* of a plane, and of all images */
    int64_t source_blocks, result_vectors,
        panels;    /* of V channels; panels of TILE_VECTORS vectors */
    int64_t block; /* tiles that are computed together */
    int64_t group; /* panels of results computed together */
    km_wino_way way;
    int64_t chunk;   /* source blocks that are summed at a time */
    int64_t v_plane; /* in V, floats from one point to the next */
    int64_t v_floats, u_floats, m_floats, strip_floats;
    int64_t kept_floats; /* transformed weights of all channels, where the plan keeps them */
    int parts;
    float *memory, *shared, *kept; /* of all parts; V that they share; weights */
    int64_t work;                  /* floats of a part */
} km_winograd;

/* Tiles [first, first + tiles) as rows of a product, `rows` at a time. In a point's plane those of a row group have for
 * each block of channels their vectors side by side. */
typedef struct km_wino_rows {
    int64_t first, tiles, rows;
} km_wino_rows;

static inline km_wino_rows km_wino_rows_of(int64_t first, int64_t tiles)
{
    return (km_wino_rows){first, tiles,
                          tiles ? km_ceil_div(tiles, km_ceil_div(tiles, TILE_ROWS)) : 1};
}

/* Floats of the weights of a panel for `channels` source channels: at each point, of each channel, the vectors. */
static inline int64_t km_wino_vectors(const km_winograd *p, int64_t panel)
{
    return km_min64(TILE_VECTORS, p->result_vectors - panel * TILE_VECTORS);
}

#define km_conv_winograd     KM_JOIN(KM_ISA, conv_winograd)
#define km_wino_size         KM_JOIN(KM_ISA, wino_size)
#define km_wino_input        KM_JOIN(KM_ISA, wino_input)
#define km_wino_output       KM_JOIN(KM_ISA, wino_output)
#define km_wino_weights      KM_JOIN(KM_ISA, wino_weights)
#define km_wino_copy_weights KM_JOIN(KM_ISA, wino_copy_weights)
#define km_wino_few_add      KM_JOIN(KM_ISA, wino_few_add)
#define km_wino_gather       KM_JOIN(KM_ISA, wino_gather)
#define km_wino_product      KM_JOIN(KM_ISA, wino_product)

/* conv2d_winograd_plan.c: sizes of blocks and of workspace, from the case's own sizes. */
void km_wino_size(km_winograd *p);

/* conv2d_winograd_input.c: V of the source's blocks [from, to), for tiles [first, last) of r. strip: workspace. */
void km_wino_input(const km_winograd *p, const float *x, const km_wino_rows *r, int64_t first,
                   int64_t last, int64_t from, int64_t to, float *strip, float *v);

/* conv2d_winograd_output.c: results of one vector of channels from its M: of each tile the points, tiles `step` apart. */
void km_wino_output(const km_winograd *p, const float *m, int64_t step, const km_wino_rows *r,
                    int64_t vector, const float *bias, float *strip, float *y);

/* conv2d_winograd_weights.c: U of a panel for source channels [from, to): of each channel the vectors, points `plane`
 * floats apart. weight: plain, or copied as below. */
void km_wino_weights(const km_winograd *p, const float *weight, int copied, int64_t panel,
                     int64_t from, int64_t to, float *u, int64_t plane);

/* Native weights of a plan that does not transform them beforehand: of each vector of results, of each source, the taps. */
void km_wino_copy_weights(const km_winograd *p, const float *weight, float *copy);

/* conv2d_winograd_product.c: one row group by one panel. */
typedef struct km_wino_tile {
    const float *v, *u; /* v: of each block of channels the rows; u: of each channel the vectors */
    int64_t channels;
    float *m; /* row i, vector j at m + i * row + j * vector */
    int64_t row, vector;
    int add; /* nonzero: to what is in m */
} km_wino_tile;

void km_wino_product(const km_wino_tile *t, int vectors, int rows);

/* conv2d_winograd_few.c: adds to m the products of few tiles with one vector of results, for `channels` source
 * channels, at most V. v: of each tile its points, all channels of each. m: of each tile its points. */
typedef struct km_wino_few {
    const float *taps, *v;
    int64_t tiles, channels;
    int in_place; /* the taps of further channels follow */
    float *m;
} km_wino_few;

void km_wino_few_add(const km_wino_few *f, int m);

/* Taps of one source channel and a vector of results, from plain weights, in the order in which they meet the source. */
void km_wino_gather(const km_winograd *p, const float *weight, int64_t vector, int64_t source,
                    float *taps);

/* conv2d_winograd.c: the kernels; open declines cases that do not ask for them. */
extern const km_kernel km_conv_winograd[];

#endif
