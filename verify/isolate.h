/* isolate.h: runs kernels in a child process, so that a crash is a result and the run goes on. The
 * harness itself never executes a kernel: no OpenMP pool or library state exists when it forks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_ISOLATE_H
#define KM_ISOLATE_H

#include <stddef.h>

/* Memory that a child writes and its parent reads. Zeroed; NULL when out of memory. */
void *km_shared_open(size_t bytes);
void km_shared_close(void *memory, size_t bytes);

/* Runs body(context) in a child. Returns 0 when it returned, else -1 with the reason: the signal
 * and, for a fault in a guarded tensor, which one and how far outside; the exit status; or a
 * time-out. */
int km_isolate(void (*body)(void *context), void *context, double timeout_seconds, char *reason,
               size_t size);

/* The two halves of km_isolate, to run several children side by side. Start returns the process id or
 * -1; a process id of -1 makes wait fail too. */
int km_isolate_start(void (*body)(void *context), void *context);
/* Waits up to `seconds`; nonzero when the child has ended (km_isolate_wait still collects it). */
int km_isolate_poll(int pid, double seconds);
int km_isolate_wait(int pid, double timeout_seconds, char *reason, size_t size);

#endif
