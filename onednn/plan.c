/* plan.c: build, run and describe lists of oneDNN primitives.
 *
 * Everything is made in open: engine, stream, primitives, memory objects, argument arrays. run
 * sets data handles, executes in order and waits, so a timed run holds oneDNN's own work only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static const char *start(plan *p)
{
    if (dnnl_engine_create(&p->engine, dnnl_cpu, 0))
        return "oneDNN cannot create a CPU engine";
    if (dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags))
        return "oneDNN cannot create a stream";
    return NULL;
}

const char *km_onednn_open(const km_args *args, build_fn build, const void *recipe, void **out)
{
    static const km_slot carriers[] = {KM_X, KM_Y, KM_GRAD_Y, KM_PARAM, KM_GRAD};
    int64_t count = 0;
    for (size_t i = 0; i < sizeof carriers / sizeof *carriers; i++)
        count += args->slot[carriers[i]].count;
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return "out of memory";
    p->threads = args->threads > 0 ? args->threads : 1;
    const int before = omp_get_max_threads();
    omp_set_num_threads(p->threads);
    const char *reason = count ? start(p) : NULL;
    if (!reason && count)
        reason = build(p, args, recipe);
    omp_set_num_threads(before);
    if (reason) {
        km_onednn_close(p);
        p = NULL;
    }
    *out = p;
    return reason;
}

void km_onednn_run(const km_args *args)
{
    plan *p = args->plan;
    const int before = omp_get_max_threads();
    if (before != p->threads)
        omp_set_num_threads(p->threads);
    for (int i = 0; i < p->bindings; i++) {
        const binding *b = &p->binding[i];
        if (b->slot < KM_SLOT_COUNT)
            dnnl_memory_set_data_handle(b->memory, args->slot[b->slot].data);
    }
    for (int i = 0; i < p->steps; i++)
        dnnl_primitive_execute(p->step[i].primitive, p->stream, p->step[i].args, p->step[i].arg);
    if (p->steps)
        dnnl_stream_wait(p->stream);
    if (before != p->threads)
        omp_set_num_threads(before);
}

void km_onednn_close(void *plan_)
{
    plan *p = plan_;
    if (!p)
        return;
    for (int i = 0; i < p->steps; i++)
        dnnl_primitive_destroy(p->step[i].primitive);
    for (int i = 0; i < p->bindings; i++)
        dnnl_memory_destroy(p->binding[i].memory);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    if (p->engine)
        dnnl_engine_destroy(p->engine);
    free(p->scratch);
    free(p);
}

void km_onednn_describe(const void *plan_, km_kernel_info *info)
{
    const plan *p = plan_;
    int used = 0;
    info->workspace_bytes = p->scratch_count * (int64_t)sizeof(float) + p->inner_bytes;
    for (int i = 0; i < p->steps && used < (int)sizeof info->impl; i++)
        used += snprintf(info->impl + used, sizeof info->impl - (size_t)used, "%s%s",
                         i ? " + " : "", p->step[i].impl);
}

static const char *make_scratch(plan *p, int64_t count, int tensors)
{
    const size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64;
    p->scratch = aligned_alloc(64, (size_t)tensors * bytes);
    p->spare = tensors > 1 && p->scratch ? p->scratch + bytes / sizeof(float) : NULL;
    p->scratch_count = tensors * count;
    return p->scratch ? NULL : "out of memory";
}

const char *km_onednn_scratch(plan *p, int64_t count)
{
    return make_scratch(p, count, 1);
}

const char *km_onednn_scratch_two(plan *p, int64_t count)
{
    return make_scratch(p, count, 2);
}

dnnl_memory_t km_onednn_memory(plan *p, const desc *d, int slot, float constant)
{
    const int i = p->bindings;
    if (i == MAX_MEMORIES || memory_create(&p->binding[i].memory, d, p->engine))
        return NULL;
    p->binding[i].slot = slot;
    p->constant[i] = constant;
    if (slot >= KM_SLOT_COUNT)
        dnnl_memory_set_data_handle(p->binding[i].memory, slot == SCRATCH_SLOT ? p->scratch
                                                          : slot == SPARE_SLOT ? p->spare
                                                                               : &p->constant[i]);
    p->bindings++;
    return p->binding[i].memory;
}

const char *km_onednn_step(plan *p, dnnl_primitive_desc_t pd, const dnnl_exec_arg_t *arg, int args)
{
    step *s = &p->step[p->steps];
    int64_t bytes = 0;
    for (int i = 0; i < args; i++)
        if (!arg[i].memory)
            return "oneDNN cannot create a memory object";
    if (!dnnl_primitive_desc_query(pd, dnnl_query_memory_consumption_s64, 0, &bytes) &&
        bytes > p->inner_bytes)
        p->inner_bytes = bytes;
    if (dnnl_primitive_create(&s->primitive, pd))
        return "oneDNN cannot create the primitive";
    const_dnnl_primitive_desc_t own = NULL; /* pd's strings go with it, these stay */
    if (dnnl_primitive_get_primitive_desc(s->primitive, &own) ||
        dnnl_primitive_desc_query(own, dnnl_query_impl_info_str, 0, &s->impl))
        s->impl = "unnamed";
    for (int i = 0; i < args; i++)
        s->arg[i] = arg[i];
    s->args = args;
    p->steps++;
    return NULL;
}
