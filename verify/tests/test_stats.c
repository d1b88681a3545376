/* test_stats.c: the pure functions of bench/: statistics, and the roofs' answers.
 *
 * Expected values are numpy 1.24's and scipy 1.10's; the intervals were redrawn with an independent
 * Philox in Python and lie where scipy.stats.bootstrap puts them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/roofs.h"
#include "bench/stats.h"
#include "core/cpu.h"
#include "core/random.h"

enum { ODD = 9, EVEN = 8 };
static const double odd[ODD] = {103.2, 101.7, 99.8, 110.5, 100.1, 98.9, 102.3, 131.0, 100.6};
static const double even[EVEN] = {7.25, 6.5, 9.0, 8.0, 7.0, 12.5, 6.75, 7.5};
static const double base[ODD] = {95.1, 93.0, 92.2, 104.9, 94.4, 90.8, 95.9, 119.7, 91.3};

/* cmocka 1.1.5 has no assertion for doubles. */
static void near_at(double got, double want, int line)
{
    if (!(fabs(got - want) <= 1e-12 * fabs(want)))
        fail_msg("line %d: %.17g instead of %.17g", line, got, want);
}
#define near(got, want) near_at(got, want, __LINE__)

static void quantiles(void **state)
{
    (void)state;
    near(km_median(odd, ODD), 101.7);
    near(km_median(even, EVEN), 7.375);
    near(km_quantile(odd, ODD, 0.9), 114.6);
    near(km_quantile(odd, ODD, 0.1), 99.62);
    near(km_quantile(even, EVEN, 0.9), 10.05);
    near(km_quantile(even, EVEN, 0), 6.5);
    near(km_quantile(even, EVEN, 1), 12.5);
    near(km_median(odd, 1), 103.2);
}

static void spread_and_mean(void **state)
{
    (void)state;
    near(km_mad(odd, ODD), 1.6000000000000085);
    near(km_mad(even, EVEN), 0.625);
    near(km_geomean(odd, ODD), 104.95071859221389);
    near(km_geomean(even, EVEN), 7.890774248883634);
}

static void nonsense_gives_nan(void **state)
{
    const double holed[] = {1, NAN, 3, 4, 5}, zero[] = {1, 0};
    (void)state;
    assert_true(isnan(km_median(odd, 0)) && isnan(km_mad(odd, 0)) && isnan(km_geomean(odd, 0)));
    assert_true(isnan(km_median(holed, 5)) && isnan(km_mad(holed, 5)));
    assert_true(isnan(km_geomean(zero, 2)) && isnan(km_quantile(odd, ODD, 1.5)));
    assert_true(isnan(km_median_interval(holed, 5).low));
    assert_true(isnan(km_median_interval(odd, 0).high));
    assert_true(isnan(km_ratio_interval(odd, holed, 5).high));
}

static void intervals(void **state)
{
    (void)state;
    km_interval i = km_median_interval(odd, ODD);
    near(i.low, 99.8);
    near(i.high, 110.5);
    i = km_median_interval(even, EVEN);
    near(i.low, 6.75);
    near(i.high, 9);
    i = km_ratio_interval(odd, base, ODD);
    near(i.low, 1.0533841754051476);
    near(i.high, 1.0935483870967742);
}

static void few_samples_give_extremes(void **state)
{
    (void)state;
    km_interval i = km_median_interval(odd, 4);
    near(i.low, 99.8);
    near(i.high, 110.5);
    i = km_ratio_interval(odd, base, 2);
    near(i.low, 103.2 / 95.1);
    near(i.high, 101.7 / 93.0);
}

/* 95 % is the aim; percentile intervals of 15 samples are known to fall a little short. */
static void intervals_cover_the_truth(void **state)
{
    enum { TRIALS = 300, N = 15 };
    int covered = 0;
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        double x[N];
        km_fill_gaussian(x, N, (uint64_t)i + 1);
        km_interval interval = km_median_interval(x, N);
        covered += interval.low <= 0 && interval.high >= 0;
    }
    assert_in_range(covered, TRIALS * 90 / 100, TRIALS * 99 / 100);
}

/* ---- roofs --------------------------------------------------------------------------------- */

enum { KB = 1024 };

/* Each level half as fast as the one before; the share of writes costs nothing, in place is twice
 * as fast. */
static km_roofs made_up(void)
{
    km_roofs r = {.threads = 2, .cache = {32 * KB, 1024 * KB, 16384 * KB}};
    for (int mix = 0; mix < KM_ROOF_MIXES; mix++)
        for (int level = 0; level < KM_ROOF_LEVELS; level++)
            for (int team = 0; team < KM_ROOF_TEAMS; team++)
                r.gbps[team][level][mix][0] =
                    (mix == KM_ROOF_IN_PLACE ? 2 : 1) * (team + 1) * 80.0 / (1 << level);
    r.fma[KM_ROOF_ONE][0] = 10;
    r.fma[KM_ROOF_ONE][2] = 40;
    r.fma[KM_ROOF_ALL][0] = 20;
    r.fma[KM_ROOF_ALL][2] = 35; /* disturbed: one thread did better */
    return r;
}

static void compute_roof(void **state)
{
    km_roofs r = made_up();
    (void)state;
    near(km_roof_compute(&r, "baseline", 1), 10);
    near(km_roof_compute(&r, "baseline", 2), 20);
    near(km_roof_compute(&r, "avx2", 1), 40);
    near(km_roof_compute(&r, "avx2", 2), 40);
    near(km_roof_compute(&r, NULL, 1), 40);
}

static void bandwidth_by_level(void **state)
{
    km_roofs r = made_up();
    const char *level;
    (void)state;
    near(km_roof_bandwidth(&r, 32 * KB, 1, 1, 1, &level), 80);
    assert_string_equal(level, "L1");
    /* half of it can still be in L1: 1/2 of 1/80 and 1/2 of 1/40 */
    near(km_roof_bandwidth(&r, 64 * KB, 1, 1, 1, &level), 1 / (0.5 / 80 + 0.5 / 40));
    assert_string_equal(level, "L2");
    /* two threads have two L1 */
    near(km_roof_bandwidth(&r, 64 * KB, 1, 1, 2, &level), 160);
    assert_string_equal(level, "L1");
    assert_true(km_roof_bandwidth(&r, 1e12, 1, 1, 1, &level) < 10.001);
    assert_string_equal(level, "memory");
}

static void bandwidth_by_mix(void **state)
{
    km_roofs r = made_up();
    (void)state;
    r.gbps[KM_ROOF_ONE][KM_L1][0][0] = 160; /* 1:0 */
    near(km_roof_bandwidth(&r, KB, 1, 0, 1, NULL), 160);
    near(km_roof_bandwidth(&r, KB, 3, 1, 1, NULL), 80);
    near(km_roof_bandwidth(&r, KB, 7, 1, 1, NULL), 1 / (0.5 / 160 + 0.5 / 80));
    r.gbps[KM_ROOF_ONE][KM_MEMORY][3][1] = 500; /* streaming stores; nothing nearer is slower */
    near(km_roof_bandwidth(&r, KB, 1, 1, 1, NULL), 500);
}

static void limit_of_a_cell(void **state)
{
    km_roofs r = made_up();
    km_roof_limit limit;
    (void)state;
    km_roof_load load = {.flops = 1000, .read = 8000, .written = 8000, .isa = "avx2", .threads = 1};
    km_roof_of_cell(&r, &load, &limit);
    near(limit.ns, 200);
    assert_string_equal(limit.bound, "L1");
    load.in_place = 8000;
    km_roof_of_cell(&r, &load, &limit);
    near(limit.ns, 100);
    load.flops = 1e6;
    km_roof_of_cell(&r, &load, &limit);
    near(limit.ns, 25000);
    assert_string_equal(limit.bound, "compute");
    km_roof_of_cell(&(km_roofs){.threads = 1}, &load, &limit);
    near(limit.ns, 0);
}

static void merging_keeps_the_better(void **state)
{
    km_roofs r = made_up(), other = made_up();
    (void)state;
    other.fma[KM_ROOF_ALL][2] = 80;
    other.gbps[KM_ROOF_ALL][KM_L2][1][0] = 500;
    other.gbps[KM_ROOF_ONE][KM_L2][1][0] = 1;
    km_roofs_merge(&r, &other);
    near(r.fma[KM_ROOF_ALL][2], 80);
    near(r.gbps[KM_ROOF_ALL][KM_L2][1][0], 500);
    near(r.gbps[KM_ROOF_ONE][KM_L2][1][0], 40);
}

/* Through JSON and back; and nothing that was tampered with comes back. */
static void roofs_survive_json(void **state)
{
    km_roofs r = {.threads = 2}, back;
    km_error error;
    const char *isa;
    (void)state;
    km_roofs_caches(&r);
    for (int i = 0; i < 4 * KM_ROOF_MIXES * KM_ROOF_TEAMS; i++)
        if (km_roof_expected(&r, i / KM_ROOF_MIXES % 4, i % KM_ROOF_MIXES, 0))
            r.gbps[i / KM_ROOF_MIXES / 4][i / KM_ROOF_MIXES % 4][i % KM_ROOF_MIXES][0] = i + 1;
    for (size_t i = 0; (isa = km_isa_at(i)); i++)
        if (!km_isa_unusable(isa) && km_roof_kernels_of(isa))
            r.fma[KM_ROOF_ONE][i] = r.fma[KM_ROOF_ALL][i] = (double)i + 1;
    json_t *json = km_roofs_json(&r);
    assert_int_equal(km_roofs_parse(json, &back, &error), 0);
    assert_memory_equal(&r, &back, sizeof r);
    json_array_remove(json_object_get(json, "bandwidth"), 3);
    assert_int_equal(km_roofs_parse(json, &back, &error), -1);
    json_decref(json);
    assert_int_equal(km_roofs_parse(NULL, &back, &error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles),
        cmocka_unit_test(spread_and_mean),
        cmocka_unit_test(nonsense_gives_nan),
        cmocka_unit_test(intervals),
        cmocka_unit_test(few_samples_give_extremes),
        cmocka_unit_test(intervals_cover_the_truth),
        cmocka_unit_test(compute_roof),
        cmocka_unit_test(bandwidth_by_level),
        cmocka_unit_test(bandwidth_by_mix),
        cmocka_unit_test(limit_of_a_cell),
        cmocka_unit_test(merging_keeps_the_better),
        cmocka_unit_test(roofs_survive_json),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
