/* golden_set.h: golden sets made by tests, in a folder that is removed again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_GOLDEN_SET_H
#define KM_TEST_GOLDEN_SET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "verify/golden.h"
#include "verify/npy.h"

/* One tensor of a case; its file is NAME.npy, with ".scale" or ".mask" before for these roles. */
typedef struct set_tensor {
    const char *role, *name;
    const void *data; /* of the role's type */
    int ndim;
    int64_t dim[6];
} set_tensor;

typedef struct set_case {
    const char *name, *op, *direction, *params, *tolerance;
    set_tensor tensor[8]; /* ended by one without a role */
} set_case;

static char set_folder[] = "/tmp/kernelmark-golden-XXXXXX";

static inline int set_open(void **state)
{
    strcpy(set_folder + sizeof set_folder - 7, "XXXXXX");
    *state = mkdtemp(set_folder);
    return *state ? 0 : -1;
}

static inline int set_remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s, (void)type, (void)f;
    return remove(path);
}

static inline int set_close(void **state)
{
    (void)state;
    return nftw(set_folder, set_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline FILE *set_file(const char *name, const char *file, const char *mode)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s/%s", set_folder, name, file);
    return fopen(path, mode);
}

static inline void set_write(const char *name, const char *file, const void *bytes, size_t size)
{
    FILE *f = set_file(name, file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* The whole file with a NUL behind; the caller frees it. */
static inline char *set_read(const char *name, const char *file, size_t *size)
{
    FILE *f = set_file(name, file, "rb");
    char *bytes = calloc(1, 1 << 16);
    assert_non_null(f);
    *size = fread(bytes, 1, (1 << 16) - 1, f);
    fclose(f);
    return bytes;
}

static inline km_npy_type set_type(const set_tensor *t)
{
    if (!strcmp(t->role, "mask") || !strcmp(t->name, "target"))
        return KM_NPY_I8;
    return !strcmp(t->role, "expected") ? KM_NPY_F8 : KM_NPY_F4;
}

static inline void set_put_tensor(FILE *json, const set_case *c, const set_tensor *t)
{
    char file[64], shape[120];
    km_error error;
    const char *kind = !strcmp(t->role, "error_scale") ? ".scale"
                       : !strcmp(t->role, "mask")      ? ".mask"
                                                       : "";
    km_npy a = {.type = set_type(t), .ndim = t->ndim, .data = (void *)t->data};
    memcpy(a.dim, t->dim, sizeof t->dim);
    assert_int_equal(km_npy_set_count(&a, &error), 0);
    snprintf(file, sizeof file, "%s%s.npy", t->name, kind);
    FILE *f = set_file(c->name, file, "wb");
    km_npy_write(f, &a);
    assert_int_equal(fclose(f), 0);
    km_npy_shape_text(&a, shape, sizeof shape);
    shape[strlen(shape) - (a.ndim == 1 ? 2 : 1)] = 0;
    fprintf(json,
            "%s{\"role\": \"%s\", \"name\": \"%s\", \"dtype\": \"%s\", \"file\": \"%s\", "
            "\"shape\": [%s]}",
            t == c->tensor ? "" : ", ", t->role, t->name, km_npy_type_name(a.type), file,
            shape + 1);
}

static inline void set_put(const set_case *c)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", set_folder, c->name);
    assert_int_equal(mkdir(path, 0777), 0);
    FILE *json = set_file(c->name, "case.json", "w");
    assert_non_null(json);
    fprintf(json,
            "{\"case\": \"%s\", \"op\": \"%s\", \"direction\": \"%s\", \"tier\": \"edge\", "
            "\"params\": {%s}, \"tolerance\": {%s}, \"tensors\": [",
            c->name, c->op, c->direction, c->params, c->tolerance);
    for (const set_tensor *t = c->tensor; t->role; t++)
        set_put_tensor(json, c, t);
    fputs("]}", json);
    assert_int_equal(fclose(json), 0);
}

/* Replaces the first occurrence in case.json. */
static inline void set_edit(const char *name, const char *from, const char *to)
{
    size_t size;
    char *text = set_read(name, "case.json", &size), *at = strstr(text, from);
    assert_non_null(at);
    FILE *f = set_file(name, "case.json", "w");
    fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    fclose(f);
    free(text);
}

/* Runs the set on the backends that the glob matches and returns what was printed, to be freed. */
static inline char *set_run(const char *pattern, const char *backend, const char *dump,
                            enum km_exit *code, km_golden_counts *counts)
{
    char *text = NULL;
    size_t size;
    km_error error;
    km_golden_options o = {.folder = set_folder, .threads = 2, .dump = dump};
    o.out = open_memstream(&text, &size);
    if (pattern)
        km_text_add(&o.patterns, pattern);
    if (backend)
        km_text_add(&o.backends, backend);
    *code = km_golden(&o, counts, &error);
    fprintf(o.out, "%s\n", error.text);
    fclose(o.out);
    km_text_free(&o.patterns);
    km_text_free(&o.backends);
    return text;
}

/* The set must end in this code, with all of the text somewhere in the output. */
static inline void set_expect(const char *pattern, const char *backend, enum km_exit want,
                              const char *text)
{
    enum km_exit code;
    km_golden_counts n;
    char *out = set_run(pattern, backend, NULL, &code, &n);
    size_t sum = 0;
    for (int s = 0; s < KM_GOLDEN_STATUSES; s++)
        sum += n.status[s];
    if (code != want || !strstr(out, text) || sum != n.runs)
        fail_msg("want exit %d and '%s', got exit %d and:\n%s", (int)want, text, (int)code, out);
    free(out);
}

#endif
