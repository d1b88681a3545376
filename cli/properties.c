/* properties.c: kernelmark verify --properties: what must hold of ops beyond their formulas, on every backend, a line each.
 * Patterns are globs over op/property/backend.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/properties.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "core/registry.h"

typedef struct tally {
    int count[KM_STATUS_COUNT], all;
} tally;

/* Whether the pattern's segments match the words in turn; missing ones match all. */
static int matches(const char *pattern, const char *const word[3])
{
    for (int i = 0; i < 3 && pattern; i++) {
        char segment[80];
        const char *slash = strchr(pattern, '/');
        snprintf(segment, sizeof segment, "%.*s",
                 slash ? (int)(slash - pattern) : (int)strlen(pattern), pattern);
        if (fnmatch(segment, word[i], 0))
            return 0;
        pattern = slash ? slash + 1 : NULL;
    }
    return !pattern;
}

static int is_selected(const km_options *o, const km_property *p, const km_backend *backend)
{
    const char *const word[3] = {p->op, p->name, backend->name};
    int pattern = !o->words.count, own = !o->backends.count;
    for (size_t i = 0; i < o->words.count; i++)
        pattern |= matches(o->words.text[i], word);
    for (size_t i = 0; i < o->backends.count; i++)
        own |= !fnmatch(o->backends.text[i], backend->name, 0);
    return pattern && own;
}

static void test_one(const km_property *p, const km_backend *backend, uint64_t seed, tally *t)
{
    km_property_result r;
    char id[200];
    snprintf(id, sizeof id, "%s/%s/%s", p->op, p->name, backend->name);
    km_property_run(p, backend, seed, &r);
    printf("%s %-48s %s\n", km_status_word(r.status), id, r.text);
    t->count[r.status]++;
    t->all++;
}

int km_run_properties(const km_options *options, uint64_t seed)
{
    tally t = {{0}, 0};
    km_error error;
    if (km_setup_backends(options, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    const km_property *p;
    for (size_t i = 0; (p = km_property_at(i)); i++)
        for (size_t b = 0; b < km_backend_count(); b++)
            if (is_selected(options, p, km_backend_at(b)))
                test_one(p, km_backend_at(b), seed, &t);
    if (!t.all) {
        km_fail(&error, "no property of a backend matches; patterns are OP/PROPERTY/BACKEND");
        return km_complain(KM_EXIT_USAGE, &error);
    }
    printf("%d properties: %d hold, %d wrong, %d crashed, %d skipped\n", t.all, t.count[KM_OK],
           t.count[KM_WRONG], t.count[KM_CRASHED], t.count[KM_SKIPPED]);
    return km_exit_of(t.count[KM_OK], t.count[KM_WRONG], t.count[KM_CRASHED], t.count[KM_SKIPPED],
                      t.count[KM_OK]);
}
