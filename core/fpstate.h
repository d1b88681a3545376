/* fpstate.h: the floating-point control state (rounding, flush-to-zero, traps) that a kernel must leave
 * as it was: MXCSR on x86, FPCR on AArch64. Sticky exception flags are not part of it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_FPSTATE_H
#define KM_FPSTATE_H

#include <stdint.h>

#if defined __x86_64__
#include <immintrin.h>
static inline uint64_t km_fpstate(void)
{
    return _mm_getcsr() & ~0x3Fu;
}
static inline void km_fpstate_restore(uint64_t state)
{
    _mm_setcsr((unsigned)state);
}
#elif defined __aarch64__
static inline uint64_t km_fpstate(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}
static inline void km_fpstate_restore(uint64_t state)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
}
#else
#include <fenv.h>
static inline uint64_t km_fpstate(void)
{
    return (uint64_t)fegetround();
}
static inline void km_fpstate_restore(uint64_t state)
{
    fesetround((int)state);
}
#endif

#endif
