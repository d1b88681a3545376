/* tags.h: the names that an op's lists give to cases, such as the model that a layer is from.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TAGS_H
#define KM_TAGS_H

#include "core/error.h"
#include "core/text.h"

/* Whether one of the globs matches one of the tags, which have commas between them. */
int km_tags_match(const km_text_list *globs, const char *tags);

/* Fails with a did-you-mean when a glob matches no tag of any op. */
int km_tags_check(const km_text_list *globs, km_error *error);

#endif
