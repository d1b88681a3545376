/* common.c: options into a selection, and how a run talks to the person who waits for it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cpu.h"
#include "core/registry.h"
#include "verify/record.h"

int km_complain(int code, const km_error *error)
{
    km_progress_end();
    fprintf(stderr, "kernelmark: %s\n", error->text);
    return code;
}

int km_setup_backends(const km_options *options, km_error *error)
{
    for (size_t i = 0; i < options->plugins.count; i++)
        if (km_backend_load(options->plugins.text[i], error))
            return -1;
    return options->isa ? km_isa_cap(options->isa, error) : 0;
}

int km_setup_threads(const km_options *options, int *threads, km_error *error)
{
    km_cpu cpu;
    long long value;
    km_cpu_read(&cpu);
    if (km_option_number("threads", options->threads, 1, 1024, cpu.cores, &value, error))
        return -1;
    *threads = (int)value;
    return 0;
}

static int read_layout(const char *text, km_layout *layout, km_error *error)
{
    *layout = text && !strcmp(text, "native") ? KM_NATIVE : KM_PLAIN;
    if (!text || !strcmp(text, "plain") || !strcmp(text, "native"))
        return 0;
    return km_fail(error, "--layout must be plain or native, not '%.40s'", text);
}

/* One case a line; # starts a comment. */
static int read_case_file(const char *path, km_text_list *cases, km_error *error)
{
    char line[1024];
    size_t before = cases->count;
    FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
    if (!f)
        return km_fail(error, "cannot read case file %s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, f)) {
        char *word = line + strspn(line, " \t");
        word[strcspn(word, "#\r\n")] = 0;
        for (size_t n = strlen(word); n && strchr(" \t", word[n - 1]); n--)
            word[n - 1] = 0; /* what stands inside is for the parser to refuse */
        if (*word)
            km_text_add(cases, word);
    }
    int failed = ferror(f);
    if (f != stdin)
        fclose(f);
    if (failed)
        return km_fail(error, "cannot read case file %s: %s", path, strerror(errno));
    return cases->count > before ? 0 : km_fail(error, "case file %s holds no case", path);
}

static int read_cases(const km_options *options, km_text_list *cases, km_error *error)
{
    for (size_t i = 0; i < options->cases.count; i++)
        km_text_add(cases, options->cases.text[i]);
    for (size_t i = 0; i < options->case_files.count; i++)
        if (read_case_file(options->case_files.text[i], cases, error))
            return -1;
    return 0;
}

int km_setup(const km_options *options, unsigned suites, km_cells *cells, km_error *error)
{
    km_select select = {
        .patterns = options->words, .backends = options->backends, .tags = options->tags};
    select.suites =
        options->tags.count && !options->quick ? KM_SUITE_QUICK | KM_SUITE_FULL : suites;
    if (options->full)
        select.suites |= KM_SUITE_FULL;
    if (km_setup_backends(options, error) || read_layout(options->layout, &select.layout, error) ||
        km_setup_threads(options, &select.threads, error))
        return -1;
    int failed =
        read_cases(options, &select.cases, error) || km_select_cells(&select, cells, error);
    km_text_free(&select.cases);
    return failed ? -1 : 0;
}

void km_command_tail(const km_options *options, char *tail, size_t size)
{
    size_t n = 0;
    *tail = 0;
    for (size_t i = 0; i < options->plugins.count && n < size; i++)
        n += (size_t)snprintf(tail + n, size - n, " --plugin %s", options->plugins.text[i]);
    if (options->isa && n < size)
        n += (size_t)snprintf(tail + n, size - n, " --isa %s", options->isa);
    if (options->threads && !strcmp(options->threads, "1") && n < size)
        snprintf(tail + n, size - n, " --threads 1"); /* other counts say so with the cell */
}

FILE *km_text_stream(const km_options *options)
{
    const char *const data[] = {options->json, options->junit, options->gbench, options->csv};
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        if (data[i] && !strcmp(data[i], "-"))
            return stderr;
    return stdout;
}

int km_exit_of(int ok, int wrong, int crashed, int skipped, int64_t elements)
{
    if (wrong || crashed)
        return KM_EXIT_FAILED;
    if (!ok && skipped)
        return KM_EXIT_SKIPPED;
    return elements > 0 ? KM_EXIT_OK : KM_EXIT_FAILED;
}

/* ---- progress ------------------------------------------------------------------------------- */

static int progress_shown;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void km_progress(size_t done, size_t total, const char *what)
{
    static double start, last;
    double t = now();
    if (!isatty(STDERR_FILENO))
        return;
    if (!done)
        start = t;
    if (t - last < 0.1 && done < total && done)
        return;
    last = t;
    double left = done ? (t - start) / (double)done * (double)(total - done) : 0;
    fprintf(stderr, "\r\033[K[%zu/%zu] %d:%02d left  %.60s", done, total, (int)left / 60,
            (int)left % 60, what);
    progress_shown = 1;
}

void km_progress_end(void)
{
    if (progress_shown)
        fprintf(stderr, "\r\033[K");
    progress_shown = 0;
}

/* ---- colour --------------------------------------------------------------------------------- */

static int color_on;

int km_color_setup(const char *when, km_error *error)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    if (!when || !strcmp(when, "auto"))
        color_on = isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
    else if (!strcmp(when, "always") || !strcmp(when, "never"))
        color_on = *when == 'a';
    else
        return km_fail(error, "--color must be auto, always or never, not '%.40s'", when);
    return 0;
}

const char *km_status_word(km_status status)
{
    static const char *const plain[] = {"ok     ", "WRONG  ", "skipped", "CRASHED"};
    static const char *const colored[] = {"\033[32mok     \033[0m", "\033[1;31mWRONG  \033[0m",
                                          "\033[33mskipped\033[0m", "\033[1;31mCRASHED\033[0m"};
    return (color_on ? colored : plain)[status];
}
