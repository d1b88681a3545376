/* golden.c: kernelmark golden DIR [PATTERN...].
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/golden.h"

#include "cli/commands.h"
#include "cli/common.h"
#include "core/outfile.h"

/* The first word is the folder, the others are patterns. */
static km_golden_options read_options(const km_options *options, int threads)
{
    km_golden_options golden = {
        .folder = options->words.text[0], .backends = options->backends, .threads = threads};
    golden.patterns.text = options->words.text + 1;
    golden.patterns.count = options->words.count - 1;
    golden.dump = options->dump;
    golden.out = km_text_stream(options);
    return golden;
}

static int run(km_golden_options *golden, const char *json)
{
    km_outfile out;
    km_error error = {""};
    km_golden_counts counts;
    if (json && km_outfile_open(&out, json, &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    golden->json = json ? out.stream : NULL;
    int code = km_golden(golden, &counts, &error);
    if (*error.text)
        km_complain(code, &error);
    if (json && (code == KM_EXIT_USAGE || code == KM_EXIT_INTERNAL))
        km_outfile_abort(&out);
    else if (json && km_outfile_commit(&out, &error))
        return km_complain(KM_EXIT_INTERNAL, &error);
    return code;
}

int km_command_golden(const km_options *options)
{
    km_error error;
    int threads;
    if (km_color_setup(options->color, &error) || km_setup_backends(options, &error) ||
        km_setup_threads(options, &threads, &error))
        return km_complain(KM_EXIT_USAGE, &error);
    if (!options->words.count) {
        km_fail(&error, "golden needs the folder of a golden set");
        return km_complain(KM_EXIT_USAGE, &error);
    }
    km_golden_options golden = read_options(options, threads);
    return run(&golden, options->json);
}
