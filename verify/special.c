/* special.c: every special value in every lane. The lane must come out as the oracle says, class first;
 * all results that the oracle says are untouched by it must keep their bits (no lane cross-talk).
 * A backend without KM_HOLDS_EDGES gets its deviations counted instead of a verdict; only cross-talk is
 * still an error.
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"
#include "core/pass.h"
#include "core/registry.h"
#include "verify/cell.h"

enum { LANES = 4 * 16 + 3, MAX_SPECIALS = 128, AFFORDABLE = 1 << 12 };

/* Magnitudes; each is used with both signs. The exponentials' edges: 87.3 and 88.7 (float range), 103.97
 * (below half the least subnormal). */
static const float magnitudes[] = {
    0,         0x1p-149f, 0x1p-130f, 0x1.fffffcp-127f,
    0x1p-126f, 1e-30f,    1e-20f,    1e-10f,
    0x1p-24f,  1e-4f,     0.25f,     0.5f,
    1,         2.5f,      5,         8.6f,
    9.1f,      13.3f,     15,        17,
    20,        20.00001f, 40,        87.3f,
    87.4f,     88.7f,     88.8f,     89,
    103.97f,   104.1f,    150,       1e3f,
    16777216,  1e10f,     1e19f,     1e30f,
    FLT_MAX,   INFINITY,  NAN,
};

typedef struct specials {
    float value[MAX_SPECIALS];
    int count;
} specials;

static void add(specials *s, float value)
{
    if (s->count < MAX_SPECIALS)
        s->value[s->count++] = value;
}

static void list_specials(const km_op *op, const km_case *c, specials *s)
{
    double kinks[KM_MAX_KINKS];
    int count = op->kinks;
    memcpy(kinks, op->kink, sizeof kinks);
    if (op->kinks_of)
        count = op->kinks_of(c, kinks);
    s->count = 0;
    for (size_t i = 0; i < sizeof magnitudes / sizeof *magnitudes; i++) {
        add(s, magnitudes[i]);
        add(s, -magnitudes[i]);
    }
    for (int k = 0; k < count; k++) {
        float kink = (float)kinks[k];
        add(s, kink);
        add(s, nextafterf(kink, -INFINITY));
        add(s, nextafterf(kink, INFINITY));
    }
}

/* The inputs this pass takes special values in. A gradient's derivative at NaN is nobody's promise, and
 * weights are shared by many elements, unless they are what the pass is about: its first tensor. */
static int takes_specials(const km_pass *pass, const km_use *use)
{
    const int lead = use == pass->use && use->type == KM_REAL_TYPE;
    if (use->access == KM_UPDATE)
        return use->slot == KM_PARAM;
    return use->access == KM_READ && (lead || use->slot == KM_X || use->slot == KM_Y ||
                                      use->slot == KM_GRAD_Y || use->slot == KM_GRAD);
}

/* Terms of a sum in float may overflow where the oracle's do not. */
static int sums(const km_pass *pass)
{
    for (const km_use *use = pass->use; use->access != KM_END; use++)
        if (use->access != KM_READ && use->gate.kind == KM_SUM)
            return 1;
    return 0;
}

static int excluded(const km_work *w, const km_use *use, float value)
{
    int backward = km_use_find(w->pass, KM_GRAD_Y) != NULL;
    /* grad_y far out of the bounds' range would overflow, or underflow to a sign that nobody owes */
    return (backward && use->slot != KM_GRAD_Y && isnan(value)) ||
           ((use->slot == KM_GRAD_Y || sums(w->pass) || km_pass_steps(w->pass)) &&
            isfinite(value) && fabsf(value) > 1e10f);
}

/* The forward pass on one element; 0 if it takes no single ones. */
static int shape_of_one(const km_work *w, km_case *one, km_args *args)
{
    *one = w->params;
    one->dim[KM_DIM_N] = 1;
    const km_pass *forward = km_pass_find(w->op, "forward");
    km_args_shape(w->op, forward, one, args);
    return args->slot[KM_X].count == 1 && args->slot[KM_Y].count == 1 &&
           km_pass_elements(w->op, forward, one) == 2;
}

/* A saved output may only hold values that the forward pass can produce: forward(special). Where that
 * depends on more than one element, as along a row of softmax, no special value is tried. */
static int can_be_special(const km_work *w, const km_use *use)
{
    km_case one;
    km_args args;
    return takes_specials(w->pass, use) &&
           (use->fill != KM_FILL_SAVED || shape_of_one(w, &one, &args));
}

static float saved_value(const km_work *w, float x)
{
    const km_pass *forward = km_pass_find(w->op, "forward");
    double in = x, out = 0;
    km_case one;
    km_args args;
    shape_of_one(w, &one, &args);
    args.slot[KM_X].data = &in;
    args.slot[KM_Y].data = &out;
    km_oracle_run(w->op, forward, &args);
    return (float)out;
}

typedef struct lanes {
    const km_exam *exam;
    km_bed *bed;
    km_work *work;
    km_work plain;              /* the same data without a special value */
    float *base[KM_SLOT_COUNT]; /* the kernel's results on it */
} lanes;

static void note_deviation(const km_exam *exam, const km_use *use, float special, double got,
                           double want)
{
    km_result *r = exam->result;
    if (r->edge_deviations++ == 0)
        snprintf(r->edge_note, sizeof r->edge_note, "%s = %.9g gives %.9g, should be %.9g",
                 km_slot_name[use->slot], special, got, want);
}

/* An infinite grad_y times a derivative that is all but zero: infinite in exact arithmetic, NaN once the
 * derivative rounds to zero, and neither is wrong. A selection (an exact pass) has no such excuse. */
static int is_indefinite(const km_use *use, const km_use *out, float special, double got,
                         double want)
{
    return use->slot == KM_GRAD_Y && isinf(special) && out->gate.kind != KM_EXACT &&
           !isfinite(got) && !isfinite(want);
}

/* A sum that the special value is no part of may still have met it, times a zero of padding. In a weight that is
 * nobody's error: whether padding is multiplied or left out is undefined. */
static int meets_padding(const lanes *l, const km_use *use, const km_use *out, float special,
                         double got)
{
    const double *attr = l->work->params.attr;
    const int edges = (km_backend_flags(l->exam->cell->backend) & KM_HOLDS_EDGES) != 0;
    const int undefined = use->slot == KM_WEIGHT && (attr[KM_PAD] > 0 || attr[KM_PAD_W] > 0);
    return out->gate.kind == KM_SUM && !isfinite(special) && isnan(got) && (undefined || !edges);
}

/* Whether result i may differ from that on the data without the special value: the oracle's does. A transform mixes
 * what lies around, as far as the scale of its bound says. */
static int is_touched(const lanes *l, km_slot slot, int64_t i)
{
    const double *now = l->work->want[slot], *before = l->plain.want[slot];
    if (l->bed->info.transforms && l->work->scale[slot]) {
        now = l->work->scale[slot];
        before = l->plain.scale[slot];
    }
    return memcmp(&now[i], &before[i], sizeof *now) != 0;
}

/* A transform that meets NaN or infinity promises nothing for what it mixes with them. */
static int is_unbounded(const lanes *l, km_slot slot, int64_t i)
{
    const double *scale = l->work->scale[slot];
    return l->bed->info.transforms && scale && !isfinite(scale[i]);
}

/* One output slot after the special value went into lane `lane` of slot `use`. */
static int check_output(const lanes *l, const km_use *use, float special, int64_t lane,
                        const km_use *out)
{
    const km_exam *exam = l->exam;
    const km_tensor *got = &l->bed->args.slot[out->slot];
    km_tensor base = *got;
    base.data = l->base[out->slot];
    const double *want = l->work->want[out->slot];
    km_rule rule = km_work_rule(l->work, out->slot, exam->target);
    km_figures f = km_figures_none();
    int edges = (km_backend_flags(exam->cell->backend) & KM_HOLDS_EDGES) != 0;
    /* an index that names the lane is right with and without a NaN there; one that skips NaN moves on */
    int may_move = out->type != KM_REAL_TYPE && !edges;
    for (int64_t i = 0; i < l->work->shape.slot[out->slot].count; i++) {
        const int touched = is_touched(l, out->slot, i);
        if (is_unbounded(l, out->slot, i) || (!touched && km_same_element(got, &base, i)))
            continue;
        if (!touched && meets_padding(l, use, out, special, km_element(got, i))) {
            note_deviation(exam, use, special, km_element(got, i), want[i]);
        } else if (!touched && i != lane && !may_move) {
            return km_exam_fail(exam, l->work, 0,
                                "%s = %.9g in lane %" PRId64 " changes %s[%" PRId64
                                "] from %.9g to %.9g",
                                km_slot_name[use->slot], special, lane, km_slot_name[out->slot], i,
                                km_element(&base, i), km_element(got, i));
        } else if (is_indefinite(use, out, special, km_element(got, i), want[i])) {
            continue;
        } else if (!km_compare_one(&rule, km_element(got, i), want[i], i, &f) && edges) {
            return km_exam_fail(exam, l->work, 0,
                                "%s = %.9g in lane %" PRId64 " gives %s[%" PRId64
                                "] = %.9g, want %.9g",
                                km_slot_name[use->slot], special, lane, km_slot_name[out->slot], i,
                                km_element(got, i), want[i]);
        }
    }
    if (f.wrong)
        note_deviation(exam, use, special, f.got, f.want);
    else if (edges)
        km_figures_add(&exam->result->figures, &f);
    return 0;
}

static int check_outputs(const lanes *l, const km_use *use, float special, int64_t lane)
{
    for (const km_use *out = l->work->pass->use; out->access != KM_END; out++)
        if (out->access != KM_READ && check_output(l, use, special, lane, out))
            return -1;
    return 0;
}

static int try_special(const lanes *l, const km_use *use, float special, int64_t lane)
{
    const km_run_plan how = {KM_FLUSH_END, 0, 0, 0xFF};
    float *slot = l->work->input[use->slot], kept = slot[lane];
    km_error error;
    slot[lane] = use->fill == KM_FILL_SAVED ? saved_value(l->work, special) : special;
    int failed = km_work_oracle(l->work, &error);
    if (!failed) {
        km_bed_lay(l->bed, l->work, &how, l->exam->cell);
        failed = km_exam_run(l->exam, l->bed) || check_outputs(l, use, special, lane);
    }
    slot[lane] = kept;
    return failed;
}

static int try_slot(const lanes *l, const km_use *use)
{
    specials s;
    list_specials(l->work->op, &l->work->params, &s);
    int64_t count = l->work->shape.slot[use->slot].count;
    /* a finite value in one term of a sum is data like other data: each lane sees every eighth of them */
    const int thin = sums(l->work->pass);
    for (int i = 0; i < s.count; i++)
        for (int64_t lane = 0; !excluded(l->work, use, s.value[i]) && lane < count && lane < LANES;
             lane++)
            if ((!thin || !isfinite(s.value[i]) || (lane + i) % 8 == 0) &&
                try_special(l, use, s.value[i], lane))
                return -1;
    return 0;
}

static int run_base(lanes *l)
{
    const km_run_plan how = {KM_FLUSH_END, 0, 0, 0xFF};
    km_bed_lay(l->bed, l->work, &how, l->exam->cell);
    if (km_exam_run(l->exam, l->bed))
        return -1;
    for (const km_use *out = l->work->pass->use; out->access != KM_END; out++) {
        size_t bytes = (size_t)l->work->shape.slot[out->slot].count * km_element_size(out->type);
        l->base[out->slot] = out->access == KM_READ ? NULL : malloc(bytes + 1);
        if (l->base[out->slot])
            memcpy(l->base[out->slot], l->bed->args.slot[out->slot].data, bytes);
    }
    return 0;
}

static int try_all(lanes *l)
{
    int failed = run_base(l);
    for (const km_use *use = l->work->pass->use; !failed && use->access != KM_END; use++)
        if (can_be_special(l->work, use))
            failed = try_slot(l, use);
    for (int s = 0; s < KM_SLOT_COUNT; s++)
        free(l->base[s]);
    return failed;
}

int km_exam_specials(const km_exam *exam_)
{
    /* lanes know nothing of threads, and thousands of parallel regions would take minutes */
    km_cell one_thread = *exam_->cell;
    one_thread.threads = 1;
    const km_exam own = {&one_thread, exam_->options, exam_->result, exam_->target}, *exam = &own;
    const km_cell *cell = &one_thread;
    const km_run_plan how = {KM_FLUSH_END, 0, 0, 0xFF};
    const char *declined = NULL;
    km_error error;
    km_case small;
    km_dim swept[KM_MAX_SWEEPS];
    km_work work = {0};
    km_bed bed = {0};
    lanes l = {.exam = exam, .bed = &bed, .work = &work};
    km_swept_sizes(cell->op, swept);
    if (km_small_case(cell, swept[0], LANES, &small) ||
        km_pass_elements(cell->op, cell->pass, &small) > AFFORDABLE)
        return 0;
    int failed =
        km_work_open(&work, cell->op, cell->pass, &small, exam->options->seed, &error) ||
        km_work_open(&l.plain, cell->op, cell->pass, &small, exam->options->seed, &error) ||
        km_bed_open(&bed, &work, &error);
    if (!failed) {
        km_bed_lay(&bed, &work, &how, cell);
        km_bed_plan(&bed, cell->kernel, &declined);
        failed = declined ? 0 : try_all(&l);
        km_bed_unplan(&bed, cell->kernel);
    }
    km_bed_close(&bed);
    km_work_close(&work);
    km_work_close(&l.plain);
    return failed;
}
