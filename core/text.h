/* text.h: a list of strings of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEXT_H
#define KM_TEXT_H

#include <stddef.h>

typedef struct km_text_list {
    const char **text;
    size_t count;
} km_text_list;

/* Appends a copy of text; aborts when out of memory, as nothing can go on without it. */
void km_text_add(km_text_list *list, const char *text);
void km_text_free(km_text_list *list);

#endif
