/* golden_dump.c: computed tensors as .npy files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/outfile.h"
#include "verify/golden_report.h"

/* Creates every folder of the path that does not exist. */
static int make_folders(char *path, km_error *error)
{
    for (char *p = path + 1;; p++) {
        char was = *p;
        if (was && was != '/')
            continue;
        *p = 0;
        if (mkdir(path, 0777) && errno != EEXIST)
            return km_fail(error, "cannot create %.300s: %s", path, strerror(errno));
        *p = was;
        if (!was)
            return 0;
    }
}

/* Indices are dumped as they are recorded, as int64. */
static int64_t *widened(const void *data, km_type type, int64_t count)
{
    const km_tensor from = {.data = (void *)data, .type = type};
    int64_t *to = malloc((size_t)(count + 1) * sizeof *to);
    for (int64_t i = 0; to && i < count; i++)
        to[i] = (int64_t)km_element(&from, i);
    return to;
}

static int write_tensor(const char *path, const km_npy *shape, km_type type, const void *data,
                        km_error *error)
{
    km_outfile file;
    km_npy a = *shape;
    int64_t *wide = a.type == KM_NPY_I8 ? widened(data, type, a.count) : NULL;
    if (a.type == KM_NPY_I8 && !wide)
        return km_fail(error, "out of memory for %.300s", path);
    a.type = wide ? KM_NPY_I8 : KM_NPY_F4;
    a.data = wide ? (void *)wide : (void *)data;
    int failed = km_outfile_open(&file, path, error);
    if (!failed) {
        km_npy_write(file.stream, &a);
        failed = km_outfile_commit(&file, error);
    }
    free(wide);
    return failed;
}

static int dump_tensor(const char *folder, const km_golden_tensor *t, km_type type,
                       const void *data, km_error *error)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, t->file) >= sizeof path)
        return km_fail(error, "the path below --dump is too long");
    if (data)
        return write_tensor(path, &t->array, type, data, error);
    if (unlink(path) && errno != ENOENT && errno != ENOTDIR)
        return km_fail(error, "cannot remove %.300s: %s", path, strerror(errno));
    return 0;
}

int km_golden_dump(const char *folder, const km_golden_record *r, km_error *error)
{
    char path[PATH_MAX - 300];
    int computed = 0;
    if ((size_t)snprintf(path, sizeof path, "%s/%s/%s", folder, r->backend->name, r->name) >=
        sizeof path)
        return km_fail(error, "the path below --dump is too long");
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        computed |= r->run->got[s] != NULL;
    if (computed && make_folders(path, error))
        return -1;
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        const km_golden_tensor *t = &r->c->tensor[KM_GOLDEN_EXPECTED][s];
        if (t->recorded &&
            dump_tensor(path, t, km_golden_type(r->c->op, (km_slot)s), r->run->got[s], error))
            return -1;
    }
    return 0;
}
