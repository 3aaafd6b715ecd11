/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to Kafka that can be taken back: the answer of a cancelled one is dropped. */
#ifndef SW_ASK_H
#define SW_ASK_H

#include "switchd/switch.h"

/* fn as in common/kafka.h; owner groups questions for sw_ask_cancel. */
void sw_ask_committed(struct sw_switch *sw, const void *owner, const char *group, const struct bg_offs *parts,
		      int64_t deadline_us, bg_offs_fn fn, void *arg);
void sw_ask_partitions(struct sw_switch *sw, const void *owner, int64_t deadline_us, bg_offs_fn fn,
		       void *arg);
void sw_ask_ranges(struct sw_switch *sw, const void *owner, const struct bg_offs *parts, int64_t deadline_us,
		   bg_offs_fn fn, void *arg);
void sw_ask_health(struct sw_switch *sw, const void *owner, int64_t deadline_us, bg_health_fn fn, void *arg);
void sw_ask_members(struct sw_switch *sw, const void *owner, const char *group, int64_t deadline_us,
		    bg_members_fn fn, void *arg);
void sw_ask_cancel(struct sw_switch *sw, const void *owner);
void sw_ask_free_all(struct sw_switch *sw); /* after the handle is gone: its callbacks do not come any more */

/*
 * What is known about the topics of a switch: their partitions, the commits of both groups, and where
 * partitions start that nobody knows. Read in this order, each as soon as it can be.
 */
struct sw_facts {
	struct sw_switch *sw;
	struct bg_offs topics;       /* every partition, offset -1 */
	struct bg_offs committed[2]; /* by colour; of a shared group only the first */
	struct bg_offs adopted;      /* of the group that init adopts */
	struct bg_offs unknown, initial;
	const char *adopt_group; /* NULL: none */
	bool all_ranges;         /* init from earliest or latest: ranges of every partition */
	bool no_handed;          /* what was handed over last says nothing about `unknown` */
	bool with_initial;       /* also look up `unknown` and their ranges */
	struct bg_offs ranges;
	int open;
	int64_t until_us;
	void (*done)(void *arg, const struct bg_err *err);
	void *arg;
};

/* Start; the settings above are set before. done is called once, later, unless cancelled. */
void sw_facts_read(struct sw_facts *f, struct sw_switch *sw, int64_t deadline_us,
		   void (*done)(void *arg, const struct bg_err *err), void *arg);
/* Only the commits of both groups again (rule 6: after from is PAUSED). */
void sw_facts_commits(struct sw_facts *f, struct sw_switch *sw, int64_t deadline_us,
		      void (*done)(void *arg, const struct bg_err *err), void *arg);
void sw_facts_cancel(struct sw_facts *f);
void sw_facts_free(struct sw_facts *f);
/* The highest epoch in the commit metadata of both groups. */
int64_t sw_facts_epoch(const struct sw_facts *f);
/* The highest under which a committed offset was reached (its e; the one above counts f too). */
int64_t sw_facts_reached(const struct sw_facts *f);

#endif
