/* conv2d_winograd_plan.c: sizes of a plan. SPDX-License-Identifier: Apache-2.0 */
#include "conv2d_winograd.h"

/* Measured on Cascade Lake. DEEP: source channels from which V of a block no longer stays in L2. Tiles: FEW meet weights
 * in registers; of more than AT_ONCE, plain weights are worth transforming beforehand; SHALLOW of a block in L2. */
enum { DEEP = 192, AT_ONCE = 64, FEW = 16, SHALLOW = 14, PIECE = 4 };

static void choose_tiles(km_winograd *p, int m)
{
    p->m = m;
    p->side = m + 2;
    p->points = p->side * p->side;
    p->tiles_h = km_ceil_div(p->h, m);
    p->tiles_w = km_ceil_div(p->w, m);
    p->tiles = p->n * p->tiles_h * p->tiles_w;
}

/* Multiplications decide: only planes of one or two rows or columns have fewer with F(2,3). */
static void choose_size(km_winograd *p)
{
    choose_tiles(p, 2);
    const int64_t two = p->tiles * p->points;
    choose_tiles(p, 4);
    if (two < p->tiles * p->points)
        choose_tiles(p, 2);
}

/* What is read but once is not worth transforming beforehand; native weights are transformed outside of run. */
static km_wino_way way_of(const km_winograd *p)
{
    if (p->tiles <= FEW)
        return WINO_REGISTERS;
    return p->native || p->tiles > AT_ONCE ? WINO_BLOCKS : WINO_PIECES;
}

/* Few channels: V and M of a block stay in L2, of a panel at a time. Many: V of one point does, for all panels. Blocks
 * are of equal size, and each part has some. */
static void choose_blocks(km_winograd *p)
{
    const int deep = p->sources >= DEEP;
    const int64_t most = deep ? 8 * TILE_ROWS : km_round_up(SHALLOW, TILE_ROWS);
    p->way = way_of(p);
    p->group = p->way == WINO_BLOCKS && deep ? km_max64(1, p->panels) : 1;
    p->chunk = km_max64(1, p->source_blocks);
    if (p->way == WINO_PIECES)
        p->chunk = km_min64(p->chunk, PIECE);
    p->block = km_max64(1, p->tiles);
    if (p->way == WINO_BLOCKS) {
        const int64_t block = km_min64(most, km_ceil_div(p->block, p->parts));
        p->block = km_ceil_div(p->block, km_ceil_div(p->block, block));
    }
}

void km_wino_size(km_winograd *p)
{
    p->source_blocks = km_conv_blocks_of(p->sources);
    p->result_vectors = km_conv_blocks_of(p->results);
    p->panels = km_ceil_div(p->result_vectors, TILE_VECTORS);
    choose_size(p);
    choose_blocks(p);
    const int64_t block = p->block, lines = km_ceil_div(block * p->source_blocks * V, ALIGN);
    const int64_t vectors = p->way == WINO_REGISTERS ? 1 : p->group * TILE_VECTORS;
    const int64_t run = km_min64(p->tiles_w, block) * p->m + 2;
    p->v_plane = (lines | 1) * ALIGN; /* an odd number of cache lines: points must not collide */
    p->v_floats = p->v_plane * p->points;
    if (p->way == WINO_REGISTERS)
        p->v_plane = V;
    p->m_floats = block * vectors * V * p->points;
    p->strip_floats = p->native ? 0 : km_round_up(p->side * run * V, ALIGN);
    if (p->way == WINO_PIECES)
        p->u_floats = p->points * p->chunk * V * vectors * V;
    if (p->way == WINO_REGISTERS && !p->native)
        p->u_floats = WINO_TAPS * V * V;
    if (p->way == WINO_BLOCKS)
        p->kept_floats = km_round_up(p->points * p->sources * p->result_vectors * V, ALIGN);
}
