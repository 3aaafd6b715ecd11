/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a switch, over what bg-switchd says of it. */
#include "config.h"
#include "bgctl/doctor.h"

#include <inttypes.h>
#include <string.h>

#include "bgctl/out.h"
#include "common/json.h"

#define LONG_RUN_US INT64_C(60000000)
#define LONG_MS     60000 /* to start, to drain */
#define SETTLE_MS   10000 /* a state that the record does not want is put right by then */
#define MUCH_LAG    100000

/* i = each instance of the switch. */
#define FOR_INSTANCES(d, i)                                                                                  \
	for (size_t k_ = 0; k_ < count(bg_json_get((d)->sw, "instances")); k_++)                             \
		for (struct json_object *i =                                                                 \
			     json_object_array_get_idx(bg_json_get((d)->sw, "instances"), k_);               \
		     i; i = NULL)

static size_t count(struct json_object *l)
{
	return json_object_is_type(l, json_type_array) ? json_object_array_length(l) : 0;
}

static bool in_phase(const struct doctor *d, const char *phase)
{
	return strcmp(bg_json_str(d->sw, "phase", ""), phase) == 0;
}

static bool at_rest(const struct doctor *d)
{
	return in_phase(d, "IDLE") || in_phase(d, "SOAKING");
}

static bool is_state(struct json_object *i, const char *state)
{
	return bg_json_bool(i, "reachable", false) && strcmp(bg_json_str(i, "state", ""), state) == 0;
}

static bool is_active_color(const struct doctor *d, struct json_object *i)
{
	return strcmp(bg_json_str(i, "color", "?"), bg_json_str(d->sw, "active", "none")) == 0;
}

/* ---- the switch itself */

void doc_record(struct doctor *d)
{
	const char *why = bg_json_str(d->sw, "degraded", NULL);

	if (in_phase(d, "UNKNOWN") && bg_json_int(d->sw, "epoch", 0) == 0) {
		doc_say(d, DOC_BAD, "nobody works for this switch until its first activation",
			"bgctl init blue --from group:G|earliest|latest|committed",
			"the first activation is still to be made%s%s", why ? ": " : "", why ? why : "");
	} else if (in_phase(d, "UNKNOWN")) {
		doc_say(d, DOC_BAD,
			"the record of truth is gone or damaged, and what the instances say makes no clear case: "
			"nobody is moved",
			"bgctl instances; then, for the colour that is right: bgctl init COLOUR --from committed",
			"the switch is UNKNOWN%s%s", why ? ": " : "", why ? why : "");
	} else if (in_phase(d, "NEEDS_PERSON")) {
		doc_say(d, DOC_BAD, "no automatic way is left by the protocol: nobody is moved",
			"bgctl history --limit 1 --json; then bgctl switch to the other colour, or choose where this one "
			"starts: bgctl init COLOUR --from earliest|latest|committed",
			"a person is needed%s%s", why ? ": " : "", why ? why : "");
	} else if (why) {
		doc_say(d, DOC_BAD, "bg-switchd cannot put it right by itself, and tries again",
			"bgctl instances; see its log", "degraded: %s", why);
	}
}

/* The way back, and what only brings the active colour to a newer epoch, have nothing to go back to. */
static bool can_be_aborted(struct json_object *run)
{
	const char *kind = bg_json_str(run, "kind", "switch");

	return strcmp(bg_json_str(run, "phase", ""), "ABORTING") != 0 && strcmp(kind, "reassert") != 0 &&
	       strcmp(kind, "adopt") != 0;
}

void doc_running(struct doctor *d)
{
	struct json_object *r = bg_json_get(d->sw, "running");
	const char *why;

	if (!r)
		return;
	why = bg_json_str(d->sw, "degraded", bg_json_str(r, "trouble", "no trouble is said"));
	if (bg_json_int(r, "elapsed_us", 0) >= LONG_RUN_US)
		doc_say(d, DOC_BAD, "neither colour may be working meanwhile",
			can_be_aborted(r)
				? "bgctl abort --wait"
				: "it goes on when every instance that it needs answers: bgctl instances; start those that are "
				  "down, restart those that hang; the endpoint of one that is gone for good is taken out of "
				  "switchd.ini, and bg-switchd restarted",
			"a %s to %s has been running for %" PRId64 " s, in %s: %s",
			bg_json_str(r, "kind", "switch"), bg_json_str(r, "to", "?"),
			bg_json_int(r, "elapsed_us", 0) / 1000000, bg_json_str(r, "phase", "?"), why);
	else
		doc_say(d, DOC_OK, NULL, NULL, "a %s to %s is under way", bg_json_str(r, "kind", "switch"),
			bg_json_str(r, "to", "?"));
}

void doc_hold(struct doctor *d)
{
	if (bg_json_bool(d->sw, "hold", false))
		doc_say(d, DOC_WARN, "switches are refused, rollbacks too", "bgctl release", "it is held");
}

/* One without an end is easily forgotten; a window, or one that ends, is a plan. */
void doc_freeze(struct doctor *d)
{
	struct json_object *f = bg_json_get(d->sw, "freeze");

	if (f && !bg_json_get(f, "until"))
		doc_say(d, DOC_WARN, "no switch begins but with --force; rollbacks do",
			bg_json_get(f, "window")
				? "shorten the windows `freeze` in switchd.ini; bg-switchd -t"
				: "bgctl thaw",
			"it is frozen without an end, by %s: %s", bg_json_str(f, "by", "windows"),
			bg_json_str(f, "reason", bg_json_str(f, "window", "")));
}

void doc_last(struct doctor *d)
{
	struct json_object *last = bg_json_get(d->sw, "last");
	const char *outcome = bg_json_str(last, "outcome", "done"), *why = bg_json_str(last, "error", NULL);
	char t[24];

	if (last && strcmp(outcome, "done") != 0)
		doc_say(d, DOC_WARN, "what was asked for has not come about",
			"bgctl history --limit 1 --json; bgctl preflight",
			"the last %s (%s UTC) ended %s%s%s", bg_json_str(last, "kind", "switch"),
			out_time(t, bg_json_str(last, "started", NULL)), outcome, why ? ": " : "",
			why ? why : "");
}

void doc_window(struct doctor *d)
{
	struct json_object *r = bg_json_get(d->sw, "rollback");
	const char *to = bg_json_str(r, "to", "");
	size_t silent = 0;
	char t[24];

	if (!bg_json_bool(r, "allowed", false)) {
		doc_say(d, DOC_OK, NULL, NULL, "no rollback is open");
		return;
	}
	FOR_INSTANCES(d, i)
	silent += strcmp(bg_json_str(i, "color", ""), to) == 0 && !bg_json_bool(i, "reachable", false);
	if (silent)
		doc_say(d, DOC_WARN, "a rollback now would be no-go", "start them",
			"the window for a rollback is open, but instances of %s do not answer: %zu", to,
			silent);
	else
		doc_say(d, DOC_OK, NULL, NULL, "rollback to %s is open until %s UTC", to,
			out_time(t, bg_json_str(r, "until", NULL)));
}

/* ---- its instances */

void doc_reachable(struct doctor *d)
{
	FOR_INSTANCES(d, i)
	{
		const char *name = bg_json_str(i, "instance", "?"), *url = bg_json_str(i, "url", "?");
		const char *trouble = bg_json_str(i, "trouble", "it has not answered yet");
		bool named = strncmp(name, "http", 4) != 0 && strncmp(name, "unix:", 5) != 0;
		_cleanup_free_ char *next =
			named ? bg_xasprintf("on its host: systemctl restart bg-consumerd@%s; journalctl -u "
					     "bg-consumerd@%s",
					     name, name)
			      : bg_xasprintf("curl %s/lifecycle/status", url);

		if (!bg_json_bool(i, "reachable", false))
			doc_say(d, DOC_BAD,
				is_active_color(d, i)
					? "its partitions stand still until the others take them over (session time-out)"
					: "a switch to its colour would be no-go",
				next, "%s%s%s: %s", name, named ? " at " : "", named ? url : "", trouble);
	}
}

static void one_state(struct doctor *d, struct json_object *i)
{
	const char *name = bg_json_str(i, "instance", "?");
	const char *error = bg_json_str(i, "last_error", NULL);
	int64_t ms = bg_json_int(i, "state_for_ms", 0);

	if (is_state(i, "FENCED"))
		doc_say(d, DOC_BAD,
			"another process has its identity (group.instance.id): it hands out nothing, and is "
			"resumed when the usurper is known and gone",
			"find who has it: bgctl instances; kafka-consumer-groups.sh --describe --members "
			"--group GROUP; stop the other one",
			"%s is FENCED%s%s", name, error ? ": " : "", error ? error : "");
	else if (is_state(i, "FAILED"))
		doc_say(d, DOC_BAD, "it does nothing until it is started anew", "see its log; restart it",
			"%s is FAILED: %s", name, error ? error : "no error is said");
	else if (is_state(i, "DRAINING") && ms >= LONG_MS)
		doc_say(d, DOC_BAD, "a record hangs in its handler: no switch gets past it",
			"see its handler; bgctl abort --wait, or restart it",
			"%s has been draining for %" PRId64 " s, %" PRId64 " in flight", name, ms / 1000,
			bg_json_int(i, "in_flight", 0));
	else if (is_state(i, "STARTING") && ms >= LONG_MS)
		doc_say(d, DOC_WARN, "it has no connection to the brokers", "see its log",
			"%s has been starting for %" PRId64 " s", name, ms / 1000);
	else if (at_rest(d) && is_state(i, "PAUSED") && is_active_color(d, i) && ms >= SETTLE_MS)
		doc_say(d, DOC_BAD, "its colour is active, but it does not work", "bgctl status; see its log",
			"%s has been PAUSED for %" PRId64 " s", name, ms / 1000);
	else if (bg_json_bool(i, "reachable", false) && bg_json_str(i, "trouble", NULL))
		doc_say(d, DOC_BAD,
			is_active_color(d, i) ? "what it is given is not processed"
					      : "a switch to its colour would be no-go",
			"its log, ev=child: what the program said; start it by hand", "%s: %s", name,
			bg_json_str(i, "trouble", "?"));
	else if (bg_json_int(i, "errors_total", 0) > 0 && error)
		doc_say(d, DOC_WARN, "its handler has refused records", "see its log",
			"%s: %" PRId64 " errors, the last: %s", name, bg_json_int(i, "errors_total", 0),
			error);
}

void doc_states(struct doctor *d)
{
	FOR_INSTANCES(d, i)
	one_state(d, i);
}

/* Two colours at work, or two endpoints that are one process. */
void doc_both_active(struct doctor *d)
{
	_cleanup_free_ char *seen = bg_xstrdup(",");
	size_t wrong = 0;

	FOR_INSTANCES(d, i)
	{
		const char *inc = bg_json_str(i, "incarnation", NULL);
		_cleanup_free_ char *mark = bg_xasprintf(",%s,", inc ? inc : "-");

		wrong += at_rest(d) && !is_active_color(d, i) &&
			 (is_state(i, "ACTIVE") || is_state(i, "DRAINING"));
		if (inc && strstr(seen, mark)) {
			doc_say(d, DOC_BAD, "it counts as two, and one that is missing is not missed",
				"correct blue-endpoint and green-endpoint in switchd.ini",
				"%s is named by two endpoints, one is %s", bg_json_str(i, "instance", "?"),
				bg_json_str(i, "url", "?"));
		} else if (inc) {
			char *more = bg_xasprintf("%s%s,", seen, inc);

			free(seen);
			seen = more;
		}
	}
	if (wrong)
		doc_say(d, DOC_BAD, "records may be processed by both colours",
			"bgctl hold; stop the colour that is not active; bgctl release",
			"%zu of the colour that is not active work", wrong);
	if (bg_json_int(bg_json_get(d->sw, "soak"), "dual_active_us", 0) > 0)
		doc_say(d, DOC_WARN,
			"records may have been processed by both colours; not where one was frozen and was fenced: it "
			"says ACTIVE until it notices",
			"bg-verify over the ledgers, where they are kept",
			"both colours were active for %" PRId64 " ms since the last switch",
			bg_json_int(bg_json_get(d->sw, "soak"), "dual_active_us", 0) / 1000);
}

/* Who was fenced, by whom: the broker says who has the static id now. */
void doc_identity(struct doctor *d)
{
	struct json_object *l = bg_json_get(d->sw, "identity_in_use");

	for (size_t k = 0; k < count(l); k++) {
		struct json_object *o = json_object_array_get_idx(l, k), *u = bg_json_get(o, "usurper");
		const char *host = bg_json_str(u, "host", "?"), *client = bg_json_str(u, "client_id", "?");
		_cleanup_free_ char *next =
			u ? bg_xasprintf("stop it (client.id %s at host %s); bg-switchd then brings %s back",
					 client, host, bg_json_str(o, "instance", "?"))
			  : NULL;

		doc_say(d, DOC_BAD, "two processes would throw each other out without end, so one stays out",
			next ? next : "bg-switchd brings it back when the broker has forgotten the other one",
			"%s (%s): its identity %s is in use by %s%s%s", bg_json_str(o, "instance", "?"),
			bg_json_str(o, "url", "?"), bg_json_str(o, "static_id", "?"),
			u ? client : "nobody that is known", u ? " at " : "", u ? host : "");
	}
}

void doc_epochs(struct doctor *d)
{
	int64_t epoch = bg_json_int(d->sw, "epoch", 0);

	FOR_INSTANCES(d, i)
	{
		int64_t e = bg_json_int(i, "epoch", 0);

		if (!at_rest(d) || !bg_json_bool(i, "reachable", false) || e == epoch ||
		    bg_json_int(i, "state_for_ms", 0) < SETTLE_MS)
			continue;
		doc_say(d, e > epoch ? DOC_BAD : DOC_WARN,
			e > epoch ? "another bg-switchd, or somebody by hand, has commanded it"
				  : "it has not been told of the last switch",
			e > epoch ? "look for a second bg-switchd of this switch" : "bgctl instances",
			"%s is at epoch %" PRId64 ", the record at %" PRId64, bg_json_str(i, "instance", "?"),
			e, epoch);
	}
}

void doc_stalled(struct doctor *d)
{
	int64_t n = bg_json_int(d->sw, "stalled_partitions", 0);

	if (n > 0)
		doc_say(d, DOC_BAD, "records wait there, and nobody processes them",
			"bgctl instances; the log of who holds them says why",
			"%" PRId64 " partitions with lag stand still", n);
}

void doc_lag(struct doctor *d)
{
	const char *active = bg_json_str(d->sw, "active", NULL);
	int64_t lag = bg_json_int(bg_json_get(d->sw, "lag"), active ? active : "-", -1);

	if (lag >= MUCH_LAG)
		doc_say(d, DOC_WARN, "more comes than is processed, or it was stopped for long",
			"bgctl status --watch; more instances, or a faster handler",
			"%s is %" PRId64 " records behind", active, lag);
	else if (lag >= 0)
		doc_say(d, DOC_OK, NULL, NULL, "%s is %" PRId64 " records behind", active, lag);
}

/* ---- are the colours configured alike? */

static bool same(struct json_object *a, struct json_object *b, const char *member)
{
	struct json_object *x = bg_json_get(a, member), *y = bg_json_get(b, member);

	return !x || !y || json_object_equal(x, y);
}

static void one_mode(struct doctor *d, struct json_object *i)
{
	const char *strategy = bg_json_str(d->sw, "strategy", ""), *mode = bg_json_str(i, "mode", NULL);
	const char *want = strcmp(strategy, "C") == 0 ? "takeover" : "handover";

	if (mode && strcmp(mode, want) != 0)
		doc_say(d, DOC_BAD, "a switch to it would be no-go", "correct [consumer] mode, restart it",
			"%s has mode %s, strategy %s wants %s", bg_json_str(i, "instance", "?"), mode,
			strategy, want);
}

/* Against the first one; each difference once for an instance. */
void doc_alike(struct doctor *d)
{
	static const char *const members[] = {"topics", "assignor"};
	struct json_object *l = bg_json_get(d->facts, "instances"), *first = NULL;

	for (size_t k = 0; k < count(l); k++) {
		struct json_object *i = json_object_array_get_idx(l, k);

		one_mode(d, i);
		if (!bg_json_get(i, "mode")) /* it has not said anything yet */
			continue;
		first = first ? first : i;
		for (size_t m = 0; m < BG_ARRAY_SIZE(members); m++)
			if (!same(first, i, members[m]))
				doc_say(d, DOC_BAD, "the colours do not process the same",
					"make [consumer] topics and [kafka] alike, restart it",
					"%s and %s differ in %s", bg_json_str(first, "instance", "?"),
					bg_json_str(i, "instance", "?"), members[m]);
	}
	if (!d->facts)
		doc_say(d, DOC_SKIP, NULL, NULL, "bg-switchd does not say how they are configured");
}
