/* golden_data.c: reading a case's files, and whether their elements may be used.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/registry.h"
#include "verify/golden_case.h"
#include "verify/work.h"

int km_golden_blame(const char *file, km_error *error)
{
    km_error why = *error;
    return km_fail(error, "%.100s: %s", file, why.text);
}

FILE *km_golden_open(const char *folder, const char *file, km_error *error)
{
    char path[PATH_MAX], real[PATH_MAX], home[PATH_MAX];
    struct stat s;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, file) >= sizeof path ||
        !realpath(path, real) || !realpath(folder, home)) {
        km_fail(error, "cannot open: %s", strerror(errno));
        return NULL;
    }
    size_t n = strlen(home);
    if (strncmp(real, home, n) || real[n] != '/') {
        km_fail(error, "a link that leaves the case's folder");
        return NULL;
    }
    /* not blocking: a fifo would wait for its writer */
    int fd = open(real, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FILE *stream = fd >= 0 && !fstat(fd, &s) && S_ISREG(s.st_mode) ? fdopen(fd, "rb") : NULL;
    if (stream)
        return stream;
    km_fail(error, "cannot open: %s", fd < 0 ? strerror(errno) : "not a regular file");
    if (fd >= 0)
        close(fd);
    return NULL;
}

static int read_file(const char *folder, km_golden_tensor *t, km_error *error)
{
    km_npy declared = t->array;
    FILE *file = km_golden_open(folder, t->file, error);
    int failed = !file || km_npy_read(file, &declared, &t->array, error);
    if (file)
        fclose(file);
    return failed ? km_golden_blame(t->file, error) : 0;
}

/* The tensors of a list, one behind the other. */
static int read_list(const char *folder, km_golden_tensor *t, km_error *error)
{
    const size_t size = t->array.type == KM_NPY_F4 ? sizeof(float) : sizeof(double);
    char *to = malloc(((size_t)t->array.count + 1) * size);
    t->array.data = to;
    if (!to)
        return km_fail(error, "out of memory for its tensors");
    for (int i = 0; i < t->pieces; i++) {
        km_golden_tensor one = {.array = t->piece[i].array};
        memcpy(one.file, t->piece[i].file, sizeof one.file);
        if (read_file(folder, &one, error))
            return -1;
        memcpy(to, one.array.data, (size_t)one.array.count * size);
        to += (size_t)one.array.count * size;
        km_npy_free(&one.array);
    }
    return 0;
}

int km_golden_read_array(const char *folder, km_golden_tensor *t, km_error *error)
{
    return (t->pieces ? read_list : read_file)(folder, t, error);
}

km_type km_golden_type(const km_op *op, km_slot slot)
{
    for (int p = 0; op && p < op->passes; p++) {
        const km_use *use = km_use_find(&op->pass[p], slot);
        if (use)
            return use->type;
    }
    return KM_REAL_TYPE;
}

/* A limit that is no number would let everything pass, or nothing. */
static int check_scale(const km_golden_case *c, int slot, km_error *error)
{
    const km_golden_tensor *t = &c->tensor[KM_GOLDEN_SCALE][slot];
    const double *want = km_golden_type(c->op, (km_slot)slot) != KM_REAL_TYPE
                             ? NULL
                             : c->tensor[KM_GOLDEN_EXPECTED][slot].array.data;
    const int64_t *mask = c->tensor[KM_GOLDEN_MASK][slot].array.data;
    const float *scale = t->array.data;
    for (int64_t i = 0; scale && want && i < t->array.count; i++)
        if (!(scale[i] >= 0 && isfinite(scale[i])) && isfinite(want[i]) && (!mask || mask[i])) {
            km_fail(error, "element %" PRId64 " is %g: not an error scale", i, (double)scale[i]);
            return km_golden_blame(t->file, error);
        }
    return 0;
}

/* int64 as recorded becomes int32 or uint8, as kernels take it. */
static int narrow(km_golden_tensor *t, km_type type, km_error *error)
{
    const int64_t least = type == KM_UINT8 ? 0 : INT32_MIN, most = type == KM_UINT8 ? 1 : INT32_MAX;
    const int64_t *from = t->array.data;
    t->whole = malloc((size_t)(t->array.count + 1) * sizeof(int32_t));
    if (!t->whole)
        return km_fail(error, "out of memory for its values");
    for (int64_t i = 0; i < t->array.count; i++) {
        if (from[i] < least || from[i] > most) {
            km_fail(error,
                    type == KM_UINT8 ? "element %" PRId64 " of a mask is neither 0 nor 1"
                                     : "element %" PRId64 " does not fit into 32 bits",
                    i);
            return km_golden_blame(t->file, error);
        }
        if (type == KM_UINT8)
            ((uint8_t *)t->whole)[i] = (uint8_t)from[i];
        else
            ((int32_t *)t->whole)[i] = (int32_t)from[i];
    }
    t->data = t->whole;
    return 0;
}

static int holds_classes(const km_op *op, km_slot slot)
{
    for (int p = 0; p < op->passes; p++) {
        const km_use *use = km_use_find(&op->pass[p], slot);
        if (use && use->access != KM_WRITE && use->fill == KM_FILL_CLASS)
            return 1;
    }
    return 0;
}

/* Kernels index with classes. */
static int check_classes(const km_golden_case *c, const km_golden_tensor *t, km_error *error)
{
    const int64_t classes = c->params.dim[KM_DIM_C], *class = t->array.data;
    const double ignored = c->params.attr[KM_IGNORE_INDEX];
    for (int64_t i = 0; i < t->array.count; i++)
        if ((class[i] < 0 || class[i] >= classes) && (double)class[i] != ignored) {
            km_fail(error,
                    "element %" PRId64 " is %" PRId64
                    ": a class must be 0 or more and less than c = %" PRId64
                    ", or ignore_index = %g",
                    i, class[i], classes, ignored);
            return km_golden_blame(t->file, error);
        }
    return 0;
}

static int prepare_inputs(km_golden_case *c, km_error *error)
{
    for (int s = 0; s < KM_SLOT_COUNT; s++) {
        km_golden_tensor *t = &c->tensor[KM_GOLDEN_INPUT][s];
        t->data = t->array.data;
        const km_type type = km_golden_type(c->op, (km_slot)s);
        if (t->recorded && type != KM_REAL_TYPE && narrow(t, type, error))
            return -1;
        if (t->recorded && holds_classes(c->op, (km_slot)s) && check_classes(c, t, error))
            return -1;
    }
    return 0;
}

int km_golden_read_arrays(const char *folder, km_golden_case *c, km_error *error)
{
    for (int r = 0; r < KM_GOLDEN_ROLES; r++)
        for (int s = 0; s < KM_SLOT_COUNT; s++)
            if (c->tensor[r][s].recorded && km_golden_read_array(folder, &c->tensor[r][s], error))
                return -1;
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        if (check_scale(c, s, error))
            return -1;
    return prepare_inputs(c, error);
}
