/* error.c: message formatting and the did-you-mean search.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int km_fail(km_error *e, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(e->text, sizeof e->text, format, list);
    va_end(list);
    for (char *p = e->text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return -1;
}

enum { LONGEST = 63 };

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein distance with adjacent transpositions counting one (optimal string alignment). */
static int distance(const char *a, size_t n, const char *b, size_t m)
{
    int d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++)
        d[i][0] = (int)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            d[i][j] =
                min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[n][m];
}

const char *km_nearest(const char *word, const char *(*candidate)(size_t i, const void *ctx),
                       const void *ctx)
{
    const char *best = NULL, *name;
    size_t n = strlen(word);
    int least = (int)n / 3 + 2; /* farther than this, the hint would puzzle more than help */
    if (n > LONGEST)
        return NULL;
    for (size_t i = 0; (name = candidate(i, ctx)); i++) {
        size_t m = strlen(name);
        if (m > LONGEST)
            continue;
        int d = distance(word, n, name, m);
        if (d < least && d < (int)m) {
            least = d;
            best = name;
        }
    }
    return best;
}
