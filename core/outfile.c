/* outfile.c: write aside, then rename.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A device or pipe (/dev/full, /dev/stdout, a fifo) is written to directly: it cannot be replaced.
 */
static int is_special(const char *path)
{
    struct stat s;
    return !stat(path, &s) && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

/* ---- a signal in the middle of writing: nothing half-written stays ---- */

enum { MOST_OPEN = 8 };
static struct {
    const km_outfile *file; /* NULL: free */
    char path[sizeof((km_outfile *)0)->temporary];
} open_files[MOST_OPEN];
static pid_t owner; /* not children, which have the same handlers */

static void remove_all(int signal_number)
{
    for (int i = 0; i < MOST_OPEN && getpid() == owner; i++)
        if (open_files[i].file)
            unlink(open_files[i].path);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch(const km_outfile *out)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    owner = getpid();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (signal(signals[i], remove_all) == SIG_IGN)
            signal(signals[i], SIG_IGN); /* nohup */
    for (int i = 0; i < MOST_OPEN; i++)
        if (!open_files[i].file) {
            memcpy(open_files[i].path, out->temporary, sizeof out->temporary);
            open_files[i].file = out;
            return;
        }
}

static void forget(const km_outfile *out)
{
    for (int i = 0; i < MOST_OPEN; i++)
        if (open_files[i].file == out)
            open_files[i].file = NULL;
}

/* ---- opening and closing ---- */

int km_outfile_check(const char *path, km_error *error)
{
    km_outfile out;
    if (!path || !strcmp(path, "-"))
        return 0;
    if (is_special(path)) /* opening a fifo would wait for its reader */
        return access(path, W_OK) ? km_fail(error, "cannot write %s: %s", path, strerror(errno))
                                  : 0;
    if (km_outfile_open(&out, path, error))
        return -1;
    km_outfile_abort(&out);
    return 0;
}

int km_outfile_open(km_outfile *out, const char *path, km_error *error)
{
    *out = (km_outfile){0};
    if (strlen(path) >= sizeof out->path)
        return km_fail(error, "output path is too long");
    strcpy(out->path, path);
    if (!strcmp(path, "-")) {
        out->stream = stdout;
        return 0;
    }
    struct stat s;
    if (!stat(path, &s) && S_ISDIR(s.st_mode))
        return km_fail(error, "cannot write %s: it is a directory", path);
    if (!is_special(path))
        snprintf(out->temporary, sizeof out->temporary, "%s.%d.tmp", path, (int)getpid());
    out->stream = fopen(*out->temporary ? out->temporary : path, "w");
    if (!out->stream) {
        *out->temporary = 0;
        return km_fail(error, "cannot write %s: %s", path, strerror(errno));
    }
    if (*out->temporary)
        watch(out);
    return 0;
}

/* An earlier write failed and nobody kept errno: another byte fails likewise. The file is lost anyway. */
static int ask_why(FILE *stream)
{
    errno = 0;
    return fputc(0, stream) == EOF || fflush(stream) ? errno : EIO;
}

int km_outfile_commit(km_outfile *out, km_error *error)
{
    errno = 0;
    int failed = fflush(out->stream) || ferror(out->stream);
    int why = errno;
    if (out->stream == stdout) {
        out->stream = NULL;
        return failed
                   ? km_fail(error, "cannot write standard output: %s", strerror(why ? why : EIO))
                   : 0;
    }
    if (failed && !why)
        why = ask_why(out->stream);
    if (!failed && *out->temporary && fsync(fileno(out->stream))) {
        why = errno;
        failed = 1;
    }
    if (fclose(out->stream) && !failed) {
        why = errno;
        failed = 1;
    }
    out->stream = NULL;
    if (!failed && *out->temporary && rename(out->temporary, out->path)) {
        why = errno;
        failed = 1;
    }
    if (failed) {
        km_outfile_abort(out);
        return km_fail(error, "cannot write %s: %s", out->path, strerror(why ? why : EIO));
    }
    forget(out);
    return 0;
}

void km_outfile_abort(km_outfile *out)
{
    if (out->stream && out->stream != stdout)
        fclose(out->stream);
    out->stream = NULL;
    if (*out->temporary)
        unlink(out->temporary);
    forget(out);
}
