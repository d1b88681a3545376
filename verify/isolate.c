/* isolate.c: fork, wait with a deadline, and a fault handler that blames a guarded tensor.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/isolate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/guard.h"

enum { REASON = 256, CHILDREN = 128 };

/* What a child leaves behind, in shared memory. Only what is written here counts: an exit status could
 * come from anywhere, exit(0) in a kernel included. */
typedef struct report {
    int returned;       /* the body did */
    char fault[REASON]; /* a signal was caught */
} report;

static report *reports, *own; /* own: the child's */
static pid_t owner[CHILDREN]; /* of each report; 0: free */

void *km_shared_open(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void km_shared_close(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

/* 1: the access that faulted was a write; 0: a read; -1: the system does not tell. */
static int was_write(const void *context)
{
#if defined __x86_64__
    /* bit 1 of the page fault's error code */
    return (int)(((const ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] >> 1 & 1);
#elif defined __aarch64__
    /* bit 6 of the syndrome register, in one of the records behind the general registers */
    const unsigned char *at = ((const ucontext_t *)context)->uc_mcontext.__reserved;
    const struct _aarch64_ctx *record = (const void *)at;
    for (; record->magic && record->size; record = (const void *)at) {
        if (record->magic == ESR_MAGIC)
            return (int)(((const struct esr_context *)record)->esr >> 6 & 1);
        at += record->size;
    }
    return -1;
#else
    (void)context;
    return -1;
#endif
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    char where[REASON - 40];
    if ((signal != SIGSEGV && signal != SIGBUS) ||
        km_guard_blame(info->si_addr, was_write(context), where, sizeof where))
        snprintf(own->fault, REASON, "%s%s", strsignal(signal),
                 signal == SIGILL                        ? " (an instruction this CPU lacks)"
                 : signal == SIGSEGV || signal == SIGBUS ? " (outside every tensor)"
                                                         : "");
    else
        snprintf(own->fault, REASON, "%s", where);
    _exit(1);
}

/* On a stack of its own: the kernel's may be what overflowed. */
static void catch_faults(void)
{
    static char stack[64 << 10];
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

static _Noreturn void child(void (*body)(void *context), void *context)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* an interrupted run leaves nobody behind */
    catch_faults();
    body(context);
    own->returned = 1;
    fflush(NULL);
    _exit(0);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits with pauses that grow to 5 ms; 0 when the deadline passed. */
static int wait_until(pid_t pid, int *status, double deadline)
{
    for (long pause = 20000;; pause = pause < 5000000 ? pause * 2 : pause) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return 1;
        if (now() > deadline)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
    }
}

static int judge(const report *r, int status, char *reason, size_t size)
{
    if (r->returned && WIFEXITED(status))
        return 0;
    if (*r->fault)
        snprintf(reason, size, "%s", r->fault);
    else if (WIFSIGNALED(status))
        snprintf(reason, size, "killed by signal %d: %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(reason, size, "the kernel's process ended with status %d", WEXITSTATUS(status));
    return -1;
}

/* The report that belongs to this process, or with 0 a free one; -1 if there is none. */
static int find_report(pid_t pid)
{
    for (int i = 0; i < CHILDREN; i++)
        if (owner[i] == pid)
            return i;
    return -1;
}

int km_isolate_start(void (*body)(void *context), void *context)
{
    if (!reports)
        reports = km_shared_open(CHILDREN * sizeof *reports);
    int i = find_report(0);
    if (!reports || i < 0)
        return -1;
    own = &reports[i];
    *own = (report){0};
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(body, context);
    owner[i] = pid > 0 ? pid : 0;
    return (int)pid;
}

int km_isolate_poll(int pid, double seconds)
{
    siginfo_t info;
    for (double deadline = now() + seconds; now() < deadline;) {
        info.si_pid = 0;
        if (pid < 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid)
            return 1;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return 0;
}

int km_isolate_wait(int pid, double timeout_seconds, char *reason, size_t size)
{
    int status, i = pid > 0 ? find_report(pid) : -1;
    if (i < 0) {
        snprintf(reason, size, "cannot start a process: %s", strerror(errno));
        return -1;
    }
    owner[i] = 0;
    if (wait_until(pid, &status, now() + timeout_seconds))
        return judge(&reports[i], status, reason, size);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    snprintf(reason, size, "no answer within %g s", timeout_seconds);
    return -1;
}

int km_isolate(void (*body)(void *context), void *context, double timeout_seconds, char *reason,
               size_t size)
{
    return km_isolate_wait(km_isolate_start(body, context), timeout_seconds, reason, size);
}
