/* golden_report.c: text and JSON lines of golden runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/case.h"
#include "core/names.h"

const char *const km_golden_status_name[KM_GOLDEN_STATUSES] = {"ok", "wrong", "crashed", "skipped",
                                                               "error"};

/* ---- text ----------------------------------------------------------------------------------- */

/* y[3,7]: the position of a flat index in the recorded shape. */
static void element_name(const km_golden_case *c, const km_golden_worst *w, char *text, size_t size)
{
    const km_npy *a = &c->tensor[KM_GOLDEN_EXPECTED][w->slot].array;
    int64_t inner = a->count, rest = w->index;
    size_t at = (size_t)snprintf(text, size, "%s[", km_slot_name[w->slot]);
    for (int d = 0; d < a->ndim && at < size; d++) {
        inner /= a->dim[d];
        at += (size_t)snprintf(text + at, size - at, "%s%" PRId64, d ? "," : "", rest / inner);
        rest %= inner;
    }
    if (at < size)
        snprintf(text + at, size - at, "]");
}

static void print_worst(FILE *out, const km_golden_record *r)
{
    const km_golden_worst *w = &r->run->worst;
    char element[200];
    element_name(r->c, w, element, sizeof element);
    fprintf(out, "max %.3g ulp; worst %s: got %.9g, want %.17g, %.3g of the tolerance",
            r->run->figures.max_ulp, element, w->got, w->want, w->used);
}

/* A folder's name is anybody's: control characters could steer the terminal. */
static void printable(const char *name, char text[256])
{
    snprintf(text, 256, "%s", name);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
}

void km_golden_print(FILE *out, const km_golden_record *r)
{
    char name[256];
    printable(r->name, name);
    fprintf(out, "%-7s %s %s: ", km_golden_status_name[r->run->status], name,
            r->backend ? r->backend->name : "-");
    if (*r->run->reason)
        fprintf(out, "%s%s", r->run->reason, r->run->worst.slot >= 0 ? "; " : "");
    if (r->run->worst.slot >= 0)
        print_worst(out, r);
    else if (r->run->status == KM_GOLDEN_OK)
        fputs("no elements", out);
    fputc('\n', out);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* Text from a foreign file may be no UTF-8: then ASCII, as far as it goes. */
static json_t *text(const char *value)
{
    char ascii[400];
    json_t *json = json_string(value);
    if (json)
        return json;
    snprintf(ascii, sizeof ascii, "%s", value);
    for (char *p = ascii; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    return json_string(ascii);
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *element_value(double value)
{
    return isnan(value)   ? json_string("nan")
           : isinf(value) ? json_string(value < 0 ? "-inf" : "inf")
                          : json_real(value);
}

static void add_names(json_t *object, const km_golden_record *r)
{
    json_object_set_new(object, "type", json_string("golden"));
    json_object_set_new(object, "case", text(r->name));
    json_object_set_new(object, "op", text(r->c->op_name));
    json_object_set_new(object, "pass", text(r->c->direction));
    if (r->c->op) {
        char params[KM_CASE_TEXT];
        km_case_format(r->c->op, &r->c->params, params);
        json_object_set_new(object, "params", json_string(params));
    }
    json_object_set_new(object, "backend", r->backend ? text(r->backend->name) : json_null());
    json_object_set_new(object, "status", json_string(km_golden_status_name[r->run->status]));
    if (*r->run->reason)
        json_object_set_new(object, "reason", text(r->run->reason));
    if (*r->run->impl)
        json_object_set_new(object, "impl", text(r->run->impl));
}

static json_t *figures(const km_figures *f)
{
    json_t *object = json_object();
    json_object_set_new(object, "max_ulp", number(f->max_ulp));
    json_object_set_new(object, "max_abs", number(f->max_abs));
    json_object_set_new(object, "max_rel", number(f->max_rel));
    json_object_set_new(object, "bound_used", number(f->bound_used));
    json_object_set_new(object, "elements", json_integer(f->elements));
    json_object_set_new(object, "wrong", json_integer(f->wrong));
    return object;
}

static json_t *worst(const km_golden_worst *w)
{
    json_t *object = json_object();
    json_object_set_new(object, "tensor", json_string(km_slot_name[w->slot]));
    json_object_set_new(object, "index", json_integer(w->index));
    json_object_set_new(object, "got", element_value(w->got));
    json_object_set_new(object, "want", element_value(w->want));
    json_object_set_new(object, "ulp", number(w->ulp));
    json_object_set_new(object, "bound_used", number(w->used));
    return object;
}

int km_golden_print_json(FILE *out, const km_golden_record *r, km_error *error)
{
    json_t *object = json_object();
    add_names(object, r);
    if (r->run->status == KM_GOLDEN_OK || r->run->status == KM_GOLDEN_WRONG)
        json_object_set_new(object, "verify", figures(&r->run->figures));
    if (r->run->worst.slot >= 0)
        json_object_set_new(object, "worst", worst(&r->run->worst));
    int failed = !object || json_dumpf(object, out, JSON_COMPACT) || fputc('\n', out) == EOF;
    json_decref(object);
    return failed ? km_fail(error, "cannot write JSON") : 0;
}
