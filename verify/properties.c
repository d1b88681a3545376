/* properties.c: the list of all properties, and the child process in which one is tested.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/properties.h"

#include <stdio.h>

#include "verify/isolate.h"

/* A file of this folder each. */
#define FAMILIES(F) F(optimizers) F(random)

#define DECLARE(family) extern const km_property km_properties_##family[];
FAMILIES(DECLARE)

#define ENTRY(family) km_properties_##family,
static const km_property *const families[] = {FAMILIES(ENTRY) NULL};

static const double timeout_seconds = 120;

const km_property *km_property_at(size_t index)
{
    for (const km_property *const *family = families; *family; family++)
        for (const km_property *p = *family; p->name; p++)
            if (index-- == 0)
                return p;
    return NULL;
}

typedef struct job {
    const km_property *p;
    const km_backend *backend;
    uint64_t seed;
    km_property_result *result;
} job;

static void test(void *job_)
{
    const job *j = job_;
    j->p->test(j->p, j->backend, j->seed, j->result);
}

void km_property_run(const km_property *p, const km_backend *backend, uint64_t seed,
                     km_property_result *result)
{
    char reason[200];
    km_property_result *shared = km_shared_open(sizeof *shared);
    *result = (km_property_result){KM_CRASHED, "no memory to share with a child process"};
    if (!shared)
        return;
    shared->status = KM_CRASHED;
    snprintf(shared->text, sizeof shared->text, "the kernel ended its process");
    if (km_isolate(test, &(job){p, backend, seed, shared}, timeout_seconds, reason, sizeof reason))
        snprintf(result->text, sizeof result->text, "%s", reason);
    else
        *result = *shared;
    km_shared_close(shared, sizeof *shared);
}
