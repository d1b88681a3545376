/* report_gnuplot.c: runs gnuplot as a child process and makes its SVG fit for a page.
 *
 * No shell is involved, the user's ~/.gnuplot is not read, and texts are single-quoted: there
 * gnuplot knows no escapes, no backquotes and no macros, and `noenhanced` turns its markup off. The
 * script goes in through an unnamed file and the charts come back through another, so that neither
 * side can block the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_gnuplot.h"
#include "report_text.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int km_plot_open(km_plot *plot, km_error *e)
{
    *plot = (km_plot){.script = tmpfile()};
    return plot->script ? 0 : km_fail(e, "cannot make a temporary file: %s", strerror(errno));
}

void km_plot_close(km_plot *plot)
{
    if (plot->script)
        fclose(plot->script);
    free(plot->svg);
    free(plot->name);
    free(plot->output);
    *plot = (km_plot){0};
}

/* `set output` ends the chart before; without a name the next one goes to standard output too. */
size_t km_plot_begin(km_plot *plot, int width, int height)
{
    fprintf(plot->script,
            "set output\nreset\n"
            "set terminal svg size %d,%d dynamic noenhanced font 'sans-serif,12' rounded\n",
            width, height);
    return plot->count++;
}

void km_plot_text(km_plot *plot, const char *text)
{
    putc('\'', plot->script);
    for (; *text; text++) {
        if (*text == '\'')
            putc('\'', plot->script);
        putc((unsigned char)*text < ' ' ? ' ' : *text, plot->script);
    }
    putc('\'', plot->script);
}

/* gnuplot 5.4 and 6.0 write "gnuplot_plot_1" where the title belongs, so names are kept here too;
 * without memory for one, the page has no name there. */
void km_plot_title(km_plot *plot, const char *name)
{
    fputs(" title ", plot->script);
    km_plot_text(plot, name);
    km_plot_name *grown = realloc(plot->name, (plot->name_count + 1) * sizeof *grown);
    if (!grown)
        return;
    plot->name = grown;
    plot->name[plot->name_count++] = (km_plot_name){plot->count - 1, name};
}

static int spawn_gnuplot(pid_t *child, FILE *in, FILE *out, FILE *complaints)
{
    char *arguments[] = {"gnuplot", "--default-settings", NULL};
    char *environment[4] = {"LC_ALL=C.UTF-8"}, path[4096], home[] = "HOME=/nonexistent";
    posix_spawn_file_actions_t actions;
    snprintf(path, sizeof path, "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    environment[1] = path;
    environment[2] = home;
    int bad = posix_spawn_file_actions_init(&actions);
    if (bad)
        return bad;
    posix_spawn_file_actions_adddup2(&actions, fileno(in), 0);
    posix_spawn_file_actions_adddup2(&actions, fileno(out), 1);
    posix_spawn_file_actions_adddup2(&actions, fileno(complaints), 2);
    bad = posix_spawnp(child, arguments[0], &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    return bad;
}

/* The whole of a stream as one string. */
static char *read_all(FILE *in)
{
    fseek(in, 0, SEEK_END);
    long size = ftell(in);
    rewind(in);
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (text)
        text[fread(text, 1, (size_t)size, in)] = 0;
    return text;
}

/* gnuplot's complaint is its last line that says something. */
static int complain(FILE *complaints, km_error *e)
{
    char line[300], last[300] = "no message";
    rewind(complaints);
    while (fgets(line, sizeof line, complaints)) {
        line[strcspn(line, "\n")] = 0;
        if (line[strspn(line, " ^\t")])
            snprintf(last, sizeof last, "%s", line);
    }
    return km_fail(e, "gnuplot failed: %s", last);
}

static int run_child(km_plot *plot, FILE *out, FILE *complaints, km_error *e)
{
    pid_t child;
    int status = 0;
    fputs("set output\n", plot->script);
    if (fflush(plot->script) || ferror(plot->script))
        return km_fail(e, "cannot write a temporary file: %s", strerror(errno));
    rewind(plot->script);
    int bad = spawn_gnuplot(&child, plot->script, out, complaints);
    if (bad == ENOENT)
        return km_fail(e, "charts need gnuplot, which is not installed (package gnuplot-nox)");
    if (bad)
        return km_fail(e, "cannot run gnuplot: %s", strerror(bad));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return km_fail(e, "lost gnuplot: %s", strerror(errno));
    if (status)
        return complain(complaints, e);
    plot->output = read_all(out);
    return plot->output ? 0 : km_fail(e, "out of memory");
}

/* The charts stand one behind the other; anything that could act in a page is refused. */
static int split(km_plot *plot, km_error *e)
{
    size_t found = 0;
    char *at = plot->output;
    plot->svg = calloc(plot->count + 1, sizeof *plot->svg);
    if (!plot->svg)
        return km_fail(e, "out of memory");
    if (strstr(at, "<script") || strstr(at, "<image"))
        return km_fail(e, "gnuplot drew something that does not belong into a page");
    while (found < plot->count && (at = strstr(at, "<svg"))) {
        char *end = strstr(at, "</svg>");
        if (!end)
            break;
        plot->svg[found++] = at;
        *end = 0;
        at = end + 1;
    }
    return found == plot->count ? 0
                                : km_fail(e, "gnuplot drew %zu of %zu charts", found, plot->count);
}

int km_plot_render(km_plot *plot, km_error *e)
{
    FILE *out = tmpfile(), *complaints = tmpfile();
    int bad = out && complaints ? run_child(plot, out, complaints, e)
                                : km_fail(e, "cannot make a temporary file: %s", strerror(errno));
    if (!bad)
        bad = split(plot, e);
    if (out)
        fclose(out);
    if (complaints)
        fclose(complaints);
    return bad;
}

/* ---- from gnuplot's SVG to a page's --------------------------------------------------------- */

/* What is left out or replaced: ids would collide between charts, the rest is bulk that the page's
 * style sheet says once. */
static const struct {
    const char *from, *to;
} rewrite[] = {
    {" stroke-linecap=\"round\" stroke-linejoin=\"round\"", ""},
    {" id=\"gnuplot_canvas\"", ""},
    {"xlink:href", "href"},
    {" color=\"black\" stroke=\"currentColor\"", " stroke=\"#000\""},
    {" font-family=\"sans-serif\"", ""},
    {"\t", ""},
    {" stroke-width=\"1.00\"", ""},
    {" class=\"gridline\"", ""},
    {"  '/>", "'/>"},
    {"font-size=\"12.00\"  ", "font-size=\"12\" "},
};

/* gnuplot opens a group for each change of pen, drawn with or not; the length of one that holds
 * nothing, which is half of all. */
static size_t empty_group(const char *at)
{
    if (strncmp(at, "<g ", 3) != 0)
        return 0;
    const char *inside = at + strcspn(at, ">");
    inside += *inside == '>';
    inside += strspn(inside, " \t\n");
    return strncmp(inside, "</g>\n", 5) ? 0 : (size_t)(inside + 5 - at);
}

/* How much to leave out here; `id="gnuplot_plot_3"` goes with its number. */
static size_t unwanted(const char *at)
{
    static const char plot_id[] = " id=\"gnuplot_plot_";
    if (!strncmp(at, plot_id, sizeof plot_id - 1))
        return strcspn(at + 1, " >") + 1;
    return empty_group(at);
}

/* Replaces gnuplot's own name of the next element, if one stands here; returns its length. */
static size_t put_name(FILE *out, const char *at, const km_plot *plot, size_t chart, size_t *next)
{
    static const char own[] = "<title>gnuplot_plot_";
    const char *closing = strncmp(at, own, sizeof own - 1) ? NULL : strstr(at, "</title>");
    if (!closing)
        return 0;
    while (*next < plot->name_count && plot->name[*next].chart < chart)
        ++*next;
    if (*next < plot->name_count && plot->name[*next].chart == chart) {
        fputs("<title>", out);
        km_put_html(out, plot->name[(*next)++].text);
        fputs("</title>", out);
    }
    return (size_t)(closing - at) + strlen("</title>");
}

static void copy_clean(FILE *out, const char *at, const char *end, const km_plot *plot,
                       size_t chart)
{
    size_t name = 0;
    while (at < end) {
        size_t i = 0, n = sizeof rewrite / sizeof *rewrite, skip = unwanted(at);
        skip = skip ? skip : put_name(out, at, plot, chart, &name);
        while (!skip && i < n && strncmp(at, rewrite[i].from, strlen(rewrite[i].from)) != 0)
            i++;
        if (skip) {
            at += skip;
        } else if (i < n) {
            fputs(rewrite[i].to, out);
            at += strlen(rewrite[i].from);
        } else {
            putc(*at++, out);
        }
    }
}

void km_plot_put(FILE *out, const km_plot *plot, size_t chart, int define, const char *label)
{
    const char *svg = plot->svg[chart];
    const char *box = strstr(svg, "viewBox"), *defs = strstr(svg, "<defs>");
    const char *defs_end = strstr(svg, "</defs>");
    if (!box || !defs || !defs_end)
        return;
    defs_end += strlen("</defs>");
    fprintf(out, "<svg %.*s style=\"width:%dpx\" role=\"img\"><title>", (int)strcspn(box, "\n>"),
            box, atoi(box + strlen("viewBox=\"0 0 ")));
    km_put_html(out, label);
    fputs("</title>", out);
    if (define)
        copy_clean(out, defs, defs_end, plot, chart);
    fputs("<g>", out);
    copy_clean(out, defs_end, defs_end + strlen(defs_end), plot, chart);
    fputs("</svg>\n", out);
}
