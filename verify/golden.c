/* golden.c: which cases a golden set has, which are wanted, and the account of all runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/registry.h"
#include "verify/golden_host.h"
#include "verify/golden_report.h"

/* ---- cases of the folder -------------------------------------------------------------------- */

static int ends_in_npy(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && !strcmp(name + n - 4, ".npy");
}

static int is_case(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct dirent *entry;
    int found = 0;
    if (*name == '.' || (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return 0;
    DIR *dir = opendir(path);
    while (dir && !found && (entry = readdir(dir)))
        found = !strcmp(entry->d_name, "case.json") || ends_in_npy(entry->d_name);
    if (dir)
        closedir(dir);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_cases(const char *folder, km_text_list *names, km_error *error)
{
    struct dirent *entry;
    DIR *dir = opendir(folder);
    if (!dir)
        return km_fail(error, "cannot read golden set %.300s: %s", folder, strerror(errno));
    while ((entry = readdir(dir)))
        if (is_case(folder, entry->d_name))
            km_text_add(names, entry->d_name);
    closedir(dir);
    if (!names->count)
        return km_fail(error, "%.300s is no golden set: none of its folders has a case.json",
                       folder);
    qsort(names->text, names->count, sizeof *names->text, by_name);
    return 0;
}

/* ---- what is wanted ------------------------------------------------------------------------- */

static int matches_any(const km_text_list *globs, const char *name)
{
    for (size_t i = 0; i < globs->count; i++)
        if (!fnmatch(globs->text[i], name, 0))
            return 1;
    return !globs->count;
}

static const char *name_candidate(size_t i, const void *names_)
{
    const km_text_list *names = names_;
    return i < names->count ? names->text[i] : NULL;
}

static const char *backend_candidate(size_t i, const void *unused)
{
    (void)unused;
    return i < km_backend_count() ? km_backend_at(i)->name : NULL;
}

/* Every glob must match something. */
static int check_globs(const km_text_list *globs, const char *what,
                       const char *(*candidate)(size_t i, const void *ctx), const void *ctx,
                       km_error *error)
{
    for (size_t g = 0; g < globs->count; g++) {
        const char *glob = globs->text[g], *name, *near;
        int used = 0;
        for (size_t i = 0; !used && (name = candidate(i, ctx)); i++)
            used = !fnmatch(glob, name, 0);
        if (used)
            continue;
        near = km_nearest(glob, candidate, ctx);
        return km_fail(error, "no %s matches '%.80s'; %s '%.80s'", what, glob,
                       near ? "did you mean" : "the first one is", near ? near : candidate(0, ctx));
    }
    return 0;
}

static int prepare(const km_golden_options *o, km_text_list *names, km_error *error)
{
    if (o->dump && !*o->dump)
        return km_fail(error, "the folder to dump to has no name");
    return list_cases(o->folder, names, error) ||
                   check_globs(&o->patterns, "case", name_candidate, names, error) ||
                   check_globs(&o->backends, "backend", backend_candidate, NULL, error)
               ? -1
               : 0;
}

/* ---- runs ----------------------------------------------------------------------------------- */

typedef struct account {
    const km_golden_options *options;
    km_golden_counts *counts;
    km_error *error;
} account;

static int enter(const account *a, const km_golden_record *r)
{
    const km_golden_options *o = a->options;
    a->counts->runs++;
    a->counts->status[r->run->status]++;
    a->counts->elements += r->run->figures.elements;
    km_golden_print(o->out, r);
    if (o->json && km_golden_print_json(o->json, r, a->error))
        return -1;
    return o->dump && r->backend ? km_golden_dump(o->dump, r, a->error) : 0;
}

/* A run of no backend. */
static int enter_without(const account *a, km_golden_record *r, km_golden_status status,
                         const char *reason)
{
    km_golden_run run = {.status = status, .figures = km_figures_none(), .worst.slot = -1};
    snprintf(run.reason, sizeof run.reason, "%s", reason);
    r->run = &run;
    return enter(a, r);
}

static int run_backends(const account *a, km_golden_record *r)
{
    const km_golden_options *o = a->options;
    size_t before = a->counts->runs;
    for (size_t i = 0; i < km_backend_count(); i++) {
        km_golden_run run;
        r->backend = km_backend_at(i);
        if (!matches_any(&o->backends, r->backend->name) ||
            (!o->backends.count && !km_kernel_find(r->backend, r->c->op->name, r->c->pass->name)))
            continue;
        km_golden_run_open(&run, r->c, r->backend, o->threads);
        r->run = &run;
        int failed = enter(a, r);
        km_golden_run_close(&run);
        if (failed)
            return -1;
    }
    r->backend = NULL;
    return a->counts->runs > before
               ? 0
               : enter_without(a, r, KM_GOLDEN_SKIPPED, "no backend has such a kernel");
}

/* What no backend computes counts as ref's. 1: it is no such case. */
static int run_host(const account *a, const char *path, km_golden_record *r, km_golden_case *c,
                    km_error *why)
{
    km_golden_run run;
    const int state = km_golden_host(path, c, &run, why);
    if (state > 0)
        return 1;
    if (state < 0)
        return enter_without(a, r, KM_GOLDEN_ERROR, why->text);
    int failed;
    if (matches_any(&a->options->backends, "ref")) {
        r->backend = km_backend_find("ref");
        r->run = &run;
        failed = enter(a, r);
        r->backend = NULL;
    } else {
        failed = enter_without(a, r, KM_GOLDEN_SKIPPED, "computed once, as ref's");
    }
    km_golden_host_free(c, &run);
    return failed;
}

static int run_case(const account *a, const char *name)
{
    char path[PATH_MAX];
    km_golden_case c;
    km_error why;
    km_golden_record record = {.name = name, .c = &c};
    a->counts->cases++;
    snprintf(path, sizeof path, "%s/%s", a->options->folder, name);
    const int host = run_host(a, path, &record, &c, &why);
    if (host <= 0)
        return host;
    if (km_golden_case_load(path, &c, &why)) {
        c.op = NULL;
        return enter_without(a, &record, KM_GOLDEN_ERROR, why.text);
    }
    int failed = run_backends(a, &record);
    km_golden_case_free(&c);
    return failed;
}

static enum km_exit conclude(const km_golden_options *o, const km_golden_counts *n, km_error *error)
{
    const size_t *s = n->status;
    fprintf(o->out,
            "golden: %zu cases, %zu runs: %zu ok, %zu wrong, %zu crashed, %zu skipped, %zu error; "
            "%" PRId64 " elements compared\n",
            n->cases, n->runs, s[KM_GOLDEN_OK], s[KM_GOLDEN_WRONG], s[KM_GOLDEN_CRASHED],
            s[KM_GOLDEN_SKIPPED], s[KM_GOLDEN_ERROR], n->elements);
    if (s[KM_GOLDEN_WRONG] || s[KM_GOLDEN_CRASHED] || s[KM_GOLDEN_ERROR])
        return KM_EXIT_FAILED;
    if (s[KM_GOLDEN_SKIPPED] == n->runs) {
        km_fail(error, "every run was skipped");
        return KM_EXIT_SKIPPED;
    }
    if (n->elements)
        return KM_EXIT_OK;
    km_fail(error, "no element was compared: that proves nothing");
    return KM_EXIT_FAILED;
}

enum km_exit km_golden(const km_golden_options *o, km_golden_counts *counts, km_error *error)
{
    km_text_list names = {0};
    account a = {.options = o, .counts = counts, .error = error};
    *counts = (km_golden_counts){0};
    *error = (km_error){0};
    int unusable = prepare(o, &names, error), failed = 0;
    for (size_t i = 0; i < names.count && !unusable && !failed; i++)
        if (matches_any(&o->patterns, names.text[i]))
            failed = run_case(&a, names.text[i]);
    km_text_free(&names);
    if (unusable)
        return KM_EXIT_USAGE;
    return failed ? KM_EXIT_INTERNAL : conclude(o, counts, error);
}
