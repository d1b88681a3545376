/* loss.c: losses composed of oneDNN primitives, as a program on oneDNN would.
 *
 * cross_entropy: logsoftmax into a scratch tensor, of which a loop takes the targets' entries; the
 * gradient is softmax, scaled in place by a binary primitive, and a loop that subtracts at the
 * targets and clears ignored rows. oneDNN has neither gathering nor scattering. mse_loss: a binary
 * difference, then an inner product of it with itself; its gradient is one binary chain.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"
#include "sums.h"

#include <string.h>

enum { MEAN, SUM, NONE };

static int reduction_of(const km_args *args)
{
    return (int)args->params->attr[KM_REDUCTION];
}

/* Of the one constant of a plan, which only run knows. */
static void set_constant(plan *p, float value)
{
    for (int i = 0; i < p->bindings; i++)
        if (p->binding[i].slot == CONSTANT_SLOT)
            p->constant[i] = value;
}

/* ---- cross_entropy ---- */

static int is_ignored(const km_args *args, int32_t target)
{
    return target == (int32_t)args->params->attr[KM_IGNORE_INDEX];
}

/* How many positions count: what the mean divides by. */
static double counted(const km_args *args)
{
    const km_tensor *t = &args->slot[KM_TARGET];
    double count = 0;
    for (int64_t i = 0; i < t->count && reduction_of(args) == MEAN; i++)
        count += !is_ignored(args, ((const int32_t *)t->data)[i]);
    return reduction_of(args) == MEAN ? count : 1;
}

static int64_t target_at(const km_args *args, int64_t i)
{
    const int64_t n = args->slot[KM_X].dim[1], h = args->slot[KM_X].dim[2];
    return i / h * n * h + ((const int32_t *)args->slot[KM_TARGET].data)[i] * h + i % h;
}

static void gather(const km_args *args)
{
    const plan *p = args->plan;
    const km_tensor *t = &args->slot[KM_TARGET];
    float *y = args->slot[KM_Y].data;
    double sum = 0;
    for (int64_t i = 0; i < t->count; i++) {
        const int ignored = is_ignored(args, ((const int32_t *)t->data)[i]);
        const float loss = ignored ? 0 : -p->scratch[target_at(args, i)];
        sum += loss;
        if (reduction_of(args) == NONE)
            y[i] = loss;
    }
    if (reduction_of(args) != NONE)
        y[0] = (float)(sum / counted(args));
}

static void clear(const km_args *args, int64_t i)
{
    const int64_t n = args->slot[KM_X].dim[1], h = args->slot[KM_X].dim[2];
    float *at = (float *)args->slot[KM_GRAD_X].data + i / h * n * h + i % h;
    for (int64_t j = 0; j < n * h; j += h)
        at[j] = 0;
}

static void scatter(const km_args *args, float share)
{
    const km_tensor *t = &args->slot[KM_TARGET];
    float *grad_x = args->slot[KM_GRAD_X].data;
    for (int64_t i = 0; i < t->count; i++)
        if (is_ignored(args, ((const int32_t *)t->data)[i]))
            clear(args, i);
        else
            grad_x[target_at(args, i)] -= share;
}

static rows rows_of(const km_args *args)
{
    const int64_t *dim = args->slot[KM_X].dim;
    return (rows){dim[0], dim[1], dim[2]};
}

static const char *build_loss(plan *p, const km_args *args, const void *unused)
{
    (void)unused;
    if (args->slot[KM_X].count == 0)
        return NULL;
    const char *reason = km_onednn_scratch(p, args->slot[KM_X].count);
    return reason ? reason
                  : km_onednn_rows_forward(p, rows_of(args), dnnl_softmax_log, KM_X, SCRATCH_SLOT);
}

static const char *build_gradient(plan *p, const km_args *args, const void *unused)
{
    (void)unused;
    if (args->slot[KM_X].count == 0)
        return NULL;
    const link scale = {dnnl_binary_mul, CONSTANT, 1, 0, 0};
    const char *reason =
        km_onednn_rows_forward(p, rows_of(args), dnnl_softmax_accurate, KM_X, KM_GRAD_X);
    return reason ? reason : km_onednn_chain(p, args, &(chain){KM_GRAD_X, KM_GRAD_X, 1, &scale});
}

static const char *build_both(plan *p, const km_args *args, const void *unused)
{
    const char *reason = build_loss(p, args, unused);
    return reason ? reason : build_gradient(p, args, unused);
}

static void run_loss(const km_args *args)
{
    km_onednn_run(args);
    gather(args);
}

static void run_gradient(const km_args *args)
{
    const float share = (float)(*(const float *)args->slot[KM_GRAD_Y].data / counted(args));
    set_constant(args->plan, share);
    km_onednn_run(args);
    scatter(args, share);
}

static void run_both(const km_args *args)
{
    run_gradient(args);
    gather(args);
}

static const char *decline(const km_args *args, int gradient)
{
    if (args->params->attr[KM_WITH_WEIGHT] != 0)
        return "not composed with weights";
    if (args->params->attr[KM_LABEL_SMOOTHING] != 0)
        return "not composed with label smoothing";
    return gradient && reduction_of(args) == NONE ? "not composed with a grad_y per position"
                                                  : NULL;
}

static const char *loss(const km_args *args, void **out)
{
    const char *reason = decline(args, 0);
    return reason ? reason : km_onednn_open(args, build_loss, NULL, out);
}

static const char *gradient(const km_args *args, void **out)
{
    const char *reason = decline(args, 1);
    return reason ? reason : km_onednn_open(args, build_gradient, NULL, out);
}

static const char *both(const km_args *args, void **out)
{
    const char *reason = decline(args, 1);
    return reason ? reason : km_onednn_open(args, build_both, NULL, out);
}

/* ---- mse_loss ---- */

static const char *build_squares(plan *p, const km_args *args, const void *unused)
{
    const link l[] = {{dnnl_binary_sub, TENSOR, 0, 0, KM_TARGET},
                      {dnnl_eltwise_square, ELTWISE, 0, 0, 0}};
    (void)unused;
    if (args->slot[KM_X].count == 0)
        return NULL;
    if (reduction_of(args) == NONE)
        return km_onednn_chain(p, args, &(chain){KM_X, KM_Y, 2, l});
    const char *reason = km_onednn_scratch(p, args->slot[KM_X].count);
    if (!reason)
        reason = km_onednn_chain(p, args, &(chain){KM_X, SCRATCH_SLOT, 1, l});
    return reason ? reason
                  : km_onednn_sum_of_squares(p, args->slot[KM_X].count, SCRATCH_SLOT, KM_Y);
}

static const char *build_difference(plan *p, const km_args *args, const void *unused)
{
    const link l[] = {{dnnl_binary_sub, TENSOR, 0, 0, KM_TARGET},
                      {dnnl_binary_mul, CONSTANT, 1, 0, 0}};
    (void)unused;
    if (args->slot[KM_X].count == 0)
        return NULL;
    return km_onednn_chain(p, args, &(chain){KM_X, KM_GRAD_X, 2, l});
}

static const char *squares(const km_args *args, void **out)
{
    return km_onednn_open(args, build_squares, NULL, out);
}

static const char *difference(const km_args *args, void **out)
{
    if (reduction_of(args) == NONE)
        return "not composed with a grad_y per element";
    return km_onednn_open(args, build_difference, NULL, out);
}

static void run_squares(const km_args *args)
{
    float *y = args->slot[KM_Y].data;
    if (args->slot[KM_X].count == 0 && reduction_of(args) != NONE)
        y[0] = 0;
    km_onednn_run(args);
    if (reduction_of(args) == MEAN)
        y[0] /= (float)args->slot[KM_X].count;
}

static void run_difference(const km_args *args)
{
    const float grad_y = *(const float *)args->slot[KM_GRAD_Y].data;
    const double by = reduction_of(args) == MEAN ? (double)args->slot[KM_X].count : 1;
    set_constant(args->plan, (float)(2 * grad_y / by));
    km_onednn_run(args);
}

static const char no_entropy[] = "no primitive, and no short composition of any";
static const char no_views[] = "nothing to compute: a memory descriptor is reshaped";

const km_kernel km_onednn_loss[] = {
    {"cross_entropy", "forward", loss, run_loss, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "logsoftmax, and a loop that gathers the targets"},
    {"cross_entropy", "backward", gradient, run_gradient, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "softmax, a binary multiplication, and a loop over the targets"},
    {"cross_entropy", "forward_backward", both, run_both, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "forward and backward, one after the other"},
    {"mse_loss", "forward", squares, run_squares, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "a binary difference, and an inner product with itself"},
    {"mse_loss", "backward", difference, run_difference, km_onednn_close, km_onednn_describe,
     KM_COMPOSED_KERNEL, "one binary primitive with a post-op"},
    {.op = "binary_cross_entropy", .pass = "forward", .offer = KM_NOT_OFFERED, .note = no_entropy},
    {.op = "binary_cross_entropy", .pass = "backward", .offer = KM_NOT_OFFERED, .note = no_entropy},
    {.op = "binary_cross_entropy_with_logits",
     .pass = "forward",
     .offer = KM_NOT_OFFERED,
     .note = no_entropy},
    {.op = "binary_cross_entropy_with_logits",
     .pass = "backward",
     .offer = KM_NOT_OFFERED,
     .note = no_entropy},
    {.op = "flatten", .pass = "forward", .offer = KM_NOT_OFFERED, .note = no_views},
    {.op = "flatten", .pass = "backward", .offer = KM_NOT_OFFERED, .note = no_views},
    {0},
};
