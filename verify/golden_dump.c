/* golden_dump.c: computed tensors as .npy files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
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

static int write_tensor(const char *path, const km_npy *shape, const float *data, km_error *error)
{
    km_outfile file;
    km_npy a = *shape;
    a.type = KM_NPY_F4;
    a.data = (float *)data;
    if (km_outfile_open(&file, path, error))
        return -1;
    km_npy_write(file.stream, &a);
    return km_outfile_commit(&file, error);
}

static int dump_tensor(const char *folder, const km_golden_tensor *t, const float *data,
                       km_error *error)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, t->file) >= sizeof path)
        return km_fail(error, "the path below --dump is too long");
    if (data)
        return write_tensor(path, &t->array, data, error);
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
        if (t->recorded && dump_tensor(path, t, r->run->got[s], error))
            return -1;
    }
    return 0;
}
