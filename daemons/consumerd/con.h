/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance: what all modules of bg-consumerd share. One thread, the loop's, owns it all; each module
 * says in its own header what it changes.
 */
#ifndef BG_CONSUMERD_CON_H
#define BG_CONSUMERD_CON_H

#include <stdbool.h>
#include <stdint.h>
#include "common/daemon.h"
#include "common/http_client.h"
#include "common/http_server.h"
#include "common/ids.h"
#include "common/kafka.h"
#include "common/metrics.h"
#include "common/offsets.h"
#include "common/worker.h"
#include "consumerd/lifecycle.h"
#include "consumerd/parts.h"

enum con_mode { CON_HANDOVER, CON_TAKEOVER, CON_PLAIN };

#define CON_SEATS_MAX 64 /* ordinals of one instance */

struct con_handler_ops;
struct con_ledger;
struct con_faults;
struct con_source;
struct con_commands;
struct con_hello;
struct con_meters;

/* What the configuration says and no reload changes. */
struct con_config {
	const char *sw, *instance, *group, *peer_group, *state_dir, *handler;
	enum bg_color color;
	int *ordinals; /* one identity each; more than one in takeover only */
	char **static_ids;
	size_t nordinals;
	enum con_mode mode;
	const char **topics;
	size_t ntopics;
	bool require_epoch;
	char initial_offset; /* plain mode: 'e'arliest, 'l'atest, 'f'ail */
};

/* What a reload may change. */
struct con_tunables {
	int64_t drain_timeout_us, commit_interval_us, stall_guard_us;
	int64_t mirror_interval_us; /* 0: off */
	int max_in_flight;
	bool skip_lost; /* on-data-loss = skip */
};

struct con {
	struct bg_daemon *d;
	struct bg_loop *loop;
	struct bg_worker *worker;
	struct bg_http_server *http;
	struct bg_httpc *httpc;
	struct bg_metrics *metrics;
	struct bg_aux *aux;

	struct con_config cfg;
	struct con_tunables tun;
	char incarnation[17];

	enum con_state state;
	struct con_epochs ep;
	int64_t fenced_epoch; /* the highest accepted when it was fenced: only a higher one ends that */
	int64_t work_epoch; /* the epoch it is ACTIVE (or DRAINING) under: *from* keeps its old one after prepare */
	int64_t since_real_us, since_us;
	uint64_t seq;     /* grows with every change that status shows */
	bool resubscribe; /* the start under way makes the group rebalance when it is done (takeover) */
	bool local_pause; /* a pause without epoch is in force */
	bool stopping;    /* SIGTERM */
	bool held;        /* stall guard: nothing is handed out, no command carried out */
	bool cut; /* takeover: the broker does not confirm commits, so that we might be fenced: nothing is handed out */
	bool connected; /* the broker has answered and does */

	char cause[64]; /* of FENCED or FAILED */
	char last_error[256];

	struct con_parts parts;
	struct bg_offs all;        /* every partition of the topics; refreshed now and then */
	struct bg_offs ranges;     /* low in .offset, high in .floor, as last read */
	struct bg_offs handed;     /* offsets of the last accepted resume, for partitions that come late */
	struct bg_offs last_pause; /* the answer of the last proved pause: same epoch, same answer */

	struct con_source *source;
	const struct con_handler_ops *handler;
	struct con_ledger *ledger;
	struct con_faults *faults;
	struct con_commands *commands;
	struct con_hello *hello;
	struct con_meters *meters;
	uint64_t records_total, bytes_total, errors_total;
	uint64_t joins, identities_lost; /* takeover: seats that joined, that were taken over or fenced */
	uint64_t lost_total;             /* deleted by the log before they were processed */
};

/* con.c: the one setter of the state. Runs the table, logs old -> new, does the action. */
void con_event(struct con *c, enum con_event ev, const char *why);
/* Something that status shows has changed: long polls are answered in this turn. */
void con_changed(struct con *c);
/* Remember and log an error for status. */
void con_error(struct con *c, const char *ev, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The broker answered and the floor is known: event CONNECTED, hello, warm connections. */
void con_connected(struct con *c);
/* ACTIVE or DRAINING. */
bool con_working(const struct con *c);
/* The stall guard is satisfied, or void. */
void con_let_go(struct con *c);
/* May records be handed out now? */
bool con_may_hand_out(const struct con *c);

#endif
