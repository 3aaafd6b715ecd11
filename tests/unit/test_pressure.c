/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler that has no room: the real daemon with the exec handler, whose program is this one, against the mock
 * cluster. What waits stays in order, and a pause or a revoke in the middle of it loses nothing.
 */
#include "config.h"

#include "consumer_fixture.h"

#include <fcntl.h>
#include <poll.h>

#define PARTS    4
#define IN_CHILD 50 /* [handler:exec] max-in-flight */
#define PER_PART 20 /* [consumer] max-in-flight */
#define VALUE    "0123456789012345678901234567890123456789"

/* The own position is better. */
#define FROM_0 ",\"offsets\":{\"orders\":[[0,0,0],[1,0,0],[2,0,0],[3,0,0]]}"

static char self[256], full[96], stuck[96];
static int64_t sent[PARTS]; /* into each partition */

/* ---- the program behind the handler ---- */

static char in[1 << 20];
static size_t in_len;
static unsigned long long kept[PER_PART + IN_CHILD];
static size_t nkept;

static void answer(unsigned long long n)
{
	printf("{\"n\":%llu,\"ok\":true}\n", n);
}

/* One record; those of partition 0 are kept while there is the file. */
static void take_line(const char *line, const char *stuck_file)
{
	const char *p = strstr(line, "\"partition\":");
	unsigned long long n = 0;

	if (!p || sscanf(line, "{\"n\":%llu", &n) != 1)
		exit(90);
	if (atoi(p + 12) == 0 && !access(stuck_file, F_OK))
		kept[nkept++] = n;
	else
		answer(n);
}

/* While there is the file `full_file` it reads nothing and answers nothing. */
static int program(const char *full_file, const char *stuck_file)
{
	for (;;) {
		struct pollfd fd = {.fd = 0, .events = POLLIN};
		char *line = in, *end;
		ssize_t n;

		if (!access(full_file, F_OK)) {
			usleep(5000);
			continue;
		}
		for (; nkept && access(stuck_file, F_OK); nkept--) {
			answer(kept[0]);
			memmove(kept, kept + 1, (nkept - 1) * sizeof *kept);
		}
		fflush(stdout);
		if (poll(&fd, 1, 10) < 1)
			continue;
		n = read(0, in + in_len, sizeof in - 1 - in_len);
		if (n <= 0)
			return n ? 91 : 0;
		in_len += (size_t)n;
		in[in_len] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			take_line(line, stuck_file);
		}
		in_len -= (size_t)(line - in);
		memmove(in, line, in_len);
	}
}

static void there(const char *file)
{
	int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* ---- the world ---- */

static void fill(int32_t partition, int n)
{
	static char value[] = VALUE;

	for (int i = 0; i < n; i++)
		assert_int_equal(rd_kafka_producev(w.rk, RD_KAFKA_V_TOPIC("orders"),
						   RD_KAFKA_V_PARTITION(partition),
						   RD_KAFKA_V_VALUE(value, sizeof value - 1), RD_KAFKA_V_END),
				 0);
	sent[partition] += n;
	assert_int_equal(rd_kafka_flush(w.rk, 20000), 0);
}

static void fill_all(int n)
{
	for (int32_t i = 0; i < PARTS; i++)
		fill(i, n);
}

static int64_t all_sent(void)
{
	int64_t n = 0;

	for (int i = 0; i < PARTS; i++)
		n += sent[i];
	return n;
}

static void all_done(void)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)all_sent());
	assert_true(await("records_total", text, 60));
}

/* The ledger has each record of each partition once, in order. */
static void nothing_lost_or_reordered(void)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/ledger", w.dir);
	int64_t next[PARTS] = {0};
	char line[4096];
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		const char *p = strstr(line, "\"p\":"), *o = strstr(line, "\"o\":");

		if (strstr(line, "\"ev\":") || !p || !o)
			continue;
		assert_in_range(atoi(p + 4), 0, PARTS - 1);
		assert_int_equal(atoll(o + 4), next[atoi(p + 4)]++);
	}
	fclose(f);
	assert_memory_equal(next, sent, sizeof sent);
}

static bool has_in_flight(int n)
{
	call("GET", "/lifecycle/status", NULL);
	return bg_json_int(w.answer, "in_flight", -1) == n;
}

static int setup(void **state)
{
	_cleanup_free_ char *named = NULL;
	FILE *f;

	(void)state;
	world_begin(PARTS);
	snprintf(full, sizeof full, "%s/full", w.dir);
	snprintf(stuck, sizeof stuck, "%s/stuck", w.dir);
	f = ini_open();
	fprintf(f,
		"[consumer]\nswitch = orders\ntopics = orders\ngroup = blue\npeer-group = green\nhandler = exec\n"
		"state-dir = %s/state\ncommit-interval = 100 ms\nmax-in-flight = %d\ndrain-timeout = 5 s\n"
		"[ledger]\npath = %s/ledger\n"
		"[handler:exec]\ncommand = %s child %s %s\nmax-in-flight = %d\n" KAFKA_INI("3500"),
		w.dir, PER_PART, w.dir, self, full, stuck, IN_CHILD, w.bootstrap);
	fclose(f);
	start_daemon();
	assert_true(await("joined", "true", 20));
	named = bg_xasprintf(FROM_0 ",\"incarnation\":\"%s\"", word("incarnation"));
	assert_true(resume_until_done(1, named));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(full);
	unlink(stuck);
	return world_end();
}

/* ---- tests ---- */

static void what_has_no_room_waits_and_then_comes_in_order(void **state)
{
	(void)state;
	there(full);
	fill_all(8000);
	assert_true(await("in_flight", "50", 10));
	usleep(800000); /* by now the queue is read on, and partitions are paused */
	assert_true(has_in_flight(IN_CHILD));
	unlink(full);
	all_done();
	nothing_lost_or_reordered();
}

static void one_partition_stops_and_the_others_go_on(void **state)
{
	char text[24];

	(void)state;
	there(stuck);
	fill(0, 8000);
	snprintf(text, sizeof text, "%d", PER_PART);
	assert_true(await("in_flight", text, 10));
	for (int32_t i = 1; i < PARTS; i++)
		fill(i, 8000);
	snprintf(text, sizeof text, "%lld", (long long)all_sent() - 8000);
	assert_true(await("records_total", text, 30));
	assert_true(has_in_flight(PER_PART));
	unlink(stuck);
	all_done();
	nothing_lost_or_reordered();
}

/* The pause is not answered before the handler is done; what waits comes after the resume. */
static void a_pause_while_there_is_no_room(void **state)
{
	int64_t before = all_sent(), at = 0;
	struct json_object *list;

	(void)state;
	there(full);
	fill_all(6000);
	assert_true(await("in_flight", "50", 10));
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":2,\"deadline_ms\":300}"), 202);
	assert_string_equal(word("state"), "DRAINING");
	assert_int_equal(bg_json_int(w.answer, "in_flight", -1), IN_CHILD);
	unlink(full);
	assert_int_equal(call("POST", "/lifecycle/pause", "{\"epoch\":2,\"deadline_ms\":10000}"), 200);
	list = bg_json_get(bg_json_get(w.answer, "offsets"), "orders");
	assert_int_equal(json_object_array_length(list), PARTS);
	for (size_t i = 0; i < PARTS; i++)
		at += json_object_get_int64(json_object_array_get_idx(json_object_array_get_idx(list, i), 1));
	assert_int_equal(at, before + IN_CHILD);
	usleep(300000);
	assert_true(has_in_flight(0));
	assert_int_equal(bg_json_int(w.answer, "records_total", -1), before + IN_CHILD);
	assert_true(resume_until_done(3, FROM_0));
	all_done();
	nothing_lost_or_reordered();
}

static int held(void)
{
	call("GET", "/lifecycle/status", NULL);
	return (int)json_object_array_length(bg_json_get(w.answer, "assignment"));
}

static int given_to(rd_kafka_t *rk)
{
	rd_kafka_topic_partition_list_t *l = NULL;
	int n;

	assert_int_equal(rd_kafka_assignment(rk, &l), 0);
	n = l->cnt;
	rd_kafka_topic_partition_list_destroy(l);
	return n;
}

/* Polls as the other member until it has n partitions, for so many times 50 ms. */
static void poll_until_given(rd_kafka_t *other, int n, int tries)
{
	while (tries-- && given_to(other) != n) {
		rd_kafka_message_t *msg = rd_kafka_consumer_poll(other, 50);

		if (msg)
			rd_kafka_message_destroy(msg);
	}
}

/* A second member takes its share and goes again: the group's news are behind the records in the queue. */
static void a_revoke_while_there_is_no_room(void **state)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_t *other = outsider("blue");

	(void)state;
	there(full);
	fill_all(8000);
	assert_true(await("in_flight", "50", 10));
	rd_kafka_topic_partition_list_add(topics, "orders", RD_KAFKA_PARTITION_UA);
	assert_int_equal(rd_kafka_subscribe(other, topics), 0);
	rd_kafka_topic_partition_list_destroy(topics);
	/* It is asked to let go, and does not before the handler is done. */
	poll_until_given(other, PARTS / 2, 60);
	assert_int_equal(held(), PARTS);
	unlink(full);
	poll_until_given(other, PARTS / 2, 600);
	assert_int_equal(given_to(other), PARTS / 2);
	assert_int_equal(held(), PARTS / 2);
	rd_kafka_consumer_close(other);
	rd_kafka_destroy(other);
	all_done();
	assert_int_equal(held(), PARTS);
	nothing_lost_or_reordered();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_room_waits_and_then_comes_in_order),
		cmocka_unit_test(one_partition_stops_and_the_others_go_on),
		cmocka_unit_test(a_pause_while_there_is_no_room),
		cmocka_unit_test(a_revoke_while_there_is_no_room),
	};

	if (argc == 4)
		return program(argv[2], argv[3]);
	assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
	return cmocka_run_group_tests_name("pressure", tests, setup, teardown);
}
