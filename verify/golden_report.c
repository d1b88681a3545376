/* golden_report.c: text and JSON lines of golden runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden_report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/case.h"
#include "core/names.h"

const char *const km_golden_status_name[KM_GOLDEN_STATUSES] = {"ok", "wrong", "crashed", "skipped",
                                                               "error"};

/* ---- text ----------------------------------------------------------------------------------- */

static const char *tensor_name(const km_golden_case *c, int slot)
{
    return c->name[slot] ? c->name[slot] : km_slot_name[slot];
}

/* y[3,7]: the position of a flat index in the recorded shape. */
static void element_name(const km_golden_case *c, const km_golden_worst *w, char *text, size_t size)
{
    const km_npy *a = &c->tensor[KM_GOLDEN_EXPECTED][w->slot].array;
    int64_t inner = a->count, rest = w->index;
    size_t at = (size_t)snprintf(text, size, "%s[", tensor_name(c, w->slot));
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

/* Text from a foreign file may be no UTF-8: then ASCII, as far as it goes. Empty text is left out. */
static void put_text(json_t *o, const char *key, const char *text)
{
    char ascii[400];
    if (!*text || !json_object_set_new(o, key, json_string(text)))
        return;
    snprintf(ascii, sizeof ascii, "%s", text);
    for (char *p = ascii; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    json_object_set_new(o, key, json_string(ascii));
}

static void put_real(json_t *o, const char *key, double value)
{
    if (isfinite(value))
        json_object_set_new(o, key, json_real(value));
}

static void put_element(json_t *o, const char *key, double value)
{
    if (isnan(value))
        put_text(o, key, "nan");
    else if (isinf(value))
        put_text(o, key, value < 0 ? "-inf" : "inf");
    else
        put_real(o, key, value);
}

static void put_names(json_t *o, const km_golden_record *r)
{
    char params[KM_CASE_TEXT] = "";
    put_text(o, "type", "golden");
    put_text(o, "case", r->name);
    put_text(o, "op", r->c->op_name);
    put_text(o, "pass", r->c->direction);
    if (r->c->op)
        km_case_format(r->c->op, &r->c->params, params);
    put_text(o, "params", params);
    put_text(o, "backend", r->backend ? r->backend->name : "");
    put_text(o, "status", km_golden_status_name[r->run->status]);
    put_text(o, "reason", r->run->reason);
    put_text(o, "impl", r->run->impl);
}

static json_t *figures_json(const km_figures *f)
{
    json_t *o = json_object();
    put_real(o, "max_ulp", f->max_ulp);
    put_real(o, "max_abs", f->max_abs);
    put_real(o, "max_rel", f->max_rel);
    put_real(o, "bound_used", f->bound_used);
    json_object_set_new(o, "elements", json_integer(f->elements));
    json_object_set_new(o, "wrong", json_integer(f->wrong));
    return o;
}

static json_t *worst_json(const km_golden_case *c, const km_golden_worst *w)
{
    json_t *o = json_object();
    put_text(o, "tensor", tensor_name(c, w->slot));
    json_object_set_new(o, "index", json_integer(w->index));
    put_element(o, "got", w->got);
    put_element(o, "want", w->want);
    put_real(o, "ulp", w->ulp);
    put_real(o, "bound_used", w->used);
    return o;
}

int km_golden_print_json(FILE *out, const km_golden_record *r, km_error *error)
{
    json_t *o = json_object();
    put_names(o, r);
    if (r->run->status == KM_GOLDEN_OK || r->run->status == KM_GOLDEN_WRONG)
        json_object_set_new(o, "verify", figures_json(&r->run->figures));
    if (r->run->worst.slot >= 0)
        json_object_set_new(o, "worst", worst_json(r->c, &r->run->worst));
    int failed = !o || json_dumpf(o, out, JSON_COMPACT) || fputc('\n', out) == EOF;
    json_decref(o);
    return failed ? km_fail(error, "cannot write JSON: %s", strerror(errno)) : 0;
}
