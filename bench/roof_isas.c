/* roof_isas.c: the builds of roof_kernels.c, listed by bench/meson.build.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench/roof_kernels.h"
#include "bench/roofs.h"
#include "core/cpu.h"

#define ROOF(isa) extern const km_roof_kernels km_roof_##isa;
#include "roof_isas.inc"
#undef ROOF

#define ROOF(isa) &km_roof_##isa,
static const km_roof_kernels *const builds[] = {
#include "roof_isas.inc"
};
#undef ROOF

const km_roof_kernels *km_roof_kernels_of(const char *isa)
{
    for (size_t i = 0; i < sizeof builds / sizeof *builds; i++)
        if (!strcmp(builds[i]->isa, isa))
            return builds[i];
    return NULL;
}

/* Without any word on caches, large ones are assumed: a roof must not be too low. A machine that
 * names its L1 and L2 but no L3 has none. */
void km_roofs_caches(km_roofs *r)
{
    km_cpu cpu;
    km_cpu_read(&cpu);
    r->cache[KM_L1] = cpu.l1d ? cpu.l1d : 64 << 10;
    r->cache[KM_L2] = cpu.l2 ? cpu.l2 : cpu.l1d ? 0 : 2 << 20;
    r->cache[KM_L3] = cpu.l3 ? cpu.l3 : cpu.l1d ? 0 : 32 << 20;
}
