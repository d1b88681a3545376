/* test_guard.c: one byte or one float outside a tensor, read or written, on either side and at any size,
 * is noticed and named. Page faults through km_isolate, canaries through km_guard_check.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "core/guard.h"
#include "verify/isolate.h"

static const size_t sizes[] = {0, 1, 4, 60, 64, 4092, 4096, 4100, 40000};
enum { SIZES = sizeof sizes / sizeof *sizes };

static volatile char *touched;

static void read_byte(void *unused)
{
    (void)unused;
    (void)*touched;
}

static void write_byte(void *unused)
{
    (void)unused;
    *touched = 1;
}

static void write_float(void *unused)
{
    (void)unused;
    *(volatile float *)touched = 1;
}

/* QEMU does not tell a read from a write, and then the reason starts with "access". */
static void assert_reason(const char *reason, const char *want)
{
    if (!strncmp(reason, "access ", 7))
        assert_string_equal(strchr(reason, ' '), strchr(want, ' '));
    else
        assert_string_equal(reason, want);
}

/* Touches data + at in a child; the reason must be `want`. */
static void expect_fault(const km_guard *g, ptrdiff_t at, const char *past, const char *access)
{
    char reason[256] = "", want[256];
    void (*const bodies[])(void *) = {read_byte, write_byte, write_float};
    int write = !strcmp(access, "write");
    snprintf(want, sizeof want, "%s of %s %s", access, g->name, past);
    touched = g->data + at;
    for (int i = write; i <= 2 * write; i++) {
        assert_int_equal(km_isolate(bodies[i], NULL, 20, reason, sizeof reason), -1);
        assert_reason(reason, want);
    }
}

static void faults_past_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        km_guard g;
        km_error error;
        char past[128];
        assert_int_equal(km_guard_open(&g, "grad_x", sizes[i], &error), 0);
        km_guard_place(&g, sizes[i], KM_FLUSH_END, 0);
        snprintf(past, sizeof past, "past its end, at byte %zu of %zu", sizes[i], sizes[i]);
        expect_fault(&g, (ptrdiff_t)sizes[i], past, "read");
        expect_fault(&g, (ptrdiff_t)sizes[i], past, "write");
        km_guard_close(&g);
    }
}

static void faults_before_the_start(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        km_guard g;
        km_error error;
        assert_int_equal(km_guard_open(&g, "x", sizes[i], &error), 0);
        km_guard_place(&g, sizes[i], KM_FLUSH_START, 0);
        expect_fault(&g, -1, "1 bytes before its start", "read");
        expect_fault(&g, -4, "4 bytes before its start", "read");
        expect_fault(&g, -4, "4 bytes before its start", "write");
        km_guard_close(&g);
    }
}

/* Which of several tensors was left. */
static void blames_the_right_one(void **state)
{
    km_guard g[5];
    km_error error;
    const char *const names[] = {"x", "weight", "y", "grad_y", "grad_x"};
    char text[128], want[128];
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(km_guard_open(&g[i], names[i], 100, &error), 0);
        km_guard_place(&g[i], 100, KM_FLUSH_END, 0);
    }
    for (int i = 0; i < 5; i++) {
        snprintf(want, sizeof want, "read of %s past its end, at byte 103 of 100", names[i]);
        assert_int_equal(km_guard_blame(g[i].data + 103, 0, text, sizeof text), 0);
        assert_string_equal(text, want);
    }
    int local;
    assert_int_equal(km_guard_blame(&local, 0, text, sizeof text), -1);
    char *gone = g[2].data;
    for (int i = 0; i < 5; i++)
        km_guard_close(&g[i]);
    assert_int_equal(km_guard_blame(gone, 0, text, sizeof text), -1);
}

static void inside_is_free(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++)
        for (size_t shift = 0; shift <= 60; shift += 4)
            for (int side = KM_FLUSH_START; side <= KM_FLUSH_END; side++) {
                km_guard g;
                km_error error;
                assert_int_equal(km_guard_open(&g, "x", sizes[i], &error), 0);
                char *data = km_guard_place(&g, sizes[i], (km_side)side, shift);
                memset(data, 0x5A, sizes[i]);
                assert_int_equal(km_guard_check(&g, &error), 0);
                assert_ptr_equal(data, g.data);
                km_guard_close(&g);
            }
}

/* Every byte of the canaries, one at a time. */
static void canaries(void **state)
{
    enum { SHIFT = 12 };
    (void)state;
    for (int i = 0; i < SIZES; i++)
        for (int side = KM_FLUSH_START; side <= KM_FLUSH_END; side++) {
            km_guard g;
            km_error error;
            char want[128];
            assert_int_equal(km_guard_open(&g, "y", sizes[i], &error), 0);
            km_guard_place(&g, sizes[i], (km_side)side, SHIFT);
            for (int at = 1; at <= SHIFT; at++) {
                /* the shifted side has SHIFT bytes, the other at least as many */
                char *const bytes[] = {g.data - at, g.data + g.bytes + at - 1};
                for (int past = 0; past < 2; past++) {
                    snprintf(want, sizeof want, "y: overwritten %d bytes %s", at,
                             past ? "past its end" : "before its start");
                    *bytes[past] ^= 1;
                    assert_int_equal(km_guard_check(&g, &error), -1);
                    assert_string_equal(error.text, want);
                    *bytes[past] ^= 1;
                }
            }
            assert_int_equal(km_guard_check(&g, &error), 0);
            km_guard_close(&g);
        }
}

/* What lies outside poisons every result it leaks into. */
static void canaries_are_nan(void **state)
{
    km_guard g;
    km_error error;
    (void)state;
    assert_int_equal(km_guard_open(&g, "x", 4000, &error), 0);
    for (size_t shift = 0; shift <= 60; shift += 4) {
        const float *x = km_guard_place(&g, 40, KM_FLUSH_START, shift);
        for (size_t i = 0; i < shift / 4; i++)
            assert_true(isnan(x[-1 - (ptrdiff_t)i]));
        assert_true(isnan(x[10]) && isnan(x[11]) && isnan(x[73]));
    }
    km_guard_close(&g);
}

/* Whoever kept the old address finds no data there. */
static void moves_away(void **state)
{
    km_guard g;
    km_error error;
    (void)state;
    assert_int_equal(km_guard_open(&g, "x", 400, &error), 0);
    float *old = km_guard_place(&g, 400, KM_FLUSH_END, 0);
    for (int i = 0; i < 100; i++)
        old[i] = 1;
    km_guard_place(&g, 400, KM_FLUSH_START, 0);
    for (int i = 0; i < 100; i++)
        assert_true(isnan(old[i]));
    km_guard_close(&g);
}

static void read_only_input(void **state)
{
    km_guard g;
    km_error error;
    char reason[256] = "";
    (void)state;
    assert_int_equal(km_guard_open(&g, "x", 400, &error), 0);
    touched = km_guard_place(&g, 400, KM_FLUSH_END, 8);
    km_guard_protect(&g, 1);
    assert_int_equal(km_isolate(read_byte, NULL, 20, reason, sizeof reason), 0);
    assert_int_equal(km_isolate(write_byte, NULL, 20, reason, sizeof reason), -1);
    assert_reason(reason, "write inside input x, which is read-only");
    km_guard_protect(&g, 0);
    assert_int_equal(km_isolate(write_byte, NULL, 20, reason, sizeof reason), 0);
    km_guard_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_past_the_end),
        cmocka_unit_test(faults_before_the_start),
        cmocka_unit_test(blames_the_right_one),
        cmocka_unit_test(inside_is_free),
        cmocka_unit_test(canaries),
        cmocka_unit_test(canaries_are_nan),
        cmocka_unit_test(read_only_input),
        cmocka_unit_test(moves_away),
    };
    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
