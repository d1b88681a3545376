/* guard.c: mmap with PROT_NONE pages at both ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/guard.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    MAX_OPEN = 1024,   /* lists have a guard per piece */
    DISPLACEMENT = 64, /* what km_guard_place may shift by */
    REACH = 256,       /* bytes of canary on either side; farther out only the guard page watches */
};

/* A quiet NaN in every float; data is aligned to floats, so the pattern needs no phase. */
#define CANARY4  "\xA5\xA5\xE5\x7F"
#define CANARY32 CANARY4 CANARY4 CANARY4 CANARY4 CANARY4 CANARY4 CANARY4 CANARY4
static const char canary[REACH + 1] =
    CANARY32 CANARY32 CANARY32 CANARY32 CANARY32 CANARY32 CANARY32 CANARY32;

/* The fault handler has no argument of ours: it finds the guards here. */
static const km_guard *open_guards[MAX_OPEN];

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void enlist(const km_guard *g)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (!open_guards[i]) {
            open_guards[i] = g;
            return;
        }
}

int km_guard_open(km_guard *g, const char *name, size_t bytes, km_error *error)
{
    size_t page = page_bytes(), room = (bytes + DISPLACEMENT + page - 1) / page * page;
    char *map =
        mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, room, PROT_READ | PROT_WRITE))
        return km_fail(error, "cannot map %zu bytes for tensor %s", room, name);
    /* as every contender gets it: large tensors should not be a test of the TLB */
    if (room >= (size_t)4 << 20)
        madvise(map + page, room, MADV_HUGEPAGE);
    *g = (km_guard){.map = map, .room = room, .name = name};
    enlist(g);
    return 0;
}

void km_guard_close(km_guard *g)
{
    for (int i = 0; i < MAX_OPEN; i++)
        if (open_guards[i] == g)
            open_guards[i] = NULL;
    if (g->map)
        munmap(g->map, g->room + 2 * page_bytes());
    *g = (km_guard){0};
}

static char *first_byte(const km_guard *g)
{
    return g->map + page_bytes();
}

static char *canary_start(const km_guard *g)
{
    char *start = first_byte(g);
    return g->data - start > REACH ? g->data - REACH : start;
}

static char *canary_end(const km_guard *g)
{
    char *end = first_byte(g) + g->room, *after = g->data + g->bytes;
    return end - after > REACH ? after + REACH : end;
}

void *km_guard_place(km_guard *g, size_t bytes, km_side side, size_t shift)
{
    char *start = first_byte(g);
    if (g->data) /* a kernel that kept the old address must not find the old data there */
        memset(g->data, 0xFF, g->bytes);
    g->bytes = bytes;
    g->data = side == KM_FLUSH_START ? start + shift : start + g->room - bytes - shift;
    memcpy(canary_start(g), canary, (size_t)(g->data - canary_start(g)));
    memcpy(g->data + bytes, canary, (size_t)(canary_end(g) - g->data - bytes));
    return g->data;
}

void km_guard_protect(const km_guard *g, int read_only)
{
    mprotect(first_byte(g), g->room, read_only ? PROT_READ : PROT_READ | PROT_WRITE);
}

int km_guard_check(const km_guard *g, km_error *error)
{
    const char *start = canary_start(g), *after = g->data + g->bytes, *end = canary_end(g);
    if (!memcmp(start, canary, (size_t)(g->data - start)) &&
        !memcmp(after, canary, (size_t)(end - after)))
        return 0;
    for (const char *p = g->data - 1; p >= start; p--)
        if (*p != canary[p - start])
            return km_fail(error, "%s: overwritten %td bytes before its start", g->name,
                           g->data - p);
    const char *p = after;
    while (*p == canary[p - after])
        p++;
    return km_fail(error, "%s: overwritten %td bytes past its end", g->name, p - after + 1);
}

int km_guard_blame(const void *address, int write, char *text, size_t size)
{
    const char *at = address, *what = write < 0 ? "access" : write ? "write" : "read";
    size_t page = page_bytes();
    for (int i = 0; i < MAX_OPEN; i++) {
        const km_guard *g = open_guards[i];
        if (!g || at < g->map || at >= g->map + g->room + 2 * page)
            continue;
        if (at >= g->data && at < g->data + g->bytes)
            snprintf(text, size, "%s inside input %s, which is read-only", what, g->name);
        else if (at < g->data)
            snprintf(text, size, "%s of %s %td bytes before its start", what, g->name,
                     g->data - at);
        else
            snprintf(text, size, "%s of %s past its end, at byte %td of %zu", what, g->name,
                     at - g->data, g->bytes);
        return 0;
    }
    return -1;
}
