/* text.c: growing list of copied strings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

void km_text_add(km_text_list *list, const char *text)
{
    const char **grown = realloc(list->text, (list->count + 1) * sizeof *grown);
    char *copy = strdup(text);
    if (!grown || !copy)
        abort();
    list->text = grown;
    list->text[list->count++] = copy;
}

void km_text_free(km_text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)list->text[i]);
    free(list->text);
    *list = (km_text_list){0};
}
