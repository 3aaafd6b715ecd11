/* SPDX-License-Identifier: Apache-2.0 */
/* Where a first activation starts: `init` with from = group:G | earliest | latest | committed. */
#ifndef SW_INITIAL_H
#define SW_INITIAL_H

#include "switchd/handover.h"

struct sw_facts;
struct sw_run;

/* 0, or -EINVAL and what is allowed. "" is "committed". */
int sw_initial_check(const char *from, struct bg_err *err);
/* Which questions to Kafka it needs. `from` must outlive the facts. */
void sw_initial_ask(struct sw_facts *f, const char *from);
/*
 * The union of a first activation. What a person names (a group, earliest, latest) wins over commits that are
 * lying about, so it is handed over with the new epoch; once this run has made its offsets durable (a
 * crash, a newer epoch), they are taken again.
 */
void sw_initial_unite(struct sw_run *r, const struct sw_union_in *all, struct sw_union_out *out);

#endif
