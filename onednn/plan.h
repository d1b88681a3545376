/* plan.h: what this folder's kernels keep between open and run.
 *
 * A plan is a list of oneDNN primitives with their argument arrays; the memory objects behind
 * the arguments are bound to a kernel's slots and get the data addresses in run. A builder adds
 * one primitive to a plan and returns NULL or the reason why that is not possible.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ONEDNN_PLAN_H
#define KM_ONEDNN_PLAN_H

#include "dnnl_compat.h"
#include <kernelmark.h>

enum { MAX_STEPS = 8, MAX_ARGS = 10, MAX_MEMORIES = 40 };

typedef struct step {
    dnnl_primitive_t primitive;
    const char *impl;
    int args;
    dnnl_exec_arg_t arg[MAX_ARGS];
} step;

/* Beyond the slots: a constant of the plan, and its scratch tensors, as long as the case's. */
enum { CONSTANT_SLOT = KM_SLOT_COUNT, SCRATCH_SLOT, SPARE_SLOT };

typedef struct binding {
    dnnl_memory_t memory;
    int slot; /* whose data the memory shows, or one of those beyond */
} binding;

typedef struct plan {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads; /* oneDNN captures the count when a primitive is made */
    int steps, bindings;
    step step[MAX_STEPS];
    binding binding[MAX_MEMORIES];
    float constant[MAX_MEMORIES]; /* of the binding with the same index */
    float *scratch, *spare;
    int64_t scratch_count;
    int64_t inner_bytes; /* oneDNN's own scratch memory: the steps share it */
} plan;

/* One link of a chain: x = alg(x, operand). An eltwise alg has alpha and beta instead. */
typedef struct link {
    dnnl_alg_kind_t alg;
    enum { ELTWISE, CONSTANT, TENSOR, SCALAR } operand;
    float alpha, beta; /* CONSTANT: alpha is its value */
    int slot;          /* TENSOR, SCALAR: of one element */
} link;

/* A pass over one element-wise algorithm. Backward reads `saved`, which is KM_X or KM_Y. */
typedef struct eltwise {
    dnnl_alg_kind_t alg;
    float alpha, beta;
    int backward;
    km_slot saved;
} eltwise;

/* What one pass over flat tensors needs: the argument of the two builders below. */
typedef struct chain {
    int src, dst; /* slots */
    int count;    /* of links; the first has an operand: it is the primitive, the rest post-ops */
    const link *links;
} chain;

/* Makes the scratch tensor of a plan, or both; before the chains that use them. */
const char *km_onednn_scratch(plan *p, int64_t count);
const char *km_onednn_scratch_two(plan *p, int64_t count);

/* Adds primitives to p; recipe is what km_onednn_open was given. */
typedef const char *(*build_fn)(plan *p, const km_args *args, const void *recipe);

const char *km_onednn_eltwise(plan *p, const km_args *args, const void *recipe);
const char *km_onednn_chain(plan *p, const km_args *args, const void *recipe);

/* Makes engine, stream and what build adds, all for args->threads threads. A case without elements
 * gets an empty plan, with which run does nothing. */
const char *km_onednn_open(const km_args *args, build_fn build, const void *recipe, void **out);
void km_onednn_run(const km_args *args);
void km_onednn_close(void *plan);
void km_onednn_describe(const void *plan, km_kernel_info *info);

static inline float attr(const km_args *args, km_attr id)
{
    return (float)args->params->attr[id];
}

/* Added to a float of ordinary size it leaves only itself, below all of them with a minus. A chain
 * selects with it: BIG * (x > t) + x is either BIG or x. */
#define BIG 0x1p120f

/* For builders: a memory object for a slot, and the end of every builder. */
dnnl_memory_t km_onednn_memory(plan *p, const desc *d, int slot, float constant);
const char *km_onednn_step(plan *p, dnnl_primitive_desc_t pd, const dnnl_exec_arg_t *arg, int args);

#endif
