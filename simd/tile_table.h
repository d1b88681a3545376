/* tile_table.h: defines tile_any, which calls a register tile with its size as constants: a function for each width, with
 * a case for each height. TILE_RUN: the tile, always inlined, of (const TILE_TYPE *, vectors, rows).
 * Included once by what has such a tile. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TILE_TABLE_H
#define KM_TILE_TABLE_H

#define TILE_HEIGHT(rows)                                                                          \
    case rows:                                                                                     \
        TILE_RUN(t, VECTORS, rows);                                                                \
        break;
#define TILE_WIDTH(vectors)                                                                        \
    static void tile_##vectors(const TILE_TYPE *t, int rows)                                       \
    {                                                                                              \
        enum { VECTORS = vectors };                                                                \
        switch (rows) {                                                                            \
            TILE_HEIGHTS(TILE_HEIGHT)                                                              \
        }                                                                                          \
    }
TILE_WIDTHS(TILE_WIDTH)

static inline void tile_any(const TILE_TYPE *t, int vectors, int rows)
{
    typedef void (*tile_fn)(const TILE_TYPE *, int);
#define TILE_ENTRY(v) tile_##v,
    static const tile_fn tiles[TILE_VECTORS] = {TILE_WIDTHS(TILE_ENTRY)};
    tiles[vectors - 1](t, rows);
}

#endif
