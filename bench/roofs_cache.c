/* roofs_cache.c: the file that keeps measured roofs between runs.
 *
 * What a file says holds only for the key it carries: everything that the measurement depends on.
 * A file of any other key, or one that does not parse to the last entry, is measured anew.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/roofs.h"
#include "core/cpu.h"
#include "core/outfile.h"
#include "core/random.h"

enum { METHOD = 2, KEY = 400, PATH = 4000 }; /* METHOD grows when figures change their meaning */

/* The ISA cap is part of it: under a cap, narrower kernels measured the streams. */
static void make_key(char key[KEY], int threads)
{
    km_cpu cpu;
    km_cpu_read(&cpu);
    int n = snprintf(key, KEY, "%d|%s|%d|%" PRId64 "|%" PRId64 "|%" PRId64 "|%d", METHOD, cpu.model,
                     cpu.cores, cpu.l1d, cpu.l2, cpu.l3, threads);
    const char *isa;
    for (size_t i = 0; (isa = km_isa_at(i)) && n < KEY; i++)
        if (!km_isa_unusable(isa))
            n += snprintf(key + n, (size_t)(KEY - n), "|%s", isa);
}

static int make_directory(const char *path)
{
    return mkdir(path, 0777) && errno != EEXIST ? -1 : 0;
}

/* Where the file is; -1 if there is no place for one. Directories are made on the way. */
static int make_path(char path[PATH], const char *key)
{
    const char *given = getenv("KERNELMARK_ROOFS"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (given && *given)
        return snprintf(path, PATH, "%s", given) < PATH ? 0 : -1;
    int own = !cache || *cache != '/'; /* the XDG rules: relative paths are ignored */
    if (own && (!home || *home != '/'))
        return -1;
    int n = snprintf(path, PATH - 64, "%s%s", own ? home : cache, own ? "/.cache" : "");
    if (n >= PATH - 64 || make_directory(path))
        return -1;
    n += snprintf(path + n, 16, "/kernelmark");
    if (make_directory(path))
        return -1;
    snprintf(path + n, 48, "/roofs-%016" PRIx64 ".json", km_stream(0, key));
    return 0;
}

static int load(const char *path, const char *key, int threads, km_roofs *r)
{
    km_error ignored;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const char *schema = json_string_value(json_object_get(file, "schema"));
    const char *stored = json_string_value(json_object_get(file, "key"));
    int failed = !schema || strcmp(schema, "kernelmark-roofs") || !stored || strcmp(stored, key) ||
                 km_roofs_parse(json_object_get(file, "roofs"), r, &ignored) ||
                 r->threads != threads;
    json_decref(file);
    return failed ? -1 : 0;
}

static int store(const char *path, const char *key, const km_roofs *r, km_error *error)
{
    km_outfile out;
    json_t *file = json_pack("{s:s, s:s, s:o}", "schema", "kernelmark-roofs", "key", key, "roofs",
                             km_roofs_json(r));
    if (!file)
        return km_fail(error, "out of memory");
    if (km_outfile_open(&out, path, error)) {
        json_decref(file);
        return -1;
    }
    int failed = json_dumpf(file, out.stream, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) ||
                 fputc('\n', out.stream) == EOF;
    json_decref(file);
    if (!failed)
        return km_outfile_commit(&out, error);
    km_outfile_abort(&out);
    return km_fail(error, "cannot write %.300s", path);
}

int km_roofs_get(km_roofs *r, int threads, km_roofs_how how, km_error *error)
{
    char key[KEY], path[PATH];
    km_roofs stored;
    *error = (km_error){0};
    threads = threads < 1 ? 1 : threads;
    make_key(key, threads);
    int placeless = make_path(path, key);
    int loaded = how != KM_ROOFS_ANEW && !placeless && !load(path, key, threads, &stored);
    if (loaded && how == KM_ROOFS_CACHED) {
        *r = stored;
        return 0;
    }
    if (km_roofs_measure(r, threads, error))
        return -1;
    if (loaded)
        km_roofs_merge(r, &stored);
    if (placeless)
        km_fail(error, "there is no directory to keep the measured roofs in");
    else
        store(path, key, r, error); /* the remark says why, if it fails */
    return 0;
}
