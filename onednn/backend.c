/* backend.c: oneDNN through its C API, 2.6 to 3.x, as a backend.
 *
 * A third opinion and the peer to beat, not an oracle: it is held to the gates only, and its
 * bits may depend on the thread count.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dnnl_compat.h"
#include <kernelmark.h>

#include <stdio.h>

/* A file of this folder each. */
#define FAMILIES(F)                                                                                \
    F(activation)                                                                                  \
    F(selu)                                                                                        \
    F(softplus)                                                                                    \
    F(prelu)                                                                                       \
    F(conv2d)                                                                                      \
    F(linear)                                                                                      \
    F(softmax)                                                                                     \
    F(loss)                                                                                        \
    F(pool)                                                                                        \
    F(norm)                                                                                        \
    F(optimizer)                                                                                   \
    F(penalty)                                                                                     \
    F(dropout)

#define DECLARE(family) extern const km_kernel km_onednn_##family[];
FAMILIES(DECLARE)

#define ENTRY(family) km_onednn_##family,
static const km_kernel *const kernels[] = {FAMILIES(ENTRY) NULL};

static const char *probe(void)
{
    dnnl_engine_t engine;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0))
        return "oneDNN cannot create a CPU engine";
    dnnl_engine_destroy(engine);
    return NULL;
}

/* Of the library that is loaded, which may be newer than the header. */
static const char *version(void)
{
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

const km_backend km_onednn = {
    .abi = KM_ABI,
    .flags = KM_THREADED,
    .name = "onednn",
    .summary = "oneDNN primitives",
    .probe = probe,
    .version = version,
    .kernels = kernels,
};
