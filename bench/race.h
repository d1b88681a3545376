/* race.h: times the backends of one case side by side.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_RACE_H
#define KM_RACE_H

#include "bench/suite.h"

/* Times those of count cells, all of one op, pass and case, whose results are ok, on the data of `work`; results must
 * lie in shared memory. All run in one child on the same buffers, round by round, every second round in reverse order.
 * Who crashes there fails all of them. Returns -1 with a message when the harness itself failed. */
int km_race(const km_cell *cells, size_t count, const km_work *work,
            const km_suite_options *options, km_result *results, km_error *error);

#endif
