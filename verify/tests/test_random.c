/* test_random.c: the generator is Philox 4x32-10, and its streams are what verification assumes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>

#include "core/random.h"

/* Random123's kat_vectors, of those that leave the upper half of the counter 0 (the only ones this
 * interface can express). */
static void known_answer(void **state)
{
    const uint32_t want[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    uint32_t out[4];
    (void)state;
    km_philox(0, 0, out);
    assert_memory_equal(out, want, sizeof out);
}

/* The textbook form, with the whole counter: what km_philox must agree with everywhere. */
static void textbook(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9, k1 += 0xBB67AE85) {
        const uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
        const uint32_t y[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1,
                               (uint32_t)(p0 >> 32) ^ c[3] ^ k1, (uint32_t)p0};
        memcpy(c, y, sizeof y);
    }
}

static void textbook_is_philox(void **state)
{
    uint32_t ones[4] = {~0u, ~0u, ~0u, ~0u};
    uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    const uint32_t want_ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                   want_pi[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    (void)state;
    textbook(ones, ~0u, ~0u);
    assert_memory_equal(ones, want_ones, sizeof ones);
    textbook(pi, 0xa4093822, 0x299f31d0);
    assert_memory_equal(pi, want_pi, sizeof pi);
}

static void agrees_with_textbook(void **state)
{
    const uint64_t values[] = {0, 1, ~0ull, 0x243f6a8885a308d3, 0xffffffff, 1ull << 32, 1ull << 63};
    (void)state;
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
            const uint64_t n = values[i], key = values[j];
            uint32_t out[4], c[4] = {(uint32_t)n, (uint32_t)(n >> 32), 0, 0};
            textbook(c, (uint32_t)key, (uint32_t)(key >> 32));
            km_philox(n, key, out);
            assert_memory_equal(out, c, sizeof c);
        }
}

/* A shorter tensor sees the beginning of a longer one's data. */
static void prefixes(void **state)
{
    static float whole[1000], part[1000];
    (void)state;
    for (int kind = KM_FILL_WIDE; kind <= KM_FILL_SAVED; kind++) {
        km_fill_random(whole, 1000, (km_fill)kind, 7);
        for (int n = 0; n < 1000; n += 37) {
            memset(part, 0x55, sizeof part);
            km_fill_random(part, n, (km_fill)kind, 7);
            assert_memory_equal(part, whole, (size_t)n * sizeof *part);
            assert_memory_not_equal(&part[n], &whole[n], sizeof *part);
        }
    }
}

static void streams_differ(void **state)
{
    float a[64], b[64];
    (void)state;
    assert_true(km_stream(1, "relu/x") == km_stream(1, "relu/x"));
    assert_true(km_stream(1, "relu/x") != km_stream(2, "relu/x"));
    assert_true(km_stream(1, "relu/x") != km_stream(1, "relu/y"));
    assert_true(km_stream(1, "ab") != km_stream(1, "ba"));
    km_fill_random(a, 64, KM_FILL_NORMAL, km_stream(1, "x"));
    km_fill_random(b, 64, KM_FILL_NORMAL, km_stream(2, "x"));
    for (int i = 0; i < 64; i++)
        assert_true(a[i] != b[i]);
}

enum { COUNT = 1 << 18 };

static void moments(const float *x, double *mean, double *variance, double *fourth)
{
    *mean = *variance = *fourth = 0;
    for (int i = 0; i < COUNT; i++)
        *mean += x[i] / (double)COUNT;
    for (int i = 0; i < COUNT; i++) {
        double d = x[i] - *mean;
        *variance += d * d / COUNT;
        *fourth += d * d * d * d / COUNT;
    }
}

/* Bounds of about five standard deviations of each estimate. */
static void distributions(void **state)
{
    static float x[COUNT];
    double mean, variance, fourth;
    (void)state;
    km_fill_random(x, COUNT, KM_FILL_NORMAL, km_stream(1, "moments"));
    moments(x, &mean, &variance, &fourth);
    assert_true(fabs(mean) < 0.01 && fabs(variance - 1) < 0.014 && fabs(fourth - 3) < 0.1);
    km_fill_random(x, COUNT, KM_FILL_UNIT, km_stream(1, "moments"));
    moments(x, &mean, &variance, &fourth);
    assert_true(fabs(mean - 0.5) < 0.003 && fabs(variance - 1.0 / 12) < 0.001);
    for (int i = 0; i < COUNT; i++)
        assert_true(x[i] > 0 && x[i] <= 1); /* rounding to float may reach 1 */
}

/* Wide data reaches the tails and the neighbourhood of zero, and nothing else. */
static void wide_data(void **state)
{
    static float x[COUNT];
    int far = 0, tiny = 0, negative = 0;
    (void)state;
    km_fill_random(x, COUNT, KM_FILL_WIDE, km_stream(1, "wide"));
    for (int i = 0; i < COUNT; i++) {
        assert_true(fabsf(x[i]) <= 30);
        far += fabsf(x[i]) > 10;
        tiny += fabsf(x[i]) < 1e-4f;
        negative += x[i] < 0;
    }
    assert_in_range(far, COUNT / 8, COUNT / 4);
    assert_in_range(tiny, COUNT / 50, COUNT / 10);
    assert_in_range(negative, COUNT / 2 - COUNT / 100, COUNT / 2 + COUNT / 100);
}

/* For timing: wide data loses its tails, all else stays what it was. */
static void usual_data(void **state)
{
    static float x[COUNT], y[COUNT];
    double mean, variance, fourth;
    (void)state;
    km_fill_usual(x, COUNT, KM_FILL_WIDE, km_stream(1, "usual"));
    moments(x, &mean, &variance, &fourth);
    assert_true(fabs(mean) < 0.02 && fabs(variance - 4) < 0.056 && fabs(fourth - 48) < 1.6);
    for (int kind = KM_FILL_NORMAL; kind <= KM_FILL_SAVED; kind++) {
        km_fill_usual(x, 1000, (km_fill)kind, 7);
        km_fill_random(y, 1000, (km_fill)kind, 7);
        assert_memory_equal(x, y, 1000 * sizeof *x);
    }
}

static void gaussian_doubles(void **state)
{
    static double x[COUNT];
    double mean = 0, square = 0, neighbours = 0;
    (void)state;
    km_fill_gaussian(x, COUNT, km_stream(3, "probe"));
    for (int i = 0; i < COUNT; i++) {
        mean += x[i] / COUNT;
        square += x[i] * x[i] / COUNT;
        neighbours += x[i] * x[(i + 1) % COUNT] / COUNT;
    }
    assert_true(fabs(mean) < 0.01 && fabs(square - 1) < 0.014 && fabs(neighbours) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answer),
        cmocka_unit_test(textbook_is_philox),
        cmocka_unit_test(agrees_with_textbook),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(streams_differ),
        cmocka_unit_test(distributions),
        cmocka_unit_test(wide_data),
        cmocka_unit_test(usual_data),
        cmocka_unit_test(gaussian_doubles),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
