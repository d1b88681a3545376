/* case.c: parsing, formatting and checking of case texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/case.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/names.h"
#include "core/pass.h"

/* As kernels receive it. */
static double rounded(const km_attr_spec *a, double value)
{
    return a->integer || a->precise ? value : (float)value;
}

/* Both of a pair. */
static void set_attr(const km_attr_spec *a, km_case *c, double value)
{
    c->attr[a->attr] = value;
    if (a->pair)
        c->attr[a->pair] = value;
}

void km_case_default(const km_op *op, km_case *c)
{
    *c = (km_case){0};
    for (int d = 0; d < KM_DIM_COUNT; d++)
        c->dim[d] = 1;
    for (int i = 0; i < op->dims; i++) {
        const km_dim_spec *d = &op->dim[i];
        c->dim[d->dim] = d->fallback < d->min ? d->min : d->fallback;
    }
    for (int i = 0; i < op->attrs; i++)
        set_attr(&op->attr[i], c, rounded(&op->attr[i], op->attr[i].fallback));
}

/* ---- sizes --------------------------------------------------------------------------------- */

static const km_dim_spec *find_dim(const km_op *op, char letter)
{
    for (int i = 0; i < op->dims; i++)
        if (km_dim_name[op->dim[i].dim][0] == letter)
            return &op->dim[i];
    return NULL;
}

static void size_letters(const km_op *op, char *text)
{
    for (int i = 0; i < op->dims; i++)
        *text++ = km_dim_name[op->dim[i].dim][0];
    *text = 0;
}

static int parse_size(const km_op *op, const char **text, km_case *c, unsigned *seen,
                      km_error *error)
{
    char letters[KM_DIM_COUNT + 1], letter = **text;
    const km_dim_spec *d = find_dim(op, letter);
    size_letters(op, letters);
    if (!d)
        return km_fail(error, "unexpected '%.20s'; the sizes of %s are %s", *text, op->name,
                       letters);
    if (*seen & 1u << d->dim)
        return km_fail(error, "size '%c' is given twice", letter);
    *seen |= 1u << d->dim;
    ++*text;
    if (!isdigit((unsigned char)**text))
        return km_fail(error, "size '%c' needs a whole number, not '%.20s'", letter, *text);
    int64_t value = 0;
    for (; isdigit((unsigned char)**text); ++*text)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, **text - '0', &value))
            return km_fail(error, "size '%c' is larger than any tensor can be", letter);
    c->dim[d->dim] = value;
    return 0;
}

static int parse_sizes(const km_op *op, const char **text, km_case *c, km_error *error)
{
    unsigned seen = 0;
    while (**text && **text != '_')
        if (parse_size(op, text, c, &seen, error))
            return -1;
    for (int i = 0; i < op->dims; i++)
        if (op->dim[i].fallback < op->dim[i].min && !(seen & 1u << op->dim[i].dim))
            return km_fail(error, "size '%s' is missing", km_dim_name[op->dim[i].dim]);
    return 0;
}

/* ---- attributes ---------------------------------------------------------------------------- */

static const char *attr_candidate(size_t i, const void *op_)
{
    const km_op *op = op_;
    return i < (size_t)op->attrs ? km_attr_name[op->attr[i].attr] : NULL;
}

/* The attribute whose name starts the text: the longest one, so that no name hides another. */
static const km_attr_spec *find_attr(const km_op *op, const char *text)
{
    const km_attr_spec *best = NULL;
    size_t longest = 0;
    for (int i = 0; i < op->attrs; i++) {
        size_t n = strlen(km_attr_name[op->attr[i].attr]);
        if (n > longest && !strncmp(text, km_attr_name[op->attr[i].attr], n)) {
            best = &op->attr[i];
            longest = n;
        }
    }
    return best;
}

static int unknown_attr(const km_op *op, const char *text, km_error *error)
{
    char word[64];
    size_t n = strcspn(text, "=0123456789.");
    snprintf(word, sizeof word, "%.*s", (int)n, text);
    const char *near = km_nearest(word, attr_candidate, op);
    if (near)
        return km_fail(error, "%s has no attribute '%s'; did you mean '%s'?", op->name, word, near);
    if (!op->attrs)
        return km_fail(error, "%s has no attributes, so not '%s'", op->name, word);
    return km_fail(error, "%s has no attribute '%s'; its first is '%s'", op->name, word,
                   attr_candidate(0, op));
}

static int parse_choice(const km_attr_spec *a, const char **text, double *value)
{
    for (int i = 0; a->choices[i]; i++) {
        size_t n = strlen(a->choices[i]);
        if (!strncmp(*text, a->choices[i], n) && ((*text)[n] == 0 || (*text)[n] == '_')) {
            *text += n;
            *value = i;
            return 0;
        }
    }
    return -1;
}

static int parse_number(const km_attr_spec *a, const char **text, double *value)
{
    char number[64], *end;
    /* strtod would also take "inf", "nan", hexadecimal ("0x3" is a pair) and leading space */
    size_t n = strspn(*text, "+-.0123456789eE");
    if (!n || n >= sizeof number)
        return -1;
    memcpy(number, *text, n);
    number[n] = 0;
    *value = strtod(number, &end);
    if (end != number + n || (!a->pair && !strcmp(number, "0") && (*text)[n] == 'x'))
        return -1;
    *value = rounded(a, *value);
    *text += n;
    return 0;
}

/* value, or of a pair also HxW */
static int parse_value(const km_attr_spec *a, const char **text, km_case *c)
{
    double value;
    if (a->choices ? parse_choice(a, text, &value) : parse_number(a, text, &value))
        return -1;
    set_attr(a, c, value);
    if (!a->pair || **text != 'x')
        return 0;
    ++*text;
    return parse_number(a, text, &c->attr[a->pair]);
}

static int parse_attr(const km_op *op, const char **text, km_case *c, uint64_t *seen,
                      km_error *error)
{
    const km_attr_spec *a = find_attr(op, *text);
    if (!a)
        return unknown_attr(op, *text, error);
    const char *name = km_attr_name[a->attr];
    if (*seen >> a->attr & 1)
        return km_fail(error, "attribute '%s' is given twice", name);
    *seen |= (uint64_t)1 << a->attr;
    *text += strlen(name);
    *text += **text == '=';
    if (parse_value(a, text, c))
        return km_fail(error, "attribute '%s' of %s cannot be '%.40s'; %s%s", name, op->name, *text,
                       a->choices ? "first choice: "
                       : a->pair  ? "it is a number, or HEIGHTxWIDTH"
                                  : "it is a number",
                       a->choices ? a->choices[0] : "");
    if (**text && **text != '_')
        return km_fail(error, "unexpected '%.20s' after attribute '%s'", *text, name);
    return 0;
}

int km_case_parse(const km_op *op, const char *text, km_case *c, km_error *error)
{
    km_error why;
    const char *p = text;
    uint64_t seen = 0;
    km_case_default(op, c);
    int failed = parse_sizes(op, &p, c, &why);
    while (!failed && *p == '_') {
        p++;
        failed = parse_attr(op, &p, c, &seen, &why);
    }
    if (failed || km_case_check(op, c, &why))
        return km_fail(error, "case '%.80s' of %s: %s", text, op->name, why.text);
    return 0;
}

/* ---- canonical form ------------------------------------------------------------------------ */

/* The shortest decimal that reads back as the same number: 100 and not 1e+02. */
static void format_number(const km_attr_spec *a, double value, char *text, size_t size)
{
    char longer[40];
    *text = 0;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(longer, sizeof longer, "%.*g", digits, value);
        if (rounded(a, strtod(longer, NULL)) == rounded(a, value) &&
            (!*text || strlen(longer) < strlen(text)))
            snprintf(text, size, "%s", longer);
    }
}

static void format_value(const km_attr_spec *a, double value, char *text, size_t size)
{
    if (a->choices)
        snprintf(text, size, "%s", a->choices[(int)value]);
    else if (a->integer)
        snprintf(text, size, "%.0f", value);
    else
        format_number(a, value, text, size);
}

static int differs(const km_attr_spec *a, double value)
{
    return rounded(a, value) != rounded(a, a->fallback);
}

/* "_stride2", "_stride2x1", "_approximate=tanh"; nothing where the value is the default. */
static size_t format_attr(const km_attr_spec *a, const km_case *c, char *text, size_t size)
{
    double value = c->attr[a->attr], second = a->pair ? c->attr[a->pair] : value;
    char number[40], more[40] = "";
    if (!differs(a, value) && !differs(a, second))
        return 0;
    format_value(a, value, number, sizeof number);
    if (second != value)
        format_value(a, second, more, sizeof more);
    return (size_t)snprintf(text, size, "_%s%s%s%s%s", km_attr_name[a->attr], a->choices ? "=" : "",
                            number, *more ? "x" : "", more);
}

const char *km_case_listed(const char *entry, char text[KM_CASE_TEXT])
{
    const char *tags = strstr(entry, " @");
    snprintf(text, KM_CASE_TEXT, "%.*s", tags ? (int)(tags - entry) : KM_CASE_TEXT - 1, entry);
    return tags ? tags + 2 : "";
}

void km_case_format(const km_op *op, const km_case *c, char text[KM_CASE_TEXT])
{
    size_t at = 0;
    for (int i = 0; i < op->dims; i++)
        if (op->dim[i].dim != KM_DIM_L || c->dim[KM_DIM_L] != 1)
            at += (size_t)snprintf(text + at, KM_CASE_TEXT - at, "%s%" PRId64,
                                   km_dim_name[op->dim[i].dim], c->dim[op->dim[i].dim]);
    for (int i = 0; i < op->attrs && at < KM_CASE_TEXT; i++)
        at += format_attr(&op->attr[i], c, text + at, KM_CASE_TEXT - at);
}

/* ---- checks -------------------------------------------------------------------------------- */

static int check_attr(const km_attr_spec *a, double value, km_error *error)
{
    const char *name = km_attr_name[a->attr];
    if (!isfinite(value))
        return km_fail(error, "attribute '%s' must be finite", name);
    if (a->integer && value != floor(value))
        return km_fail(error, "attribute '%s' must be a whole number", name);
    if ((a->min != 0 || a->max != 0) && !(value >= a->min && value <= a->max))
        return km_fail(error, "attribute '%s' must lie in [%g, %g]", name, a->min, a->max);
    return 0;
}

/* The oracle holds a double beside each float: twelve bytes an element must fit. */
static int check_memory(const km_op *op, const km_case *c, km_error *error)
{
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < op->passes; i++) {
        double need = 12.0 * (double)km_pass_elements(op, &op->pass[i], c);
        if (need > memory)
            return km_fail(error,
                           "its tensors and their oracle need %.3g GiB, this machine has %.3g",
                           need / 0x1p30, memory / 0x1p30);
    }
    return 0;
}

int km_case_check(const km_op *op, const km_case *c, km_error *error)
{
    for (int i = 0; i < op->dims; i++) {
        const km_dim_spec *d = &op->dim[i];
        if (c->dim[d->dim] < d->min)
            return km_fail(error, "size '%s' must be at least %" PRId64, km_dim_name[d->dim],
                           d->min);
    }
    if (c->dim[KM_DIM_L] > KM_MOST_PIECES)
        return km_fail(error, "size 'l' must be at most %d", KM_MOST_PIECES);
    for (int i = 0; i < op->attrs; i++)
        if (check_attr(&op->attr[i], c->attr[op->attr[i].attr], error) ||
            (op->attr[i].pair && check_attr(&op->attr[i], c->attr[op->attr[i].pair], error)))
            return -1;
    const char *rule = op->check ? op->check(c) : NULL;
    if (rule)
        return km_fail(error, "%s", rule);
    return check_memory(op, c, error);
}
