/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bg-consumerd against Kafka's errors: the real daemon as a child, the mock cluster in this process, which
 * answers with the errors that a real broker gives once a year. Commands go over the Unix socket.
 */
#include "config.h"

#include "consumer_fixture.h"

#define OFFSET_COMMIT 8 /* Kafka's API keys */
#define OFFSET_FETCH  9

static void write_ini(const char *mirror_interval)
{
	FILE *f = ini_open();

	fprintf(f,
		"[consumer]\nswitch = orders\ntopics = orders\ngroup = blue\npeer-group = green\n"
		"handler = null\nstate-dir = %s/state\ncommit-interval = 100 ms\nmirror-interval = %s\n"
		"[ledger]\npath = %s/ledger\n" KAFKA_INI("3500"),
		w.dir, mirror_interval, w.dir, w.bootstrap);
	fclose(f);
}

static int setup(void **state)
{
	(void)state;
	world_begin(2);
	write_ini("0 s");
	start_daemon();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return world_end();
}

static void a_first_start_needs_its_name_and_offsets(void **state)
{
	_cleanup_free_ char *named = NULL;

	(void)state;
	assert_true(await("joined", "true", 20));
	assert_string_equal(word("state"), "PAUSED");
	assert_int_equal(strlen(word("since")), strlen("2026-11-21T20:00:00.000Z"));
	bg_strlcpy(w.incarnation, word("incarnation"), sizeof w.incarnation);
	assert_int_equal(resume(1, OFFSETS), 409);
	assert_string_equal(word("error"), "wrong_target");
	named = bg_xasprintf(",\"incarnation\":\"%s\"", w.incarnation);
	assert_int_equal(resume(1, named), 409);
	assert_string_equal(word("error"), "offsets_required");
	assert_string_equal(word("state"), "PAUSED");
	assert_int_equal(resume(1, OFFSETS), 200);
	assert_string_equal(word("state"), "ACTIVE");
	produce(100);
	assert_true(await("records_total", "100", 10));
}

static void retriable_commit_errors_are_retried(void **state)
{
	(void)state;
	rd_kafka_mock_push_request_errors(
		w.mock, OFFSET_COMMIT, 3, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
		RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
	produce(50);
	assert_true(await("records_total", "150", 10));
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":2,\"deadline_ms\":15000}"), 200);
	assert_true(bg_json_bool(w.answer, "committed", false));
	assert_string_equal(word("state"), "PAUSED");
	assert_string_equal(bg_json_text(bg_json_get(w.answer, "offsets")),
			    "{\"orders\":[[0,75,1],[1,75,1]]}");
}

static void a_start_without_rule_3_hands_out_nothing(void **state)
{
	(void)state;
	produce(10);
	/* The commits cannot be read: accepted, not started. */
	for (int i = 0; i < 40; i++)
		rd_kafka_mock_push_request_errors(w.mock, OFFSET_FETCH, 1,
						  RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
	assert_int_equal(resume(3, OFFSETS), 202);
	assert_string_equal(word("state"), "PAUSED");
	assert_true(await("records_total", "150", 1));
	rd_kafka_mock_clear_request_errors(w.mock, OFFSET_FETCH);
	assert_int_equal(resume(3, OFFSETS), 200);
	assert_true(await("records_total", "160", 10));
}

static void an_unconfirmed_commit_is_no_proof(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++)
		rd_kafka_mock_push_request_errors(w.mock, OFFSET_COMMIT, 1,
						  RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
	produce(20);
	assert_true(await("records_total", "180", 10));
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":4,\"deadline_ms\":700}") / 100, 5);
	assert_string_equal(word("error"), "commit_unconfirmed");
	/* Eager does not wait for it; the offsets are exact all the same. */
	assert_int_equal(
		call("POST", "/lifecycle/pause", "{\"epoch\":4,\"deadline_ms\":700,\"answer\":\"eager\"}"),
		200);
	assert_false(bg_json_bool(w.answer, "committed", true));
	rd_kafka_mock_clear_request_errors(w.mock, OFFSET_COMMIT);
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":4,\"deadline_ms\":20000}"), 200);
	assert_true(bg_json_bool(w.answer, "committed", false));
	assert_string_equal(bg_json_text(bg_json_get(w.answer, "offsets")),
			    "{\"orders\":[[0,90,3],[1,90,3]]}");
}

static void fenced_while_active_waits_for_a_higher_epoch(void **state)
{
	(void)state;
	assert_int_equal(resume(5, OFFSETS), 200);
	rd_kafka_mock_push_request_errors(w.mock, OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
	produce(10);
	assert_true(await("state", "FENCED", 10));
	assert_string_equal(word("cause"), "identity_in_use");
	assert_int_equal(resume(5, ""), 409);
	assert_string_equal(word("error"), "stale_epoch");
	/* With a new handle, a member anew. */
	assert_true(resume_until_done(6, OFFSETS));
	assert_string_equal(word("state"), "ACTIVE");
}

static void killed_and_started_it_is_paused_at_its_epoch(void **state)
{
	(void)state;
	stop_daemon(SIGKILL);
	start_daemon();
	assert_true(await("epoch", "6", 20));
	assert_true(await("state", "PAUSED", 20));
	assert_int_equal(resume(5, OFFSETS), 409);
	assert_string_equal(word("error"), "stale_epoch");
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":6}"), 409);
	assert_string_equal(word("error"), "epoch_conflict");
	restart_while_polled();
	assert_true(await("state", "PAUSED", 20));
}

/* tests/model, "a pause frees from naming": a late pause, then a late resume, let a second colour in. */
static void without_its_file_only_a_named_resume_counts(void **state)
{
	_cleanup_free_ char *file = bg_xasprintf("%s/state/state.json", w.dir), *named = NULL;

	(void)state;
	stop_daemon(SIGKILL);
	assert_int_equal(unlink(file), 0);
	start_daemon();
	assert_true(await("state", "PAUSED", 20));
	assert_int_equal(bg_json_int(w.answer, "epoch", 0), 6); /* from the commits */
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":7}"), 200);
	assert_int_equal(resume(8, OFFSETS), 409);
	assert_string_equal(word("error"), "wrong_target");
	/* Not even after another start: the file knows that it is not sure. */
	stop_daemon(SIGTERM);
	start_daemon();
	assert_true(await("joined", "true", 30));
	assert_true(await("state", "PAUSED", 20));
	bg_strlcpy(w.incarnation, word("incarnation"), sizeof w.incarnation);
	assert_int_equal(resume(8, OFFSETS), 409);
	assert_string_equal(word("error"), "wrong_target");
	named = bg_xasprintf(",\"incarnation\":\"%s\"" OFFSETS, w.incarnation);
	assert_int_equal(resume(8, named), 200);
}

/* ---- mirrored commits ---- */

static void green_commits(int64_t offset, const char *metadata)
{
	rd_kafka_t *rk = outsider("green");
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(2);

	for (int32_t i = 0; i < 2; i++) {
		rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(l, "orders", i);

		tp->offset = offset;
		tp->metadata = bg_xstrdup(metadata);
		tp->metadata_size = strlen(metadata);
	}
	assert_int_equal(rd_kafka_commit(rk, l, 0), 0);
	rd_kafka_topic_partition_list_destroy(l);
	rd_kafka_destroy(rk);
}

/* "OFFSET METADATA" of partition 1 in group blue. */
static const char *blue_has(void)
{
	static char text[128];
	rd_kafka_t *rk = outsider("blue");
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(l, "orders", 1);
	assert_int_equal(rd_kafka_committed(rk, l, 10000), 0);
	snprintf(text, sizeof text, "%lld %.*s", (long long)l->elems[0].offset,
		 (int)l->elems[0].metadata_size, l->elems[0].metadata ? (char *)l->elems[0].metadata : "");
	rd_kafka_topic_partition_list_destroy(l);
	rd_kafka_destroy(rk);
	return text;
}

static void paused_it_mirrors_the_other_group(void **state)
{
	_cleanup_free_ char *before = NULL;

	(void)state;
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":9,\"deadline_ms\":5000}"), 200);
	before = bg_xstrdup(blue_has());
	green_commits(40, "bg1;e=7;c=green;f=7"); /* older than its own */
	write_ini("100 ms");
	assert_int_equal(call("POST", "/v1/reload", "{}"), 200);
	usleep(500000);
	assert_string_equal(blue_has(), before);
	green_commits(120, "bg1;e=9;c=green;f=9");
	assert_true(await("mirrored_commits_total", "2", 10));
	assert_string_equal(blue_has(), "120 bg1;e=9;c=green;f=9;m=1");
	assert_int_equal(json_object_array_length(bg_json_get(w.answer, "assignment")), 2);
	/* Its own position is where it was, and a pause still says so. */
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":9}"), 200);
	assert_string_equal(bg_json_text(bg_json_get(w.answer, "offsets")),
			    "{\"orders\":[[0,95,8],[1,95,8]]}");
}

/* The proof of a pause at a later epoch tells f; it must not bring the own old offset back over the mirrored one. */
static void a_later_proof_keeps_what_was_mirrored(void **state)
{
	(void)state;
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":10,\"deadline_ms\":5000}"), 200);
	assert_true(bg_json_bool(w.answer, "committed", false));
	assert_string_equal(blue_has(), "120 bg1;e=9;c=green;f=10;m=1");
}

static void a_mirrored_commit_starts_nobody(void **state)
{
	(void)state;
	assert_int_equal(resume(11, ""), 409);
	assert_string_equal(word("error"), "offsets_required");
	assert_string_equal(word("state"), "PAUSED");
	assert_string_equal(blue_has(), "120 bg1;e=9;c=green;f=10;m=1");
}

/* tests/model, "a mirror lands after the resume". */
static void a_resume_waits_for_the_write_on_its_way(void **state)
{
	int64_t from;

	(void)state;
	produce(2 * (130 - 95)); /* what green has done is in the log */
	/* The first is the outsider's, the second the mirror's. */
	rd_kafka_mock_broker_push_request_error_rtts(w.mock, 1, OFFSET_COMMIT, 2, 0, 0, 0, 1000);
	green_commits(130, "bg1;e=11;c=green;f=11");
	usleep(300000); /* the write is on its way */
	from = bg_now_us();
	assert_int_equal(
		call("POST", "/lifecycle/resume",
		     "{\"epoch\":12,\"deadline_ms\":9000,\"offsets\":{\"orders\":[[0,95,8],[1,95,8]]}}"),
		200);
	assert_true(bg_now_us() - from > 300000);
	assert_true(bg_now_us() - from < 1500000);
	assert_string_equal(bg_json_text(bg_json_get(w.answer, "offsets")),
			    "{\"orders\":[[0,130,12],[1,130,12]]}");
	assert_true(await("state", "ACTIVE", 5));
	usleep(300000); /* nothing is mirrored at work */
	assert_string_equal(blue_has(), "130 bg1;e=12;c=blue;f=12");
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":13,\"deadline_ms\":5000}"), 200);
}

/* The broker refuses the old member's write once the new one has joined: the start waits no longer than for that. */
static void a_write_that_is_not_answered_costs_the_handle_only(void **state)
{
	int64_t from;

	(void)state;
	produce(2 * (140 - 130));
	rd_kafka_mock_broker_push_request_error_rtts(w.mock, 1, OFFSET_COMMIT, 2, 0, 0, 0, 25000);
	green_commits(140, "bg1;e=13;c=green;f=13");
	usleep(1200000); /* the write is on its way by now, on a busy machine too */
	from = bg_now_us();
	assert_int_equal(
		call("POST", "/lifecycle/resume",
		     "{\"epoch\":14,\"deadline_ms\":20000,\"offsets\":{\"orders\":[[0,140,13],[1,140,13]]}}"),
		200);
	assert_true(bg_now_us() - from > 2000000);
	assert_true(await("state", "ACTIVE", 5));
	assert_string_equal(blue_has(), "140 bg1;e=14;c=blue;f=14");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_start_needs_its_name_and_offsets),
		cmocka_unit_test(retriable_commit_errors_are_retried),
		cmocka_unit_test(a_start_without_rule_3_hands_out_nothing),
		cmocka_unit_test(an_unconfirmed_commit_is_no_proof),
		cmocka_unit_test(fenced_while_active_waits_for_a_higher_epoch),
		cmocka_unit_test(killed_and_started_it_is_paused_at_its_epoch),
		cmocka_unit_test(without_its_file_only_a_named_resume_counts),
		cmocka_unit_test(paused_it_mirrors_the_other_group),
		cmocka_unit_test(a_later_proof_keeps_what_was_mirrored),
		cmocka_unit_test(a_mirrored_commit_starts_nobody),
		cmocka_unit_test(a_resume_waits_for_the_write_on_its_way),
		cmocka_unit_test(a_write_that_is_not_answered_costs_the_handle_only),
	};

	return cmocka_run_group_tests_name("consumer_mock", tests, setup, teardown);
}
