/* options.c: the option table, getopt_long over it, environment twins, help.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* CASES: list's --cases shows that axis, and with =FILE reads cases as elsewhere. */
typedef enum kind { FLAG, TEXT, LIST, COMMA_LIST, CASES } kind;

typedef struct option_row {
    const char *name;
    char letter;
    kind kind;
    size_t field; /* offset in km_options */
    unsigned commands;
    const char *argument, *help;
} option_row;

#define FIELD(name) offsetof(km_options, name)
enum {
    SELECTING = KM_CMD_LIST | KM_CMD_VERIFY | KM_CMD_BENCH,
    RUNNING = KM_CMD_VERIFY | KM_CMD_BENCH | KM_CMD_GOLDEN
};

/* clang-format off */
static const option_row rows[] = {
    {"backend", 'b', COMMA_LIST, FIELD(backends), SELECTING | KM_CMD_GOLDEN, "A,B", "only these backends (globs)"},
    {"plugin", 0, LIST, FIELD(plugins), SELECTING | KM_CMD_GOLDEN | KM_CMD_INFO, "FILE", "load an out-of-tree backend; repeatable"},
    {"case", 'c', LIST, FIELD(cases), SELECTING, "TEXT", "run this case instead of the listed ones; repeatable"},
    {"cases", 0, LIST, FIELD(case_files), KM_CMD_VERIFY | KM_CMD_BENCH, "FILE", "the same, one case a line (# starts a comment)"},
    {"threads", 't', TEXT, FIELD(threads), SELECTING | KM_CMD_GOLDEN | KM_CMD_INFO, "N", "threads for backends that use them (default: all cores); 1: never a second one"},
    {"layout", 0, TEXT, FIELD(layout), SELECTING, "plain|native", "tensor layout; conversions are timed in plain (default)"},
    {"isa", 0, TEXT, FIELD(isa), SELECTING | KM_CMD_GOLDEN | KM_CMD_INFO, "LEVEL", "use no ISA above baseline, neon, avx2 or avx512"},
    {"quick", 0, FLAG, FIELD(quick), SELECTING, NULL, "the short list of cases (default)"},
    {"full", 0, FLAG, FIELD(full), SELECTING, NULL, "the full list of cases"},
    {"tag", 0, LIST, FIELD(tags), SELECTING, "NAME", "only listed cases, quick or full, with this tag (a glob), such as resnet50; repeatable"},
    {"seed", 0, TEXT, FIELD(seed), KM_CMD_VERIFY | KM_CMD_BENCH, "N", "seed of the random data (default 1)"},
    {"offset", 0, TEXT, FIELD(offset), KM_CMD_VERIFY, "N", "displace tensors by N elements, 0 to 15"},
    {"exhaustive", 0, TEXT, FIELD(exhaustive), KM_CMD_VERIFY, "OP", "all 2^32 floats through a unary forward kernel"},
    {"sample", 0, TEXT, FIELD(sample), KM_CMD_VERIFY, "N", "with --exhaustive: every N-th float only"},
    {"properties", 0, FLAG, FIELD(properties), KM_CMD_VERIFY, NULL, "instead: what ops must achieve, such as to find a minimum"},
    {"repetitions", 'r', TEXT, FIELD(repetitions), KM_CMD_BENCH, "N", "timed rounds, 9 to 101 (default 11)"},
    {"min-time", 0, TEXT, FIELD(min_time), KM_CMD_BENCH, "MS", "least duration of a sample in milliseconds (default 4)"},
    {"max-call", 0, TEXT, FIELD(max_call), KM_CMD_BENCH, "MS", "do not time backends that need longer for one call (default 1000)"},
    {"json", 'j', TEXT, FIELD(json), RUNNING, "FILE", "write a run file (JSON Lines; - is stdout)"},
    {"junit", 0, TEXT, FIELD(junit), KM_CMD_VERIFY | KM_CMD_BENCH, "FILE", "write JUnit XML"},
    {"gbench", 0, TEXT, FIELD(gbench), KM_CMD_BENCH, "FILE", "also write Google Benchmark's JSON"},
    {"dump", 0, TEXT, FIELD(dump), KM_CMD_GOLDEN, "DIR", "write what each backend computed as .npy"},
    {"markdown", 0, TEXT, FIELD(markdown), KM_CMD_REPORT, "FILE", "speed-up tables as Markdown (default: to stdout)"},
    {"html", 0, TEXT, FIELD(html), KM_CMD_REPORT, "FILE", "one self-contained page with charts"},
    {"csv", 0, TEXT, FIELD(csv), KM_CMD_REPORT, "FILE", "one line per cell"},
    {"ops", 0, FLAG, FIELD(ops), KM_CMD_LIST, NULL, "list operations, formulas and attributes"},
    {"backends", 0, FLAG, FIELD(show_backends), KM_CMD_LIST, NULL, "list backends, and what each offers natively, composed or not"},
    {"cases", 0, CASES, FIELD(show_cases), KM_CMD_LIST, "[=FILE]", "list the cases of each op; with =FILE, use those of a file"},
    {"canonical", 0, FLAG, FIELD(canonical), KM_CMD_LIST, NULL, "list op/case in canonical form, as --cases reads it"},
    {"measure-roofs", 0, FLAG, FIELD(measure_roofs), KM_CMD_INFO | KM_CMD_BENCH, NULL, "measure the machine's roofs anew"},
    {"strict", 0, FLAG, FIELD(strict), KM_CMD_BENCH, NULL, "refuse to measure on a noisy machine (exit 5)"},
    {"verbose", 'v', FLAG, FIELD(verbose), RUNNING, NULL, "a line for every cell"},
    {"color", 0, TEXT, FIELD(color), RUNNING, "WHEN", "auto, always or never"},
    {"help", 'h', FLAG, FIELD(help), KM_CMD_ALL, NULL, "this text"},
    {"version", 'V', FLAG, FIELD(version), KM_CMD_ALL, NULL, "version, commit and compiler"},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof *rows, FIRST_LONG = 1000 };

static void add_comma_list(km_text_list *list, const char *text)
{
    char *copy = strdup(text);
    for (char *rest = copy, *word; copy && (word = strsep(&rest, ","));)
        if (*word)
            km_text_add(list, word);
    free(copy);
}

static void apply(const option_row *row, const char *value, km_options *options)
{
    void *field = (char *)options + row->field;
    switch (row->kind) {
    case FLAG:
        *(int *)field = 1;
        break;
    case TEXT:
        *(const char **)field = value;
        break;
    case LIST:
        km_text_add(field, value);
        break;
    case COMMA_LIST:
        add_comma_list(field, value);
        break;
    case CASES:
        if (value)
            km_text_add(&options->case_files, value);
        else
            options->show_cases = 1;
        break;
    }
}

/* KERNELMARK_MIN_TIME for --min-time */
static const char *twin(const option_row *row)
{
    char name[64] = "KERNELMARK_";
    size_t n = strlen(name);
    for (const char *p = row->name; *p && n < sizeof name - 1; p++)
        name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    name[n] = 0;
    return getenv(name);
}

/* Lists from the environment count only where the command line says nothing. */
static void apply_environment(unsigned command, const int *given, km_options *options)
{
    for (int i = 0; i < ROWS; i++) {
        const char *value = rows[i].commands & command && !given[i] ? twin(&rows[i]) : NULL;
        if (value && *value && !(rows[i].kind == FLAG && !strcmp(value, "0")))
            apply(&rows[i], value, options);
    }
}

/* ---- errors --------------------------------------------------------------------------------- */

static const char *option_candidate(size_t i, const void *command)
{
    size_t seen = 0;
    for (int r = 0; r < ROWS; r++)
        if (rows[r].commands & *(const unsigned *)command && seen++ == i)
            return rows[r].name;
    return NULL;
}

static int bad_option(const km_command *command, int code, const char *word, km_error *error)
{
    char name[64], letter[3] = {'-', (char)optopt};
    if (code == '?' && optopt >= FIRST_LONG)
        return km_fail(error, "option '--%s' takes no value", rows[optopt - FIRST_LONG].name);
    if (code == '?' && optopt)
        word = letter; /* one of several in a word */
    if (code == ':')
        return km_fail(error, "option '%.80s' needs a value", word);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
             word + strspn(word, "-"));
    const char *near = km_nearest(name, option_candidate, &command->bit);
    if (near)
        return km_fail(error, "%s has no option '%.80s'; did you mean '--%s'?", command->name, word,
                       near);
    return km_fail(error, "%s has no option '%.80s'; see 'kernelmark %s --help'", command->name,
                   word, command->name);
}

/* ---- parsing -------------------------------------------------------------------------------- */

static int argument_of(const option_row *row)
{
    return row->kind == FLAG    ? no_argument
           : row->kind == CASES ? optional_argument
                                : required_argument;
}

static void make_tables(unsigned command, struct option *longs, char *letters)
{
    *letters++ = ':';
    for (int i = 0; i < ROWS; i++) {
        if (!(rows[i].commands & command))
            continue;
        *longs++ = (struct option){rows[i].name, argument_of(&rows[i]), NULL, FIRST_LONG + i};
        if (rows[i].letter) {
            *letters++ = rows[i].letter;
            if (rows[i].kind != FLAG)
                *letters++ = ':';
        }
    }
    *letters = 0;
    *longs = (struct option){0};
}

static int row_of(unsigned command, int code)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].commands & command && (code == FIRST_LONG + i || code == rows[i].letter))
            return i;
    return -1;
}

/* Two kinds of data mixed in one stream would be neither. */
static int check_outputs(unsigned command, const km_options *options, km_error *error)
{
    const char *first = NULL;
    for (int i = 0; i < ROWS; i++) {
        const char *path = rows[i].kind == TEXT && rows[i].commands & command
                               ? *(const char *const *)((const char *)options + rows[i].field)
                               : NULL;
        if (!path || strcmp(path, "-") || strcmp(rows[i].argument, "FILE"))
            continue;
        if (first)
            return km_fail(error, "--%s and --%s cannot both go to standard output", first,
                           rows[i].name);
        first = rows[i].name;
    }
    return 0;
}

int km_options_parse(const km_command *command, int argc, char **argv, km_options *options,
                     km_error *error)
{
    struct option longs[ROWS + 1];
    char letters[3 * ROWS + 2];
    int given[ROWS] = {0}, code;
    *options = (km_options){0};
    make_tables(command->bit, longs, letters);
    opterr = 0;
    optind = 1;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        int row = code == '?' || code == ':' ? -1 : row_of(command->bit, code);
        if (row < 0)
            return bad_option(command, code, argv[optind - 1], error);
        if (rows[row].kind != FLAG && optarg && !optarg[strspn(optarg, ",")])
            return km_fail(error, "option '--%s' needs a value", rows[row].name);
        given[row] = 1;
        apply(&rows[row], optarg, options);
    }
    for (; optind < argc; optind++)
        km_text_add(&options->words, argv[optind]);
    apply_environment(command->bit, given, options);
    return check_outputs(command->bit, options, error);
}

void km_options_free(km_options *options)
{
    km_text_free(&options->words);
    km_text_free(&options->cases);
    km_text_free(&options->case_files);
    km_text_free(&options->backends);
    km_text_free(&options->plugins);
    km_text_free(&options->tags);
}

int km_option_number(const char *name, const char *text, long long low, long long high,
                     long long fallback, long long *value, km_error *error)
{
    char *end;
    *value = fallback;
    if (!text)
        return 0;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (errno || end == text || *end || *value < low || *value > high)
        return km_fail(error, "--%s must be a whole number from %lld to %lld, not '%.40s'", name,
                       low, high, text);
    return 0;
}

/* ---- help ----------------------------------------------------------------------------------- */

void km_options_help(const km_command *command, FILE *stream)
{
    fprintf(stream, "usage: kernelmark %s %s\n\n%s\n\noptions:\n", command->name, command->synopsis,
            command->summary);
    for (int i = 0; i < ROWS; i++) {
        char left[64], letter[8] = "    ";
        if (!(rows[i].commands & command->bit))
            continue;
        if (rows[i].letter)
            snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, rows[i].name, rows[i].argument ? " " : "",
                 rows[i].argument ? rows[i].argument : "");
        fprintf(stream, "  %-28s %s\n", left, rows[i].help);
    }
    fprintf(stream,
            "\nEvery option has an environment twin, such as KERNELMARK_BACKEND; the option wins.\n"
            "Exit codes: 0 good, 1 a gate failed, 2 usage, 4 I/O or internal, 5 too noisy, 77 "
            "nothing could run.\n");
}

void km_options_list(const km_command *commands, FILE *stream)
{
    for (const km_command *c = commands; c->name; c++)
        for (int i = 0; i < ROWS; i++)
            if (rows[i].commands & c->bit)
                fprintf(stream, "%s --%s%s\n", c->name, rows[i].name,
                        rows[i].argument ? " ARG" : "");
}
