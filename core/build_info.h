/* build_info.h: what this build is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_BUILD_INFO_H
#define KM_BUILD_INFO_H

extern const char *const km_version, *const km_compiler, *const km_flags;

/* The commit it was built from, "unknown" outside a git checkout; and whether that was modified. */
const char *km_build_commit(void);
int km_build_dirty(void);

#endif
