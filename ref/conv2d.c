/* conv2d: y[n,k,p,q] = bias[k] + sum over c, r, s of weight[k,c,r,s] x[n,c,i,j] with
 * i = p stride + r dilation - pad and j likewise; taps outside the image count nothing. With groups,
 * output channel k sees the c / groups channels of its group. No flipping: torch.nn.functional.conv2d.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "conv2d_cases.h"
#include "conv2d_shape.h"
#include "conv2d_winograd.h"

/* ---- one input plane and one output plane ----------------------------------------------------- */

/* to[i * to_step] += w * from[i * from_step] */
static inline void add_row(real *restrict to, int64_t to_step, const real *restrict from,
                           int64_t from_step, real w, int64_t n)
{
    if (to_step == 1 && from_step == 1)
        for (int64_t i = 0; i < n; i++)
            to[i] += w * from[i];
    else
        for (int64_t i = 0; i < n; i++)
            to[i * to_step] += w * from[i * from_step];
}

/* The sum of a[i] b[i * step], in four sums that a compiler may form side by side. */
static inline double dot(const real *a, const real *b, int64_t step, int64_t n)
{
    double sum[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            sum[j] += (double)a[i + j] * b[(i + j) * step];
    for (; i < n; i++)
        sum[0] += (double)a[i] * b[i * step];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
}

/* y += weight * x */
static void correlate(const geometry *g, const real *weight, const real *x, real *y)
{
    for (int64_t r = 0; r < g->h.kernel; r++)
        for (int64_t s = 0; s < g->w.kernel; s++) {
            const range rows = inside(&g->h, r), columns = inside(&g->w, s);
            const int64_t q = columns.begin, n = columns.end - q, j = place(&g->w, q, s);
            for (int64_t p = rows.begin; p < rows.end; p++)
                add_row(y + p * g->w.out + q, 1, x + place(&g->h, p, r) * g->w.in + j, g->w.stride,
                        weight[r * g->w.kernel + s], n);
        }
}

/* grad_x += the transpose of correlate, of grad_y */
static void spread(const geometry *g, const real *weight, const real *grad_y, real *grad_x)
{
    for (int64_t r = 0; r < g->h.kernel; r++)
        for (int64_t s = 0; s < g->w.kernel; s++) {
            const range rows = inside(&g->h, r), columns = inside(&g->w, s);
            const int64_t q = columns.begin, n = columns.end - q, j = place(&g->w, q, s);
            for (int64_t p = rows.begin; p < rows.end; p++)
                add_row(grad_x + place(&g->h, p, r) * g->w.in + j, g->w.stride,
                        grad_y + p * g->w.out + q, 1, weight[r * g->w.kernel + s], n);
        }
}

/* The part of one tap's gradient that these planes give: the sum of grad_y x. */
static double tap_gradient(const geometry *g, int64_t r, int64_t s, const real *x,
                           const real *grad_y)
{
    const range rows = inside(&g->h, r), columns = inside(&g->w, s);
    const int64_t q = columns.begin, n = columns.end - q, j = place(&g->w, q, s);
    double sum = 0;
    for (int64_t p = rows.begin; p < rows.end; p++)
        sum += dot(grad_y + p * g->w.out + q, x + place(&g->h, p, r) * g->w.in + j, g->w.stride, n);
    return sum;
}

/* ---- the passes ------------------------------------------------------------------------------ */

/* Planes: of input channel c of group j, of output channel k of group j, of their weights. */
static inline int64_t x_plane(const geometry *g, int64_t n, int64_t j, int64_t c)
{
    return ((n * g->groups + j) * g->c + c) * g->h.in * g->w.in;
}

static inline int64_t y_plane(const geometry *g, int64_t n, int64_t j, int64_t k)
{
    return ((n * g->groups + j) * g->k + k) * g->h.out * g->w.out;
}

static inline int64_t w_plane(const geometry *g, int64_t j, int64_t k, int64_t c)
{
    return ((j * g->k + k) * g->c + c) * g->h.kernel * g->w.kernel;
}

static void forward(const km_args *args)
{
    real *y = out(args, KM_Y);
    const geometry g = geometry_of(args->params);
    const real *x = in(args, KM_X), *weight = in(args, KM_WEIGHT), *bias = in(args, KM_BIAS);
    const int biased = args->slot[KM_BIAS].count > 0;
    for (int64_t n = 0; n < g.n; n++)
        for (int64_t j = 0; j < g.groups; j++)
            for (int64_t k = 0; k < g.k; k++) {
                real *plane = y + y_plane(&g, n, j, k);
                for (int64_t i = 0; i < g.h.out * g.w.out; i++)
                    plane[i] = biased ? bias[j * g.k + k] : 0;
                for (int64_t c = 0; c < g.c; c++)
                    correlate(&g, weight + w_plane(&g, j, k, c), x + x_plane(&g, n, j, c), plane);
            }
}

static void backward_data(const km_args *args)
{
    real *grad_x = out(args, KM_GRAD_X);
    const geometry g = geometry_of(args->params);
    const real *weight = in(args, KM_WEIGHT), *grad_y = in(args, KM_GRAD_Y);
    for (int64_t n = 0; n < g.n; n++)
        for (int64_t j = 0; j < g.groups; j++)
            for (int64_t c = 0; c < g.c; c++) {
                real *plane = grad_x + x_plane(&g, n, j, c);
                for (int64_t i = 0; i < g.h.in * g.w.in; i++)
                    plane[i] = 0;
                for (int64_t k = 0; k < g.k; k++)
                    spread(&g, weight + w_plane(&g, j, k, c), grad_y + y_plane(&g, n, j, k), plane);
            }
}

/* The gradients of the taps between one input and one output channel. */
static void plane_gradients(const km_args *args, const geometry *g, int64_t j, int64_t k, int64_t c,
                            real *grad_weight)
{
    const real *x = in(args, KM_X), *grad_y = in(args, KM_GRAD_Y);
    for (int64_t r = 0; r < g->h.kernel; r++)
        for (int64_t s = 0; s < g->w.kernel; s++) {
            double sum = 0;
            for (int64_t n = 0; n < g->n; n++)
                sum += tap_gradient(g, r, s, x + x_plane(g, n, j, c), grad_y + y_plane(g, n, j, k));
            grad_weight[r * g->w.kernel + s] = (real)sum;
        }
}

static void backward_weights(const km_args *args)
{
    real *grad_weight = out(args, KM_GRAD_WEIGHT);
    const geometry g = geometry_of(args->params);
    for (int64_t j = 0; j < g.groups; j++)
        for (int64_t k = 0; k < g.k; k++)
            for (int64_t c = 0; c < g.c; c++)
                plane_gradients(args, &g, j, k, c, grad_weight + w_plane(&g, j, k, c));
}

static void backward_bias(const km_args *args)
{
    real *grad_bias = out(args, KM_GRAD_BIAS);
    const geometry g = geometry_of(args->params);
    const real *grad_y = in(args, KM_GRAD_Y);
    const int64_t channels = g.groups * g.k, plane = g.h.out * g.w.out;
    for (int64_t k = 0; k < channels; k++) {
        double sum = 0;
        for (int64_t n = 0; n < g.n; n++)
            for (int64_t i = 0; i < plane; i++)
                sum += grad_y[(n * channels + k) * plane + i];
        grad_bias[k] = (real)sum;
    }
}

/* ---- the descriptor -------------------------------------------------------------------------- */

static const char *check(const km_case *c)
{
    static const km_dim bounded[] = {KM_DIM_H, KM_DIM_W, KM_DIM_R, KM_DIM_S};
    const int64_t groups = (int64_t)c->attr[KM_GROUPS];
    if (c->attr[KM_ALGORITHM] == WINOGRAD && !is_for_winograd(c))
        return "winograd takes 3x3 kernels with stride, dilation and groups of 1";
    for (int i = 0; i < 4; i++)
        if (c->dim[bounded[i]] > 1 << 30)
            return "h, w, r and s must be at most 2^30";
    if (c->dim[KM_DIM_C] % groups || c->dim[KM_DIM_K] % groups)
        return "c and k must be multiples of groups";
    return rows_of(c).out && columns_of(c).out
               ? NULL
               : "the padded image must not be smaller than the dilated kernel";
}

static void set_shape(km_tensor *t, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t dim[] = {n, c, h, w};
    t->ndim = 4;
    for (int d = 0; d < 4; d++)
        t->dim[d] = dim[d];
}

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    const int64_t *d = c->dim;
    if (slot == KM_X || slot == KM_GRAD_X)
        set_shape(t, d[KM_DIM_N], d[KM_DIM_C], d[KM_DIM_H], d[KM_DIM_W]);
    else if (slot == KM_Y || slot == KM_GRAD_Y)
        set_shape(t, d[KM_DIM_N], d[KM_DIM_K], rows_of(c).out, columns_of(c).out);
    else if (slot == KM_WEIGHT || slot == KM_GRAD_WEIGHT)
        set_shape(t, d[KM_DIM_K], d[KM_DIM_C] / (int64_t)c->attr[KM_GROUPS], d[KM_DIM_R],
                  d[KM_DIM_S]);
    else if (slot == KM_GRAD_BIAS || c->attr[KM_WITH_BIAS] != 0) {
        t->ndim = 1;
        t->dim[0] = d[KM_DIM_K];
    }
}

/* Pairs of an output and a tap inside the image. */
static double pairs(const axis *a)
{
    double count = 0;
    for (int64_t t = 0; t < a->kernel; t++) {
        const range o = inside(a, t);
        count += o.end > o.begin ? (double)(o.end - o.begin) : 0;
    }
    return count;
}

/* A tap outside the image is no work: nobody must multiply by zero. Of Winograd's algorithm, the products count. */
static double flops(const km_case *c, const km_pass *pass)
{
    const geometry g = geometry_of(c);
    const double channels = (double)(g.n * g.groups * g.k);
    double products = pairs(&g.h) * pairs(&g.w);
    if (pass->use[0].slot == KM_GRAD_Y)
        return channels * (double)(g.h.out * g.w.out);
    const int forward = pass->use[1].slot == KM_WEIGHT, data = pass->use[0].slot == KM_WEIGHT;
    if (c->attr[KM_ALGORITHM] == WINOGRAD && (forward || data)) {
        const int64_t h = forward ? g.h.out : g.h.in, w = forward ? g.w.out : g.w.in;
        products = fmin(products, fmin(winograd_products(h, w, 2), winograd_products(h, w, 4)));
    }
    return 2 * channels * (double)g.c * products;
}

static int64_t terms(const km_case *c, km_slot slot)
{
    const geometry g = geometry_of(c);
    const int64_t taps = g.h.kernel * g.w.kernel;
    if (by_winograd(c, slot))
        return (slot == KM_Y ? g.c : g.k) + WINOGRAD_ROUNDINGS;
    if (slot == KM_Y)
        return g.c * taps + (c->attr[KM_WITH_BIAS] != 0);
    return slot == KM_GRAD_X ? g.k * taps : g.n * g.h.out * g.w.out;
}

static real *magnitudes(const km_tensor *t)
{
    const real *from = t->data;
    real *to = from ? malloc((size_t)(t->count + 1) * sizeof *to) : NULL;
    for (int64_t i = 0; to && i < t->count; i++)
        to[i] = fabs(from[i]);
    return to;
}

/* S is what the pass makes of magnitudes. */
static void direct_scale(const km_args *oracle, km_slot slot, double *s)
{
    static const km_slot inputs[] = {KM_X, KM_WEIGHT, KM_BIAS, KM_GRAD_Y};
    static void (*const passes[KM_SLOT_COUNT])(const km_args *) = {[KM_Y] = forward,
                                                                   [KM_GRAD_X] = backward_data,
                                                                   [KM_GRAD_WEIGHT] =
                                                                       backward_weights,
                                                                   [KM_GRAD_BIAS] = backward_bias};
    km_args args = *oracle;
    int missing = 0;
    for (int i = 0; i < 4; i++) {
        args.slot[inputs[i]].data = magnitudes(&oracle->slot[inputs[i]]);
        missing |= !args.slot[inputs[i]].data && oracle->slot[inputs[i]].data;
    }
    args.slot[slot].data = s; /* only the build whose real is double is asked */
    if (missing)              /* out of memory: bounds that nobody meets */
        memset(s, 0, (size_t)oracle->slot[slot].count * sizeof *s);
    else
        passes[slot](&args);
    for (int i = 0; i < 4; i++)
        free(args.slot[inputs[i]].data);
}

static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    if (!by_winograd(oracle->params, slot))
        direct_scale(oracle, slot, s);
    else if (winograd_scale(oracle, slot, s))
        memset(s, 0, (size_t)oracle->slot[slot].count * sizeof *s);
}

/* The least input that gives this output: backward_bias has no other source for it. */
static int64_t least_input(const axis *a, int64_t out)
{
    const int64_t least = (out - 1) * a->stride + a->dilation * (a->kernel - 1) + 1 - 2 * a->pad;
    return least < 1 ? 1 : least;
}

static void infer_channels(const km_tensor *weight, km_case *c)
{
    if (weight->ndim != 4)
        return;
    c->dim[KM_DIM_K] = weight->dim[0];
    c->dim[KM_DIM_C] = weight->dim[1] * (int64_t)c->attr[KM_GROUPS];
    c->dim[KM_DIM_R] = weight->dim[2];
    c->dim[KM_DIM_S] = weight->dim[3];
}

static void infer_image(const km_tensor *grad_y, km_case *c)
{
    const axis h = rows_of(c), w = columns_of(c);
    c->dim[KM_DIM_N] = grad_y->dim[0];
    c->dim[KM_DIM_K] = grad_y->dim[1];
    if (h.out != grad_y->dim[2])
        c->dim[KM_DIM_H] = least_input(&h, grad_y->dim[2]);
    if (w.out != grad_y->dim[3])
        c->dim[KM_DIM_W] = least_input(&w, grad_y->dim[3]);
}

static int is_usable(const km_case *c)
{
    return c->attr[KM_STRIDE] >= 1 && c->attr[KM_STRIDE_W] >= 1 && c->attr[KM_GROUPS] >= 1;
}

static const char *infer(const km_args *recorded, km_case *c)
{
    const km_tensor *x = &recorded->slot[KM_X], *y = &recorded->slot[KM_Y];
    const km_tensor *weight = &recorded->slot[KM_WEIGHT];
    const km_tensor *grad_y = y->ndim >= 0 ? y : &recorded->slot[KM_GRAD_Y];
    if (!is_usable(c))
        return "stride and groups must be at least 1";
    infer_channels(weight->ndim >= 0 ? weight : &recorded->slot[KM_GRAD_WEIGHT], c);
    if (x->ndim < 0 && grad_y->ndim == 4)
        infer_image(grad_y, c);
    if (x->ndim == 4)
        for (int d = 0; d < 4; d++)
            c->dim[KM_DIM_N + d] = x->dim[d];
    return x->ndim == 4 || grad_y->ndim == 4 ? NULL : "neither x nor grad_y has four dimensions";
}

/* clang-format off */
#define READ(slot) {slot, KM_READ, .fill = KM_FILL_NORMAL}
#define SUM(slot)  {slot, KM_WRITE, .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}}
/* clang-format on */

const km_op KM_OP(conv2d) = {
    .name = "conv2d",
    .family = "convolution",
    .summary = "two-dimensional convolution, with strides, dilation and groups",
    .dims = 7,
    .dim = {{KM_DIM_N, .min = 0, .fallback = 1},
            {KM_DIM_C, .min = 0, .fallback = -1},
            {KM_DIM_H, .min = 1, .fallback = 0},
            {KM_DIM_W, .min = 1, .fallback = 0},
            {KM_DIM_K, .min = 0, .fallback = -1},
            {KM_DIM_R, .min = 1, .fallback = 1},
            {KM_DIM_S, .min = 1, .fallback = 1}},
    .attrs = 6,
    .attr = {{KM_STRIDE, .fallback = 1, .min = 1, .max = 1e6, .integer = 1, .pair = KM_STRIDE_W},
             {KM_PAD, .fallback = 0, .min = 0, .max = 1e6, .integer = 1, .pair = KM_PAD_W},
             {KM_DILATION, 1, .min = 1, .max = 1e6, .integer = 1, .pair = KM_DILATION_W},
             {KM_GROUPS, .fallback = 1, .min = 1, .max = 1e9, .integer = 1},
             {KM_WITH_BIAS, .fallback = 1, .min = 0, .max = 1, .integer = 1},
             {KM_ALGORITHM, DIRECT, .min = 0, .max = 1, .integer = 1, .choices = algorithms}},
    .check = check,
    .shape = shape,
    .flops = flops,
    .infer = infer,
    .terms = terms,
    .sum_scale = sum_scale,
    .sweep = {KM_DIM_C, KM_DIM_K, KM_DIM_W},
    .sweeps = 3,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 4,
    .pass = {{.name = "forward",
              .formula = "y = bias + sum over c, r, s of weight x",
              .use = {READ(KM_X), READ(KM_WEIGHT), READ(KM_BIAS), SUM(KM_Y)},
              .exact_on_integers = 1},
             {.name = "backward_data",
              .formula = "grad_x = sum over k, r, s of weight grad_y",
              .use = {READ(KM_WEIGHT), READ(KM_GRAD_Y), SUM(KM_GRAD_X)},
              .exact_on_integers = 1},
             {.name = "backward_weights",
              .formula = "grad_weight = sum over n, p, q of grad_y x",
              .use = {READ(KM_X), READ(KM_GRAD_Y), SUM(KM_GRAD_WEIGHT)},
              .exact_on_integers = 1},
             {.name = "backward_bias",
              .formula = "grad_bias = sum over n, p, q of grad_y",
              .use = {READ(KM_GRAD_Y), SUM(KM_GRAD_BIAS)},
              .exact_on_integers = 1}},
};

const km_kernel KM_KERNELS(conv2d)[] = {
    {.op = "conv2d", .pass = "forward", .run = forward},
    {.op = "conv2d", .pass = "backward_data", .run = backward_data},
    {.op = "conv2d", .pass = "backward_weights", .run = backward_weights},
    {.op = "conv2d", .pass = "backward_bias", .run = backward_bias},
    {0}};
