/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kafka administration for the tests: what the JVM tools do in two seconds a call, in milliseconds.
 * Prints one line per thing, fields separated by blanks; exit status 1 and a message on any error.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <librdkafka/rdkafka.h>

#define TIMEOUT_MS 20000

static const char *bootstrap;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bg-testadmin: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static long num(const char *s, const char *what, long min)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(s, &end, 10);
	if (errno || end == s || *end || v < min)
		die("%s: \"%s\" is not a whole number from %ld", what, s, min);
	return v;
}

/* A handle on the broker; group NULL: a producer (which serves for every admin call). */
static rd_kafka_t *handle(const char *group)
{
	char err[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *rk;

	if (rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, err, sizeof(err)) ||
	    rd_kafka_conf_set(conf, "log_level", "0", err, sizeof(err)) ||
	    rd_kafka_conf_set(conf, "linger.ms", "0", err, sizeof(err)) ||
	    rd_kafka_conf_set(conf, "enable.auto.commit", "false", err, sizeof(err)) ||
	    (group && rd_kafka_conf_set(conf, "group.id", group, err, sizeof(err))))
		die("%s", err);
	rk = rd_kafka_new(group ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	if (!rk)
		die("%s", err);
	return rk;
}

static rd_kafka_AdminOptions_t *options(rd_kafka_t *rk, rd_kafka_admin_op_t op)
{
	rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(rk, op);
	char err[256];

	if (rd_kafka_AdminOptions_set_request_timeout(o, TIMEOUT_MS, err, sizeof(err)))
		die("%s", err);
	return o;
}

/* Take the one result of the admin call that was put on q. */
static rd_kafka_event_t *result(rd_kafka_queue_t *q)
{
	rd_kafka_event_t *ev = rd_kafka_queue_poll(q, TIMEOUT_MS + 5000);

	if (!ev)
		die("no answer within %d s", TIMEOUT_MS / 1000);
	if (rd_kafka_event_error(ev))
		die("%s", rd_kafka_event_error_string(ev));
	return ev;
}

static void check_topics(const rd_kafka_topic_result_t **res, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rd_kafka_topic_result_error(res[i]))
			die("%s: %s", rd_kafka_topic_result_name(res[i]),
			    rd_kafka_topic_result_error_string(res[i])
				    ? rd_kafka_topic_result_error_string(res[i])
				    : rd_kafka_err2str(rd_kafka_topic_result_error(res[i])));
}

/* Partitions of a topic that have a leader; -1: unknown topic or some without. */
static int led_partitions(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	int n = -1;

	if (!rd_kafka_metadata(rk, 0, rkt, &md, 5000)) {
		if (md->topic_cnt == 1 && !md->topics[0].err)
			n = md->topics[0].partition_cnt;
		for (int i = 0; i < n; i++)
			if (md->topics[0].partitions[i].leader < 0)
				n = -1;
		rd_kafka_metadata_destroy(md);
	}
	rd_kafka_topic_destroy(rkt);
	return n;
}

static int partitions_of(rd_kafka_t *rk, const char *topic)
{
	int n = -1;

	for (int i = 0; i < 20 && n < 0; i++) {
		n = led_partitions(rk, topic);
		if (n < 0)
			usleep(100 * 1000);
	}
	if (n < 0)
		die("%s: unknown topic, or a partition has no leader", topic);
	return n;
}

/* A created topic can be used only when every partition has its leader. */
static void await_partitions(rd_kafka_t *rk, const char *topic, int n)
{
	for (int i = 0; i < TIMEOUT_MS / 20; i++) {
		if (led_partitions(rk, topic) >= n)
			return;
		usleep(20 * 1000);
	}
	die("%s: not all %d partitions have a leader after %d s", topic, n, TIMEOUT_MS / 1000);
}

static int broker_count(rd_kafka_t *rk)
{
	const struct rd_kafka_metadata *md;
	int n;

	if (rd_kafka_metadata(rk, 0, NULL, &md, 2000))
		return 0;
	n = md->broker_cnt;
	rd_kafka_metadata_destroy(md);
	return n;
}

/* Reading any group's offsets makes the broker create its offsets topic, so the first real join is quick. */
static bool coordinator_answers(rd_kafka_t *rk)
{
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t rc;

	rd_kafka_topic_partition_list_add(l, "bg-testadmin", 0);
	rc = rd_kafka_committed(rk, l, 2000);
	rd_kafka_topic_partition_list_destroy(l);
	return !rc;
}

static void cmd_wait(int argc, char **argv)
{
	long brokers = num(argv[0], "number of brokers", 1);
	long tries = argc > 1 ? num(argv[1], "seconds", 1) * 20 : 1200;
	rd_kafka_t *rk = handle("bg-testadmin");

	while (broker_count(rk) < brokers || !coordinator_answers(rk)) {
		if (--tries <= 0)
			die("%s: no %ld broker(s) with a group coordinator answered in time", bootstrap,
			    brokers);
		usleep(50 * 1000);
	}
	rd_kafka_destroy(rk);
}

static void cmd_create(int argc, char **argv)
{
	int n = (int)num(argv[1], "partitions", 1), replicas = 1;
	char err[512];
	rd_kafka_t *rk = handle(NULL);
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *o = options(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_NewTopic_t *t;
	rd_kafka_event_t *ev;
	size_t cnt;

	for (int i = 2; i < argc; i++)
		if (!strncmp(argv[i], "replication=", 12))
			replicas = (int)num(argv[i] + 12, "replication", 1);
	t = rd_kafka_NewTopic_new(argv[0], n, replicas, err, sizeof(err));
	if (!t)
		die("%s", err);
	for (int i = 2; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (!eq)
			die("\"%s\": expected key=value", argv[i]);
		*eq = 0;
		if (strcmp(argv[i], "replication"))
			rd_kafka_NewTopic_set_config(t, argv[i], eq + 1);
	}
	rd_kafka_CreateTopics(rk, &t, 1, o, q);
	ev = result(q);
	check_topics(rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &cnt), 1);
	await_partitions(rk, argv[0], n);
	rd_kafka_event_destroy(ev);
	rd_kafka_NewTopic_destroy(t);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
}

static void cmd_delete(int argc, char **argv)
{
	rd_kafka_t *rk = handle(NULL);
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *o = options(rk, RD_KAFKA_ADMIN_OP_DELETETOPICS);
	rd_kafka_DeleteTopic_t *t = rd_kafka_DeleteTopic_new(argv[0]);
	rd_kafka_event_t *ev;
	size_t cnt;

	(void)argc;
	rd_kafka_DeleteTopics(rk, &t, 1, o, q);
	ev = result(q);
	check_topics(rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(ev), &cnt), 1);
	rd_kafka_event_destroy(ev);
	rd_kafka_DeleteTopic_destroy(t);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
}

static void cmd_add_partitions(int argc, char **argv)
{
	size_t total = (size_t)num(argv[1], "total of partitions", 1), cnt;
	char err[512];
	rd_kafka_t *rk = handle(NULL);
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *o = options(rk, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
	rd_kafka_NewPartitions_t *p = rd_kafka_NewPartitions_new(argv[0], total, err, sizeof(err));
	rd_kafka_event_t *ev;

	(void)argc;
	if (!p)
		die("%s", err);
	rd_kafka_CreatePartitions(rk, &p, 1, o, q);
	ev = result(q);
	check_topics(
		rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(ev), &cnt), 1);
	await_partitions(rk, argv[0], (int)total);
	rd_kafka_event_destroy(ev);
	rd_kafka_NewPartitions_destroy(p);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
}

/* "partition offset metadata" a line, -1 for none. */
static void cmd_offsets(int argc, char **argv)
{
	rd_kafka_t *rk = handle(argv[0]);
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(8);
	int n = partitions_of(rk, argv[1]);
	rd_kafka_resp_err_t rc;

	(void)argc;
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(l, argv[1], i);
	rc = rd_kafka_committed(rk, l, TIMEOUT_MS);
	if (rc)
		die("%s: %s", argv[0], rd_kafka_err2str(rc));
	for (int i = 0; i < l->cnt; i++)
		printf("%d %lld %.*s\n", l->elems[i].partition,
		       l->elems[i].offset < 0 ? -1LL : (long long)l->elems[i].offset,
		       (int)l->elems[i].metadata_size,
		       l->elems[i].metadata ? (char *)l->elems[i].metadata : "");
	rd_kafka_topic_partition_list_destroy(l);
	rd_kafka_destroy(rk);
}

static void cmd_commit(int argc, char **argv)
{
	rd_kafka_t *rk = handle(argv[0]);
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *tp =
		rd_kafka_topic_partition_list_add(l, argv[1], (int32_t)num(argv[2], "partition", 0));
	rd_kafka_resp_err_t rc;

	tp->offset = num(argv[3], "offset", 0);
	if (argc > 4) {
		tp->metadata = strdup(argv[4]); /* the list frees it */
		tp->metadata_size = strlen(argv[4]);
	}
	rc = rd_kafka_commit(rk, l, 0);
	if (!rc)
		rc = tp->err;
	if (rc)
		die("%s: %s", argv[0], rd_kafka_err2name(rc));
	rd_kafka_topic_partition_list_destroy(l);
	rd_kafka_destroy(rk);
}

static void cmd_delete_records(int argc, char **argv)
{
	rd_kafka_t *rk = handle(NULL);
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *o = options(rk, RD_KAFKA_ADMIN_OP_DELETERECORDS);
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
	const rd_kafka_topic_partition_list_t *r;
	rd_kafka_DeleteRecords_t *d;
	rd_kafka_event_t *ev;

	(void)argc;
	rd_kafka_topic_partition_list_add(l, argv[0], (int32_t)num(argv[1], "partition", 0))->offset =
		num(argv[2], "offset", -1);
	d = rd_kafka_DeleteRecords_new(l);
	rd_kafka_DeleteRecords(rk, &d, 1, o, q);
	ev = result(q);
	r = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(ev));
	if (r->cnt == 1 && r->elems[0].err)
		die("%s: %s", argv[0], rd_kafka_err2str(r->elems[0].err));
	rd_kafka_event_destroy(ev);
	rd_kafka_DeleteRecords_destroy(d);
	rd_kafka_topic_partition_list_destroy(l);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
}

static void print_member(const rd_kafka_MemberDescription_t *m)
{
	const rd_kafka_topic_partition_list_t *l =
		rd_kafka_MemberAssignment_partitions(rd_kafka_MemberDescription_assignment(m));
	const char *inst = rd_kafka_MemberDescription_group_instance_id(m);

	printf("member %s instance=%s assigned=", rd_kafka_MemberDescription_client_id(m), inst ? inst : "-");
	for (int i = 0; l && i < l->cnt; i++)
		printf("%s%s:%d", i ? "," : "", l->elems[i].topic, l->elems[i].partition);
	puts(l && l->cnt ? "" : "-");
}

/* "group NAME state STATE assignor A coordinator NODE members N", then a line a member. */
static void cmd_describe_group(int argc, char **argv)
{
	const char *groups[1] = {argv[0]};
	rd_kafka_t *rk = handle(NULL);
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_t *o = options(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
	const rd_kafka_ConsumerGroupDescription_t **res;
	rd_kafka_event_t *ev;
	size_t n;

	(void)argc;
	rd_kafka_DescribeConsumerGroups(rk, groups, 1, o, q);
	ev = result(q);
	res = rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(ev),
							    &n);
	for (size_t i = 0; i < n; i++) {
		size_t members = rd_kafka_ConsumerGroupDescription_member_count(res[i]);
		const rd_kafka_error_t *e = rd_kafka_ConsumerGroupDescription_error(res[i]);
		const rd_kafka_Node_t *node = rd_kafka_ConsumerGroupDescription_coordinator(res[i]);

		if (e)
			die("%s: %s", argv[0], rd_kafka_error_string(e));
		printf("group %s state %s assignor %s coordinator %d members %zu\n", argv[0],
		       rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(res[i])),
		       rd_kafka_ConsumerGroupDescription_partition_assignor(res[i]),
		       node ? rd_kafka_Node_id(node) : -1, members);
		for (size_t m = 0; m < members; m++)
			print_member(rd_kafka_ConsumerGroupDescription_member(res[i], m));
	}
	rd_kafka_event_destroy(ev);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
}

/* "partition low high" a line. */
static void cmd_ends(int argc, char **argv)
{
	rd_kafka_t *rk = handle(NULL);
	int n = partitions_of(rk, argv[0]);
	int64_t lo, hi;

	(void)argc;
	for (int i = 0; i < n; i++) {
		rd_kafka_resp_err_t rc =
			rd_kafka_query_watermark_offsets(rk, argv[0], i, &lo, &hi, TIMEOUT_MS);

		if (rc)
			die("%s [%d]: %s", argv[0], i, rd_kafka_err2str(rc));
		printf("%d %lld %lld\n", i, (long long)lo, (long long)hi);
	}
	rd_kafka_destroy(rk);
}

static void cmd_produce(int argc, char **argv)
{
	rd_kafka_t *rk = handle(NULL);
	rd_kafka_resp_err_t rc;

	(void)argc;
	rc = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(argv[0]),
			       RD_KAFKA_V_PARTITION((int32_t)num(argv[1], "partition", -1)),
			       RD_KAFKA_V_KEY(argv[2], strlen(argv[2])),
			       RD_KAFKA_V_VALUE(argv[3], strlen(argv[3])), RD_KAFKA_V_END);
	if (!rc)
		rc = rd_kafka_flush(rk, TIMEOUT_MS);
	if (rc)
		die("%s: %s", argv[0], rd_kafka_err2str(rc));
	rd_kafka_destroy(rk);
}

static const struct command {
	const char *name;
	int min, max;
	void (*run)(int argc, char **argv);
	const char *args;
} commands[] = {
	{"wait", 1, 2, cmd_wait, "BROKERS [SECONDS]"},
	{"create", 2, 64, cmd_create, "TOPIC PARTITIONS [replication=N] [KEY=VALUE…]"},
	{"delete", 1, 1, cmd_delete, "TOPIC"},
	{"add-partitions", 2, 2, cmd_add_partitions, "TOPIC TOTAL"},
	{"offsets", 2, 2, cmd_offsets, "GROUP TOPIC"},
	{"commit", 4, 5, cmd_commit, "GROUP TOPIC PARTITION OFFSET [METADATA]"},
	{"delete-records", 3, 3, cmd_delete_records, "TOPIC PARTITION BEFORE-OFFSET"},
	{"describe-group", 1, 1, cmd_describe_group, "GROUP"},
	{"ends", 1, 1, cmd_ends, "TOPIC"},
	{"produce", 4, 4, cmd_produce, "TOPIC PARTITION KEY VALUE"},
};

static void usage(FILE *out)
{
	fputs("usage: bg-testadmin -b BOOTSTRAP COMMAND ARGUMENT…   (or BG_BOOTSTRAP in the environment)\n",
	      out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-15s %s\n", commands[i].name, commands[i].args);
}

int main(int argc, char **argv)
{
	int opt;

	bootstrap = getenv("BG_BOOTSTRAP");
	while ((opt = getopt(argc, argv, "+b:h")) != -1) {
		if (opt == 'b')
			bootstrap = optarg;
		else
			return usage(opt == 'h' ? stdout : stderr), opt == 'h' ? 0 : 2;
	}
	argc -= optind;
	argv += optind;
	if (!bootstrap || !*bootstrap || argc < 1)
		return usage(stderr), 2;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, argv[0]))
			continue;
		if (argc - 1 < commands[i].min || argc - 1 > commands[i].max)
			return usage(stderr), 2;
		commands[i].run(argc - 1, argv + 1);
		return fflush(stdout) ? 1 : 0;
	}
	return usage(stderr), 2;
}
