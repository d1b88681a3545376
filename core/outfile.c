/* outfile.c: output files that appear whole or not at all.
 * SPDX-License-Identifier: Apache-2.0 */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void forget(km_outfile *out)
{
    free(out->path);
    free(out->aside);
    *out = (km_outfile){0};
}

/* Devices and pipes cannot be replaced by a rename; everything else can. */
static int is_special(const char *path)
{
    struct stat s;
    return !stat(path, &s) && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

/* A symbolic link keeps pointing where it did: its target is what gets replaced. */
static char *final_name(const char *path)
{
    struct stat s;
    char *target = !lstat(path, &s) && S_ISLNK(s.st_mode) ? realpath(path, NULL) : NULL;
    return target ? target : strdup(path);
}

/* mkstemp makes the file private; give it what fopen would have, or the mode of the old file. */
static void set_mode(int fd, const char *path)
{
    struct stat s;
    mode_t mask = umask(0);
    umask(mask);
    mode_t mode = stat(path, &s) ? 0666 & ~mask : s.st_mode & 0777;
    (void)!fchmod(fd, mode);
}

static FILE *open_aside(km_outfile *out)
{
    if (asprintf(&out->aside, "%s.XXXXXX", out->path) < 0) {
        out->aside = NULL;
        return NULL;
    }
    int fd = mkostemp(out->aside, O_CLOEXEC);
    if (fd < 0)
        return NULL;
    set_mode(fd, out->path);
    FILE *stream = fdopen(fd, "w");
    if (!stream) {
        unlink(out->aside);
        close(fd);
    }
    return stream;
}

FILE *km_outfile_open(km_outfile *out, const char *path, km_error *e)
{
    *out = (km_outfile){0};
    if (!strcmp(path, "-"))
        return out->stream = stdout;
    out->path = final_name(path);
    if (out->path)
        out->stream = is_special(out->path) ? fopen(out->path, "we") : open_aside(out);
    if (!out->stream) {
        km_fail(e, "%s: %s", path, strerror(errno));
        forget(out);
    }
    return out->stream;
}

/* Some file systems report a full disk only here; one that cannot sync (EINVAL) is no error. */
static int sync_stream(FILE *stream)
{
    return fsync(fileno(stream)) && errno != EINVAL && errno != ENOTSUP && errno != EROFS ? -1 : 0;
}

int km_outfile_commit(km_outfile *out, km_error *e)
{
    const char *name = out->path ? out->path : "stdout";
    errno = 0;
    int bad =
        fflush(out->stream) || ferror(out->stream) || (out->aside && sync_stream(out->stream));
    int why = errno;
    if (out->stream != stdout && fclose(out->stream) && !bad) {
        bad = 1;
        why = errno;
    }
    if (!bad && out->aside && rename(out->aside, out->path)) {
        bad = 1;
        why = errno;
    }
    if (bad) {
        km_fail(e, "%s: %s", name, why ? strerror(why) : "write error");
        if (out->aside)
            unlink(out->aside);
    }
    forget(out);
    return bad ? -1 : 0;
}

void km_outfile_abort(km_outfile *out)
{
    if (out->stream && out->stream != stdout)
        fclose(out->stream);
    if (out->aside)
        unlink(out->aside);
    forget(out);
}
