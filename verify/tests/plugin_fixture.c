/* plugin_fixture.c: small plugins for the tests, right or broken in one way by the macros that
 * verify/tests/meson.build defines.
 * SPDX-License-Identifier: Apache-2.0 */
#include <kernelmark.h>

#include <stddef.h>

#ifndef FIXTURE_ABI
#define FIXTURE_ABI KM_ABI
#endif
#ifndef FIXTURE_NAME
#define FIXTURE_NAME "fixture"
#endif
#ifndef FIXTURE_OP
#define FIXTURE_OP "relu"
#endif
#ifndef FIXTURE_PASS
#define FIXTURE_PASS "forward"
#endif
#ifndef FIXTURE_RUN
#define FIXTURE_RUN right
#endif
#ifndef FIXTURE_SYMBOL
#define FIXTURE_SYMBOL kernelmark_backend
#endif
#ifndef FIXTURE_KERNELS
#define FIXTURE_KERNELS kernels
#endif
#ifndef FIXTURE_RESULT
#define FIXTURE_RESULT &backend
#endif

static inline void right(const km_args *args)
{
    const float *x = args->slot[KM_X].data;
    float *y = args->slot[KM_Y].data;
    for (int64_t i = 0; i < args->slot[KM_X].count; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

static inline void wrong(const km_args *args)
{
    right(args);
    if (args->slot[KM_X].count > 3)
        ((float *)args->slot[KM_Y].data)[3] += 1;
}

static inline void crash(const km_args *args)
{
    right(args);
    *((volatile float *)args->slot[KM_Y].data + args->slot[KM_Y].count) = 1;
}

static const km_kernel list[] = {{.op = FIXTURE_OP, .pass = FIXTURE_PASS, .run = FIXTURE_RUN},
                                 {.op = NULL}};
const km_kernel *const kernels[] = {list, NULL};

const km_backend backend = {
    .abi = FIXTURE_ABI,
    .flags = KM_HOLDS_TARGET | KM_HOLDS_EDGES,
    .name = FIXTURE_NAME,
    .summary = "a plugin for tests",
    .kernels = FIXTURE_KERNELS,
};

const km_backend *FIXTURE_SYMBOL(void);
const km_backend *FIXTURE_SYMBOL(void)
{
    return FIXTURE_RESULT;
}
