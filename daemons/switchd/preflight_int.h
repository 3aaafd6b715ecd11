/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the preflight among themselves. */
#ifndef SW_PREFLIGHT_INT_H
#define SW_PREFLIGHT_INT_H

#include "common/mem.h"
#include "switchd/preflight.h"

enum sw_pf_verdict { SW_PF_GO, SW_PF_WARN, SW_PF_NO_GO };

#define SW_PF_FOR_COLOR(i, f, c)                                                                             \
	for (struct sw_inst *i = sw_first_of((f)->sw, (c));                                                  \
	     i < sw_first_of((f)->sw, (c)) + (f)->sw->cfg->n_endpoint[c]; i++)

/* "; " between, "a fmt: b" */
void sw_pf_name_it(struct bg_buf *msg, const char *fmt, const char *a, const char *b);

enum sw_pf_verdict sw_pf_restore(const struct sw_pf_facts *f, struct bg_buf *msg); /* restore.c */
enum sw_pf_verdict sw_pf_freeze(const struct sw_pf_facts *f, struct bg_buf *msg);  /* frozen.c */

/* Of a shared group (preflight_takeover.c); all go where each colour has its own, but for the first two. */
enum sw_pf_verdict sw_pf_mode(const struct sw_pf_facts *f, struct bg_buf *msg);
enum sw_pf_verdict sw_pf_group(const struct sw_pf_facts *f, struct bg_buf *msg);
enum sw_pf_verdict sw_pf_static_ids(const struct sw_pf_facts *f, struct bg_buf *msg);
enum sw_pf_verdict sw_pf_assignor(const struct sw_pf_facts *f, struct bg_buf *msg);
enum sw_pf_verdict sw_pf_topics(const struct sw_pf_facts *f, struct bg_buf *msg);
enum sw_pf_verdict sw_pf_ordinals(const struct sw_pf_facts *f, struct bg_buf *msg);

#endif
