/* main.c: kernelmark COMMAND ...
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "core/build_info.h"

/* clang-format off */
static const km_command commands[] = {
    {"list", "[PATTERN...]", "Lists the cells op/pass/case/backend that the patterns match.", KM_CMD_LIST, km_command_list},
    {"verify", "[PATTERN...]", "Compares kernels with the double-precision oracle, element by element: the cases, all short\n"
     "lengths and alignments, special values in every lane, guard pages; checks gradients numerically.", KM_CMD_VERIFY, km_command_verify},
    {"bench", "[PATTERN...]", "Verifies each cell, then times it: backends of a case interleaved, with intervals and roofs.", KM_CMD_BENCH, km_command_bench},
    {"report", "RUN.jsonl...", "Speed-up tables and charts from runs.", KM_CMD_REPORT, km_command_report},
    {"golden", "DIR [PATTERN...]", "Verifies against tensors recorded elsewhere; patterns are globs over case names.", KM_CMD_GOLDEN, km_command_golden},
    {"info", "", "Shows the machine, ISAs, libraries, measured roofs, and what would disturb a measurement.", KM_CMD_INFO, km_command_info},
    {0},
};
/* clang-format on */

static const char *command_candidate(size_t i, const void *unused)
{
    (void)unused;
    return commands[i].name;
}

static const km_command *find(const char *name)
{
    for (const km_command *c = commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static int usage(FILE *stream, int code)
{
    fprintf(stream, "usage: kernelmark COMMAND [OPTION...] [PATTERN...]\n\n"
                    "Decides whether neural-network kernels are right and fast.\n\ncommands:\n");
    for (const km_command *c = commands; c->name; c++)
        fprintf(stream, "  %-8s %.*s\n", c->name, (int)strcspn(c->summary, "\n"), c->summary);
    fprintf(stream, "\nPATTERN is a glob per segment of op/pass/case/backend, such as relu, "
                    "'gelu/backward' or '*/*/*/avx2'.\n"
                    "See 'kernelmark COMMAND --help' and kernelmark(1).\n");
    return code;
}

static int version(void)
{
    printf("kernelmark %s (commit %s%s, %s)\n", km_version, km_build_commit(),
           km_build_dirty() ? ", modified" : "", km_compiler);
    return KM_EXIT_OK;
}

static int unknown_command(const char *word)
{
    km_error error;
    const char *near = km_nearest(word, command_candidate, NULL);
    if (near)
        km_fail(&error, "unknown command '%.60s'; did you mean '%s'?", word, near);
    else
        km_fail(&error, "unknown command '%.60s'; see 'kernelmark --help'", word);
    return km_complain(KM_EXIT_USAGE, &error);
}

static int run(const km_command *command, const km_options *options)
{
    if (options->help) {
        km_options_help(command, stdout);
        return KM_EXIT_OK;
    }
    return options->version ? version() : command->run(options);
}

/* A full disk behind stdout must not pass as success. */
static int close_stdout(int code)
{
    km_error error;
    if (!fflush(stdout) && !ferror(stdout))
        return code;
    km_fail(&error, "cannot write standard output");
    return km_complain(KM_EXIT_INTERNAL, &error);
}

int main(int argc, char **argv)
{
    km_options options;
    km_error error;
    if (argc < 2)
        return usage(stderr, KM_EXIT_USAGE);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return close_stdout(usage(stdout, KM_EXIT_OK));
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
        return close_stdout(version());
    if (!strcmp(argv[1], "--list-options")) { /* for the tests of completion and man page */
        km_options_list(commands, stdout);
        return close_stdout(KM_EXIT_OK);
    }
    const km_command *command = find(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    int code = km_options_parse(command, argc - 1, argv + 1, &options, &error)
                   ? km_complain(KM_EXIT_USAGE, &error)
                   : run(command, &options);
    km_options_free(&options);
    return close_stdout(code);
}
