/* pieces.h: lists of tensors (km_use.list): each piece in guarded memory of its own, beside the one flat tensor
 * that the harness fills, compares and records. Where a case has no list, all calls do nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_PIECES_H
#define KM_PIECES_H

#include <kernelmark.h>

#include "core/guard.h"

typedef struct km_piece_list {
    km_guard *guard; /* owned: one per piece */
    void **data;
    int64_t *count;
    km_slot memory_of; /* the slot whose pieces these are: another one's when in place */
} km_piece_list;

typedef struct km_pieces {
    const km_pass *pass;
    int pieces; /* 0: no lists here */
    km_piece_list list[KM_SLOT_COUNT];
} km_pieces;

/* Makes room for the lists of tensors with these shapes. */
int km_pieces_open(km_pieces *p, const km_pass *pass, const km_args *shape, int pieces,
                   km_error *error);
void km_pieces_close(km_pieces *p);

/* Copies the flat tensors of args into pieces, each displaced by `offset` elements or so; lists that are only read
 * are read-only then. Slots with the same flat data share their pieces. The shapes may be smaller than open's. */
void km_pieces_lay(km_pieces *p, const km_args *args, km_side side, int offset);

/* args with lists in place of their flat tensors. */
km_args km_pieces_args(const km_pieces *p, const km_args *args);

/* Copies back what the pass writes; -1 if something beside the pieces or an input was touched. */
int km_pieces_finish(const km_pieces *p, const km_args *args, km_error *error);

#endif
