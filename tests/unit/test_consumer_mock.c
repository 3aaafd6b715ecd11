/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bg-consumerd against Kafka's errors: the real daemon as a child, the mock cluster in this process, which
 * answers with the errors that a real broker gives once a year. Commands go over the Unix socket.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>

#include "common/json.h"
#include "common/loop.h"
#include "common/mem.h"

#define OFFSET_COMMIT 8 /* Kafka's API keys */
#define OFFSET_FETCH  9

static struct {
	char dir[64], sock[96];
	rd_kafka_t *rk; /* owner of the mock cluster, and the producer */
	rd_kafka_mock_cluster_t *mock;
	pid_t pid;
	CURL *curl;
	struct json_object *answer;
	char incarnation[40];
} w;

static size_t take(char *data, size_t size, size_t n, void *arg)
{
	bg_buf_add(arg, data, size * n);
	return size * n;
}

/* One call; the status, and the body in w.answer. 0: no answer. */
__attribute__((format(printf, 3, 4))) static long call(const char *method, const char *path, const char *fmt,
						       ...)
{
	_cleanup_buf_ struct bg_buf body = {0};
	_cleanup_free_ char *url = bg_xasprintf("http://localhost%s", path), *send = NULL;
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	long status = 0;
	va_list ap;

	va_start(ap, fmt);
	if (fmt)
		send = bg_xvasprintf(fmt, ap);
	va_end(ap);
	curl_easy_reset(w.curl);
	curl_easy_setopt(w.curl, CURLOPT_UNIX_SOCKET_PATH, w.sock);
	curl_easy_setopt(w.curl, CURLOPT_URL, url);
	curl_easy_setopt(w.curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(w.curl, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(w.curl, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(w.curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(w.curl, CURLOPT_WRITEDATA, &body);
	if (send)
		curl_easy_setopt(w.curl, CURLOPT_POSTFIELDS, send);
	json_object_put(w.answer);
	w.answer = NULL;
	if (!curl_easy_perform(w.curl))
		curl_easy_getinfo(w.curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(h);
	if (body.s)
		bg_json_parse(body.s, body.len, &w.answer, NULL);
	return status;
}

static const char *word(const char *member)
{
	return bg_json_str(w.answer, member, "");
}

/* Wait until status shows `member` as `value`. */
static bool await(const char *member, const char *value, int seconds)
{
	for (int i = 0; i < seconds * 50; i++) {
		if (call("GET", "/lifecycle/status", NULL) == 200) {
			struct json_object *o = bg_json_get(w.answer, member);

			if (o && !strcmp(json_object_get_string(o), value))
				return true;
		}
		usleep(20000);
	}
	fprintf(stderr, "waited in vain for %s = %s: %s\n", member, value,
		w.answer ? bg_json_text(w.answer) : "-");
	return false;
}

static void produce(int n)
{
	char value[] = "x";

	for (int i = 0; i < n; i++)
		rd_kafka_producev(w.rk, RD_KAFKA_V_TOPIC("orders"), RD_KAFKA_V_PARTITION(i % 2),
				  RD_KAFKA_V_VALUE(value, sizeof value), RD_KAFKA_V_END);
	assert_int_equal(rd_kafka_flush(w.rk, 10000), 0);
}

static void start_daemon(void)
{
	const char *dir = getenv("top_builddir");
	_cleanup_free_ char *ini = bg_xasprintf("%s/c.ini", w.dir);
	_cleanup_free_ char *log = bg_xasprintf("%s/log", w.dir);
	_cleanup_free_ char *program = bg_xasprintf("%s/bg-consumerd", dir ? dir : ".");

	w.pid = fork();
	if (!w.pid) {
		if (!freopen(log, "a", stderr))
			_exit(99);
		execl(program, program, "-c", ini, "-i", "blue-0", (char *)NULL);
		_exit(98);
	}
	assert_true(w.pid > 0);
}

static void stop_daemon(int signo)
{
	int status;

	kill(w.pid, signo);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	if (signo == SIGTERM)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void write_ini(const char *mirror_interval)
{
	_cleanup_free_ char *ini = bg_xasprintf("%s/c.ini", w.dir);
	FILE *f = fopen(ini, "w");

	assert_non_null(f);
	fprintf(f,
		"[consumer]\nswitch = orders\ntopics = orders\ngroup = blue\npeer-group = green\n"
		"handler = null\nstate-dir = %s/state\ncommit-interval = 100 ms\nmirror-interval = %s\n"
		"[ledger]\npath = %s/ledger\n"
		"[http]\nlisten = none\n[control]\nsocket = %s\n[faults]\nenabled = yes\n"
		"[kafka]\nbootstrap.servers = %s\nfetch.wait.max.ms = 10\nsession.timeout.ms = 6000\n",
		w.dir, mirror_interval, w.dir, w.sock, rd_kafka_mock_cluster_bootstraps(w.mock));
	fclose(f);
}

static int setup(void **state)
{
	char err[256];

	(void)state;
	snprintf(w.dir, sizeof w.dir, "/tmp/bg-mock-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.sock, sizeof w.sock, "%s/s", w.dir);
	w.rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, err, sizeof err);
	w.mock = rd_kafka_mock_cluster_new(w.rk, 1);
	rd_kafka_mock_topic_create(w.mock, "orders", 2, 1);
	rd_kafka_brokers_add(w.rk, rd_kafka_mock_cluster_bootstraps(w.mock));
	write_ini("0 s");
	w.curl = curl_easy_init();
	start_daemon();
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *cmd = bg_xasprintf("rm -rf '%s'", w.dir);

	(void)state;
	stop_daemon(SIGTERM);
	json_object_put(w.answer);
	curl_easy_cleanup(w.curl);
	rd_kafka_mock_cluster_destroy(w.mock);
	rd_kafka_destroy(w.rk);
	return system(cmd);
}

static long resume(int epoch, const char *more)
{
	return call("POST", "/lifecycle/resume", "{\"epoch\":%d,\"deadline_ms\":1500%s}", epoch, more);
}

#define OFFSETS ",\"offsets\":{\"orders\":[[0,0,0],[1,0,0]]}"

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
	long status;

	(void)state;
	assert_int_equal(resume(5, OFFSETS), 200);
	rd_kafka_mock_push_request_errors(w.mock, OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
	produce(10);
	assert_true(await("state", "FENCED", 10));
	assert_string_equal(word("cause"), "identity_in_use");
	assert_int_equal(resume(5, ""), 409);
	assert_string_equal(word("error"), "stale_epoch");
	/* With a new handle, a member anew. */
	for (int i = 0; (status = resume(6, OFFSETS)) == 202 && i < 20; i++)
		;
	assert_int_equal(status, 200);
	assert_string_equal(word("state"), "ACTIVE");
}

/* A controller's long poll is held at nearly every stop: it is answered, and the stop goes on. */
static void stops_while_a_status_is_waited_for(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[8192] = "";
	ssize_t n;

	bg_strlcpy(sun.sun_path, w.sock, sizeof sun.sun_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_true(call("GET", "/lifecycle/status", NULL) == 200);
	dprintf(fd, "GET /lifecycle/status?since=%lld&wait_ms=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		(long long)bg_json_int(w.answer, "seq", 0));
	/* Requests are taken in order: when this one is answered, that one is held. */
	assert_true(call("GET", "/health", NULL) == 200);
	stop_daemon(SIGTERM);
	for (size_t len = 0; (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
		len += (size_t)n;
	assert_non_null(strstr(text, "503 "));
	assert_non_null(strstr(text, "shutting_down"));
	start_daemon();
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
	stops_while_a_status_is_waited_for();
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
	assert_true(await("joined", "true", 30));
	assert_int_equal(bg_json_int(w.answer, "epoch", 0), 6); /* from the commits */
	bg_strlcpy(w.incarnation, word("incarnation"), sizeof w.incarnation);
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

/* A group as an outsider sees it. */
static rd_kafka_t *outsider(const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char err[256];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "group.id", group, err, sizeof err);
	rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(w.mock), err,
			  sizeof err);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof err);
	assert_non_null(rk);
	return rk;
}

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

/* ---- takeover, two ordinals in one instance: the mock knows no static members, so this is not of fencing ---- */

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
	_cleanup_free_ char *ini = bg_xasprintf("%s/c.ini", w.dir);
	FILE *f;

	(void)state;
	stop_daemon(SIGTERM);
	f = fopen(ini, "w");
	assert_non_null(f);
	fprintf(f,
		"[consumer]\nswitch = orders\ntopics = orders\ngroup = seats\nmode = takeover\nordinals = 0\n"
		"ordinals = 1\nhandler = null\nstate-dir = %s/state-t\ncommit-interval = 10 min\nstall-guard = 1 min\n"
		"[http]\nlisten = none\n[control]\nsocket = %s\n[faults]\nenabled = yes\n"
		"[kafka]\nbootstrap.servers = %s\nfetch.wait.max.ms = 10\nsession.timeout.ms = 6000\n",
		w.dir, w.sock, rd_kafka_mock_cluster_bootstraps(w.mock));
	fclose(f);
	start_daemon();
	assert_true(await("warm", "true", 20));
	stops_while_a_status_is_waited_for();
	assert_true(await("warm", "true", 20));
	assert_string_equal(word("state"), "PAUSED");
	assert_false(bg_json_bool(w.answer, "joined", true));
	assert_string_equal(bg_json_text(bg_json_get(w.answer, "group_instance_ids")),
			    "[\"orders-0\",\"orders-1\"]");
	bg_strlcpy(w.incarnation, word("incarnation"), sizeof w.incarnation);
	for (int i = 0; i < 30; i++) {
		_cleanup_free_ char *named = bg_xasprintf(",\"incarnation\":\"%s\"" OFFSETS, w.incarnation);

		if (resume(21, named) == 200)
			break;
	}
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
	rd_kafka_mock_broker_push_request_error_rtts(w.mock, 1, OFFSET_COMMIT, 2, 0, 6000, 0, 6000);
	produce(2);
	assert_true(await("records_total", taken, 5));
	assert_true(await("last_error",
			  "the broker does not confirm commits: nothing is handed out until it does", 4));
	produce(10);
	usleep(500000);
	call("GET", "/lifecycle/status", NULL);
	assert_int_equal(bg_json_int(w.answer, "records_total", -1), before + 2);
	assert_true(await("records_total", all, 20));
}

/* Whatever stall-guard is: after the fence-grace nobody hands out anything unasked. */
static void frozen_for_longer_than_a_heartbeat_it_asks_first(void **state)
{
	int64_t before = bg_json_int(w.answer, "records_total", -1);
	_cleanup_free_ char *all = bg_xasprintf("%lld", (long long)before + 2);

	(void)state;
	kill(w.pid, SIGSTOP);
	usleep(3500000);
	kill(w.pid, SIGCONT);
	produce(2);
	assert_true(await("records_total", all, 10));
	assert_non_null(strstr(word("last_error"), "the loop stood still for"));
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
	for (int i = 0; i < 30 && resume(23, "") != 200; i++)
		;
	assert_true(await("state", "ACTIVE", 20));
	assert_true(two_are_held());
	refuse_commits(2, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
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
	for (int i = 0; i < 30 && resume(25, "") != 200; i++)
		;
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
		cmocka_unit_test(two_seats_join_only_when_resumed),
		cmocka_unit_test(cut_off_it_hands_out_nothing),
		cmocka_unit_test(frozen_for_longer_than_a_heartbeat_it_asks_first),
		cmocka_unit_test(a_pause_waits_for_the_commit_of_each_seat),
		cmocka_unit_test(refused_at_work_is_fenced_with_all_seats),
		cmocka_unit_test(refused_while_paused_is_no_event),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests_name("consumer_mock", tests, setup, teardown);
}
