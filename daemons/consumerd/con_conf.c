/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/con_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/units.h"
#include "consumerd/exec_conf.h"
#include "consumerd/handler.h"

static const struct bg_conf_key table[] = {
	{"consumer", "switch", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_REQUIRED,
	 "Name of the switch this instance belongs to."},
	{"consumer", "color", BG_CONF_ENUM, NULL, 0, 0, "blue|green", 0,
	 "Colour of the instance; unset: the first part of its name (blue-0)."},
	{"consumer", "instance", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "Name of the instance, COLOR-ORDINAL; unset: the one given by -i."},
	{"consumer", "ordinals", BG_CONF_LIST, NULL, 0, 0, NULL, 0,
	 "Ordinal of the instance within its colour, 0 to 9999; unset: the number at the end of its name. Repeatable in mode takeover: an instance with several is a member of the group for each."},
	{"consumer", "mode", BG_CONF_ENUM, "handover", 0, 0, "takeover|handover|plain", 0,
	 "takeover: both colours share a group and its static ids; the paused colour is no member and joins when it is resumed. handover: each colour has its own group and waits joined and paused. plain: works whenever it runs; no switch commands it."},
	{"consumer", "topics", BG_CONF_LIST, NULL, 0, 0, NULL, BG_CONF_REQUIRED,
	 "Topic to consume; repeatable."},
	{"consumer", "group", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_REQUIRED,
	 "Consumer group (group.id)."},
	{"consumer", "peer-group", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "Group of the other colour; needed in mode handover. In mode takeover there is one group: unset, or the same."},
	{"consumer", "handler", BG_CONF_ENUM, "log", 0, 0, "exec|log|null", 0, "What takes the records."},
	{"consumer", "state-dir", BG_CONF_STRING, BG_STATEDIR "/consumerd/%i", 0, 0, NULL, 0,
	 "Folder of the state file; every instance needs its own."},
	{"consumer", "drain-timeout", BG_CONF_DURATION, "10 s", 1000, 3600000000, NULL, BG_CONF_RELOAD,
	 "How long a pause or a stop waits for the handler when the command names no deadline."},
	{"consumer", "stall-guard", BG_CONF_DURATION, "1 s", 10000, 60000000, NULL, 0,
	 "A loop that stood still longer hands out nothing until the broker has confirmed a commit; keep it below heartbeat.interval.ms. Mode takeover: it is never longer than that by more than 250 ms."},
	{"consumer", "commit-interval", BG_CONF_DURATION, "1 s", 10000, 600000000, NULL, BG_CONF_RELOAD,
	 "How often acknowledged offsets are committed. Mode takeover: at least three times in a heartbeat.interval.ms, so that who is cut off from the broker knows."},
	{"consumer", "mirror-interval", BG_CONF_DURATION, "5 s", 0, 600000000, NULL, BG_CONF_RELOAD,
	 "Mode handover: how often a paused instance mirrors the other colour's committed offsets into its own group; 0 s: never."},
	{"consumer", "max-in-flight", BG_CONF_INT, "1000", 1, 100000, NULL, BG_CONF_RELOAD,
	 "Records of one partition in the handler at the same time."},
	{"consumer", "require-epoch", BG_CONF_ENUM, "auto", 0, 0, "auto|no", 0,
	 "auto: once an epoch was accepted, a resume needs one. no: nothing then protects from two active colours."},
	{"consumer", "initial-offset", BG_CONF_ENUM, "fail", 0, 0, "earliest|latest|fail", 0,
	 "Mode plain: where a partition without a commit starts."},
	{"consumer", "on-data-loss", BG_CONF_ENUM, "fail", 0, 0, "fail|skip", BG_CONF_RELOAD,
	 "When the log deleted records before they were processed: fail stops and says which; skip counts them and goes on where the log begins."},
	{"consumer", "url", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "Where controllers reach this instance, said in hello; unset: http.listen, or the control socket."},
	{"handler:log", "path", BG_CONF_STRING, "-", 0, 0, NULL, 0,
	 "File for the records as JSON lines; -: standard output."},
	{"handler:exec", "command", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "The program that takes the records, with its arguments; split at blanks, see bg-exec(7). No shell is involved."},
	{"handler:exec", "directory", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "Folder in which the program starts; unset: that of the daemon."},
	{"handler:exec", "environment", BG_CONF_LIST, NULL, 0, 0, NULL, 0,
	 "NAME=VALUE, added to the environment of the program; repeatable."},
	{"handler:exec", "format", BG_CONF_ENUM, "json", 0, 0, "json|raw", 0,
	 "json: a JSON object a line. raw: length-prefixed binary frames, for speed. See bg-exec(7)."},
	{"handler:exec", "max-in-flight", BG_CONF_INT, "1000", 1, 100000, NULL, BG_CONF_RELOAD,
	 "Records in the program at the same time, of all partitions; a pause waits for all of them."},
	{"handler:exec", "answer-timeout", BG_CONF_DURATION, "5 min", 0, 86400000000, NULL, BG_CONF_RELOAD,
	 "A record that was given so long ago and has no answer is a hang: the program is ended and started again; 0: wait for ever."},
	{"handler:exec", "max-answer-bytes", BG_CONF_SIZE, "64 KiB", 64, 16777216, NULL, 0,
	 "An answer that is longer ends the program."},
	{"handler:exec", "on-deadline", BG_CONF_ENUM, "abort", 0, 0, "abort|abandon", BG_CONF_RELOAD,
	 "The program still has records at the deadline of a pause. abort: so the pause fails, and with it the switch. abandon: the program is ended, and what it had not answered is done by the other colour."},
	{"handler:exec", "restart-backoff", BG_CONF_DURATION, "200 ms", 1000, 30000000, NULL, 0,
	 "Wait before the program is started again after it ended; doubled each time, up to 30 s."},
	{"handler:exec", "stop-timeout", BG_CONF_DURATION, "5 s", 0, 600000000, NULL, BG_CONF_RELOAD,
	 "At a stop the program sees the end of its input; so long it may take to finish. Then SIGTERM, after 2 s SIGKILL."},
	{"handler:exec", "stderr-rate", BG_CONF_INT, "100", 0, 100000, NULL, BG_CONF_RELOAD,
	 "Lines a second of the program's standard error that are logged; further ones are counted."},
	{"ledger", "path", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "File for the ledger that bg-verify reads; unset: none is kept."},
	{"faults", "enabled", BG_CONF_BOOL, "no", 0, 0, NULL, BG_CONF_RELOAD,
	 "Allow the calls under /fault, for tests."},
	{"controller", "url", BG_CONF_LIST, NULL, 0, 0, NULL, 0,
	 "bg-switchd to say hello to: http://HOST:PORT or unix:/path; repeatable."},
	{"controller", "token-file", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "File with the token for the controllers."},
	{"http", "listen", BG_CONF_STRING, "127.0.0.1:8080", 0, 0, NULL, 0,
	 "Address and port of the HTTP interface, as in 127.0.0.1:8080 or [::1]:8080; none: no TCP."},
	{"control", "socket", BG_CONF_STRING, BG_RUNDIR "/consumerd-%i.sock", 0, 0, NULL, 0,
	 "Path of the Unix control socket; none: no socket."},
	{"kafka", "*", BG_CONF_PASS, NULL, 0, 0, NULL, 0, "Any property of librdkafka."},
	{NULL},
};

const struct bg_conf_key *const con_tables[] = {table, bg_conf_common_table, NULL};

static const char *const reserved_static[] = {"group.id",
					      "group.instance.id",
					      "enable.auto.commit",
					      "enable.auto.offset.store",
					      "auto.offset.reset",
					      "enable.partition.eof",
					      "partition.assignment.strategy",
					      NULL};
static const char *const reserved_plain[] = {
	"group.id",          "enable.auto.commit",   "enable.auto.offset.store",
	"auto.offset.reset", "enable.partition.eof", NULL};

static const char *instance_of(const struct bg_conf *c, const char *instance)
{
	const char *named = bg_conf_str(c, "consumer", "instance");

	return named ? named : instance;
}

static int check_names(const struct bg_conf *c, const char *instance, struct bg_buf *errs)
{
	const char *sw = bg_conf_str(c, "consumer", "switch"), *color = bg_conf_str(c, "consumer", "color");
	enum bg_color from_name;
	char first[16] = "";
	int rc = 0;

	if (!instance) {
		bg_buf_printf(errs, "%s: an instance is needed: set it or give -i, as in -i blue-0\n",
			      bg_conf_where(c, "consumer", "instance"));
		return -EINVAL;
	}
	if (!bg_name_valid(instance) || (sw && !bg_name_valid(sw))) {
		bg_buf_printf(
			errs,
			"%s: names are 1 to 63 of a-z, 0-9, '.', '_' and '-', first a letter or digit\n",
			bg_conf_where(c, "consumer", bg_name_valid(instance) ? "switch" : "instance"));
		rc = -EINVAL;
	}
	bg_strlcpy(first, instance, sizeof first);
	first[strcspn(first, "-")] = '\0';
	if (!color && !bg_color_parse(first, &from_name)) {
		bg_buf_printf(
			errs,
			"%s: expected blue or green, or an instance name that starts with it; it is %s\n",
			bg_conf_where(c, "consumer", "color"), instance);
		rc = -EINVAL;
	}
	return rc;
}

static bool is_mode(const struct bg_conf *c, const char *mode)
{
	return !strcmp(bg_conf_str(c, "consumer", "mode"), mode);
}

static int check_ordinals(const struct bg_conf *c, const char *instance, struct bg_buf *errs)
{
	size_t n = bg_conf_list_len(c, "consumer", "ordinals");
	const char *where = bg_conf_where(c, "consumer", "ordinals");
	int64_t v[CON_SEATS_MAX];
	struct bg_err err = BG_ERR_INIT;

	if (!n && bg_ordinal_of(instance) < 0) {
		bg_buf_printf(errs,
			      "%s: the instance name %s has no number at its end: say the ordinal here\n",
			      where, instance);
		return -EINVAL;
	}
	if (n > CON_SEATS_MAX || (n > 1 && !is_mode(c, "takeover"))) {
		bg_buf_printf(errs, "%s: %zu ordinals; expected one, or in mode takeover up to %d\n", where,
			      n, CON_SEATS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		const char *text = bg_conf_list_at(c, "consumer", "ordinals", i);

		if (bg_parse_int(text, &v[i], &err) || v[i] < 0 || v[i] > 9999) {
			bg_buf_printf(errs, "%s: is \"%s\", expected a whole number from 0 to 9999\n", where,
				      text);
			return -EINVAL;
		}
		for (size_t j = 0; j < i; j++)
			if (v[j] == v[i]) {
				bg_buf_printf(errs, "%s: %s is there twice\n", where, text);
				return -EINVAL;
			}
	}
	return 0;
}

/* The newcomer is refused there while the old member lives (facts 2): that needs a close first, which is not built. */
static int check_protocol(const struct bg_conf *c, struct bg_buf *errs)
{
	const char *name, *value;
	int line;

	for (size_t i = 0; (name = bg_conf_pass_at(c, "kafka", i, &value, &line)); i++)
		if (!strcmp(name, "group.protocol") && !strcmp(value, "consumer")) {
			bg_buf_printf(
				errs,
				"%s: is \"consumer\", which mode takeover cannot use: expected classic, or mode = handover\n",
				bg_conf_where(c, "kafka", name));
			return -EINVAL;
		}
	return 0;
}

static int check_groups(const struct bg_conf *c, struct bg_buf *errs)
{
	const char *group = bg_conf_str(c, "consumer", "group"),
		   *peer = bg_conf_str(c, "consumer", "peer-group");

	if (is_mode(c, "takeover") && peer && group && strcmp(group, peer)) {
		bg_buf_printf(errs,
			      "%s: is %s, but in mode takeover both colours share one group: leave it out\n",
			      bg_conf_where(c, "consumer", "peer-group"), peer);
		return -EINVAL;
	}
	if (!is_mode(c, "handover"))
		return 0;
	if (!peer) {
		bg_buf_printf(errs, "%s: mode handover needs the group of the other colour\n",
			      bg_conf_where(c, "consumer", "peer-group"));
		return -EINVAL;
	}
	if (group && !strcmp(group, peer)) {
		bg_buf_printf(errs, "%s: is the same as group; in mode handover each colour has its own\n",
			      bg_conf_where(c, "consumer", "peer-group"));
		return -EINVAL;
	}
	return 0;
}

int con_conf_check(const struct bg_conf *c, const char *given, struct bg_buf *errs)
{
	const char *instance = instance_of(c, given);
	int rc = 0;

	if (check_names(c, instance, errs))
		rc = -EINVAL;
	if (check_groups(c, errs))
		rc = -EINVAL;
	if (instance && check_ordinals(c, instance, errs))
		rc = -EINVAL;
	if (is_mode(c, "takeover") && check_protocol(c, errs))
		rc = -EINVAL;
	if (!strcmp(bg_conf_str(c, "consumer", "handler"), "exec") && exec_conf_check(c, errs))
		rc = -EINVAL;
	if (bg_kafka_check(c, is_mode(c, "plain") ? reserved_plain : reserved_static, errs))
		rc = -EINVAL;
	return rc;
}

void con_conf_tune(struct con *c, const struct bg_conf *conf)
{
	c->tun.drain_timeout_us = bg_conf_int(conf, "consumer", "drain-timeout");
	c->tun.commit_interval_us = bg_conf_int(conf, "consumer", "commit-interval");
	c->tun.skip_lost = !strcmp(bg_conf_str(conf, "consumer", "on-data-loss"), "skip");
	c->tun.mirror_interval_us = bg_conf_int(conf, "consumer", "mirror-interval");
	c->tun.stall_guard_us = bg_conf_int(conf, "consumer", "stall-guard");
	c->tun.max_in_flight = (int)bg_conf_int(conf, "consumer", "max-in-flight");
	if (c->handler->tune)
		c->handler->tune(c, conf);
}

static void apply_ordinals(struct con_config *g, const struct bg_conf *conf)
{
	size_t n = bg_conf_list_len(conf, "consumer", "ordinals");

	g->nordinals = n ? n : 1;
	g->ordinals = bg_xcalloc(g->nordinals, sizeof *g->ordinals);
	g->static_ids = bg_xcalloc(g->nordinals, sizeof *g->static_ids);
	g->ordinals[0] = bg_ordinal_of(g->instance);
	for (size_t i = 0; i < n; i++)
		g->ordinals[i] = atoi(bg_conf_list_at(conf, "consumer", "ordinals", i));
	for (size_t i = 0; i < g->nordinals; i++)
		g->static_ids[i] =
			g->mode == CON_TAKEOVER
				? bg_xasprintf("%s-%d", g->sw, g->ordinals[i])
				: bg_xasprintf("%s-%s-%d", g->sw, bg_color_name(g->color), g->ordinals[i]);
}

void con_conf_apply(struct con *c)
{
	const struct bg_conf *conf = c->d->conf;
	struct con_config *g = &c->cfg;
	const char *color = bg_conf_str(conf, "consumer", "color");
	char first[16];

	g->sw = bg_xstrdup(bg_conf_str(conf, "consumer", "switch"));
	g->instance = bg_xstrdup(instance_of(conf, c->d->instance));
	g->group = bg_xstrdup(bg_conf_str(conf, "consumer", "group"));
	g->state_dir = bg_xstrdup(bg_conf_str(conf, "consumer", "state-dir"));
	g->mode = is_mode(conf, "plain")      ? CON_PLAIN
		  : is_mode(conf, "handover") ? CON_HANDOVER
					      : CON_TAKEOVER;
	/* In takeover there is none: rule 3 reads the one group. */
	g->peer_group =
		g->mode == CON_TAKEOVER ? NULL : bg_xstrdup(bg_conf_str(conf, "consumer", "peer-group"));
	bg_strlcpy(first, color ? color : g->instance, sizeof first);
	first[strcspn(first, "-")] = '\0';
	bg_color_parse(first, &g->color);
	apply_ordinals(g, conf);
	g->ntopics = bg_conf_list_len(conf, "consumer", "topics");
	g->topics = bg_xcalloc(g->ntopics, sizeof *g->topics);
	for (size_t i = 0; i < g->ntopics; i++)
		g->topics[i] = bg_xstrdup(bg_conf_list_at(conf, "consumer", "topics", i));
	g->require_epoch = !strcmp(bg_conf_str(conf, "consumer", "require-epoch"), "auto");
	g->initial_offset = bg_conf_str(conf, "consumer", "initial-offset")[0];
	c->handler = con_handler_find(bg_conf_str(conf, "consumer", "handler"));
	con_conf_tune(c, conf);
	if (!g->require_epoch)
		bg_log(BG_WARN, "require_epoch",
		       "require-epoch = no: nothing protects from two active colours");
}

const char *con_mode_name(enum con_mode m)
{
	static const char *const names[] = {
		[CON_TAKEOVER] = "takeover", [CON_HANDOVER] = "handover", [CON_PLAIN] = "plain"};

	return names[m];
}

void con_conf_free(struct con *c)
{
	struct con_config *g = &c->cfg;

	for (size_t i = 0; i < g->ntopics; i++)
		free((void *)g->topics[i]);
	free(g->topics);
	for (size_t i = 0; i < g->nordinals; i++)
		free(g->static_ids[i]);
	free(g->static_ids);
	free(g->ordinals);
	free((void *)g->sw);
	free((void *)g->instance);
	free((void *)g->group);
	free((void *)g->peer_group);
	free((void *)g->state_dir);
}
