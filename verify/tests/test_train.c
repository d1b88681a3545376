/* test_train.c: kernelmark_train.h: schedules, early stopping, scales, and the gradient check.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <kernelmark_train.h>
#include <math.h>

static void near(double got, double want)
{
    assert_true(fabs(got - want) <= 1e-14 * fmax(1, fabs(want)));
}

static void steps(void **state)
{
    (void)state;
    near(km_step_lr(0.1, 3, 0.5, 0), 0.1);
    near(km_step_lr(0.1, 3, 0.5, 2), 0.1);
    near(km_step_lr(0.1, 3, 0.5, 3), 0.05);
    near(km_step_lr(0.1, 3, 0.5, 11), 0.0125);
}

/* Down, and up again after t_max. */
static void cosine(void **state)
{
    (void)state;
    near(km_cosine_lr(1, 0.2, 10, 0), 1);
    near(km_cosine_lr(1, 0.2, 10, 5), 0.6);
    near(km_cosine_lr(1, 0.2, 10, 10), 0.2);
    near(km_cosine_lr(1, 0.2, 10, 15), 0.6);
    near(km_cosine_lr(1, 0.2, 10, 20), 1);
}

static km_plateau plateau_of(int64_t patience, int64_t cooldown)
{
    km_plateau p = {.lr = 1,
                    .factor = 0.5,
                    .threshold = 0.1,
                    .absolute = 1,
                    .patience = patience,
                    .cooldown = cooldown};
    assert_null(km_plateau_open(&p));
    return p;
}

/* More than `patience` bad epochs, not as many. */
static void patience(void **state)
{
    km_plateau p = plateau_of(2, 0);
    (void)state;
    near(km_plateau_step(&p, 5), 1);
    near(km_plateau_step(&p, 4.95), 1); /* better by less than the threshold: bad */
    near(km_plateau_step(&p, 5), 1);
    near(km_plateau_step(&p, NAN), 0.5);
    near(km_plateau_step(&p, 4), 0.5);
    near(p.best, 4);
}

static void cooldown(void **state)
{
    km_plateau p = plateau_of(0, 2);
    (void)state;
    km_plateau_step(&p, 1);
    near(km_plateau_step(&p, 1), 0.5);
    near(km_plateau_step(&p, 1), 0.5); /* cooling */
    near(km_plateau_step(&p, 1), 0.5); /* cooling */
    near(km_plateau_step(&p, 1), 0.25);
}

static void plateau_limits(void **state)
{
    km_plateau p = plateau_of(0, 0);
    (void)state;
    p.min_lr = 0.6;
    km_plateau_step(&p, 1);
    near(km_plateau_step(&p, 1), 0.6);
    near(km_plateau_step(&p, 1), 0.6);
    p = (km_plateau){.lr = 1, .factor = 0.5, .threshold = 0.1, .maximize = 1};
    assert_null(km_plateau_open(&p));
    km_plateau_step(&p, 10);
    near(km_plateau_step(&p, 11.5), 1); /* relative: 11 is the bar */
    near(km_plateau_step(&p, 12), 0.5);
}

static void plateau_rules(void **state)
{
    km_plateau p = {.lr = 1, .factor = 1};
    (void)state;
    assert_non_null(km_plateau_open(&p));
    p.factor = 0.5;
    p.patience = -1;
    assert_non_null(km_plateau_open(&p));
    p.patience = 0;
    p.lr = NAN;
    assert_non_null(km_plateau_open(&p));
}

/* Stops after two epochs without a change for the better, and the best parameters come back. */
static void early_stop(void **state)
{
    float a[2] = {0}, b[1] = {0};
    float *const tensor[] = {a, b};
    const int64_t count[] = {2, 1};
    const km_parameters p = {2, tensor, count};
    const double metric[] = {5, 3, 2.95, NAN};
    km_early_stop e = {.patience = 2, .min_delta = 0.1};
    int stopped = 0, epoch = 0;
    (void)state;
    assert_null(km_early_stop_open(&e, &p));
    assert_int_equal(km_early_stop_restore(&e, &p), -1);
    for (; !stopped && epoch < 4; epoch++) {
        a[0] = a[1] = (float)epoch;
        b[0] = (float)epoch * 10;
        stopped = km_early_stop_step(&e, metric[epoch], &p);
    }
    assert_int_equal(stopped, 1);
    assert_int_equal(epoch, 4);
    assert_int_equal(e.best_epoch, 1);
    assert_int_equal(km_early_stop_restore(&e, &p), 0);
    assert_true(a[0] == 1 && a[1] == 1 && b[0] == 10);
    km_early_stop_close(&e);
    e.patience = 0;
    assert_non_null(km_early_stop_open(&e, &p));
}

static void scales(void **state)
{
    const int64_t convolution[] = {8, 3, 5, 2};
    double fan_in, fan_out;
    (void)state;
    km_fans(convolution, 4, &fan_in, &fan_out);
    near(fan_in, 30);
    near(fan_out, 80);
    near(km_xavier_normal_std(30, 80, 2), 2 * sqrt(2.0 / 110));
    near(km_xavier_uniform_bound(30, 80, 1), sqrt(6.0 / 110));
    near(km_he_normal_std(30, 0), sqrt(2.0 / 30));
    near(km_he_uniform_bound(30, 1), sqrt(3.0 / 30));
    near(km_lecun_normal_std(30), sqrt(1.0 / 30));
}

/* ---- the gradient check: y = A sin x ---- */

enum { IN = 5, OUT = 3 };

static double entry(int o, int i)
{
    return 1 + o - 0.5 * i;
}

static void forward(const double *x, double *y, void *unused)
{
    (void)unused;
    for (int o = 0; o < OUT; o++) {
        y[o] = 0;
        for (int i = 0; i < IN; i++)
            y[o] += entry(o, i) * sin(x[i]);
    }
}

/* times 1 + *mistake in one element */
static void backward(const double *x, const double *grad_y, double *grad_x, void *mistake)
{
    for (int i = 0; i < IN; i++) {
        grad_x[i] = 0;
        for (int o = 0; o < OUT; o++)
            grad_x[i] += entry(o, i) * cos(x[i]) * grad_y[o];
    }
    grad_x[2] *= 1 + *(double *)mistake;
}

static void gradient(void **state)
{
    const double x[IN] = {0.3, -1.2, 0.7, 2.5, -0.1};
    double mistake = 0;
    km_gradient_problem p = {IN, OUT, forward, backward, &mistake, 0, 1};
    km_gradient_verdict v;
    (void)state;
    assert_int_equal(km_check_gradient(&p, x, &v), 0);
    assert_true(v.error < 1e-7);
    mistake = 1e-4;
    assert_int_equal(km_check_gradient(&p, x, &v), 1);
    assert_int_equal(v.worst, 2);
    mistake = NAN;
    assert_int_equal(km_check_gradient(&p, x, &v), 1);
    p.inputs = 0;
    assert_int_equal(km_check_gradient(&p, x, &v), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),          cmocka_unit_test(cosine),
        cmocka_unit_test(patience),       cmocka_unit_test(cooldown),
        cmocka_unit_test(plateau_limits), cmocka_unit_test(plateau_rules),
        cmocka_unit_test(early_stop),     cmocka_unit_test(scales),
        cmocka_unit_test(gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
