/* build_info.c: version strings from meson.build and git.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/build_info.h"

#include <stdio.h>
#include <string.h>

#include "vcs.h" /* KM_VCS: commit, with -dirty if modified */

const char *const km_version = KM_VERSION, *const km_compiler = KM_COMPILER,
                  *const km_flags = KM_FLAGS;

const char *km_build_commit(void)
{
    static char commit[64];
    snprintf(commit, sizeof commit, "%.*s", (int)strcspn(KM_VCS, "-"), KM_VCS);
    return commit;
}

int km_build_dirty(void)
{
    return strstr(KM_VCS, "-dirty") != NULL;
}
