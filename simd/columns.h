/* columns.h: statistics of the columns of x [n, c], and y = (x - shift) factor + base column by column, in double.
 *
 * Columns lie in lanes. Where they are few, `fold` rows count as one of fold c columns, and what belongs together
 * is joined at the end; the last n % fold rows go one by one. Blocks of BLOCK such rows are summed by themselves and
 * joined in order, so bits do not depend on who sums them. Differences to the first row, in double, leave no
 * cancellation that n rows of 24 bits could cause, and equal elements give exactly 0.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_COLUMNS_H
#define KM_COLUMNS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "pointwise.h"

/* GROUP vectors of columns at a time: their sums fill the registers. */
enum { BLOCK = 256, NARROW = 64, GROUP = V == 8 ? 2 : 4 };

typedef struct columns {
    int64_t n, c, fold;
    int64_t wide;   /* fold c */
    int64_t padded; /* to whole groups */
    int64_t rows;   /* of that width */
    int64_t blocks;
    int64_t bytes;
    double *first, *second;        /* of each block and column, what is gathered */
    double *shift, *factor, *base; /* of each wide column; shift is first the pivot */
} columns;

static const char *columns_open(const km_args *args, int64_t n, int64_t c, void **out)
{
    columns p = {.n = n, .c = c, .fold = c == 0 || c >= NARROW ? 1 : (NARROW + c - 1) / c};
    (void)args;
    p.wide = p.fold * c;
    p.padded = (p.wide + GROUP * V - 1) / (GROUP * V) * (GROUP * V);
    p.rows = n / p.fold;
    p.blocks = p.rows ? (p.rows + BLOCK - 1) / BLOCK : 1;
    p.bytes = (2 * p.blocks + 3) * p.padded * (int64_t)sizeof(double);
    columns *plan = calloc(1, sizeof *plan + (size_t)p.bytes);
    if (!plan)
        return "out of memory";
    p.first = (double *)(plan + 1);
    p.second = p.first + p.blocks * p.padded;
    p.shift = p.second + p.blocks * p.padded;
    p.factor = p.shift + p.padded;
    p.base = p.factor + p.padded;
    *plan = p;
    *out = plan;
    return NULL;
}

static void columns_describe(const void *plan, km_kernel_info *info)
{
    info->workspace_bytes = ((const columns *)plan)->bytes;
}

/* ---- what is gathered of a block: two numbers a column ---- */

/* Adds one element, of the rows that are left over. */
typedef void columns_one(double *first, double *second, float x, double pivot);
/* Of a block of rows, a group of columns; n lanes of them are there. */
typedef void columns_group(double *first, double *second, const float *x, const double *pivot,
                           int64_t rows, int64_t stride, int64_t n);

KM_INLINE vf columns_load(const float *x, int64_t n)
{
    return n >= V ? v_load(x) : v_load_n(x, n < 0 ? 0 : n);
}

/* ---- statistics ---- */

static void columns_pivots(const km_args *args)
{
    columns *p = args->plan;
    const float *x = args->slot[KM_X].data;
    for (int64_t j = 0; p->n && j < p->wide; j++)
        p->shift[j] = x[j % p->c];
}

static void columns_gather(const km_args *args, columns_group *group, columns_one *one, int part)
{
    const columns *p = args->plan;
    const float *x = args->slot[KM_X].data;
    const km_range r = km_share(p->blocks, part, args->threads);
    for (int64_t b = r.from; b < r.to; b++) {
        double *first = p->first + b * p->padded, *second = p->second + b * p->padded;
        const int64_t row = b * BLOCK, left = p->rows - row, rows = left < BLOCK ? left : BLOCK;
        for (int64_t j = 0; j < p->padded; j += GROUP * V)
            group(first + j, second + j, rows ? x + row * p->wide + j : 0, p->shift + j, rows,
                  p->wide, p->wide - j);
        for (int64_t i = p->rows * p->wide; b == p->blocks - 1 && i < p->n * p->c; i++)
            one(first + i % p->wide, second + i % p->wide, x[i], p->shift[i % p->wide]);
    }
}

/* What the pass makes of a column: its statistics, and how to apply them. */
typedef struct columns_map {
    double shift, factor, base;
} columns_map;

static void columns_set(const columns *p, int64_t j, columns_map m)
{
    for (int64_t k = j; k < p->wide; k += p->c) {
        p->shift[k] = m.shift;
        p->factor[k] = m.factor;
        p->base[k] = m.base;
    }
}

/* ---- application ---- */

static void columns_row(const columns *p, float *y, const float *x, int64_t n)
{
    for (int64_t j = 0; j < n; j += V) {
        const vw d = vw_minus(vw_of(columns_load(x + j, n - j)), vw_load(p->shift + j));
        const vf a = vw_round(vw_muladd(d, vw_load(p->factor + j), vw_load(p->base + j)));
        if (n - j >= V)
            v_store(y + j, a);
        else
            v_store_n(y + j, a, n - j);
    }
}

static void columns_apply(const km_args *args, km_slot from, km_slot to, int part)
{
    const columns *p = args->plan;
    const float *x = args->slot[from].data;
    float *y = args->slot[to].data;
    const km_range r = km_share(p->rows, part, args->threads);
    const int64_t done = p->rows * p->wide, rest = p->n * p->c - done;
    for (int64_t i = r.from; i < r.to; i++)
        columns_row(p, y + i * p->wide, x + i * p->wide, p->wide);
    if (part == args->threads - 1 && rest)
        columns_row(p, y + done, x + done, rest);
}

/* ---- passes ---- */

/* From what the blocks gathered, column j's statistics; they are written where `fits`, else read. */
typedef columns_map columns_finish(const km_args *args, int64_t j, int fits);

/* Of passes that fit: pivots; blocks; columns; rows. Of others: columns; rows. */
KM_INLINE void columns_part(const km_args *args, columns_group *group, columns_one *one,
                            columns_finish *finish, int fits, int phase, int part, km_slot from,
                            km_slot to)
{
    const columns *p = args->plan;
    const int step = fits ? phase : phase + 2;
    const km_range r = km_share(p->c, part, args->threads);
    if (step == 0 && part == 0)
        columns_pivots(args);
    else if (step == 1)
        columns_gather(args, group, one, part);
    else if (step == 2)
        for (int64_t j = r.from; j < r.to; j++)
            columns_set(p, j, finish(args, j, fits));
    else if (step == 3)
        columns_apply(args, from, to, part);
}

static const char *columns_open_x(const km_args *args, void **out)
{
    return columns_open(args, args->slot[KM_X].dim[0], args->slot[KM_X].dim[1], out);
}

#define COLUMNS_PASS(name, group, one, finish, fits, count, from, to)                              \
    static void name##_part(const km_args *args, int phase, int part)                              \
    {                                                                                              \
        columns_part(args, group, one, finish, fits, phase, part, from, to);                       \
    }                                                                                              \
    KM_RUN_PARTS(name, count)

#define COLUMNS_ENTRY(op_name, name, count)                                                        \
    {                                                                                              \
        .op = #op_name, .pass = #name, .open = columns_open_x, .run = name, .close = free,         \
        .describe = columns_describe, .run_part = name##_part, .phases = count                     \
    }

/* The kernels of an op from what it gathers and its function `finish`. */
#define COLUMNS_KERNELS(name, group, one)                                                          \
    COLUMNS_PASS(forward, group, one, finish, 1, 4, KM_X, KM_Y)                                    \
    COLUMNS_PASS(fit, group, one, finish, 1, 3, KM_X, KM_Y)                                        \
    COLUMNS_PASS(apply, group, one, finish, 0, 2, KM_X, KM_Y)                                      \
    COLUMNS_PASS(inverse, group, one, finish_inverse, 0, 2, KM_Y, KM_X)                            \
    extern const km_kernel KM_KERNELS(name)[];                                                     \
    const km_kernel KM_KERNELS(name)[] = {                                                         \
        COLUMNS_ENTRY(name, forward, 4),                                                           \
        COLUMNS_ENTRY(name, fit, 3),                                                               \
        COLUMNS_ENTRY(name, apply, 2),                                                             \
        COLUMNS_ENTRY(name, inverse, 2),                                                           \
        {0},                                                                                       \
    };

#endif
