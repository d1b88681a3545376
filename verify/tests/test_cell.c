/* test_cell.c: km_verify_cell finds every fault of cell_faults*.h and none in the right kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cell_faults_bytes.h"
#include "cell_faults_more.h"
#include "cell_faults_native.h"
#include "cell_faults_transform.h"

#include <stdio.h>

#include "verify/cell.h"
#include "verify/isolate.h"

enum { OWN = KM_HOLDS_TARGET | KM_HOLDS_EDGES | KM_SAME_BITS, TEAM = KM_THREADED };

typedef struct subject {
    const char *name, *op, *pass;
    void (*run)(const km_args *args);
    unsigned flags;
    const char *reason; /* a part of it; of a right kernel NULL */
    const char *(*open)(const km_args *args, void **plan);
} subject;

#define FAULT(name)          #name, "relu", "forward", name, OWN
#define SILU(name)           #name, "silu", "forward", name, OWN
#define BACK(name)           #name, "relu", "backward", name, OWN
#define PRELU(name)          #name, "prelu", "backward", name, OWN
#define CONV(name)           #name, "conv2d", "forward", name, OWN
#define DROP(name)           #name, "dropout", "forward", name, OWN
#define DROP_BACK(name)      #name, "dropout", "backward", name, OWN
#define NATIVE(name, reason) FAULT(name), reason, open_reversed

static const subject faults[] = {
    {FAULT(tail_unwritten), "of y wrong; first [1032]: got -nan"},
    {FAULT(head_unwritten), "of y wrong; first [0]: got -nan"},
    {FAULT(writes_nothing), "1037 of 1037 elements of y wrong"},
    {FAULT(writes_past), " of y past its end, at byte 4148 of 4148"},
    {FAULT(writes_past_canary), "y: overwritten 1 bytes past its end"},
    {FAULT(writes_byte_past_canary), "y: overwritten 1 bytes past its end"},
    {FAULT(writes_before), "before its start"},
    {FAULT(writes_before_canary), "bytes before its start"},
    {FAULT(reads_past), " of x past its end, at byte 4148 of 4148"},
    {FAULT(reads_before), " of x 4 bytes before its start"},
    {FAULT(leaks_padding), "elsewhere in memory and over other bytes"},
    {FAULT(modifies_input), " inside input x"},
    {FAULT(borrows_input), " inside input x"},
    {FAULT(touches_empty), " of x past its end, at byte 0 of 0"},
    {FAULT(aligned_loads), "Segmentation fault"},
    {FAULT(accumulates), "of y wrong"},
    {FAULT(wants_zeroes), "of y wrong"},
    {FAULT(in_place_lost), "in place, the result differs"},
    {FAULT(in_place_off), "in place, the result differs"},
    {FAULT(tires), "sweep of lengths"},
    {SILU(flickers), "a second run"},
    {FAULT(stale_address), "a second run", keep_address},
    {FAULT(odd_address), "sweep of lengths, offset 5"},
    {FAULT(odd_length), "first [12]"},
    {FAULT(last_element), "1 of 1037 elements of y wrong; first [1036]"},
    {FAULT(shifted), "of y wrong"},
    {FAULT(swapped_pairs), "of y wrong"},
    {FAULT(swallows_nan), "x = nan in lane 0 gives y[0] = 0, want nan"},
    {FAULT(multiplies), "x = -inf in lane 0 gives y[0] = "},
    {FAULT(clips), "x = 1.00000002e+30 in lane 0"},
    {FAULT(flushes), "x = 1.40129846e-45 in lane 0 gives y[0] = 0"},
    {FAULT(lane_cross_talk), "x = nan in lane 0 changes y[1]"},
    {"lane_cross_talk, no promises", "relu", "forward", lane_cross_talk, 0, "changes y[1]"},
    {FAULT(huge_neighbour), "in lane 0 changes y[1]"},
    {FAULT(leaves_flush_mode), "floating-point control state changed"},
    {FAULT(leaves_rounding), "floating-point control state changed"},
    {FAULT(illegal), "Illegal instruction"},
    {FAULT(divides), "Floating point exception"},
    {FAULT(aborts), "Aborted"},
    {FAULT(leaves), "ended with status 0"},
    {FAULT(hangs), "no answer within 2 s"},
    {FAULT(right) | TEAM, "declines 3 threads: three is a crowd", decline_some},
    {SILU(three_threads) | TEAM, "3 threads change the bits"},
    {SILU(seven_threads) | TEAM, "7 threads change the bits"},
    {"seven_threads, bits free", "silu", "forward", seven_threads, TEAM, "with 7 threads"},
    {SILU(five_millionths), "of y wrong"},
    {SILU(estimate), "of y wrong"},
    {"estimate, gate", "silu", "forward", estimate, 0, "of y wrong"},
    {SILU(half_inputs), "of y wrong"},
    {"half_inputs, gate", "silu", "forward", half_inputs, 0, "of y wrong"},
    {SILU(cuts_tail), "of y wrong"},
    {SILU(overflows), "gives y[0] = "},
    {SILU(flushes_results), "gives y[0] = 0, want "},
    {BACK(kink_included), "x = 0 in lane 0 gives grad_x[0]"},
    {BACK(upstream_ignored), "of grad_x wrong"},
    {BACK(multiplies_mask), "grad_y = inf in lane"},
    {PRELU(weight_accumulates), "of grad_weight wrong"},
    {PRELU(weight_off), "of grad_weight wrong"},
    {PRELU(weight_loses_one), "of grad_weight wrong"},
    {NATIVE(in_order_only, "native layout: ")},
    {NATIVE(past_the_padding, " of y past its end")},
    {NATIVE(native_input_modified, " inside input x")},
    {NATIVE(native_unwritten, "native layout: ")},
    {CONV(transform_off), "of y wrong"},
    {CONV(transform_loses_one), "of y wrong"},
    {CONV(transform_smears), " in lane 0 changes y["},
    {CONV(undeclared_transform), " in lane "},
    {DROP(mask_of_twos), "of mask wrong"},
    {DROP(mask_loses_tail), "1 of 1037 elements of mask wrong; first [1036]"},
    {DROP(mask_in_words), " of mask past its end"},
    {DROP(mask_complemented), "of mask wrong"},
    {DROP_BACK(mask_used_up), " inside input mask"},
    {DROP_BACK(mask_read_in_words), " of mask past its end"},
    {DROP_BACK(mask_of_every_fourth), "of grad_x wrong"},
};

/* Right by the promises they make; the last column is what the notes must say. */
static const subject rights[] = {
    {FAULT(right)},
    {FAULT(right) | TEAM},
    {SILU(right_silu)},
    {SILU(right_silu) | TEAM},
    {BACK(right_backward)},
    {PRELU(right_prelu_backward)},
    {NATIVE(right, NULL)},
    {CONV(right_transform)},
    {DROP(right_dropout)},
    {DROP_BACK(right_dropout_backward)},
    {"five_millionths, gate", "silu", "forward", five_millionths, KM_HOLDS_EDGES},
    {"cuts_tail, gate", "silu", "forward", cuts_tail, KM_HOLDS_EDGES},
    {"flushes, gate", "relu", "forward", flushes, KM_HOLDS_EDGES},
    {"three_threads, bits free", "silu", "forward", three_threads, KM_HOLDS_TARGET | TEAM},
};

typedef int open_data(km_work *work, const km_op *op, const km_pass *pass, const km_case *c,
                      uint64_t seed, km_error *error);

static void examine_on(open_data *open, const subject *s, uint64_t seed, km_result *result)
{
    km_kernel list[] = {{.op = s->op, .pass = s->pass, .run = s->run, .open = s->open}, {0}};
    if (s->open == open_reversed) {
        list->native_count = padded;
        list->to_native = reverse_in;
        list->from_native = reverse_out;
        list->close = free;
    }
    if (!strcmp(s->op, "conv2d") && s->run != undeclared_transform)
        list->describe = describe_transform;
    const km_kernel *const kernels[] = {list, NULL};
    const km_backend backend = {
        .abi = KM_ABI, .flags = s->flags, .name = "faulty", .kernels = kernels};
    const km_verify_options options = {.seed = seed, .timeout = s->run == hangs ? 2 : 60};
    const char *text = !strcmp(s->op, "prelu")    ? "n2c3h5w7"
                       : !strcmp(s->op, "conv2d") ? "n2c5h6w11k4r3s3_pad1_algorithm=winograd"
                                                  : "n1037";
    km_cell cell = {.op = km_op_find(s->op), .backend = &backend, .kernel = list, .threads = 1};
    km_error error;
    km_work work;
    cell.pass = km_pass_find(cell.op, s->pass);
    strcpy(cell.case_text, text);
    assert_int_equal(km_case_parse(cell.op, text, &cell.params, &error), 0);
    assert_int_equal(open(&work, cell.op, cell.pass, &cell.params, seed, &error), 0);
    calls = 0;
    km_verify_cell(&cell, &work, &options, result);
    km_work_close(&work);
}

static void examine(const subject *s, uint64_t seed, km_result *result)
{
    examine_on(km_work_open, s, seed, result);
}

static int is_caught(const subject *s, const km_result *r)
{
    char start[128];
    snprintf(start, sizeof start, "kernelmark verify %s/%s --backend faulty --case n", s->op,
             s->pass);
    int caught = r->status == KM_WRONG || r->status == KM_CRASHED;
    if (!caught)
        print_error("survived: %s (%s)\n", s->name, km_status_names[r->status]);
    else if (!strstr(r->reason, s->reason))
        print_error("%s: \"%s\" does not hold \"%s\"\n", s->name, r->reason, s->reason);
    else if (strncmp(r->reproduce, start, strlen(start)) || !strstr(r->reproduce, " --seed 1"))
        print_error("%s: cannot be reproduced by \"%s\"\n", s->name, r->reproduce);
    else
        return 1;
    return 0;
}

static void every_fault(void **state)
{
    km_result *r = *state;
    int caught = 0, count = sizeof faults / sizeof *faults;
    for (int i = 0; i < count; i++) {
        examine(&faults[i], 1, r);
        caught += is_caught(&faults[i], r);
    }
    print_message("# %d of %d faulty kernels caught\n", caught, count);
    assert_int_equal(caught, count);
}

static void no_false_alarm(void **state)
{
    km_result *r = *state;
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            examine(&rights[i], seed, r);
            if (r->status != KM_OK || *r->reason || *r->reproduce || r->figures.wrong ||
                r->edge_deviations || r->figures.elements < 1000)
                fail_msg("%s, seed %d: %s", rights[i].name, (int)seed, r->reason);
        }
}

/* Without the promise about edges a deviation is noted, and is no error. */
static void edges_as_remarks(void **state)
{
    const subject s = {"swallows_nan", "relu", "forward", swallows_nan, KM_HOLDS_TARGET};
    km_result *r = *state;
    examine(&s, 1, r);
    assert_int_equal(r->status, KM_OK);
    assert_int_equal(r->edge_deviations, 2 * 67); /* both NaN, in every lane */
    assert_string_equal(r->edge_note, "x = nan gives 0, should be nan");
}

static void declined(void **state)
{
    const subject s = {FAULT(writes_past), NULL, decline};
    km_result *r = *state;
    examine(&s, 1, r);
    assert_int_equal(r->status, KM_SKIPPED);
    assert_string_equal(r->reason, "not on a Sunday");
    assert_int_equal(r->figures.elements, 0);
}

/* Data to be timed: x without tails, and a saved y that belongs to it. */
static void usual_data(void **state)
{
    const km_op *op = km_op_find("sigmoid");
    km_work forward, backward;
    km_error error;
    km_case c;
    (void)state;
    assert_int_equal(km_case_parse(op, "n4096", &c, &error), 0);
    assert_int_equal(km_work_open_usual(&forward, op, km_pass_find(op, "forward"), &c, 1, &error),
                     0);
    assert_int_equal(km_work_open_usual(&backward, op, km_pass_find(op, "backward"), &c, 1, &error),
                     0);
    const float *x = forward.input[KM_X], *y = backward.input[KM_Y];
    for (int i = 0; i < 4096; i++)
        assert_true(fabsf(x[i]) < 12 && y[i] == (float)forward.want[KM_Y][i]);
    km_work_close(&forward);
    km_work_close(&backward);
}

/* They are bench's, and so is the command that shows an error in them. */
static void usual_data_reproduced(void **state)
{
    const subject s = {FAULT(writes_past)};
    const char *const command = "kernelmark bench ";
    km_result *r = *state;
    examine_on(km_work_open_usual, &s, 1, r);
    assert_true(r->status == KM_WRONG || r->status == KM_CRASHED);
    assert_memory_equal(r->reproduce, command, strlen(command));
}

static int open_result(void **state)
{
    *state = km_shared_open(sizeof(km_result));
    return *state ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault),      cmocka_unit_test(no_false_alarm),
        cmocka_unit_test(edges_as_remarks), cmocka_unit_test(declined),
        cmocka_unit_test(usual_data),       cmocka_unit_test(usual_data_reproduced),
    };
    return cmocka_run_group_tests_name("cell", tests, open_result, NULL);
}
