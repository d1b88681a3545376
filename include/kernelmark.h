/* kernelmark.h: tensors, arguments, kernels, backends and op descriptors.
 *
 * The one header a backend needs, in tree or out of it. Read top down: what a kernel receives
 * (km_tensor, km_args), what a backend offers (km_kernel, km_backend), and how an operation
 * describes itself to the harness (km_op). docs/design.md has the reasons.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNELMARK_H
#define KERNELMARK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows whenever a struct or enum below changes; a plugin built for another value is refused. */
#define KM_ABI 4u

/* ---- names: slots, sizes, attributes ------------------------------------------------------- */

/* Tensor slots. "grad_" plus a slot's name is its gradient. */
#define KM_SLOTS(SLOT)                                                                             \
    SLOT(X, "x")                                                                                   \
    SLOT(WEIGHT, "weight")                                                                         \
    SLOT(BIAS, "bias")                                                                             \
    SLOT(TARGET, "target")                                                                         \
    SLOT(RUNNING_MEAN, "running_mean")                                                             \
    SLOT(RUNNING_VAR, "running_var")                                                               \
    SLOT(MEAN, "mean")                                                                             \
    SLOT(VARIANCE, "variance")                                                                     \
    SLOT(INDICES, "indices")                                                                       \
    SLOT(Y, "y")                                                                                   \
    SLOT(GRAD_Y, "grad_y")                                                                         \
    SLOT(GRAD_X, "grad_x")                                                                         \
    SLOT(GRAD_WEIGHT, "grad_weight")                                                               \
    SLOT(GRAD_BIAS, "grad_bias")                                                                   \
    SLOT(MASK, "mask")                                                                             \
    SLOT(PARAM, "param")                                                                           \
    SLOT(GRAD, "grad")                                                                             \
    SLOT(MOMENTUM_BUFFER, "momentum_buffer")                                                       \
    SLOT(SUM_OF_SQUARES, "sum")                                                                    \
    SLOT(SQUARE_AVG, "square_avg")                                                                 \
    SLOT(GRAD_AVG, "grad_avg")                                                                     \
    SLOT(EXP_AVG, "exp_avg")                                                                       \
    SLOT(EXP_AVG_SQ, "exp_avg_sq")                                                                 \
    SLOT(MAX_EXP_AVG_SQ, "max_exp_avg_sq")                                                         \
    SLOT(TOTAL_NORM, "total_norm")                                                                 \
    SLOT(STD, "std")                                                                               \
    SLOT(MINIMUM, "minimum")                                                                       \
    SLOT(MAXIMUM, "maximum")

/* Sizes in a case text: one letter each, in this order in the canonical form. */
#define KM_DIMS(DIM)                                                                               \
    DIM(N, "n") /* batch, or the element count of a pointwise op */                                \
    DIM(C, "c") /* channels, classes or features, of the input */                                  \
    DIM(H, "h")                                                                                    \
    DIM(W, "w")                                                                                    \
    DIM(K, "k") /* channels or features of the output */                                           \
    DIM(R, "r") /* height of a kernel or window */                                                 \
    DIM(S, "s") /* width of it */                                                                  \
    DIM(P, "p") /* height of the output, where it is given */                                      \
    DIM(Q, "q") /* width of it */                                                                  \
    DIM(L, "l") /* how many tensors a list has; their sizes add up to n */

/* Attributes, under PyTorch's argument names but for pad. Of a pair, the second one has no name of its
 * own: "stride2x1" is 2 along h, 1 along w. */
#define KM_ATTRS(ATTR)                                                                             \
    ATTR(ALPHA, "alpha")                                                                           \
    ATTR(SCALE, "scale")                                                                           \
    ATTR(NEGATIVE_SLOPE, "negative_slope")                                                         \
    ATTR(BETA, "beta")                                                                             \
    ATTR(THRESHOLD, "threshold")                                                                   \
    ATTR(APPROXIMATE, "approximate")                                                               \
    ATTR(NUM_PARAMETERS, "num_parameters")                                                         \
    ATTR(STRIDE, "stride")                                                                         \
    ATTR(STRIDE_W, "stride_w")                                                                     \
    ATTR(PAD, "pad")                                                                               \
    ATTR(PAD_W, "pad_w")                                                                           \
    ATTR(DILATION, "dilation")                                                                     \
    ATTR(DILATION_W, "dilation_w")                                                                 \
    ATTR(GROUPS, "groups")                                                                         \
    ATTR(WITH_BIAS, "bias")                                                                        \
    ATTR(WITH_WEIGHT, "weight")                                                                    \
    ATTR(CEIL_MODE, "ceil_mode")                                                                   \
    ATTR(COUNT_INCLUDE_PAD, "count_include_pad")                                                   \
    ATTR(DIVISOR_OVERRIDE, "divisor_override")                                                     \
    ATTR(TRAINING, "training")                                                                     \
    ATTR(AFFINE, "affine")                                                                         \
    ATTR(EPS, "eps")                                                                               \
    ATTR(MOMENTUM, "momentum")                                                                     \
    ATTR(DIM, "dim")                                                                               \
    ATTR(REDUCTION, "reduction")                                                                   \
    ATTR(IGNORE_INDEX, "ignore_index")                                                             \
    ATTR(LABEL_SMOOTHING, "label_smoothing")                                                       \
    ATTR(ALGORITHM, "algorithm")                                                                   \
    ATTR(LR, "lr")                                                                                 \
    ATTR(LR_DECAY, "lr_decay")                                                                     \
    ATTR(BETA1, "beta1")                                                                           \
    ATTR(BETA2, "beta2")                                                                           \
    ATTR(WEIGHT_DECAY, "weight_decay")                                                             \
    ATTR(DAMPENING, "dampening")                                                                   \
    ATTR(NESTEROV, "nesterov")                                                                     \
    ATTR(CENTERED, "centered")                                                                     \
    ATTR(AMSGRAD, "amsgrad")                                                                       \
    ATTR(INITIAL_ACCUMULATOR_VALUE, "initial_accumulator_value")                                   \
    ATTR(BIAS_CORRECTION, "bias_correction")                                                       \
    ATTR(MAX_NORM, "max_norm")                                                                     \
    ATTR(NORM_TYPE, "norm_type")                                                                   \
    ATTR(CLIP_VALUE, "clip_value")                                                                 \
    ATTR(ERROR_IF_NONFINITE, "error_if_nonfinite")                                                 \
    ATTR(LAMBDA, "lambda")                                                                         \
    ATTR(P, "p")                                                                                   \
    ATTR(INVERTED, "inverted")                                                                     \
    ATTR(SEED, "seed")                                                                             \
    ATTR(METHOD, "method")                                                                         \
    ATTR(GAIN, "gain")                                                                             \
    ATTR(CORRECTION, "correction")                                                                 \
    ATTR(RANGE_MIN, "range_min")                                                                   \
    ATTR(RANGE_MAX, "range_max")                                                                   \
    ATTR(MATH, "math")

#define KM_SLOT_ENUM(id, name) KM_##id,
#define KM_DIM_ENUM(id, name)  KM_DIM_##id,
#define KM_ATTR_ENUM(id, name) KM_##id,
typedef enum km_slot { KM_SLOTS(KM_SLOT_ENUM) KM_SLOT_COUNT } km_slot;
typedef enum km_dim { KM_DIMS(KM_DIM_ENUM) KM_DIM_COUNT } km_dim;
typedef enum km_attr { KM_ATTRS(KM_ATTR_ENUM) KM_ATTR_COUNT } km_attr;
#undef KM_SLOT_ENUM
#undef KM_DIM_ENUM
#undef KM_ATTR_ENUM

enum { KM_MAX_NDIM = 5, KM_MAX_PASSES = 5, KM_MAX_KINKS = 4, KM_MAX_SWEEPS = 4 };

/* ---- what a kernel receives ---------------------------------------------------------------- */

typedef enum km_type {
    KM_REAL_TYPE, /* float; double in the oracle */
    KM_INT32,     /* int32_t, also in the oracle: indices and classes */
    KM_UINT8,     /* uint8_t, also in the oracle: masks of 0 and 1 */
} km_type;

/* A dense row-major tensor. Data is aligned to its element only. One that the pass declares but this case
 * does without (the bias of a convolution that has none) is empty: count and ndim are 0.
 * A list of tensors (the parameters of a network) is one tensor of one dimension that lies in several places:
 * piece[i] has piece_count[i] elements, which add up to count; data is NULL. So are the slots of a pass that are
 * marked km_use.list in a case whose size l is above 1: all of them in l pieces, cut at the same elements. One tensor
 * (l = 1) is no list: pieces is 0. */
typedef struct km_tensor {
    void *data; /* NULL: the pass does not declare this slot, or count is 0, or it lies in pieces */
    int64_t count; /* product of dim[0..ndim) */
    int ndim;
    int64_t dim[KM_MAX_NDIM];
    km_type type;
    int pieces; /* 0: data holds all of it */
    void *const *piece;
    const int64_t *piece_count;
} km_tensor;

/* A tensor that may be a list, as one: how many pieces, where piece i lies, how long it is. */
static inline int km_pieces_of(const km_tensor *t)
{
    return t->pieces ? t->pieces : 1;
}

static inline void *km_piece_data(const km_tensor *t, int i)
{
    return t->pieces ? t->piece[i] : t->data;
}

static inline int64_t km_piece_size(const km_tensor *t, int i)
{
    return t->pieces ? t->piece_count[i] : t->count;
}

/* The numbers of a case: every size (1 where the op has none) and attribute (0 where none). */
typedef struct km_case {
    int64_t dim[KM_DIM_COUNT];
    double attr[KM_ATTR_COUNT];
} km_case;

/* KM_PLAIN: row-major NCHW and OIHW tensors. KM_NATIVE: where km_kernel.native_count says so, a tensor is
 * in the layout that the kernel's plan chose; all others are plain. */
typedef enum km_layout { KM_PLAIN, KM_NATIVE } km_layout;

/* The one argument record of all kernels. Tensors never overlap unless the pass allows it
 * (km_use.in_place), and then only by being the very same address. */
typedef struct km_args {
    km_tensor slot[KM_SLOT_COUNT];
    const km_case *params;
    void *plan;  /* what open returned */
    int threads; /* how many a KM_THREADED backend may use; parts of run_part; else 1 */
    km_layout layout;
    int64_t step; /* of an optimizer: which of its steps this is, from 1; may differ at every run */
} km_args;

/* ---- what a backend offers ----------------------------------------------------------------- */

typedef enum km_offer { KM_NATIVE_KERNEL, KM_COMPOSED_KERNEL, KM_NOT_OFFERED } km_offer;

typedef struct km_kernel_info {
    char impl[96];           /* which code runs, in the backend's words; may stay empty */
    int64_t workspace_bytes; /* temporary memory the plan holds */
    int transforms; /* nonzero: a transform algorithm (Winograd), not exact on small integers */
} km_kernel_info;

/* One backend's code for one pass of one op. */
typedef struct km_kernel {
    const char *op, *pass;
    /* Optional. Looks at shapes and params (data pointers may be NULL), builds the plan; all
     * allocation happens here. Returns NULL, or a static one-line reason for declining the case. */
    const char *(*open)(const km_args *args, void **plan);
    /* Computes every tensor the pass writes. May be called any number of times after open, with
     * other data of the same shapes. Allocates nothing, does no I/O, cannot fail. */
    void (*run)(const km_args *args);
    void (*close)(void *plan);                             /* optional; plan may be NULL */
    void (*describe)(const void *plan, km_kernel_info *i); /* optional */
    km_offer offer;                                        /* default: native */
    const char *note; /* composed: of what; not offered: why (and run is NULL) */
    /* Optional: the work of run in args->threads parts (as many as open was told) that may be computed at the same
     * time, in `phases` steps (0 counts as 1), each of which needs all parts of the one before. The cuts must not
     * change the results' bits. */
    void (*run_part)(const km_args *args, int phase, int part);
    int phases;
    /* Optional, of plans opened with KM_NATIVE: how many elements the slot takes in the plan's own layout (0: it
     * is plain), and the conversions, which nobody times as part of run. Padding must be written, too. */
    int64_t (*native_count)(const void *plan, km_slot slot);
    void (*to_native)(void *plan, km_slot slot, const void *plain, void *native);
    void (*from_native)(void *plan, km_slot slot, const void *native, void *plain);
} km_kernel;

enum km_backend_flags {
    KM_HOLDS_TARGET = 1, /* accuracy: held to km_use.target; without it to km_use.gate */
    KM_HOLDS_EDGES = 2,  /* NaN, infinities, subnormals: a deviation is an error, not a remark */
    KM_THREADED = 4,     /* uses args->threads */
    KM_SAME_BITS = 8,    /* same bits for any thread count */
};

typedef struct km_backend {
    uint32_t abi; /* KM_ABI */
    uint32_t flags;
    const char *name, *summary;
    const char *isa;              /* "avx2", "avx512", "neon", or NULL for baseline code */
    const char *(*probe)(void);   /* optional: NULL if usable here, else the reason */
    const char *(*version)(void); /* optional: the library behind it */
    /* Optional: of `flags`, those that hold on this machine, for a backend that rests on others. */
    uint32_t (*flags_here)(void);
    /* One list per op, each ended by a kernel without an op; NULL ends the lists. */
    const km_kernel *const *kernels;
} km_backend;

/* The one symbol that a plugin exports. */
const km_backend *kernelmark_backend(void);
#define KM_PLUGIN_SYMBOL "kernelmark_backend"

/* ---- how an operation describes itself (ref/ only) ------------------------------------------ */

typedef enum km_access { KM_END, KM_READ, KM_WRITE, KM_UPDATE } km_access;

/* How far a result may lie from the oracle, element by element; u = 2^-24. */
typedef enum km_bound_kind {
    KM_EXACT, /* equal to the oracle rounded to float; +0 equals -0 */
    KM_ULP,   /* |err| <= ulp units in the last place of the oracle's value */
    KM_MIXED, /* |err| <= rtol |y| + atol, or + atol S where km_use.scaled */
    KM_SUM,   /* |err| <= min(K + 8, 8 sqrt K + 8) u S + 2^-126; K and S from km_op */
    KM_STEPS, /* of a pass `step`, after t steps: |err| <= 16 t u M + atol D + 2^-126; M is the largest magnitude that
               * the element ever had, D the sum of the magnitudes of its changes */
} km_bound_kind;

typedef struct km_bound {
    km_bound_kind kind;
    double ulp, rtol, atol;
} km_bound;

/* What random data a slot is filled with for verification. Timed is the same, but of KM_FILL_WIDE the first part. */
typedef enum km_fill {
    KM_FILL_WIDE,    /* mostly N(0, 2^2), some uniform in [-30, 30], some tiny */
    KM_FILL_NORMAL,  /* N(0, 1) */
    KM_FILL_UNIT,    /* uniform in (0, 1) */
    KM_FILL_SAVED,   /* what the forward pass wrote to this slot */
    KM_FILL_CLASS,   /* of KM_INT32: classes below c, now and then ignore_index */
    KM_FILL_INTEGER, /* whole numbers in [-3, 3]; never asked for by a pass: see exact_on_integers */
    KM_FILL_PROBABILITY, /* uniform in (0.01, 0.99): no closer to certainty than derivatives can be checked */
    KM_FILL_STATE, /* of a pass `step`: km_op.initial before the first step, then what the steps made of it */
} km_fill;

typedef struct km_use {
    km_slot slot;
    km_access access;
    km_fill fill;    /* of a slot that is read */
    km_bound gate;   /* of a slot that is written: any right kernel meets this, */
    km_bound target; /*   and this one is what a KM_HOLDS_TARGET backend is held to */
    km_type type;
    int scaled;   /* of a slot that is written: km_op.sum_scale gives S for its KM_MIXED bound */
    int saved;    /* of a slot that is written: kept for other passes; recordings may lack it */
    int list;     /* of a slot of n elements: lies in l pieces */
    int in_place; /* of a slot that is written: nonzero if it may be the same memory */
    km_slot in_place_of; /*   as this slot, which is read */
} km_use;

/* A pass named "step" moves what it updates: verify follows it along a trajectory, with km_args.step counting from 1
 * and new data in all that it reads before every step. */
typedef struct km_pass {
    const char *name;
    const char *formula;
    km_use use[KM_SLOT_COUNT + 1]; /* ended by KM_END */
    double flops_each; /* arithmetic of the best known algorithm per element of the largest slot,
                        * an FMA counting 2: the compute roof is derived from it; km_op.flops goes first */
    int exact_on_integers; /* small whole numbers in give the exact result, in any order of summation */
} km_pass;

typedef struct km_dim_spec {
    km_dim dim;
    int64_t min;      /* smallest legal value */
    int64_t fallback; /* when the text leaves it out; below min: it must be given */
} km_dim_spec;

typedef struct km_attr_spec {
    km_attr attr;
    double fallback;
    double min, max; /* legal range; both 0: any finite value */
    int integer;     /* nonzero: a whole number */
    int precise;     /* nonzero: kept in double; else rounded to float, as kernels receive it */
    km_attr pair;    /* the second of a pair [h, w]; 0 (KM_ALPHA): it is no pair */
    const char *const *choices; /* names of 0, 1, ... instead of a number; NULL-ended */
} km_attr_spec;

typedef struct km_op {
    const char *name, *family, *summary;
    int dims, attrs, passes;
    km_dim_spec dim[KM_DIM_COUNT];
    km_attr_spec attr[KM_ATTR_COUNT];
    km_pass pass[KM_MAX_PASSES];
    /* Optional: the rule that a case breaks beyond the ranges above, or NULL. */
    const char *(*check)(const km_case *c);
    /* Shape of a slot: fills ndim and dim. A scalar has shape {1}; a slot that
     * this case does without keeps ndim 0. */
    void (*shape)(const km_case *c, km_slot slot, km_tensor *t);
    /* Optional: floating-point operations of a pass; without it km_pass.flops_each counts. */
    double (*flops)(const km_case *c, const km_pass *pass);
    /* Optional: sizes of a case from tensors that were recorded elsewhere (ndim -1: not recorded) and the
     * sizes and attributes that c already has from the recording. NULL, or what does not fit. Without it, sizes are
     * the dimensions of x. */
    const char *(*infer)(const km_args *recorded, km_case *c);
    /* Optional: what the elements of a KM_FILL_STATE slot are before the first step; without it 0. */
    double (*initial)(const km_case *c, km_slot slot);
    /* Of slots with KM_SUM bounds: how many terms K, and S = sum |a||b| per element, from the
     * oracle's tensors. */
    int64_t (*terms)(const km_case *c, km_slot slot);
    void (*sum_scale)(const km_args *oracle, km_slot slot, double *s);
    /* Where the derivative by x jumps: a fixed list, or a function that fills one and returns how many. */
    double kink[KM_MAX_KINKS];
    int kinks;
    int (*kinks_of)(const km_case *c, double kink[KM_MAX_KINKS]);
    /* The sizes that verify sweeps from 0 to 67, one by one with the others small; none: the last of dim. */
    km_dim sweep[KM_MAX_SWEEPS];
    int sweeps;
    /* Case texts, each list NULL-ended: the default suite, what --full adds, for verify only. " @" and names with
     * commas between them may follow a text, "n1c64 @resnet50,vgg16": its tags, for --tag. */
    const char *const *quick;
    const char *const *full;
    const char *const *edge;
} km_op;

#ifdef __cplusplus
}
#endif
#endif
