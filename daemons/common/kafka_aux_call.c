/* SPDX-License-Identifier: Apache-2.0 */
/* A call of bg_aux from its begin to its callback: deadline, attempts, back-off, and what errors mean. */
#include "config.h"
#include "common/kafka_aux.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

#define BACKOFF_US     20000
#define BACKOFF_MAX_US 500000
/* A coordinator that is not there yet is the same one, mostly. */
#define PATIENT_ATTEMPTS 4

struct aux_call *aux_call_find(struct bg_aux *a, uint64_t id)
{
	struct aux_call *c;

	TAILQ_FOREACH(c, &a->calls, link)
	if (c->id == id)
		return c;
	return NULL;
}

void aux_call_detach(struct aux_call *c)
{
	TAILQ_REMOVE(&c->aux->calls, c, link);
	c->aux->ncalls--;
	bg_timer_free(c->deadline);
	bg_timer_free(c->retry);
	if (c->h)
		aux_handle_unref(c->h);
	c->h = NULL;
}

void aux_call_free(struct aux_call *c)
{
	for (size_t i = 0; i < c->ntopics; i++)
		free(c->topics[i]);
	free(c->topics);
	free(c->group);
	bg_offs_free(&c->parts);
	free(c);
}

void aux_call_succeed(struct aux_call *c, const struct bg_offs *offs)
{
	if (c->h)
		c->h->down = false;
	aux_call_detach(c);
	if (c->fn)
		c->fn(c->arg, NULL, offs);
	aux_call_free(c);
}

void aux_call_health(struct aux_call *c, const struct bg_err *err, int brokers, int under, int leaderless)
{
	if (c->h && !err)
		c->h->down = false;
	aux_call_detach(c);
	if (c->health_fn)
		c->health_fn(c->arg, err, brokers, under, leaderless);
	aux_call_free(c);
}

void aux_call_members(struct aux_call *c, const struct bg_member *v, size_t n)
{
	if (c->h)
		c->h->down = false;
	aux_call_detach(c);
	if (c->members_fn)
		c->members_fn(c->arg, NULL, v, n);
	aux_call_free(c);
}

void aux_call_fail(struct aux_call *c, const struct bg_err *err)
{
	struct bg_offs none = BG_OFFS_INIT;
	struct bg_err copy = *err; /* it may be the call's own */

	aux_call_detach(c);
	if (c->fn)
		c->fn(c->arg, &copy, &none);
	if (c->health_fn)
		c->health_fn(c->arg, &copy, 0, 0, 0);
	if (c->members_fn)
		c->members_fn(c->arg, &copy, NULL, 0);
	aux_call_free(c);
}

static bool is_admin(const struct aux_call *c)
{
	return c->kind == AUX_COMMITTED || c->kind == AUX_ALTER || c->kind == AUX_MEMBERS;
}

static void call_start(struct aux_call *c)
{
	if (is_admin(c))
		aux_admin_start(c);
	else
		aux_job_start(c);
}

/* The attempt has taken too long: another, on another handle. */
static void attempt_expired(struct aux_call *c)
{
	aux_admin_abandon(c);
	if (!c->last.code[0])
		bg_err_set(&c->last, -EIO, c->aux->cur->down ? "broker_unavailable" : "timed_out",
			   "the group's coordinator does not answer");
	aux_rotate(c->aux, "a request was not answered");
}

static void on_retry(void *arg)
{
	struct aux_call *c = arg;
	struct bg_offs none = BG_OFFS_INIT;

	if (c->failed) {
		aux_call_fail(c, &c->last);
		return;
	}
	if (c->empty) {
		aux_call_succeed(c, &none);
		return;
	}
	if (c->h)
		attempt_expired(c);
	call_start(c);
}

static const char *kind_name(const struct aux_call *c)
{
	static const char *const names[] = {
		[AUX_COMMITTED] = "reading committed offsets", [AUX_ALTER] = "writing offsets",
		[AUX_PARTITIONS] = "asking for partitions",    [AUX_RANGES] = "asking for log ranges",
		[AUX_HEALTH] = "asking for the brokers",       [AUX_MEMBERS] = "asking for the members",
	};

	return names[c->kind];
}

static void on_deadline(void *arg)
{
	struct aux_call *c = arg;
	bool down = (c->h ? c->h : c->aux->cur)->down || !strcmp(c->last.code, "broker_unavailable");
	struct bg_err err;

	if (c->h && is_admin(c))
		aux_admin_abandon(c);
	bg_err_set(&err, -ETIMEDOUT, down ? "broker_unavailable" : "timed_out",
		   "%s%s%s: no answer within %lld ms%s%s", kind_name(c), c->group ? " of group " : "",
		   c->group ? c->group : "", (long long)(c->deadline_us / 1000),
		   c->last.code[0] ? "; last: " : (down ? "; no broker can be reached" : ""),
		   c->last.code[0] ? c->last.msg : "");
	aux_call_fail(c, &err);
}

void aux_call_attempt_failed(struct aux_call *c, rd_kafka_resp_err_t rc, const char *fmt, ...)
{
	struct aux_verdict v = aux_verdict(rc);
	int64_t wait = BACKOFF_US << BG_MIN(BG_MAX(c->attempts - 1, 0), 5);
	char what[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	bg_err_set(&c->last, -EIO, v.code, "%s: %s (%s)", what, rd_kafka_err2str(rc), rd_kafka_err2name(rc));
	if (!v.retry) {
		aux_call_fail(c, &c->last);
		return;
	}
	if (v.rotate && (rc == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || c->attempts >= PATIENT_ATTEMPTS))
		aux_rotate(c->aux, "a coordinator has moved");
	if (c->h)
		aux_handle_unref(c->h);
	c->h = NULL;
	bg_timer_start(c->retry, BG_MIN(wait, BACKOFF_MAX_US));
}

struct aux_verdict aux_verdict(rd_kafka_resp_err_t rc)
{
	switch (rc) {
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
		return (struct aux_verdict){"kafka_error", true, true};
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR__WAIT_COORD:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
	case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
	case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
	case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
	case RD_KAFKA_RESP_ERR__OUTDATED:
		return (struct aux_verdict){"kafka_error", true, false};
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__RESOLVE:
	case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
		return (struct aux_verdict){"broker_unavailable", true, false};
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		return (struct aux_verdict){"unknown_topic", false, false};
	case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
	case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
	case RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP:
		return (struct aux_verdict){"group_not_empty", false, false};
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		return (struct aux_verdict){"not_authorized", false, false};
	default:
		return (struct aux_verdict){"kafka_error", false, false};
	}
}

struct aux_call *aux_call_new(struct bg_aux *a, enum aux_kind kind, int64_t deadline_us, void *arg)
{
	struct aux_call *c = bg_xcalloc(1, sizeof(*c));

	*c = (struct aux_call){.aux = a, .kind = kind, .id = ++a->next_id, .arg = arg};
	c->deadline_us = BG_MAX(deadline_us, 1000);
	c->end_us = bg_now_us() + c->deadline_us;
	c->deadline = bg_timer_new(a->loop, on_deadline, c);
	c->retry = bg_timer_new(a->loop, on_retry, c);
	if (a->ncalls >= AUX_CALLS_MAX) {
		c->failed = true;
		bg_err_set(&c->last, -EAGAIN, "busy", "%s: %d calls to Kafka are outstanding already",
			   kind_name(c), AUX_CALLS_MAX);
	}
	TAILQ_INSERT_TAIL(&a->calls, c, link);
	a->ncalls++;
	return c;
}

/* Complete by now: start it, or let it end in the next turn, for callbacks always come later. */
void aux_call_go(struct aux_call *c)
{
	c->empty = c->kind != AUX_HEALTH && c->kind != AUX_MEMBERS && !c->parts.n && !c->ntopics;
	if (c->failed || c->empty) {
		bg_timer_start(c->retry, 0);
		return;
	}
	bg_timer_start(c->deadline, c->deadline_us);
	call_start(c);
}
