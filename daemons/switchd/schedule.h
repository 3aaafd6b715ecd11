/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A switch that begins by itself at a time of the wall clock, one a switch. It lies in the record. Its run has its id,
 * and the intent of that run is written in the same record that has it no more: so it begins once, whenever the daemon
 * is killed. It is dropped, and said in the history, when the epoch is another one than when it was scheduled, or when it is
 * later than schedule-late; what ends as a no-go is not tried again.
 */
#ifndef SW_SCHEDULE_H
#define SW_SCHEDULE_H

#include "common/http_server.h"
#include "switchd/switch.h"

struct sw_run;

#define SW_TIME_FORM "RFC 3339, as 2026-11-25T02:00:00Z or 2026-11-25T03:00:00+01:00"

void sw_schedule_start(struct sw_switch *sw); /* the record is loaded, and what was under way goes on */
void sw_schedule_stop(struct sw_switch *sw);
void sw_schedule_look(
	struct sw_switch *sw); /* in a moment: a plan, the configuration or the state have changed */
/* What is due at `real_us` begins; what cannot is dropped. */
void sw_schedule_tick(struct sw_switch *sw, int64_t real_us);
void sw_schedule_intended(struct sw_run *r); /* before its intent is written */
/* The intent could not be written: what a person asked for meanwhile goes into r->before, which comes back. */
void sw_schedule_not_intended(struct sw_run *r);
void sw_schedule_ended(struct sw_run *r); /* any run */

/* The time of a request's "at". False: it was answered 400. */
bool sw_schedule_time(struct bg_http_req *req, int64_t *ret_us);
/* The request is a switch with "at" that could be started now: keep it for then, and answer. */
void sw_schedule_add(struct bg_http_req *req, struct sw_switch *sw, int to);
void sw_cmd_unschedule(struct bg_http_req *req, void *arg); /* arg: struct sw_daemon */

/* Answer (which is taken) when the record as it is now is durable; 500 when that fails: it is written again then. */
void sw_answer_when_kept(struct bg_http_req *req, struct sw_switch *sw, int status,
			 struct json_object *answer);

#endif
