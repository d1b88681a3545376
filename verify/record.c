/* record.c: results as JSON. No NaN or infinity is ever written as a number: such a figure is left out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/build_info.h"
#include "core/cpu.h"
#include "core/pass.h"
#include "core/registry.h"

static void put_text(json_t *o, const char *key, const char *text)
{
    char *copy = text && *text ? strdup(text) : NULL;
    if (!copy)
        return;
    /* somebody else's words, or a text cut inside a letter: jansson takes only UTF-8 */
    json_t *string = json_string(copy);
    for (char *p = copy; !string && *p; p++)
        *p = (unsigned char)*p >= 0x80 ? '?' : *p;
    json_object_set_new(o, key, string ? string : json_string(copy));
    free(copy);
}

static void put_real(json_t *o, const char *key, double value)
{
    if (isfinite(value))
        json_object_set_new(o, key, json_real(value));
}

static void put_integer(json_t *o, const char *key, int64_t value)
{
    json_object_set_new(o, key, json_integer(value));
}

static void write_line(km_recorder *r, json_t *o)
{
    if (r->open) {
        json_dumpf(o, r->file.stream, JSON_COMPACT | JSON_REAL_PRECISION(12));
        fputc('\n', r->file.stream);
        fflush(r->file.stream); /* whoever follows the file sees each cell when it is done */
    }
    json_decref(o);
}

/* ---- header --------------------------------------------------------------------------------- */

static json_t *cpu_json(void)
{
    km_cpu cpu;
    json_t *o = json_object(), *isas = json_array();
    const char *isa;
    km_cpu_read(&cpu);
    put_text(o, "model", cpu.model);
    for (size_t i = 0; (isa = km_isa_at(i)); i++)
        if (!km_isa_unusable(isa))
            json_array_append_new(isas, json_string(isa));
    json_object_set_new(o, "isas", isas);
    put_integer(o, "cores", cpu.cores);
    put_integer(o, "l1d", cpu.l1d);
    put_integer(o, "l2", cpu.l2);
    put_integer(o, "l3", cpu.l3);
    return o;
}

static json_t *libraries_json(void)
{
    json_t *o = json_object();
    for (size_t i = 0; i < km_backend_count(); i++) {
        const km_backend *b = km_backend_at(i);
        if (b->version && !km_backend_unusable(b))
            put_text(o, b->name, b->version());
    }
    return o;
}

static void put_start(json_t *o)
{
    char stamp[32];
    time_t t = time(NULL);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
    put_text(o, "started", stamp);
}

static json_t *header_json(const km_run_facts *facts)
{
    json_t *o = json_object(), *git = json_object();
    km_cpu cpu;
    km_cpu_read(&cpu);
    put_text(o, "type", "run");
    put_text(o, "schema", "kernelmark-run");
    put_integer(o, "version", 1);
    put_text(o, "tool", km_version);
    put_text(o, "command", facts->command);
    put_text(git, "commit", km_build_commit());
    json_object_set_new(git, "dirty", json_boolean(km_build_dirty()));
    json_object_set_new(o, "git", git);
    put_text(o, "compiler", km_compiler);
    put_text(o, "flags", km_flags);
    json_object_set_new(o, "libraries", libraries_json());
    json_object_set_new(o, "cpu", cpu_json());
    put_integer(o, "threads", facts->threads);
    put_text(o, "governor", cpu.governor);
    put_integer(o, "seed", (int64_t)facts->seed);
    put_text(o, "timed_data", facts->timed_data);
    put_start(o);
    if (facts->roofs)
        json_object_set_new(o, "roofs", json_deep_copy(facts->roofs));
    return o;
}

int km_record_open(km_recorder *r, const char *path, const km_run_facts *facts, km_error *error)
{
    *r = (km_recorder){0};
    if (!path)
        return 0;
    if (km_outfile_open(&r->file, path, error))
        return -1;
    r->open = 1;
    write_line(r, header_json(facts));
    return 0;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static json_t *figures_json(const km_cell *cell, const km_result *result)
{
    const km_figures *f = &result->figures;
    json_t *o = json_object();
    put_real(o, "max_ulp", f->max_ulp);
    put_real(o, "max_abs", f->max_abs);
    put_real(o, "max_rel", f->max_rel);
    put_real(o, "bound_used", f->bound_used);
    put_text(o, "measure", km_pass_in_ulp(cell->pass) ? "ulp" : "bound");
    put_integer(o, "elements", f->elements);
    put_integer(o, "checks", result->checks);
    if (result->edge_deviations) {
        put_integer(o, "edge_deviations", result->edge_deviations);
        put_text(o, "edge_note", result->edge_note);
    }
    return o;
}

static json_t *times_json(const km_timing *t)
{
    json_t *o = json_object(), *ci = json_array(), *samples = json_array();
    put_real(o, "min", t->min);
    put_real(o, "median", t->median);
    put_real(o, "p90", t->p90);
    put_real(o, "mad", t->mad);
    json_array_append_new(ci, json_real(t->ci_low));
    json_array_append_new(ci, json_real(t->ci_high));
    json_object_set_new(o, "ci95", ci);
    for (int i = 0; i < t->samples; i++)
        json_array_append_new(samples, json_real(t->sample[i]));
    json_object_set_new(o, "samples", samples);
    return o;
}

static void put_timing(json_t *o, const km_result *result)
{
    const km_timing *t = &result->timing;
    json_object_set_new(o, "ns", times_json(t));
    put_real(o, "gflops", t->gflops);
    put_real(o, "gbps", t->gbps);
    if (t->roof_bound) {
        json_t *roof = json_object();
        put_text(roof, "bound", t->roof_bound);
        put_real(roof, "limit", t->roof_limit);
        put_real(roof, "percent", t->roof_percent);
        json_object_set_new(o, "roof", roof);
    }
    if (t->speedup_vs_ref > 0)
        put_real(o, "speedup_vs_ref", t->speedup_vs_ref);
}

static void put_verdict(json_t *o, const km_cell *cell, const km_result *result)
{
    put_text(o, "status", km_status_names[result->status]);
    put_text(o, "reason", result->reason);
    put_text(o, "reproduce", result->reproduce);
    put_text(o, "impl", result->impl);
    if (result->workspace_bytes)
        put_integer(o, "workspace_bytes", result->workspace_bytes);
    if (result->checks)
        json_object_set_new(o, "verify", figures_json(cell, result));
    if (result->gradcheck.directions) {
        json_t *grad = json_object();
        put_real(grad, "max_rel", result->gradcheck.max_rel);
        put_integer(grad, "directions", result->gradcheck.directions);
        json_object_set_new(o, "gradcheck", grad);
    }
}

static void put_tags(json_t *o, const char *tags)
{
    json_t *list = json_array();
    for (size_t length; tags && (length = strcspn(tags, ",")); tags += length + !!tags[length])
        json_array_append_new(list, json_stringn(tags, length));
    if (json_array_size(list))
        json_object_set(o, "tags", list);
    json_decref(list);
}

static json_t *cell_json(const km_cell *cell, const km_result *result)
{
    json_t *o = json_object();
    put_text(o, "type", "cell");
    put_text(o, "op", cell->op->name);
    put_text(o, "pass", cell->pass->name);
    put_text(o, "case", cell->case_text);
    put_tags(o, cell->tags);
    put_text(o, "backend", cell->backend->name);
    put_text(o, "layout", cell->layout == KM_NATIVE ? "native" : "plain");
    put_integer(o, "threads", cell->threads);
    put_text(o, "isa", cell->backend->isa ? cell->backend->isa : "baseline");
    put_verdict(o, cell, result);
    if (result->checks)
        put_real(o, "open_ns", result->open_ns);
    if (result->convert_ns > 0)
        put_real(o, "convert_ns", result->convert_ns);
    put_real(o, "flops", result->flops);
    put_real(o, "bytes", result->bytes);
    if (result->timing.samples && result->status == KM_OK)
        put_timing(o, result);
    return o;
}

void km_record_cell(km_recorder *r, const km_cell *cell, const km_result *result)
{
    int *const count[] = {&r->counts.ok, &r->counts.wrong, &r->counts.skipped, &r->counts.crashed};
    r->counts.cells++;
    ++*count[result->status];
    r->counts.elements += result->figures.elements;
    if (r->open)
        write_line(r, cell_json(cell, result));
}

int km_record_close(km_recorder *r, km_error *error)
{
    json_t *o = json_object();
    put_text(o, "type", "end");
    put_integer(o, "cells", r->counts.cells);
    put_integer(o, "ok", r->counts.ok);
    put_integer(o, "wrong", r->counts.wrong);
    put_integer(o, "skipped", r->counts.skipped);
    put_integer(o, "crashed", r->counts.crashed);
    write_line(r, o);
    int failed = r->open && km_outfile_commit(&r->file, error);
    r->open = 0;
    return failed ? -1 : 0;
}

void km_record_abort(km_recorder *r)
{
    if (r->open)
        km_outfile_abort(&r->file);
    r->open = 0;
}
