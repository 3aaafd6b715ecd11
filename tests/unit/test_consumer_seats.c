/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover, two ordinals in one instance, against the mock cluster. It knows no static members, so this is not of
 * fencing by another, but of what the seats make of the broker's answers.
 */
#include "config.h"

#include "consumer_fixture.h"

#define OFFSET_COMMIT 8 /* Kafka's API key */

static int setup(void **state)
{
	FILE *f;

	(void)state;
	world_begin(2);
	f = ini_open();
	fprintf(f,
		"[consumer]\nswitch = orders\ntopics = orders\ngroup = seats\nmode = takeover\nordinals = 0\n"
		"ordinals = 1\nhandler = null\nstate-dir = %s/state\ncommit-interval = 10 min\n"
		"stall-guard = 1 min\n" KAFKA_INI("5000"),
		w.dir, w.bootstrap);
	fclose(f);
	start_daemon();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return world_end();
}

/* The next n. The broker's own list: once there was one, the mock looks no more at the cluster's. */
static void refuse_commits(int n, rd_kafka_resp_err_t err)
{
	for (int i = 0; i < n; i++)
		rd_kafka_mock_broker_push_request_error_rtts(w.mock, 1, OFFSET_COMMIT, 1, err, 0);
}

static bool both_commits_say(const char *meta)
{
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(2);
	rd_kafka_t *rk = outsider("seats");
	bool ok = true;

	for (int i = 0; i < 2; i++)
		rd_kafka_topic_partition_list_add(l, "orders", i);
	assert_int_equal(rd_kafka_committed(rk, l, 5000), 0);
	for (int i = 0; i < 2; i++)
		ok &= l->elems[i].metadata_size == strlen(meta) &&
		      !memcmp(l->elems[i].metadata, meta, l->elems[i].metadata_size);
	rd_kafka_topic_partition_list_destroy(l);
	rd_kafka_destroy(rk);
	return ok;
}

/* Each seat holds one partition in the end: the second one's join makes the first give one up. */
static bool two_are_held(void)
{
	for (int i = 0; i < 1000; i++) {
		struct json_object *list;

		call("GET", "/lifecycle/status", NULL);
		list = bg_json_get(w.answer, "assignment");
		if (json_object_array_length(list) == 2 &&
		    bg_json_bool(json_object_array_get_idx(list, 0), "started", false) &&
		    bg_json_bool(json_object_array_get_idx(list, 1), "started", false))
			return true;
		usleep(20000);
	}
	return false;
}

static void two_seats_join_only_when_resumed(void **state)
{
	_cleanup_free_ char *named = NULL;

	(void)state;
	assert_true(await("warm", "true", 20));
	restart_while_polled();
	assert_true(await("warm", "true", 20));
	assert_string_equal(word("state"), "PAUSED");
	assert_false(bg_json_bool(w.answer, "joined", true));
	assert_string_equal(bg_json_text(bg_json_get(w.answer, "group_instance_ids")),
			    "[\"orders-0\",\"orders-1\"]");
	bg_strlcpy(w.incarnation, word("incarnation"), sizeof w.incarnation);
	named = bg_xasprintf(",\"incarnation\":\"%s\"" OFFSETS, w.incarnation);
	assert_true(resume_until_done(21, named));
	assert_true(await("state", "ACTIVE", 20));
	assert_true(await("joined", "true", 20));
	assert_true(two_are_held());
}

/* Whatever commit-interval is: who is cut off from the broker knows within a heartbeat that he may be fenced. */
static void cut_off_it_hands_out_nothing(void **state)
{
	int64_t before = bg_json_int(w.answer, "records_total", -1);
	_cleanup_free_ char *taken = bg_xasprintf("%lld", (long long)before + 2);
	_cleanup_free_ char *all = bg_xasprintf("%lld", (long long)before + 12);

	(void)state;
	/* Shorter than a session, for the heartbeats wait behind it. */
	rd_kafka_mock_broker_push_request_error_rtts(w.mock, 1, OFFSET_COMMIT, 2, 0, 3500, 0, 3500);
	produce(2);
	assert_true(await("records_total", taken, 5));
	assert_true(await("last_error",
			  "the broker does not confirm commits: nothing is handed out until it does", 3));
	produce(10);
	usleep(500000);
	call("GET", "/lifecycle/status", NULL);
	assert_int_equal(bg_json_int(w.answer, "records_total", -1), before + 2);
	assert_true(await("records_total", all, 20));
}

static bool log_says(const char *text)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/log", w.dir);
	FILE *f = fopen(path, "r");
	char line[1024];
	bool found = false;

	assert_non_null(f);
	while (!found && fgets(line, sizeof line, f))
		found = strstr(line, text) != NULL;
	fclose(f);
	return found;
}

/* Whatever stall-guard is: after the fence-grace (heartbeat and 500 ms) nobody hands out anything unasked. */
static void frozen_for_longer_than_a_heartbeat_it_asks_first(void **state)
{
	int64_t before = bg_json_int(w.answer, "records_total", -1);
	_cleanup_free_ char *all = bg_xasprintf("%lld", (long long)before + 2);

	(void)state;
	kill(w.pid, SIGSTOP);
	usleep(2000000);
	kill(w.pid, SIGCONT);
	produce(2);
	assert_true(await("records_total", all, 10));
	assert_true(
		log_says("ev=stall msg=\"the loop stood still for")); /* the last error may be a later one */
}

/* The proof is of every seat: the one whose commit fails first is waited for. */
static void a_pause_waits_for_the_commit_of_each_seat(void **state)
{
	(void)state;
	refuse_commits(1, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":22,\"deadline_ms\":15000}"), 200);
	assert_true(bg_json_bool(w.answer, "committed", false));
	assert_int_equal(json_object_array_length(bg_json_get(bg_json_get(w.answer, "offsets"), "orders")),
			 2);
	assert_true(both_commits_say("bg1;e=21;c=blue;f=22"));
}

/* Also after an abort it joins with handles that were never members. */
static void refused_at_work_is_fenced_with_all_seats(void **state)
{
	(void)state;
	assert_true(resume_until_done(23, ""));
	assert_true(await("state", "ACTIVE", 20));
	assert_true(two_are_held());
	/* One of both seats; more would be left over for the next start. */
	refuse_commits(1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
	produce(2);
	assert_true(await("state", "FENCED", 10));
	assert_string_equal(word("cause"), "identity_in_use");
	usleep(300000);
	call("GET", "/lifecycle/status", NULL);
	assert_int_equal(json_object_array_length(bg_json_get(w.answer, "assignment")), 0);
	assert_false(bg_json_bool(w.answer, "joined", true));
	assert_int_equal(resume(23, ""), 409);
}

/* In eager takeover the commit of a paused one may be refused: no state, no cause (rule 4). */
static void refused_while_paused_is_no_event(void **state)
{
	(void)state;
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":24}"), 200);
	assert_true(resume_until_done(25, ""));
	assert_true(await("state", "ACTIVE", 20));
	assert_true(two_are_held());
	refuse_commits(2, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":26,\"answer\":\"eager\"}"), 200);
	assert_true(await("joined", "false", 5)); /* sooner than it would let go by itself */
	assert_string_equal(word("state"), "PAUSED");
	assert_null(bg_json_get(w.answer, "cause"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_seats_join_only_when_resumed),
		cmocka_unit_test(cut_off_it_hands_out_nothing),
		cmocka_unit_test(frozen_for_longer_than_a_heartbeat_it_asks_first),
		cmocka_unit_test(a_pause_waits_for_the_commit_of_each_seat),
		cmocka_unit_test(refused_at_work_is_fenced_with_all_seats),
		cmocka_unit_test(refused_while_paused_is_no_event),
	};

	return cmocka_run_group_tests_name("consumer_seats", tests, setup, teardown);
}
