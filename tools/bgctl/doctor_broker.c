/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the brokers: bg-switchd asks them, so that bgctl needs no Kafka library. */
#include "config.h"
#include "bgctl/doctor.h"

#include <inttypes.h>
#include <string.h>

#include "common/json.h"

static size_t count(struct json_object *l)
{
	return json_object_is_type(l, json_type_array) ? json_object_array_length(l) : 0;
}

/* The message when the error is of that code. */
static const char *error_of(const struct doctor *d, const char *member, const char *code)
{
	struct json_object *e = bg_json_get(d->facts, member);

	return e && strcmp(bg_json_str(e, "code", ""), code) == 0 ? bg_json_str(e, "message", "") : NULL;
}

void doc_brokers(struct doctor *d)
{
	static const char *const members[] = {"kafka_error", "health_error"};
	static const char *const codes[] = {"broker_unavailable", "timed_out", "not_authorized",
					    "kafka_error"};

	if (!d->facts) {
		doc_say(d, DOC_SKIP, NULL, NULL, "bg-switchd says nothing of its brokers");
		return;
	}
	for (size_t m = 0; m < BG_ARRAY_SIZE(members); m++) {
		for (size_t c = 0; c < BG_ARRAY_SIZE(codes); c++) {
			const char *why = error_of(d, members[m], codes[c]);

			if (!why)
				continue;
			doc_say(d, DOC_BAD,
				"no switch is possible; who works goes on when the brokers are back",
				"are they running? [kafka] bootstrap.servers in switchd.ini; systemctl status kafka",
				"the brokers: %s", why);
			return;
		}
	}
	doc_say(d, DOC_OK, NULL, NULL, "%" PRId64 " broker%s bg-switchd %s (librdkafka %s)",
		bg_json_int(d->facts, "brokers", 0),
		bg_json_int(d->facts, "brokers", 0) == 1 ? " answers" : "s answer",
		bg_json_str(d->facts, "version", "?"), bg_json_str(d->facts, "librdkafka", "?"));
	if (strcmp(bg_json_str(d->facts, "version", ""), PACKAGE_VERSION) != 0)
		doc_say(d, DOC_WARN, "they are meant to be of one version",
			"restart bg-switchd after the upgrade", "bgctl is %s, bg-switchd that runs is %s",
			PACKAGE_VERSION, bg_json_str(d->facts, "version", "?"));
}

void doc_replicas(struct doctor *d)
{
	const char *none = error_of(d, "health_error", "no_leader");
	const char *under = error_of(d, "health_error", "under_replicated");

	if (none)
		doc_say(d, DOC_BAD, "nobody can read or write them",
			"kafka-topics.sh --describe --unavailable-partitions; start their brokers",
			"%" PRId64 " partitions without a leader: %s", bg_json_int(d->facts, "leaderless", 0),
			none);
	else if (under)
		doc_say(d, DOC_WARN, "another broker that fails may stop or lose them",
			"kafka-topics.sh --describe --under-replicated-partitions; start their brokers",
			"%" PRId64 " partitions lack replicas: %s",
			bg_json_int(d->facts, "under_replicated", 0), under);
}

void doc_topics(struct doctor *d)
{
	const char *unknown = error_of(d, "kafka_error", "unknown_topic");
	struct json_object *l = bg_json_get(d->facts, "topics");

	if (unknown)
		doc_say(d, DOC_BAD, "no switch is possible before it is there",
			"kafka-topics.sh --create --topic TOPIC --partitions N, or correct topics in switchd.ini",
			"%s", unknown);
	for (size_t k = 0; k < count(l); k++) {
		struct json_object *t = json_object_array_get_idx(l, k);

		doc_say(d, DOC_OK, NULL, NULL, "%s: %" PRId64 " partitions", bg_json_str(t, "topic", "?"),
			bg_json_int(t, "partitions", 0));
	}
}

/* The active colour holds every partition, none twice. */
void doc_held(struct doctor *d)
{
	struct json_object *l = bg_json_get(d->facts, "topics"), *inst = bg_json_get(d->sw, "instances");
	const char *active = bg_json_str(d->sw, "active", NULL), *phase = bg_json_str(d->sw, "phase", "");
	int64_t there = 0, held = 0;

	for (size_t k = 0; k < count(l); k++)
		there += bg_json_int(json_object_array_get_idx(l, k), "partitions", 0);
	for (size_t k = 0; k < count(inst); k++) {
		struct json_object *i = json_object_array_get_idx(inst, k);

		if (active && strcmp(bg_json_str(i, "color", ""), active) == 0 &&
		    bg_json_bool(i, "reachable", false))
			held += bg_json_int(i, "partitions", 0);
	}
	if (!there || !active || (strcmp(phase, "IDLE") != 0 && strcmp(phase, "SOAKING") != 0))
		return;
	if (held < there)
		doc_say(d, DOC_BAD,
			"nobody processes the others: a member is gone, or one that is none of ours is in the group",
			"bgctl instances; kafka-consumer-groups.sh --describe --members --group GROUP",
			"%s holds %" PRId64 " of %" PRId64 " partitions", active, held, there);
	else if (held > there)
		doc_say(d, DOC_WARN, "a rebalance is under way, or a status is old", "ask again in a moment",
			"%s holds %" PRId64 " of %" PRId64 " partitions", active, held, there);
	else
		doc_say(d, DOC_OK, NULL, NULL, "%s holds all %" PRId64 " partitions", active, there);
}

/* Is it the group of the active colour (or of both)? */
static bool matters(const struct doctor *d, struct json_object *g)
{
	const char *color = bg_json_str(g, "color", NULL);

	return !color || strcmp(color, bg_json_str(d->sw, "active", "")) == 0;
}

void doc_commits(struct doctor *d)
{
	struct json_object *l = bg_json_get(d->facts, "groups");

	for (size_t k = 0; k < count(l); k++) {
		struct json_object *g = json_object_array_get_idx(l, k);
		int64_t n = bg_json_int(g, "without_commit", 0);

		if (n > 0 && matters(d, g))
			doc_say(d, DOC_WARN, "only what was handed over last says where they start",
				"they are committed with their first records; if not, see who holds them",
				"group %s has no commit for %" PRId64 " partitions",
				bg_json_str(g, "group", "?"), n);
		else if (matters(d, g))
			doc_say(d, DOC_OK, NULL, NULL, "group %s is %" PRId64 " records behind",
				bg_json_str(g, "group", "?"), bg_json_int(g, "lag", 0));
	}
}

void doc_retention(struct doctor *d)
{
	struct json_object *l = bg_json_get(d->facts, "groups");

	for (size_t k = 0; k < count(l); k++) {
		struct json_object *g = json_object_array_get_idx(l, k);
		int64_t lost = bg_json_int(g, "lost", 0);

		if (lost > 0)
			doc_say(d, matters(d, g) ? DOC_BAD : DOC_WARN,
				matters(d, g)
					? "records were removed before they were processed: they are lost"
					: "the log no longer has what the group that rests was at; the active "
					  "one decides where a switch starts",
				"kafka-configs.sh --alter --add-config retention.ms=… for the topic; bgctl status",
				"retention has passed group %s by %" PRId64 " records, first at %s",
				bg_json_str(g, "group", "?"), lost, bg_json_str(g, "lost_at", "?"));
	}
}

/* Brokers of 4.0 and later wait so long before they write a commit; a switch waits for one commit at least. */
void doc_linger(struct doctor *d)
{
	doc_say(d, DOC_SKIP,
		"where switches take some milliseconds more than they should, it is worth a look",
		"kafka-configs.sh --describe --all --entity-type brokers --entity-name 1 | grep append.linger",
		"group.coordinator.append.linger.ms cannot be read from here");
}
