/* npy.c: a strict reader of the .npy header, a Python dict literal, and the writer.
 *
 *     "\x93NUMPY" major minor length {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *
 * length has 2 bytes in format 1.0, 4 in 2.0; spaces and a newline pad the header.
 * numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/npy.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "data is read and written as it lies");

/* A header of 32 sizes needs less than 1 KiB; NumPy refuses more than 10000 bytes. */
enum { MAX_HEADER = 10000, ALIGN = 64 };

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

static const struct {
    const char *name;
    size_t bytes;
} types[KM_NPY_TYPES] = {
    [KM_NPY_F4] = {"<f4", 4}, [KM_NPY_F8] = {"<f8", 8}, [KM_NPY_I8] = {"<i8", 8}};

const char *km_npy_type_name(km_npy_type type)
{
    return types[type].name;
}

int km_npy_type_find(const char *name)
{
    for (int t = 0; t < KM_NPY_TYPES; t++)
        if (!strcmp(types[t].name, name))
            return t;
    return -1;
}

int km_npy_set_count(km_npy *a, km_error *error)
{
    int64_t bytes = (int64_t)types[a->type].bytes;
    int empty = 0;
    for (int d = 0; d < a->ndim; d++) {
        if (a->dim[d] < 0)
            return km_fail(error, "size %" PRId64 " in the shape is negative", a->dim[d]);
        empty |= a->dim[d] == 0;
    }
    /* an empty array may have any other sizes */
    for (int d = 0; d < a->ndim && !empty; d++)
        if (__builtin_mul_overflow(bytes, a->dim[d], &bytes))
            return km_fail(error, "its shape is larger than any memory");
    a->count = empty ? 0 : bytes / (int64_t)types[a->type].bytes;
    return 0;
}

void km_npy_shape_text(const km_npy *a, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "(");
    for (int d = 0; d < a->ndim && at < size; d++)
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, d ? ", " : "", a->dim[d]);
    if (at < size)
        snprintf(text + at, size - at, a->ndim == 1 ? ",)" : ")");
}

int km_npy_same_shape(const km_npy *a, const km_npy *b)
{
    return a->ndim == b->ndim && !memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof *a->dim);
}

/* ---- header -------------------------------------------------------------------------------- */

static void skip_space(const char **p)
{
    while (**p == ' ' || **p == '\t' || **p == '\n')
        ++*p;
}

/* Steps over the character, and space around it. */
static int take(const char **p, char c)
{
    skip_space(p);
    if (**p != c)
        return 0;
    ++*p;
    skip_space(p);
    return 1;
}

static int take_string(const char **p, char *text, size_t size, km_error *error)
{
    const char quote = **p;
    const char *end = quote == '\'' || quote == '"' ? strchr(*p + 1, quote) : NULL;
    if (!end || (size_t)(end - *p) > size)
        return km_fail(error, "header: a short quoted word belongs at '%.20s'", *p);
    snprintf(text, size, "%.*s", (int)(end - *p - 1), *p + 1);
    *p = end + 1;
    return 0;
}

static int take_type(const char **p, km_npy *a, km_error *error)
{
    char name[32];
    if (**p == '[')
        return km_fail(error, "a structured dtype is not a tensor");
    if (take_string(p, name, sizeof name, error))
        return -1;
    int type = km_npy_type_find(name);
    if (type < 0)
        return km_fail(error, "dtype '%s' is none of <f4, <f8, <i8", name);
    a->type = (km_npy_type)type;
    return 0;
}

static int take_order(const char **p, km_error *error)
{
    if (!strncmp(*p, "True", 4))
        return km_fail(error, "it is in Fortran order; golden tensors are in C order");
    if (strncmp(*p, "False", 5))
        return km_fail(error, "header: fortran_order cannot be '%.20s'", *p);
    *p += 5;
    return 0;
}

static int take_size(const char **p, int64_t *size, km_error *error)
{
    if (!isdigit((unsigned char)**p))
        return km_fail(error, "header: a size cannot be '%.20s'", *p);
    for (*size = 0; isdigit((unsigned char)**p); ++*p)
        if (__builtin_mul_overflow(*size, 10, size) ||
            __builtin_add_overflow(*size, **p - '0', size))
            return km_fail(error, "a size in its shape is larger than any memory");
    return 0;
}

static int take_shape(const char **p, km_npy *a, km_error *error)
{
    int comma = 1;
    if (!take(p, '('))
        return km_fail(error, "header: shape cannot be '%.20s'", *p);
    for (a->ndim = 0; **p != ')'; a->ndim++) {
        if (a->ndim == KM_NPY_MAX_NDIM)
            return km_fail(error, "it has more than %d dimensions", KM_NPY_MAX_NDIM);
        if (!comma)
            return km_fail(error, "header: shape lacks a comma at '%.20s'", *p);
        if (take_size(p, &a->dim[a->ndim], error))
            return -1;
        comma = take(p, ',');
    }
    if (a->ndim == 1 && !comma)
        return km_fail(error, "header: shape is a number, not a tuple");
    ++*p;
    return 0;
}

enum { DESCR, ORDER, SHAPE, KEYS };

static int take_entry(const char **p, km_npy *a, unsigned *seen, km_error *error)
{
    static const char *const keys[KEYS] = {"descr", "fortran_order", "shape"};
    char key[32];
    int k = 0;
    if (take_string(p, key, sizeof key, error))
        return -1;
    while (k < KEYS && strcmp(keys[k], key))
        k++;
    if (k == KEYS || *seen & 1u << k)
        return km_fail(error, "header: key '%s' is %s", key, k < KEYS ? "given twice" : "unknown");
    *seen |= 1u << k;
    if (!take(p, ':'))
        return km_fail(error, "header: ':' belongs at '%.20s'", *p);
    return k == DESCR   ? take_type(p, a, error)
           : k == ORDER ? take_order(p, error)
                        : take_shape(p, a, error);
}

static int parse_dict(const char *p, km_npy *a, km_error *error)
{
    unsigned seen = 0;
    int comma = 1;
    if (!take(&p, '{'))
        return km_fail(error, "header: it is no dict");
    for (; *p != '}'; comma = take(&p, ','))
        if (!comma)
            return km_fail(error, "header: ',' or '}' belongs at '%.20s'", p);
        else if (take_entry(&p, a, &seen, error))
            return -1;
    if (seen != (1u << KEYS) - 1)
        return km_fail(error, "header: descr, fortran_order or shape is missing");
    p++;
    skip_space(&p);
    if (*p || p[-1] != '\n')
        return km_fail(error, "header: only spaces and a newline may follow the dict");
    return 0;
}

/* The length field; -1 with a message if the preamble is wrong. */
static long header_length(FILE *file, km_error *error)
{
    unsigned char b[12];
    if (fread(b, 1, 8, file) != 8)
        return km_fail(error, "too short for an .npy file");
    if (memcmp(b, magic, sizeof magic))
        return km_fail(error, "not an .npy file");
    if ((b[6] != 1 && b[6] != 2) || b[7] != 0)
        return km_fail(error, ".npy format %d.%d is neither 1.0 nor 2.0", b[6], b[7]);
    size_t width = b[6] == 1 ? 2 : 4;
    if (fread(b + 8, 1, width, file) != width)
        return km_fail(error, "truncated in its header");
    uint32_t length = b[8] | (uint32_t)b[9] << 8;
    if (width == 4)
        length |= (uint32_t)b[10] << 16 | (uint32_t)b[11] << 24;
    if (length > MAX_HEADER)
        return km_fail(error, "header of %" PRIu32 " bytes is too long", length);
    return (long)length;
}

static int read_header(FILE *file, km_npy *a, km_error *error)
{
    char text[MAX_HEADER + 1];
    long length = header_length(file, error);
    if (length < 0)
        return -1;
    if (fread(text, 1, (size_t)length, file) != (size_t)length)
        return km_fail(error, "truncated in its header");
    if (memchr(text, 0, (size_t)length))
        return km_fail(error, "header: a NUL byte");
    text[length] = 0;
    return parse_dict(text, a, error) ? -1 : km_npy_set_count(a, error);
}

/* ---- whole files ---------------------------------------------------------------------------- */

static int check_declared(const km_npy *a, const km_npy *declared, km_error *error)
{
    char own[120], other[120];
    if (!declared)
        return 0;
    if (a->type != declared->type)
        return km_fail(error, "dtype is %s, declared %s", types[a->type].name,
                       types[declared->type].name);
    if (km_npy_same_shape(a, declared))
        return 0;
    km_npy_shape_text(a, own, sizeof own);
    km_npy_shape_text(declared, other, sizeof other);
    return km_fail(error, "shape is %s, declared %s", own, other);
}

/* The data must be all that follows the header. */
static int check_size(FILE *file, int64_t bytes, km_error *error)
{
    struct stat s;
    long at = ftell(file);
    if (at < 0 || fstat(fileno(file), &s) || !S_ISREG(s.st_mode))
        return km_fail(error, "not a regular file");
    int64_t there = (int64_t)s.st_size - at;
    if (there == bytes)
        return 0;
    return km_fail(error, "%s: %" PRId64 " bytes of data, its shape needs %" PRId64,
                   there < bytes ? "truncated" : "oversized", there, bytes);
}

int km_npy_read(FILE *file, const km_npy *declared, km_npy *a, km_error *error)
{
    *a = (km_npy){0};
    if (read_header(file, a, error) || check_declared(a, declared, error))
        return -1;
    size_t bytes = (size_t)a->count * types[a->type].bytes;
    if (check_size(file, (int64_t)bytes, error))
        return -1;
    a->data = malloc(bytes + !bytes);
    if (!a->data)
        return km_fail(error, "no memory for %zu bytes", bytes);
    if (fread(a->data, 1, bytes, file) == bytes)
        return 0;
    km_npy_free(a);
    return km_fail(error, "cannot read its data: %s", strerror(errno));
}

void km_npy_write(FILE *file, const km_npy *a)
{
    char shape[KM_NPY_MAX_NDIM * 24], text[sizeof shape + 80];
    km_npy_shape_text(a, shape, sizeof shape);
    int used = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                        types[a->type].name, shape);
    int length = (10 + used + 1 + ALIGN - 1) / ALIGN * ALIGN - 10;
    fwrite(magic, 1, sizeof magic, file);
    fwrite((unsigned char[]){1, 0, length & 255, length >> 8}, 1, 4, file);
    fprintf(file, "%-*s\n", length - 1, text);
    fwrite(a->data, types[a->type].bytes, (size_t)a->count, file);
}

void km_npy_free(km_npy *a)
{
    free(a->data);
    *a = (km_npy){0};
}
