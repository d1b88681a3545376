/* tags.c: globs over the tags of listed cases.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/tags.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "core/case.h"
#include "core/registry.h"

/* Copies the first of some tags; returns the others, or NULL when there was none. */
static const char *next_tag(const char *tags, char tag[KM_CASE_TEXT])
{
    size_t length = strcspn(tags, ",");
    snprintf(tag, KM_CASE_TEXT, "%.*s", (int)length, tags);
    return length ? tags + length + (tags[length] == ',') : NULL;
}

int km_tags_match(const km_text_list *globs, const char *tags)
{
    char tag[KM_CASE_TEXT];
    while ((tags = next_tag(tags, tag)))
        for (size_t i = 0; i < globs->count; i++)
            if (!fnmatch(globs->text[i], tag, 0))
                return 1;
    return 0;
}

static void add_new(km_text_list *all, const char *tag)
{
    for (size_t i = 0; i < all->count; i++)
        if (!strcmp(all->text[i], tag))
            return;
    km_text_add(all, tag);
}

static void add_tags(km_text_list *all, const char *const *entries)
{
    char text[KM_CASE_TEXT], tag[KM_CASE_TEXT];
    for (; entries && *entries; entries++)
        for (const char *tags = km_case_listed(*entries, text); (tags = next_tag(tags, tag));)
            add_new(all, tag);
}

static const char *tag_candidate(size_t i, const void *all_)
{
    const km_text_list *all = all_;
    return i < all->count ? all->text[i] : NULL;
}

static int check(const char *glob, const km_text_list *all, km_error *error)
{
    for (size_t i = 0; i < all->count; i++)
        if (!fnmatch(glob, all->text[i], 0))
            return 0;
    const char *near = km_nearest(glob, tag_candidate, all);
    if (near)
        return km_fail(error, "no tag matches '%.80s'; did you mean '%s'?", glob, near);
    char names[200] = "";
    for (size_t i = 0; i < all->count && strlen(names) < sizeof names - 1; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "",
                 all->text[i]);
    return km_fail(error, "no tag matches '%.80s'; there are %s", glob, names);
}

int km_tags_check(const km_text_list *globs, km_error *error)
{
    km_text_list all = {0};
    int failed = 0;
    for (const km_op *const *op = km_ops(); globs->count && *op; op++) {
        add_tags(&all, (*op)->quick);
        add_tags(&all, (*op)->full);
        add_tags(&all, (*op)->edge);
    }
    for (size_t i = 0; i < globs->count && !failed; i++)
        failed = check(globs->text[i], &all, error);
    km_text_free(&all);
    return failed;
}
