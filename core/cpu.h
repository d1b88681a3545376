/* cpu.h: what this machine is, which ISA levels it has, and the cap a user may set on them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_CPU_H
#define KM_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* ISA levels from narrow to wide; NULL after the last. "baseline" is what the compiler targets. */
const char *km_isa_at(size_t i);

/* Lanes of float per vector; 0 for an unknown level. */
int km_isa_lanes(const char *isa);

/* NULL if CPU, OS and cap allow the level, else why not. */
const char *km_isa_unusable(const char *isa);

/* Forbids every level wider than this one. Fails on an unknown name. */
int km_isa_cap(const char *isa, km_error *error);

typedef struct km_cpu {
    char model[128];
    int cores;           /* that this process may use */
    int64_t l1d, l2, l3; /* bytes as one core sees them; 0 if unknown */
    char governor[32];   /* empty where unreadable */
} km_cpu;

void km_cpu_read(km_cpu *cpu);

#endif
