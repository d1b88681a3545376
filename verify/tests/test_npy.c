/* test_npy.c: .npy files of every shape survive a round trip; damaged ones end in the right message,
 * and thousands of random mutations in some message or a sound array.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/random.h"
#include "verify/npy.h"

/* A file that exists only here, holding these bytes. */
static FILE *file_of(const void *bytes, size_t size)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    rewind(f);
    return f;
}

static int read_bytes(const void *bytes, size_t size, const km_npy *declared, km_npy *a,
                      km_error *error)
{
    FILE *f = file_of(bytes, size);
    int failed = km_npy_read(f, declared, a, error);
    fclose(f);
    return failed;
}

/* A version 1.0 file around this header text; returns its size. */
static size_t compose(char *file, const char *header, size_t data_bytes)
{
    size_t length = strlen(header);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (char)(length & 255);
    file[9] = (char)(length >> 8);
    memcpy(file + 10, header, length);
    memset(file + 10 + length, 0, data_bytes);
    return 10 + length + data_bytes;
}

static void round_trip(void **state)
{
    static const struct {
        int ndim;
        int64_t dim[5];
    } shapes[] = {{0, {0}},
                  {1, {0}},
                  {1, {7}},
                  {2, {3, 0}},
                  {2, {0, 3}},
                  {3, {2, 3, 4}},
                  {5, {2, 1, 3, 1, 2}},
                  {2, {0, INT64_MAX}}};
    int64_t data[64];
    (void)state;
    for (int i = 0; i < 64; i++)
        data[i] = (int64_t)(UINT64_C(0x7ff0123456789abc) * (unsigned)i);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int type = 0; type < KM_NPY_TYPES; type++) {
            km_npy a = {.type = (km_npy_type)type, .ndim = shapes[s].ndim, .data = data}, b;
            km_error error = {0};
            memcpy(a.dim, shapes[s].dim, sizeof shapes[s].dim);
            assert_int_equal(km_npy_set_count(&a, &error), 0);
            FILE *f = tmpfile();
            km_npy_write(f, &a);
            assert_int_equal((ftell(f) - a.count * (type == KM_NPY_F4 ? 4 : 8)) % 64, 0);
            rewind(f);
            assert_int_equal(km_npy_read(f, &a, &b, &error), 0);
            assert_int_equal(b.count, a.count);
            assert_memory_equal(b.data, data, (size_t)a.count * (type == KM_NPY_F4 ? 4 : 8));
            km_npy_free(&b);
            fclose(f);
        }
}

/* What numpy.save wrote for a float64 array of shape (16,), up to the data. */
static void as_numpy_writes(void **state)
{
    char want[128], got[128];
    double data[16] = {0};
    (void)state;
    memset(want, ' ', sizeof want);
    memcpy(want, "\x93NUMPY\x01\x00\x76\x00", 10);
    const char text[] = "{'descr': '<f8', 'fortran_order': False, 'shape': (16,), }";
    memcpy(want + 10, text, sizeof text - 1);
    want[127] = '\n';
    FILE *f = tmpfile();
    km_npy_write(f,
                 &(km_npy){.type = KM_NPY_F8, .ndim = 1, .dim = {16}, .count = 16, .data = data});
    rewind(f);
    assert_int_equal(fread(got, 1, sizeof got, f), sizeof got);
    assert_memory_equal(got, want, sizeof want);
    fclose(f);
}

static void tolerated(void **state)
{
    static const char *const headers[] = {
        "{\"shape\":(2,),\"descr\":\"<f4\",\"fortran_order\":False}\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, ), }   \n",
        "  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 1 , 2 ) }\n",
    };
    char file[400];
    km_error error = {0};
    km_npy a;
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        assert_int_equal(read_bytes(file, compose(file, headers[i], 8), NULL, &a, &error), 0);
        assert_int_equal(a.count, 2);
        km_npy_free(&a);
    }
    /* format 2.0: a length of four bytes */
    char two[400] = "\x93NUMPY\x02\x00";
    size_t n = strlen(headers[0]);
    two[8] = (char)n;
    memcpy(two + 12, headers[0], n);
    assert_int_equal(read_bytes(two, 12 + n + 8, NULL, &a, &error), 0);
    km_npy_free(&a);
}

#define HEADER(descr, order, shape)                                                                \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"

static void bad_headers(void **state)
{
    static const struct {
        const char *header, *message;
    } bad[] = {
        {HEADER("'|u1'", "False", "(2,)"), "dtype '|u1'"},
        {HEADER("'<i4'", "False", "(2,)"), "dtype '<i4'"},
        {HEADER("'>f4'", "False", "(2,)"), "dtype '>f4'"},
        {HEADER("[('a', '<f4')]", "False", "(2,)"), "structured"},
        {HEADER("'<f4'", "True", "(2,)"), "Fortran"},
        {HEADER("'<f4'", "0", "(2,)"), "fortran_order"},
        {HEADER("'<f4'", "False", "(2)"), "number"},
        {HEADER("'<f4'", "False", "2"), "shape cannot"},
        {HEADER("'<f4'", "False", "(-2,)"), "size cannot"},
        {HEADER("'<f4'", "False", "(2 2)"), "comma"},
        {HEADER("'<f4'", "False", "(,)"), "size cannot"},
        {HEADER("'<f4'", "False", "(2,"), "size cannot"},
        {HEADER("'<f4'", "False", "(99999999999999999999,)"), "larger than any memory"},
        {HEADER("'<f4'", "False", "(4294967296, 4294967296)"), "larger than any memory"},
        {HEADER("'<f4'", "False", "(4611686018427387904,)"), "larger than any memory"},
        {HEADER("'<f4'", "False", "(3,)"), "truncated"},
        {HEADER("'<f4'", "False", "(1,)"), "oversized"},
        {HEADER("'<f4'", "False", "(0,)"), "oversized"},
        {HEADER("'<f4'", "False", "(1152921504606846976,)"), "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, }\n", "missing"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", "twice"},
        {"{'dtype': '<f4', 'fortran_order': False, 'shape': (2,)}\n", "unknown"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}\n", "',' or '}'"},
        {"{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}\n", "':'"},
        {"{descr: '<f4'}\n", "quoted"},
        {"{'descr", "quoted"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "newline"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x\n", "may follow"},
        {"{}\n", "missing"},
        {"[]\n", "no dict"},
        {"", "no dict"},
        {HEADER("'<f4'", "False",
                "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"),
         "more than 32"},
    };
    char file[600];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        km_error error = {0};
        km_npy a;
        int failed = read_bytes(file, compose(file, bad[i].header, 8), NULL, &a, &error);
        if (!failed || !strstr(error.text, bad[i].message))
            fail_msg("%s gave %s", bad[i].header, failed ? error.text : "an array");
        assert_null(a.data);
    }
}

static void bad_files(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } bad[] = {
        {"", 0, "too short"},
        {"\x93NUMPY\x01", 7, "too short"},
        {"\x93NUMPX\x01\x00\x02\x00{}", 12, "not an .npy"},
        {"PK\x03\x04\x14\x00\x00\x00\x00\x00", 10, "not an .npy"},
        {"\x93NUMPY\x03\x00\x02\x00\x00\x00{}", 14, "format 3.0"},
        {"\x93NUMPY\x01\x01\x02\x00{}", 12, "format 1.1"},
        {"\x93NUMPY\x01\x00\x76", 9, "truncated in its header"},
        {"\x93NUMPY\x01\x00\x76\x00{", 11, "truncated in its header"},
        {"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", 14, "too long"},
        {"\x93NUMPY\x01\x00\x03\x00{\0}", 13, "NUL"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        km_error error = {0};
        km_npy a;
        assert_int_not_equal(read_bytes(bad[i].bytes, bad[i].size, NULL, &a, &error), 0);
        if (!strstr(error.text, bad[i].message))
            fail_msg("case %zu gave %s", i, error.text);
    }
}

static void not_as_declared(void **state)
{
    char file[400];
    size_t size = compose(file, HEADER("'<f4'", "False", "(2, 1)"), 8);
    km_npy a, declared = {.type = KM_NPY_F8, .ndim = 2, .dim = {2, 1}};
    km_error error = {0};
    (void)state;
    assert_int_not_equal(read_bytes(file, size, &declared, &a, &error), 0);
    assert_non_null(strstr(error.text, "dtype is <f4, declared <f8"));
    declared.type = KM_NPY_F4;
    declared.ndim = 1;
    assert_int_not_equal(read_bytes(file, size, &declared, &a, &error), 0);
    assert_non_null(strstr(error.text, "shape is (2, 1), declared (2,)"));
}

/* Up to 8 edits: a bit, a byte, a byte that means something, a cut. Returns the new size. */
static size_t mutate(char *file, size_t size, uint64_t counter)
{
    static const char tokens[] = "{}()[],:'\"0123456789<>|fi\n -FT\x93";
    uint32_t r[4];
    for (uint64_t edit = 0;; edit++) {
        km_philox(counter << 8 | edit, 1, r);
        size_t at = size ? r[0] % size : 0;
        if (r[1] % 8 == 0)
            size = at;
        else if (size)
            file[at] = r[1] % 8 < 3   ? (char)(file[at] ^ 1 << r[2] % 8)
                       : r[1] % 8 < 5 ? (char)r[2]
                                      : tokens[r[2] % (sizeof tokens - 1)];
        if (r[3] % 8 >= edit)
            return size;
    }
}

static void mutations(void **state)
{
    int arrays = 0;
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        char file[400];
        km_npy a;
        km_error error = {0};
        size_t size = compose(file, HEADER("'<f8'", "False", "(2, 3)"), 48);
        size = mutate(file, size, i);
        int failed = read_bytes(file, size, NULL, &a, &error);
        assert_int_equal(failed != 0, error.text[0] != 0);
        assert_int_equal(failed != 0, a.data == NULL);
        arrays += !failed;
        if (!failed)
            km_npy_free(&a);
    }
    /* both outcomes must have been seen for the test to mean anything */
    assert_in_range(arrays, 100, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(as_numpy_writes),
        cmocka_unit_test(tolerated),  cmocka_unit_test(bad_headers),
        cmocka_unit_test(bad_files),  cmocka_unit_test(not_as_declared),
        cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
