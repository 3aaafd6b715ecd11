/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/con_main.h"

#include <errno.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/answers.h"
#include "consumerd/api.h"
#include "consumerd/choose.h"
#include "consumerd/commands.h"
#include "consumerd/commit.h"
#include "consumerd/con.h"
#include "consumerd/con_conf.h"
#include "consumerd/con_stop.h"
#include "consumerd/dispatch.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "consumerd/hello.h"
#include "consumerd/ledger.h"
#include "consumerd/loss.h"
#include "consumerd/meters.h"
#include "consumerd/mirror.h"
#include "consumerd/source.h"
#include "consumerd/start.h"
#include "consumerd/state.h"

#define REFRESH_US      5000000 /* log ranges, for lag */
#define META_EVERY      6       /* refreshes between two looks for new partitions */
#define ASK_DEADLINE_US 5000000

static struct {
	struct bg_timer *second, *commit, *refresh;
	struct bg_backoff backoff;
	int refreshes;
	bool asking;
	bool guard_asked; /* the stall guard's commit is under way */
} m = {.backoff = {.min_us = 50000, .max_us = 5000000}};

/* ---- the topics: their partitions and log ranges ---- */

static void ranges_read(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con *c = arg;

	if (err)
		return;
	con_ranges_set(c, offs);
	if (!c->connected && c->state != CON_STARTING) {
		c->connected = true; /* after an outage in which nothing was to be committed */
		con_hello_say(c);
		con_changed(c);
	}
}

static void partitions_read(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct con *c = arg;
	bool first = !c->all.n;

	m.asking = false;
	if (err) {
		con_error(c, err->code, "cannot read the topics' partitions: %s", err->msg);
		bg_timer_start(m.refresh, first ? bg_backoff_next(&m.backoff) : REFRESH_US);
		return;
	}
	bg_backoff_reset(&m.backoff);
	bg_offs_copy(&c->all, offs);
	bg_timer_start(m.refresh, REFRESH_US);
	if (!first)
		return;
	bg_aux_ranges(c->aux, &c->all, ASK_DEADLINE_US, ranges_read, c);
	if (c->ep.floor_known)
		con_connected(c);
	else
		con_start_read_floor(c);
}

static void refresh(void *arg)
{
	struct con *c = arg;

	if (!c->all.n || ++m.refreshes % META_EVERY == 0) {
		if (!m.asking) {
			m.asking = true;
			bg_aux_partitions(c->aux, c->cfg.topics, c->cfg.ntopics, ASK_DEADLINE_US,
					  partitions_read, c);
		}
		return;
	}
	bg_aux_ranges(c->aux, &c->all, ASK_DEADLINE_US, ranges_read, c);
	bg_timer_start(m.refresh, REFRESH_US);
}

/* ---- rule 9 ---- */

static void stall_committed(void *arg, rd_kafka_resp_err_t err)
{
	struct con *c = arg;

	m.guard_asked = false;
	if (err && con_working(c)) {
		/* Not confirmed: what was read before the stall stays where it is. Asked again by the next tick. */
		con_error(c, "stall", "the commit after a stall failed: %s", rd_kafka_err2str(err));
		return;
	}
	if (!c->held)
		return; /* let go already */
	bg_log(BG_NOTICE, "stall", "the broker has confirmed our positions: going on");
	con_let_go(c);
	con_dispatch_all(c);
}

static void guard(struct con *c)
{
	if (m.guard_asked)
		return;
	m.guard_asked = true;
	con_commit_request(c, true, stall_committed, c);
}

static void on_stall(void *arg, int64_t stalled_us)
{
	struct con *c = arg;

	con_error(c, "stall", "the loop stood still for %lld ms", (long long)stalled_us / 1000);
	if (con_working(c)) {
		c->held = true;
		guard(c);
	}
	con_start_stalled(c); /* what was read before counts for nothing */
}

/* ---- timers ---- */

static void every_second(void *arg)
{
	struct con *c = arg;

	con_meters_tick(c);
	if (c->held && con_working(c))
		guard(c);
}

static void commit_due(void *arg)
{
	struct con *c = arg;

	con_source_tick(c);
	con_commit_tick(c);
	bg_timer_start(m.commit, con_source_commit_interval_us(c));
}

/* ---- modules ---- */

static int start_base(struct bg_daemon *d, struct bg_err *err)
{
	struct con *c = bg_xcalloc(1, sizeof *c);
	const char *ledger;

	d->state = c;
	c->d = d;
	c->loop = d->loop;
	c->state = CON_STARTING;
	c->since_real_us = bg_real_us();
	c->since_us = bg_now_us();
	bg_random_hex(c->incarnation, 8);
	con_conf_apply(c);
	bg_log_ctx("switch", c->cfg.sw);
	bg_log_ctx("color", bg_color_name(c->cfg.color));
	bg_log_ctx("instance", c->cfg.instance);
	con_parts_init(&c->parts);
	c->worker = bg_worker_new(c->loop, 4);
	c->httpc = bg_httpc_new(c->loop);
	con_meters_init(c);
	con_commands_init(c);
	con_faults_init(c);
	ledger = bg_conf_str(d->conf, "ledger", "path");
	if (ledger && con_ledger_open(c, ledger, err))
		return -EIO;
	if (c->cfg.mode == CON_PLAIN)
		c->ep.floor_known = true;
	else
		return con_state_load(c, err);
	return 0;
}

static void stop_base(struct bg_daemon *d)
{
	struct con *c = d->state;

	con_ledger_close(c);
	con_faults_free(c);
	con_dispatch_free();
	con_parts_free(&c->parts);
	con_meters_free(c);
	bg_offs_free(&c->all);
	bg_offs_free(&c->ranges);
	bg_offs_free(&c->handed);
	bg_offs_free(&c->last_pause);
	bg_httpc_free(c->httpc);
	bg_worker_free(c->worker, 5000000);
	con_conf_free(c);
	free(c);
	d->state = NULL;
}

static int start_handler(struct bg_daemon *d, struct bg_err *err)
{
	struct con *c = d->state;

	return c->handler->start(c, err);
}

static void stop_handler(struct bg_daemon *d)
{
	struct con *c = d->state;

	c->handler->stop(c);
}

static int start_api(struct bg_daemon *d, struct bg_err *err)
{
	return con_api_start(d->state, err);
}

static void stop_api(struct bg_daemon *d)
{
	con_commands_free(d->state);
	con_api_stop(d->state);
}

static int start_kafka(struct bg_daemon *d, struct bg_err *err)
{
	struct con *c = d->state;

	c->aux = bg_aux_new(
		c->loop, c->worker,
		bg_kafka_conf(d->conf, "client.id", "bg-consumerd-aux", "group.id", c->cfg.group, NULL), err);
	if (!c->aux || con_source_start(c, err))
		return -EIO;
	con_source_join(c);
	con_mirror_init(c);
	con_loss_init(c);
	con_hello_init(c);
	m.second = bg_timer_new(c->loop, every_second, c);
	m.commit = bg_timer_new(c->loop, commit_due, c);
	m.refresh = bg_timer_new(c->loop, refresh, c);
	bg_timer_every(m.second, 1000000);
	bg_timer_start(m.commit, con_source_commit_interval_us(c));
	bg_loop_stall_guard(c->loop, con_source_stall_guard_us(c), on_stall, c);
	refresh(c);
	return 0;
}

static void stop_kafka(struct bg_daemon *d)
{
	struct con *c = d->state;

	bg_timer_free(m.second);
	bg_timer_free(m.commit);
	bg_timer_free(m.refresh);
	con_hello_free(c);
	con_mirror_free(c);
	con_loss_free(c);
	con_start_free(c);
	con_source_free(c);
	bg_aux_free(c->aux);
}

static const struct bg_module modules[] = {
	{"base", start_base, stop_base},
	{"handler", start_handler, stop_handler},
	{"api", start_api, stop_api},
	{"kafka", start_kafka, stop_kafka},
	{NULL},
};

static void reload(struct bg_daemon *d, const struct bg_conf *conf)
{
	con_conf_tune(d->state, conf);
	con_mirror_tune(d->state);
	con_loss_tune(d->state);
	con_api_reload(d->state, conf);
}

static void status(struct bg_daemon *d)
{
	_cleanup_json_ struct json_object *o = con_status_json(d->state);

	bg_log(BG_NOTICE, "status", "%s", bg_json_text(o));
}

static const struct bg_daemon_spec spec = {
	.name = "bg-consumerd",
	.summary = "hosts a Kafka consumer that can be paused, drained, resumed and fenced exactly",
	.default_config = BG_SYSCONFDIR "/consumerd.ini",
	.tables = con_tables,
	.check = con_conf_check,
	.modules = modules,
	.reload = reload,
	.terminate = con_stop_begin,
	.status = status,
};

int con_main(int argc, char **argv)
{
	return bg_daemon_main(&spec, argc, argv);
}
