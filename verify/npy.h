/* npy.h: NumPy .npy files, formats 1.0 and 2.0, of the three types that golden sets use, in C order.
 * Files are untrusted: whatever the bytes, reading ends in an array or in a message.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_NPY_H
#define KM_NPY_H

#include <stdint.h>
#include <stdio.h>

#include "core/error.h"

enum { KM_NPY_MAX_NDIM = 32 }; /* as NumPy 1 */

typedef enum km_npy_type { KM_NPY_F4, KM_NPY_F8, KM_NPY_I8, KM_NPY_TYPES } km_npy_type;

typedef struct km_npy {
    km_npy_type type;
    int ndim;
    int64_t dim[KM_NPY_MAX_NDIM];
    int64_t count; /* product of dim[0..ndim) */
    void *data;    /* float, double or int64_t; released by km_npy_free */
} km_npy;

/* "<f4", and the type of such a name, or -1. */
const char *km_npy_type_name(km_npy_type type);
int km_npy_type_find(const char *name);

/* Sets count from the shape; fails on a negative size or an overflow, also of the byte count. */
int km_npy_set_count(km_npy *a, km_error *error);

/* The shape in Python's notation: (5, 16). */
void km_npy_shape_text(const km_npy *a, char *text, size_t size);

int km_npy_same_shape(const km_npy *a, const km_npy *b);

/* Reads a whole regular file. `declared`, if not NULL, is the type and shape that it must have:
 * checked before memory is taken for the data. Messages do not name the file. */
int km_npy_read(FILE *file, const km_npy *declared, km_npy *a, km_error *error);

/* Writes format 1.0, the data at a multiple of 64 bytes. Errors stay in ferror(file). */
void km_npy_write(FILE *file, const km_npy *a);

void km_npy_free(km_npy *a);

#endif
