/* test_isolate.c: whatever a kernel's process does, the harness goes on and says what happened.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "verify/isolate.h"

static int *shared; /* written by children */

static void returns(void *context)
{
    *shared = *(int *)context;
}

static void reads_nowhere(void *context)
{
    *shared = *(volatile int *)context;
}

static void writes_nowhere(void *context)
{
    *(volatile int *)context = 1;
}

static void illegal(void *context)
{
    (void)context;
    raise(SIGILL);
}

static void divides(void *context)
{
    (void)context;
    raise(SIGFPE);
}

static void aborts(void *context)
{
    (void)context;
    abort();
}

static void kills_itself(void *context)
{
    (void)context;
    raise(SIGKILL);
}

static void exits(void *context)
{
    _exit(*(int *)context);
}

static void exits_politely(void *context)
{
    exit(*(int *)context);
}

static void hangs(void *context)
{
    (void)context;
    for (;;)
        *(volatile int *)shared += 1;
}

static int eats_stack(volatile char *above)
{
    volatile char frame[4096];
    frame[0] = above ? above[0] : 0;
    return *shared == -77 ? 0 : eats_stack(frame) + frame[0];
}

static void overflows_stack(void *context)
{
    (void)context;
    /* a small stack, so that the overflow does not eat the machine's memory first */
    setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, 1 << 20});
    *shared = eats_stack(NULL);
}

static void normal_return(void **state)
{
    char reason[256] = "untouched";
    int value = 42;
    (void)state;
    *shared = 0;
    assert_int_equal(km_isolate(returns, &value, 10, reason, sizeof reason), 0);
    assert_int_equal(*shared, 42);
    assert_string_equal(reason, "untouched");
}

static void expect(void (*body)(void *), void *context, const char *part)
{
    char reason[256] = "";
    assert_int_equal(km_isolate(body, context, 20, reason, sizeof reason), -1);
    assert_holds(reason, part);
}

static void crashes(void **state)
{
    (void)state;
    expect(reads_nowhere, (void *)8, "outside every tensor");
    expect(writes_nowhere, (void *)8, "outside every tensor");
    expect(illegal, NULL, "an instruction this CPU lacks");
    expect(divides, NULL, "Floating point exception");
    expect(aborts, NULL, "Aborted");
    expect(kills_itself, NULL, "killed by signal 9");
    expect(overflows_stack, NULL, "Segmentation fault");
}

/* An end that the harness did not ask for is a failure, whatever the status says. */
static void exit_codes(void **state)
{
    static int codes[] = {0, 1, 3, 77, 113, 255};
    (void)state;
    for (int i = 0; i < 6; i++) {
        char want[64];
        snprintf(want, sizeof want, "ended with status %d", codes[i]);
        expect(exits, &codes[i], want);
        expect(exits_politely, &codes[i], want);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void hang(void **state)
{
    char reason[256];
    double start = now();
    (void)state;
    assert_int_equal(km_isolate(hangs, NULL, 0.2, reason, sizeof reason), -1);
    assert_string_equal(reason, "no answer within 0.2 s");
    assert_true(now() - start < 10);
    int value = *shared; /* and the child is gone */
    usleep(20000);
    assert_int_equal(*shared, value);
}

/* One crash leaves nothing behind that the next child could be blamed for. */
static void stays_usable(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        crashes(state);
        normal_return(state);
    }
}

static void side_by_side(void **state)
{
    int pid[4], value = 7, code = 9;
    char reason[256];
    (void)state;
    pid[0] = km_isolate_start(returns, &value);
    pid[1] = km_isolate_start(exits, &code);
    pid[2] = km_isolate_start(hangs, NULL);
    pid[3] = km_isolate_start(aborts, NULL);
    assert_int_equal(km_isolate_poll(pid[1], 20), 1);
    assert_int_equal(km_isolate_poll(pid[2], 0.02), 0);
    assert_int_equal(km_isolate_wait(pid[0], 20, reason, sizeof reason), 0);
    assert_int_equal(km_isolate_wait(pid[1], 20, reason, sizeof reason), -1);
    assert_holds(reason, "status 9");
    assert_int_equal(km_isolate_wait(pid[2], 0.05, reason, sizeof reason), -1);
    assert_int_equal(km_isolate_wait(pid[3], 20, reason, sizeof reason), -1);
    assert_holds(reason, "Aborted");
    assert_int_equal(km_isolate_wait(-1, 20, reason, sizeof reason), -1);
    assert_holds(reason, "cannot start a process");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_return), cmocka_unit_test(crashes),
        cmocka_unit_test(exit_codes),    cmocka_unit_test(hang),
        cmocka_unit_test(stays_usable),  cmocka_unit_test(side_by_side),
    };
    shared = km_shared_open(sizeof *shared);
    return shared ? cmocka_run_group_tests_name("isolate", tests, NULL, NULL) : 1;
}
