/* convolution.h: one pass of conv2d as a plan, in layouts to choose.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ONEDNN_CONVOLUTION_H
#define KM_ONEDNN_CONVOLUTION_H

#include "convolution_compat.h"
#include "plan.h"

/* The three tensors of every pass: x or its gradient, and so on. */
typedef enum role { IMAGE, FILTER, RESULT, ROLES } role;

typedef struct convolution_pass {
    km_slot slot[ROLES];
    int arg[ROLES];
    dnnl_query_t query[ROLES];
    role written;
} convolution_pass;

extern const convolution_pass km_onednn_convolution_forward, km_onednn_convolution_data,
    km_onednn_convolution_weights;

/* LIBRARY: whatever the library likes best. */
typedef enum format { PLAIN, LIBRARY, NHWC } format;

/* What km_onednn_convolution, a build_fn, is told. */
typedef struct convolution_recipe {
    const convolution_pass *pass;
    format format[ROLES];
    int native; /* the slots have the chosen layouts; otherwise they are plain, and run converts */
    int winograd; /* by that algorithm, which few versions have; else the direct one */
    desc *chosen; /* the layouts of the three tensors; the caller destroys them */
} convolution_recipe;

const char *km_onednn_convolution(plan *p, const km_args *args, const void *recipe);

/* A tensor of the case, in a layout. */
dnnl_status_t km_onednn_convolution_desc(desc *d, const km_args *args, const convolution_pass *pass,
                                         role i, format f);

/* A build_fn: one reorder from slot KM_X to slot KM_Y. */
typedef struct conversion {
    desc from, to;
} conversion;

const char *km_onednn_conversion(plan *p, const km_args *args, const void *conversion);

#endif
