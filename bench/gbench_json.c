/* gbench_json.c: context and benchmarks arrays as Google Benchmark 1.9 writes them (schema version 1).
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/gbench_json.h"

#include <jansson.h>
#include <time.h>
#include <unistd.h>

#include "core/cpu.h"
#include "core/outfile.h"

static json_t *context_json(void)
{
    char host[256] = "unknown", date[40];
    km_cpu cpu;
    time_t t = time(NULL);
    gethostname(host, sizeof host - 1);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S+00:00", gmtime(&t));
    km_cpu_read(&cpu);
    /* importers insist on caches, even empty */
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:b, s:[], s:[], s:s, s:i}", "date", date,
                     "host_name", host, "executable", "kernelmark", "num_cpus", cpu.cores,
                     "mhz_per_cpu", 0, "cpu_scaling_enabled",
                     *cpu.governor && cpu.governor[0] != 'p', "caches", "load_avg",
                     "library_build_type", "release", "json_schema_version", 1);
}

static json_t *cell_json(const km_cell *cell, const km_result *r, size_t index)
{
    char id[400];
    km_cell_id(cell, id, sizeof id);
    return json_pack("{s:s, s:i, s:i, s:s, s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:s, s:f, s:f}",
                     "name", id, "family_index", (int)index, "per_family_instance_index", 0,
                     "run_name", id, "run_type", "iteration", "repetitions", 1, "repetition_index",
                     0, "threads", cell->threads, "iterations", r->timing.samples, "real_time",
                     r->timing.median, "cpu_time", r->timing.median, "time_unit", "ns",
                     "bytes_per_second", 1e9 * r->timing.gbps, "mad", r->timing.mad);
}

int km_gbench_json_write(const char *path, const km_cell *cells, const km_result *results,
                         size_t count, km_error *error)
{
    km_outfile out;
    json_t *root = json_object(), *list = json_array();
    if (km_outfile_open(&out, path, error)) {
        json_decref(list);
        json_decref(root);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (results[i].status == KM_OK && results[i].timing.samples)
            json_array_append_new(list, cell_json(&cells[i], &results[i], i));
    json_object_set_new(root, "context", context_json());
    json_object_set_new(root, "benchmarks", list);
    json_dumpf(root, out.stream, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    fputc('\n', out.stream);
    json_decref(root);
    return km_outfile_commit(&out, error);
}
