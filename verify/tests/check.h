/* check.h: cmocka with what it wants included first.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_TEST_CHECK_H
#define KM_TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* The text must hold the part; a failure shows both. */
#define assert_holds(text, part)                                                                   \
    do {                                                                                           \
        if (!strstr(text, part))                                                                   \
            fail_msg("\"%s\" does not hold \"%s\"", text, part);                                   \
    } while (0)

#endif
