/* options.h: one table of options for parsing, --help, and the checks of man page and completion.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_OPTIONS_H
#define KM_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include "core/select.h"

enum km_command_bit {
    KM_CMD_LIST = 1,
    KM_CMD_VERIFY = 2,
    KM_CMD_BENCH = 4,
    KM_CMD_REPORT = 8,
    KM_CMD_GOLDEN = 16,
    KM_CMD_INFO = 32,
    KM_CMD_ALL = 63,
};

typedef struct km_options {
    km_text_list words; /* patterns, run files, or a folder: what is not an option */
    km_text_list cases, case_files, backends, plugins, tags;
    const char *threads, *layout, *isa, *seed, *offset, *sample, *repetitions, *min_time, *max_call,
        *color;
    const char *json, *junit, *gbench, *markdown, *html, *csv, *dump, *exhaustive;
    int quick, full, help, version, verbose, strict, properties;
    int ops, show_backends, show_cases, canonical, measure_roofs;
} km_options;

typedef struct km_command {
    const char *name, *synopsis, *summary;
    unsigned bit;
    int (*run)(const km_options *options); /* returns an exit code */
} km_command;

/* Parses argv[2..] and the KERNELMARK_* twins. Fails with a did-you-mean. */
int km_options_parse(const km_command *command, int argc, char **argv, km_options *options,
                     km_error *error);
void km_options_free(km_options *options);

/* The --help text of a command. */
void km_options_help(const km_command *command, FILE *stream);

/* Every option name with its commands, a line each: what completion and man page are checked against. */
void km_options_list(const km_command *commands, FILE *stream);

/* A whole number in [low, high]; `fallback` when text is NULL. */
int km_option_number(const char *name, const char *text, long long low, long long high,
                     long long fallback, long long *value, km_error *error);

#endif
