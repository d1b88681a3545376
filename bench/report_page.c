/* report_page.c: a page of limited length whose tables drop lines rather than overflow.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_page.h"

/* Lines of tables stop at MOST_LINES, new tables at MOST_TABLES; what is left of the 60,000 bytes
 * holds the closing tags, the "left out" lines and how to read the page. */
enum { MOST_LINES = 57000, MOST_TABLES = 56000 };

bool km_page_has_room(km_page *p)
{
    bool room = ftell(p->out) < MOST_TABLES;
    p->sections += !room;
    return room;
}

void km_page_end_line(km_page *p)
{
    putc('\n', p->out);
    if (ftell(p->out) > MOST_LINES) {
        fseek(p->out, p->mark, SEEK_SET);
        p->dropped++;
    }
    p->mark = ftell(p->out);
}

void km_page_begin_table(km_page *p)
{
    p->dropped = 0;
    p->mark = ftell(p->out);
}

void km_page_end_table(km_page *p, const char *what)
{
    if (p->dropped)
        fprintf(p->out, "\n%zu %s left out here for length; `--csv` and `--html` have all.\n",
                p->dropped, what);
    putc('\n', p->out);
}

void km_page_rule(km_page *p, size_t texts, size_t figures)
{
    putc('|', p->out);
    for (size_t i = 0; i < texts; i++)
        fputs(" --- |", p->out);
    for (size_t i = 0; i < figures; i++)
        fputs(" ---: |", p->out);
    km_page_end_line(p);
}
