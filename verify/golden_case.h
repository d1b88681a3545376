/* golden_case.h: one case of a golden set: case.json and the .npy files that it names, checked
 * against what the op declares. docs/golden-format.md describes the files.
 *
 * How a recording becomes a case of ours:
 *   - op and direction are the names of an op and of one of its passes;
 *   - params are attributes by name, or by the aliases in golden_params.c: a number is rounded to float, a word is
 *     one of the choices, true and false are 1 and 0, null is the default, [a, b] is a pair; or they are sizes
 *     (kernel_size, in_channels, input_size), which go to the op's size letters;
 *   - tensor names are slot names, apart from the aliases in golden_tensors.c;
 *   - sizes: the op's size letters, in its order, take the dimensions of the recorded x (y or grad_y
 *     where x is not recorded); the last letter takes the product of all that remain, letters
 *     without a dimension are 1. So n of relu is the element count; a 5-D prelu [2,3,4,5,6] is
 *     n2c3h4w30. An op with km_op.infer finds its sizes itself, from all shapes; each tensor then only has to have
 *     as many elements as the op says. For others, tensors that the op shapes like x have the recorded shape of x, others exactly the
 *     shape that the op says.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GOLDEN_CASE_H
#define KM_GOLDEN_CASE_H

#include <kernelmark.h>
#include <stdio.h>

#include "core/error.h"
#include "verify/npy.h"

typedef enum km_golden_role {
    KM_GOLDEN_INPUT,
    KM_GOLDEN_EXPECTED,
    KM_GOLDEN_SCALE, /* S of a bound, for the expected tensor of the same name */
    KM_GOLDEN_MASK,  /* 0: this element of the expected tensor is not compared */
    KM_GOLDEN_ROLES
} km_golden_role;

/* |err| <= coef u S + 2^-126 where `scaled`, else as the bound says; u = 2^-24. */
typedef struct km_golden_rule {
    int scaled;
    double coef;
    km_bound bound;
} km_golden_rule;

/* One tensor of a list (grad_0, grad_1, ...). */
typedef struct km_golden_piece {
    char file[256];
    km_npy array; /* the data lies in the list's */
    km_golden_rule rule;
} km_golden_piece;

typedef struct km_golden_tensor {
    int recorded;
    int each_step;  /* one row for each of km_golden_case.steps */
    char file[256]; /* in the case's folder */
    int pieces;     /* above 0: a list, whose tensors follow each other in array */
    km_golden_piece *piece;
    km_npy array; /* <f4 input, <f8 expected, <f4 scale, <i8 mask, <i8 what is no float */
    void *data;   /* of an input: as kernels take it */
    void *whole;  /* owned: data of an input that is no float */
} km_golden_tensor;

typedef struct km_golden_case {
    char op_name[64], direction[64]; /* as recorded, for messages; empty if unreadable */
    const km_op *op;
    const km_pass *pass;
    const km_pass *saved_by; /* the pass that makes slots which this one reads and the recording
                              * lacks (y of sigmoid's backward pass); NULL: none needed */
    km_case params;
    int64_t steps; /* of a pass `step`; else 0 */
    km_golden_tensor tensor[KM_GOLDEN_ROLES][KM_SLOT_COUNT];
    km_golden_rule rule[KM_SLOT_COUNT]; /* of expected tensors */
    const char *name
        [KM_SLOT_COUNT]; /* of what is computed without a backend; else NULL: slots have names */
} km_golden_case;

/* The type that the op's passes declare for this slot; float without an op. */
km_type km_golden_type(const km_op *op, km_slot slot);

/* The array of a file in the folder, in the shape and type that t->array declares. */
int km_golden_read_array(const char *folder, km_golden_tensor *t, km_error *error);

/* All arrays of the case, and whether their elements are what they have to be. */
int km_golden_read_arrays(const char *folder, km_golden_case *c, km_error *error);

/* Puts the file's name before the message; returns -1. */
int km_golden_blame(const char *file, km_error *error);

/* Opens a regular file whose real path, links followed, lies in the folder. */
FILE *km_golden_open(const char *folder, const char *file, km_error *error);

/* Reads the case in this folder. On failure the message starts with the file at fault, and only
 * op_name and direction are set. */
int km_golden_case_load(const char *folder, km_golden_case *c, km_error *error);
void km_golden_case_free(km_golden_case *c);

#endif
