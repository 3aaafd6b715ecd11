/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a switch: what the librdkafka calls alone cost, without HTTP, epochs, states or a disk.
 * Two colours of two consumers, one thread each. At a switch the active colour's threads pause their
 * assignment and commit (or, eager, do not await it), and the next offsets are passed in memory. Then
 *
 *   handover (strategy D)  every colour has its own group and both are joined: the other colour's threads
 *                          resume, seek and poll;
 *   takeover (strategy C)  one group, the same instance ids in both colours; the idle colour is no member
 *                          but knows coordinator and metadata: its threads subscribe and give the offsets
 *                          in the assign callback. The handles it threw out are replaced after the switch.
 *
 *	floor -b BOOTSTRAP -t TOPIC [-g GROUP-PREFIX] [-m handover|takeover]
 *
 * It prints `ready` when all partitions are held and every partition has had a record. Then each
 * line on standard input, `committed` or `eager`, is one switch, answered by one line
 * `gap_us=N pause_us=N resume_us=N lost=N duplicated=N`: the gap runs from the start of the pause to the
 * first record on the other side, the counts are of the whole run. It ends at the end of input.
 */
#include "config.h"

#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <librdkafka/rdkafka.h>

#define COLORS         2
#define INSTANCES      2
#define MAX_PARTITIONS 64
#define POLL_MS        1
#define DEADLINE_US    (30 * INT64_C(1000000))

enum order { ORDER_NONE, ORDER_PAUSE, ORDER_PAUSE_EAGER, ORDER_RESUME, ORDER_REPLACE, ORDER_END };

struct member {
	pthread_t thread;
	rd_kafka_t *rk;
	int color, ordinal;
	bool active;
	_Atomic int order; /* set by main, back to ORDER_NONE by the thread when it is carried out */
	_Atomic int held;  /* partitions assigned */
	_Atomic int64_t first_us;
};

static struct member members[COLORS][INSTANCES];
static _Atomic int n_partitions;
static const char *bootstrap, *topic, *prefix = "floor";
static bool takeover;
/* Next offset of each partition; -1: no record yet. Only the thread that holds it actively writes it. */
static _Atomic int64_t next_offset[MAX_PARTITIONS];
static _Atomic int64_t lost, duplicated;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("floor: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

static void nap_us(long us)
{
	struct timespec ts = {0, us * 1000};

	nanosleep(&ts, NULL);
}

/*
 * A new assignment is paused right away unless this side is at work, as in bg-consumerd; in a takeover it
 * starts where the other side stopped.
 */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *parts,
			 void *opaque)
{
	struct member *m = opaque;
	rd_kafka_error_t *e;
	int i;

	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		for (i = 0; takeover && i < parts->cnt; i++)
			if (atomic_load(&next_offset[parts->elems[i].partition]) >= 0)
				parts->elems[i].offset = atomic_load(&next_offset[parts->elems[i].partition]);
		e = rd_kafka_incremental_assign(rk, parts);
		if (!m->active)
			rd_kafka_pause_partitions(rk, parts);
		atomic_fetch_add(&m->held, parts->cnt);
	} else {
		e = rd_kafka_incremental_unassign(rk, parts);
		atomic_fetch_sub(&m->held, parts->cnt);
	}
	if (e)
		die("assignment: %s", rd_kafka_error_string(e));
}

static void take_record(struct member *m, const rd_kafka_message_t *msg)
{
	int64_t want;

	if (msg->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || msg->err == RD_KAFKA_RESP_ERR__TRANSPORT)
		return;
	if (takeover && !m->active && msg->err)
		return; /* thrown out, as it should be */
	if (msg->err)
		die("%s", rd_kafka_message_errstr(msg));
	if (!atomic_load(&m->first_us))
		atomic_store(&m->first_us, now_us());
	if (msg->partition >= MAX_PARTITIONS)
		die("more than %d partitions", MAX_PARTITIONS);
	want = atomic_load(&next_offset[msg->partition]);
	if (want >= 0 && msg->offset > want)
		atomic_fetch_add(&lost, msg->offset - want);
	if (want >= 0 && msg->offset < want)
		atomic_fetch_add(&duplicated, 1);
	else
		atomic_store(&next_offset[msg->partition], msg->offset + 1);
}

/* The member's partitions, each with its next offset. */
static rd_kafka_topic_partition_list_t *holdings(struct member *m)
{
	rd_kafka_topic_partition_list_t *parts;
	int i;

	if (rd_kafka_assignment(m->rk, &parts))
		die("no assignment");
	for (i = 0; i < parts->cnt; i++)
		parts->elems[i].offset = atomic_load(&next_offset[parts->elems[i].partition]);
	return parts;
}

static void make_handle(struct member *m)
{
	char err[512], group[128], id[160];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	size_t i;

	snprintf(group, sizeof(group), "%s-%s", prefix, takeover ? "both" : m->color ? "green" : "blue");
	snprintf(id, sizeof(id), "%s-%d", group, m->ordinal);
	const char *props[][2] = {
		{"bootstrap.servers", bootstrap},
		{"group.id", group},
		{"group.instance.id", id},
		{"partition.assignment.strategy", "cooperative-sticky"},
		{"enable.auto.commit", "false"},
		{"auto.offset.reset", "latest"},
		{"log_level", "3"}, /* refused late commits of an eager takeover are no news */
	};
	for (i = 0; i < sizeof(props) / sizeof(props[0]); i++)
		if (rd_kafka_conf_set(conf, props[i][0], props[i][1], err, sizeof(err)))
			die("%s", err);
	rd_kafka_conf_set_opaque(conf, m);
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	m->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
	if (!m->rk)
		die("%s", err);
	rd_kafka_poll_set_consumer(m->rk);
}

static void count_partitions(rd_kafka_t *rk)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
	int n;

	if (!t || rd_kafka_metadata(rk, 0, t, &md, 10000))
		die("no metadata of topic %s", topic);
	n = md->topic_cnt == 1 ? md->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(t);
	if (n < 1 || n > MAX_PARTITIONS)
		die("topic %s has %d partitions", topic, n);
	atomic_store(&n_partitions, n);
}

/* Metadata, coordinator and the connection to it, without being a member. */
static void warm_up(rd_kafka_t *rk)
{
	rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);

	count_partitions(rk);
	rd_kafka_topic_partition_list_add(parts, topic, 0);
	if (rd_kafka_committed(rk, parts, 10000))
		die("the group's coordinator does not answer");
	rd_kafka_topic_partition_list_destroy(parts);
}

static void pause_and_commit(struct member *m, bool eager)
{
	rd_kafka_topic_partition_list_t *parts = holdings(m);
	rd_kafka_resp_err_t err;

	m->active = false;
	rd_kafka_pause_partitions(m->rk, parts);
	err = rd_kafka_commit(m->rk, parts, eager);
	if (err)
		die("commit: %s", rd_kafka_err2str(err));
	rd_kafka_topic_partition_list_destroy(parts);
}

static void subscribe(struct member *m)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
	if (rd_kafka_subscribe(m->rk, topics))
		die("subscribe to %s failed", topic);
	rd_kafka_topic_partition_list_destroy(topics);
}

static void resume(struct member *m)
{
	rd_kafka_topic_partition_list_t *parts;
	rd_kafka_error_t *e;

	m->active = true;
	atomic_store(&m->first_us, 0);
	if (takeover) {
		subscribe(m);
		return;
	}
	parts = holdings(m);
	/* This order of the two calls is the fast one: resume alone sleeps up to a second. */
	rd_kafka_resume_partitions(m->rk, parts);
	e = rd_kafka_seek_partitions(m->rk, parts, 0);
	if (e)
		die("seek: %s", rd_kafka_error_string(e));
	rd_kafka_topic_partition_list_destroy(parts);
}

/* Off the critical path: the handle that was thrown out goes, a fresh one gets warm. */
static void replace(struct member *m)
{
	rd_kafka_destroy_flags(m->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	atomic_store(&m->held, 0);
	make_handle(m);
	warm_up(m->rk);
}

static void carry_out(struct member *m, enum order order)
{
	if (order == ORDER_RESUME)
		resume(m);
	else if (order == ORDER_REPLACE)
		replace(m);
	else
		pause_and_commit(m, order == ORDER_PAUSE_EAGER);
}

static void *member_main(void *arg)
{
	struct member *m = arg;
	rd_kafka_message_t *msg;
	int order;

	for (;;) {
		order = atomic_load(&m->order);
		if (order == ORDER_END)
			break;
		if (order != ORDER_NONE) {
			carry_out(m, order);
			atomic_store(&m->order, ORDER_NONE);
		}
		msg = rd_kafka_consumer_poll(m->rk, POLL_MS);
		if (msg) {
			take_record(m, msg);
			rd_kafka_message_destroy(msg);
		}
	}
	rd_kafka_consumer_close(m->rk);
	rd_kafka_destroy(m->rk);
	return NULL;
}

static void start_member(struct member *m, int color, int ordinal)
{
	m->color = color;
	m->ordinal = ordinal;
	m->active = color == 0;
	make_handle(m);
	if (m->active || !takeover)
		subscribe(m);
	else
		warm_up(m->rk);
	if (pthread_create(&m->thread, NULL, member_main, m))
		die("no thread");
}

/* All partitions of the colour are held, and each member has its share: the first to join holds them all. */
static bool shared_out(int color)
{
	int i, n, held = 0;

	for (i = 0; i < INSTANCES; i++) {
		n = atomic_load(&members[color][i].held);
		if (!n)
			return false;
		held += n;
	}
	return held == atomic_load(&n_partitions);
}

static bool all_ready(void)
{
	int i;

	if (!shared_out(0) || (!takeover && !shared_out(1)))
		return false;
	for (i = 0; i < atomic_load(&n_partitions); i++)
		if (atomic_load(&next_offset[i]) < 0)
			return false;
	return true;
}

static void await_ready(void)
{
	int64_t end = now_us() + DEADLINE_US;

	while (!all_ready()) {
		if (now_us() > end)
			die("not ready: partitions not assigned, or a partition without records");
		nap_us(10000);
	}
}

static void order_color(int color, enum order order)
{
	int64_t end = now_us() + DEADLINE_US;
	int i;

	for (i = 0; i < INSTANCES; i++)
		atomic_store(&members[color][i].order, order);
	for (i = 0; i < INSTANCES; i++)
		while (atomic_load(&members[color][i].order) != ORDER_NONE) {
			if (now_us() > end)
				die("an instance does not answer");
			nap_us(20);
		}
}

/* The earliest first record of the colour since it was resumed. */
static int64_t await_first(int color)
{
	int64_t end = now_us() + DEADLINE_US, first = 0, t;
	int i;

	while (!first) {
		for (i = 0; i < INSTANCES; i++) {
			t = atomic_load(&members[color][i].first_us);
			if (t && (!first || t < first))
				first = t;
		}
		if (now_us() > end)
			die("no record after a switch");
		nap_us(100);
	}
	return first;
}

static void run_switch(int from, bool eager)
{
	int64_t start = now_us(), paused, resumed, first;

	order_color(from, eager ? ORDER_PAUSE_EAGER : ORDER_PAUSE);
	paused = now_us();
	order_color(1 - from, ORDER_RESUME);
	resumed = now_us();
	first = await_first(1 - from);
	if (takeover)
		order_color(from, ORDER_REPLACE);
	printf("gap_us=%lld pause_us=%lld resume_us=%lld lost=%lld duplicated=%lld\n",
	       (long long)(first - start), (long long)(paused - start), (long long)(resumed - paused),
	       (long long)atomic_load(&lost), (long long)atomic_load(&duplicated));
}

static void read_orders(void)
{
	char line[64];
	int active = 0;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "committed") != 0 && strcmp(line, "eager") != 0)
			die("unknown order \"%s\": committed or eager", line);
		run_switch(active, line[0] == 'e');
		active = 1 - active;
	}
}

int main(int argc, char **argv)
{
	const char *mode = "handover";
	int opt, c, i;

	while ((opt = getopt(argc, argv, "b:t:g:m:")) != -1) {
		if (opt == 'b')
			bootstrap = optarg;
		else if (opt == 't')
			topic = optarg;
		else if (opt == 'g')
			prefix = optarg;
		else if (opt == 'm')
			mode = optarg;
		else
			return 2;
	}
	takeover = strcmp(mode, "takeover") == 0;
	if (!bootstrap || !topic || optind != argc || (!takeover && strcmp(mode, "handover") != 0)) {
		fputs("usage: floor -b BOOTSTRAP -t TOPIC [-g GROUP-PREFIX] [-m handover|takeover]\n",
		      stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < MAX_PARTITIONS; i++)
		atomic_store(&next_offset[i], -1);
	for (c = 0; c < COLORS; c++)
		for (i = 0; i < INSTANCES; i++)
			start_member(&members[c][i], c, i);
	count_partitions(members[0][0].rk);
	await_ready();
	puts("ready");
	read_orders();
	for (c = 0; c < COLORS; c++)
		for (i = 0; i < INSTANCES; i++)
			atomic_store(&members[c][i].order, ORDER_END);
	for (c = 0; c < COLORS; c++)
		for (i = 0; i < INSTANCES; i++)
			pthread_join(members[c][i].thread, NULL);
	return 0;
}
