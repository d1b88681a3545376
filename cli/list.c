/* list.c: kernelmark list: cells, or what each axis offers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "core/names.h"
#include "core/registry.h"

/* Whether the cell is the first of its op, or of its op and case. */
static int starts(const km_cells *cells, size_t i, int with_case)
{
    for (size_t j = 0; j < i; j++)
        if (cells->cell[j].op == cells->cell[i].op &&
            (!with_case || !strcmp(cells->cell[j].case_text, cells->cell[i].case_text)))
            return 0;
    return 1;
}

static void print_attr(const km_attr_spec *a)
{
    printf("  %-16s", km_attr_name[a->attr]);
    if (a->choices) {
        for (int i = 0; a->choices[i]; i++)
            printf("%s%s%s", i ? " | " : " ", a->choices[i],
                   i == (int)a->fallback ? " (default)" : "");
        putchar('\n');
    } else {
        printf(" %s, default %g", a->integer ? "whole number" : "number", a->fallback);
        if (a->min != 0 || a->max != 0)
            printf(", in [%g, %g]", a->min, a->max);
        putchar('\n');
    }
}

/* What kernelmark's own backends promise. */
static void print_target(const km_bound *b)
{
    switch (b->kind) {
    case KM_EXACT:
        printf(" (exact)");
        break;
    case KM_ULP:
        printf(" (within %g ulp)", b->ulp);
        break;
    case KM_MIXED:
        printf(" (within %g of it + %g)", b->rtol, b->atol);
        break;
    case KM_SUM:
        printf(" (within a sum's bound)");
        break;
    case KM_STEPS:
        printf(" (within %g of its way + roundings)", b->atol);
        break;
    }
}

static void print_pass(const km_pass *pass)
{
    static const char *const access[] = {"", "reads", "writes", "updates"};
    printf("  %-16s %s\n%18s", pass->name, pass->formula, "");
    for (const km_use *use = pass->use; use->access != KM_END; use++) {
        printf(" %s %s", access[use->access], km_slot_name[use->slot]);
        if (use->access != KM_READ)
            print_target(&use->target);
        printf(use[1].access != KM_END ? "," : "\n");
    }
}

static void print_op(const km_op *op)
{
    printf("%s (%s): %s\n  %-16s", op->name, op->family, op->summary, "sizes");
    for (int i = 0; i < op->dims; i++)
        printf(" %s", km_dim_name[op->dim[i].dim]);
    putchar('\n');
    for (int i = 0; i < op->attrs; i++)
        print_attr(&op->attr[i]);
    for (int i = 0; i < op->passes; i++)
        print_pass(&op->pass[i]);
}

static const char *offer_of(const km_backend *b, const char *op, const char *pass)
{
    static const char *const words[] = {"native", "composed", "-"};
    const km_kernel *k = km_kernel_find(b, op, pass);
    return k ? words[k->offer] : "-";
}

static void print_notes(const km_backend *b)
{
    for (const km_kernel *const *list = b->kernels; *list; list++)
        for (const km_kernel *k = *list; k->op; k++)
            if (k->note)
                printf("  %s: %s/%s is %s: %s\n", b->name, k->op, k->pass,
                       k->offer == KM_NOT_OFFERED ? "not offered" : "composed", k->note);
}

static void print_backends(const km_cells *cells)
{
    for (size_t b = 0; b < km_backend_count(); b++) {
        const km_backend *backend = km_backend_at(b);
        const char *unusable = km_backend_unusable(backend);
        printf("%-10s %s%s%s", backend->name, backend->summary,
               unusable ? "; not usable here: " : "", unusable ? unusable : "");
        printf("%s%s\n", backend->version && !unusable ? ", version " : "",
               backend->version && !unusable ? backend->version() : "");
    }
    printf("\n%-24s", "op/pass");
    for (size_t b = 0; b < km_backend_count(); b++)
        printf(" %-10s", km_backend_at(b)->name);
    putchar('\n');
    for (size_t i = 0; i < cells->count; i++) {
        const km_op *op = cells->cell[i].op;
        for (int p = 0; starts(cells, i, 0) && p < op->passes; p++) {
            char name[80];
            snprintf(name, sizeof name, "%s/%s", op->name, op->pass[p].name);
            printf("%-24s", name);
            for (size_t b = 0; b < km_backend_count(); b++)
                printf(" %-10s", offer_of(km_backend_at(b), op->name, op->pass[p].name));
            putchar('\n');
        }
    }
    putchar('\n');
    for (size_t b = 0; b < km_backend_count(); b++)
        print_notes(km_backend_at(b));
}

static void print_cells(const km_cells *cells, const km_options *options)
{
    for (size_t i = 0; i < cells->count; i++) {
        char id[400];
        const km_cell *c = &cells->cell[i];
        km_cell_id(c, id, sizeof id);
        if (options->ops && starts(cells, i, 0))
            print_op(c->op);
        else if ((options->canonical || options->show_cases) && starts(cells, i, 1))
            printf("%s/%s\n", c->op->name, c->case_text);
        else if (!options->ops && !options->canonical && !options->show_cases)
            printf("%s\n", id);
    }
}

int km_command_list(const km_options *options)
{
    km_cells cells;
    km_error error;
    if (km_setup(options, KM_SUITE_QUICK, &cells, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    if (options->show_backends)
        print_backends(&cells);
    else
        print_cells(&cells, options);
    km_cells_free(&cells);
    return KM_EXIT_OK;
}
