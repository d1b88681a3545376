/* result.c: the words for a status.
 * SPDX-License-Identifier: Apache-2.0 */
#include "verify/result.h"

const char *const km_status_names[KM_STATUS_COUNT] = {"ok", "wrong", "skipped", "crashed"};
