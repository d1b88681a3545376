/* commands.h: the subcommands, one file each; main.c has the table that names them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_COMMANDS_H
#define KM_COMMANDS_H

#include <stdint.h>

#include "cli/options.h"

int km_command_list(const km_options *options);
int km_command_verify(const km_options *options);
int km_command_bench(const km_options *options);
int km_command_report(const km_options *options);
int km_command_golden(const km_options *options);
int km_command_info(const km_options *options);

/* What verify does with --exhaustive. */
int km_run_exhaustive(const km_options *options, uint64_t seed);

/* With --properties. */
int km_run_properties(const km_options *options, uint64_t seed);

#endif
