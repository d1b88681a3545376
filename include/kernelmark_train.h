/* kernelmark_train.h: what a training loop needs beside kernels: schedules of the learning rate, early stopping, the
 * scales of initialisations, and a gradient check for operations of one's own. Plain C, all in double, no state but
 * what the caller holds. Link with libkernelmark-train.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNELMARK_TRAIN_H
#define KERNELMARK_TRAIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- schedules: the rate to be used in an epoch, counted from 0 ------------------------------ */

/* base_lr gamma^(epoch / step_size); step_size is 1 or more. As torch.optim.lr_scheduler.StepLR. */
double km_step_lr(double base_lr, int64_t step_size, double gamma, int64_t epoch);

/* From base_lr down to eta_min at t_max, then up again, in half a cosine each (Loshchilov and Hutter, 2017). As
 * torch's CosineAnnealingLR, whose recursion agrees to 5e-15. */
double km_cosine_lr(double base_lr, double eta_min, int64_t t_max, int64_t epoch);

/* Lowers the rate when a metric has not become better for more than `patience` epochs. As torch's
 * ReduceLROnPlateau. */
typedef struct km_plateau {
    double lr;                  /* at first the base rate; then the current one */
    double factor;              /* of a reduction: in (0, 1) */
    double threshold;           /* a change by less is no change for the better */
    double min_lr, eps;         /* nothing below min_lr; a reduction by eps or less is left out */
    int64_t patience, cooldown; /* epochs; while cooling down after a reduction, none is bad */
    int maximize;               /* nonzero: a larger metric is better */
    int absolute;               /* nonzero: threshold is a difference; else relative to the best */
    double best;                /* from here on kept by km_plateau_step; set by km_plateau_open */
    int64_t bad, cooling;
} km_plateau;

/* NULL, or the rule that the numbers break. */
const char *km_plateau_open(km_plateau *p);

/* After an epoch, with its metric; returns the rate for the next. A NaN is never better. */
double km_plateau_step(km_plateau *p, double metric);

/* ---- early stopping --------------------------------------------------------------------------- */

/* Parameters that live in several tensors. */
typedef struct km_parameters {
    int tensors;
    float *const *tensor;
    const int64_t *count; /* elements of each */
} km_parameters;

typedef struct km_early_stop {
    int64_t patience; /* stops after so many epochs without a change for the better; 1 or more */
    double min_delta; /* by which a metric must be better to count; 0 or more */
    int maximize;
    double best; /* from here on set by km_early_stop_open */
    int64_t bad;
    int64_t epoch, best_epoch; /* -1: none yet */
    float *kept;               /* the parameters of the best epoch */
} km_early_stop;

/* Makes room for a copy of the parameters. NULL, or why not. */
const char *km_early_stop_open(km_early_stop *e, const km_parameters *p);

/* After an epoch: keeps the parameters if they are the best so far; nonzero: stop. */
int km_early_stop_step(km_early_stop *e, double metric, const km_parameters *p);

/* Puts the best parameters back; -1 if there are none. */
int km_early_stop_restore(const km_early_stop *e, const km_parameters *p);
void km_early_stop_close(km_early_stop *e);

/* ---- scales of initialisations ---------------------------------------------------------------- */

/* Of a weight [out, in / groups, kernel...]: how many inputs an output sees, how many outputs an input. */
void km_fans(const int64_t *size, int dims, double *fan_in, double *fan_out);

double km_xavier_normal_std(double fan_in, double fan_out, double gain);
double km_xavier_uniform_bound(double fan_in, double fan_out, double gain);
double km_he_normal_std(double fan_in, double negative_slope);
double km_he_uniform_bound(double fan_in, double negative_slope);
double km_lecun_normal_std(double fan_in);

/* ---- a gradient check ------------------------------------------------------------------------- */

/* A function of one's own and the gradient that is claimed for it, in double: what float rounds off would hide
 * small errors. x: the point, away from kinks. */
typedef struct km_gradient_problem {
    int64_t inputs, outputs;
    void (*forward)(const double *x, double *y, void *context);
    void (*backward)(const double *x, const double *grad_y, double *grad_x, void *context);
    void *context;
    double tolerance; /* 0: 1e-6 */
    uint64_t seed;    /* of grad_y, which is Gaussian: the sum of y would be blind to many errors */
} km_gradient_problem;

typedef struct km_gradient_verdict {
    int64_t worst; /* input with the largest error */
    double analytic, numeric;
    double error; /* |analytic - numeric| over their magnitudes */
} km_gradient_verdict;

/* Compares every element with a central difference. 0: right; 1: wrong; -1: out of memory. */
int km_check_gradient(const km_gradient_problem *p, const double *x, km_gradient_verdict *verdict);

#ifdef __cplusplus
}
#endif
#endif
