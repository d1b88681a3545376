/* linear: y = x weight^T + bias for x [n, c], weight [k, c], bias [k]; y is [n, k].
 * grad_x = grad_y weight, grad_weight = grad_y^T x, grad_bias = sum over n of grad_y. Sums are formed in double, in
 * order. torch.nn.Linear. SPDX-License-Identifier: Apache-2.0 */
#include "models.h"
#include "ref.h"

enum { COLUMNS = 64 }; /* sums that are formed at a time */

/* A matrix: element (i, j) lies at data[i * row + j * column]. */
typedef struct matrix {
    const real *data;
    int64_t row, column;
} matrix;

static real element(matrix a, int64_t i, int64_t j)
{
    return a.data[i * a.row + j * a.column];
}

typedef struct sizes {
    int64_t rows, columns, terms;
} sizes;

/* out = a b, plus first[j] in column j if there is a first; of magnitudes if asked. */
static void product(real *out, matrix a, matrix b, const real *first, sizes s, int magnitudes)
{
    for (int64_t i = 0; i < s.rows; i++)
        for (int64_t j = 0; j < s.columns; j += COLUMNS) {
            const int64_t n = s.columns - j < COLUMNS ? s.columns - j : COLUMNS;
            double sum[COLUMNS] = {0};
            for (int64_t q = 0; first && q < n; q++)
                sum[q] = magnitudes ? fabs(first[j + q]) : first[j + q];
            for (int64_t p = 0; p < s.terms; p++)
                for (int64_t q = 0; q < n; q++) {
                    const double term = (double)element(a, i, p) * element(b, p, j + q);
                    sum[q] += magnitudes ? fabs(term) : term;
                }
            for (int64_t q = 0; q < n; q++)
                out[i * s.columns + j + q] = (real)sum[q];
        }
}

/* ---- the four products ---- */

static void make_y(const km_args *args, real *y, int magnitudes)
{
    const real *bias = args->slot[KM_BIAS].count ? in(args, KM_BIAS) : NULL;
    const int64_t *d = args->params->dim, n = d[KM_DIM_N], c = d[KM_DIM_C], k = d[KM_DIM_K];
    product(y, (matrix){in(args, KM_X), c, 1}, (matrix){in(args, KM_WEIGHT), 1, c}, bias,
            (sizes){n, k, c}, magnitudes);
}

static void make_grad_x(const km_args *args, real *grad_x, int magnitudes)
{
    const int64_t *d = args->params->dim, n = d[KM_DIM_N], c = d[KM_DIM_C], k = d[KM_DIM_K];
    product(grad_x, (matrix){in(args, KM_GRAD_Y), k, 1}, (matrix){in(args, KM_WEIGHT), c, 1}, NULL,
            (sizes){n, c, k}, magnitudes);
}

static void make_grad_weight(const km_args *args, real *grad_weight, int magnitudes)
{
    const int64_t *d = args->params->dim, n = d[KM_DIM_N], c = d[KM_DIM_C], k = d[KM_DIM_K];
    product(grad_weight, (matrix){in(args, KM_GRAD_Y), 1, k}, (matrix){in(args, KM_X), c, 1}, NULL,
            (sizes){k, c, n}, magnitudes);
}

/* A row of ones times grad_y. */
static void make_grad_bias(const km_args *args, real *grad_bias, int magnitudes)
{
    const int64_t *d = args->params->dim, n = d[KM_DIM_N], k = d[KM_DIM_K];
    const real one = 1;
    product(grad_bias, (matrix){&one, 0, 0}, (matrix){in(args, KM_GRAD_Y), k, 1}, NULL,
            (sizes){1, args->slot[KM_GRAD_BIAS].count, n}, magnitudes);
}

static void forward(const km_args *args)
{
    make_y(args, out(args, KM_Y), 0);
}

static void backward_data(const km_args *args)
{
    make_grad_x(args, out(args, KM_GRAD_X), 0);
}

static void backward_weights(const km_args *args)
{
    make_grad_weight(args, out(args, KM_GRAD_WEIGHT), 0);
    make_grad_bias(args, out(args, KM_GRAD_BIAS), 0);
}

static void backward(const km_args *args)
{
    backward_data(args);
    backward_weights(args);
}

/* ---- the descriptor ---- */

static void shape(const km_case *c, km_slot slot, km_tensor *t)
{
    static const struct {
        km_slot slot, grad;
        int ndim;
        km_dim dim[2];
    } tensors[] = {{KM_X, KM_GRAD_X, 2, {KM_DIM_N, KM_DIM_C}},
                   {KM_WEIGHT, KM_GRAD_WEIGHT, 2, {KM_DIM_K, KM_DIM_C}},
                   {KM_BIAS, KM_GRAD_BIAS, 1, {KM_DIM_K}},
                   {KM_Y, KM_GRAD_Y, 2, {KM_DIM_N, KM_DIM_K}}};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        if (tensors[i].slot != slot && tensors[i].grad != slot)
            continue;
        t->ndim = tensors[i].slot == KM_BIAS && c->attr[KM_WITH_BIAS] == 0 ? 0 : tensors[i].ndim;
        for (int d = 0; d < t->ndim; d++)
            t->dim[d] = c->dim[tensors[i].dim[d]];
    }
}

/* The last size of a recorded tensor, all before it multiplied; unchanged if there is no such tensor. */
static void matrix_sizes(const km_tensor *t, int64_t *rows, int64_t *columns)
{
    if (t->ndim < 1)
        return;
    *columns = t->dim[t->ndim - 1];
    *rows = 1;
    for (int d = 0; d + 1 < t->ndim; d++)
        *rows *= t->dim[d];
}

/* x and y may have any number of leading dimensions, or none. */
static const char *infer(const km_args *recorded, km_case *c)
{
    static const km_slot like_y[] = {KM_Y, KM_GRAD_Y}, like_x[] = {KM_X, KM_GRAD_X};
    static const km_slot like_weight[] = {KM_WEIGHT, KM_GRAD_WEIGHT};
    const km_tensor *t = recorded->slot;
    for (int i = 0; i < 2; i++) {
        matrix_sizes(&t[like_y[i]], &c->dim[KM_DIM_N], &c->dim[KM_DIM_K]);
        matrix_sizes(&t[like_x[i]], &c->dim[KM_DIM_N], &c->dim[KM_DIM_C]);
        matrix_sizes(&t[like_weight[i]], &c->dim[KM_DIM_K], &c->dim[KM_DIM_C]);
    }
    c->attr[KM_WITH_BIAS] = t[KM_BIAS].ndim >= 0 || t[KM_GRAD_BIAS].ndim >= 0;
    return NULL;
}

static double flops(const km_case *c, const km_pass *pass)
{
    const double n = (double)c->dim[KM_DIM_N], k = (double)c->dim[KM_DIM_K];
    const double one = 2 * n * (double)c->dim[KM_DIM_C] * k;
    double sum = 0;
    for (const km_use *use = pass->use; use->access != KM_END; use++)
        if (use->access == KM_WRITE)
            sum += use->slot == KM_GRAD_BIAS ? n * k * c->attr[KM_WITH_BIAS] : one;
    return sum;
}

static int64_t terms(const km_case *c, km_slot slot)
{
    if (slot == KM_Y)
        return c->dim[KM_DIM_C] + (c->attr[KM_WITH_BIAS] != 0);
    return slot == KM_GRAD_X ? c->dim[KM_DIM_K] : c->dim[KM_DIM_N];
}

/* Asked of the oracle, whose real is double. */
static void sum_scale(const km_args *oracle, km_slot slot, double *s)
{
    real *scale = (real *)s;
    if (slot == KM_Y)
        make_y(oracle, scale, 1);
    else if (slot == KM_GRAD_X)
        make_grad_x(oracle, scale, 1);
    else if (slot == KM_GRAD_WEIGHT)
        make_grad_weight(oracle, scale, 1);
    else
        make_grad_bias(oracle, scale, 1);
}

/* A small square, a classifier on one image, a batch on wide layers, few outputs, odd sizes, a large square. */
static const char *const quick[] = {
    "n128c128k128", "n1c2048k1000 @resnet50", "n32c512k512", "n64c128k10",
    "n5c17k33",     "n192c192k192",           NULL};
static const char *const full[] = {"n1024c1024k1024",    "n256c1024k1024",
                                   "n16c1024k1024",      RESNET50("c2048k1000"),
                                   VGG16("c25088k4096"), VGG16("c4096k4096"),
                                   VGG16("c4096k1000"),  MOBILENET_V2("c1280k1000"),
                                   LENET5("c400k120"),   LENET5("c120k84"),
                                   LENET5("c84k10"),     "n64c64k64",
                                   "n96c100k1000_bias0", NULL};
/* Nothing in each size; edges of tiles, and of blocks of the sum. */
static const char *const edge[] = {
    "n0c5k3",       "n3c0k4",       "n3c5k0",     "n0c0k0",     "n1c1k1",
    "n3c5k7_bias0", "n0c3k2_bias0", "n9c300k37",  "n15c16k31",  "n4c5000k3",
    "n33c1029k45",  "n29c7k97",     "n1100c9k17", "n70c40k600", NULL};

/* clang-format off */
#define IN(s)  {s, KM_READ, .fill = KM_FILL_NORMAL}
#define OUT(s) {s, KM_WRITE, .gate = {.kind = KM_SUM}, .target = {.kind = KM_SUM}}
/* clang-format on */

const km_op KM_OP(linear) = {
    .name = "linear",
    .family = "linear",
    .summary = "fully connected layer",
    .dims = 3,
    .dim = {{KM_DIM_N, .min = 0, .fallback = -1},
            {KM_DIM_C, .min = 0, .fallback = -1},
            {KM_DIM_K, .min = 0, .fallback = -1}},
    .attrs = 1,
    .attr = {{KM_WITH_BIAS, .fallback = 1, .min = 0, .max = 1, .integer = 1}},
    .shape = shape,
    .infer = infer,
    .flops = flops,
    .terms = terms,
    .sum_scale = sum_scale,
    .sweep = {KM_DIM_N, KM_DIM_C, KM_DIM_K},
    .sweeps = 3,
    .quick = quick,
    .full = full,
    .edge = edge,
    .passes = 4,
    .pass = {{.name = "forward",
              .formula = "y = x weight^T + bias",
              .use = {IN(KM_X), IN(KM_WEIGHT), IN(KM_BIAS), OUT(KM_Y)},
              .exact_on_integers = 1},
             {.name = "backward",
              .formula =
                  "grad_x = grad_y weight; grad_weight = grad_y^T x; grad_bias = sum of grad_y",
              .use = {IN(KM_X), IN(KM_WEIGHT), IN(KM_GRAD_Y), OUT(KM_GRAD_X), OUT(KM_GRAD_WEIGHT),
                      OUT(KM_GRAD_BIAS)},
              .exact_on_integers = 1},
             {.name = "backward_data",
              .formula = "grad_x = grad_y weight",
              .use = {IN(KM_WEIGHT), IN(KM_GRAD_Y), OUT(KM_GRAD_X)},
              .exact_on_integers = 1},
             {.name = "backward_weights",
              .formula = "grad_weight = grad_y^T x; grad_bias = sum of grad_y",
              .use = {IN(KM_X), IN(KM_GRAD_Y), OUT(KM_GRAD_WEIGHT), OUT(KM_GRAD_BIAS)},
              .exact_on_integers = 1}},
};

const km_kernel KM_KERNELS(linear)[] = {
    {.op = "linear", .pass = "forward", .run = forward},
    {.op = "linear", .pass = "backward", .run = backward},
    {.op = "linear", .pass = "backward_data", .run = backward_data},
    {.op = "linear", .pass = "backward_weights", .run = backward_weights},
    {0}};
