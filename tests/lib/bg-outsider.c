/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stranger in a consumer group: what the host of somebody else, or a misconfigured one of ours, does to a
 * switch. It joins with the topics and the static id it is told, reads and forgets, and never commits.
 * Prints a line at each event: "assigned N", "revoked N", "fenced"; with --again it joins anew 200 ms after it
 * was fenced, as a supervised program would; else it ends with status 3. SIGTERM ends it with status 0, and it
 * stays a member until its session time-out, as every static member does.
 */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <librdkafka/rdkafka.h>

static volatile sig_atomic_t ended;

static struct {
	const char *bootstrap, *group, *id;
	const char *topics[16];
	int n_topics;
	char *props[16]; /* "name=value", cut in two in place when first used */
	int n_props;
	bool again;
} args;

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char err[512];

	if (rd_kafka_conf_set(conf, name, value, err, sizeof(err))) {
		fprintf(stderr, "bg-outsider: %s\n", err);
		exit(2);
	}
}

/* Cooperative: what is added or taken away is the difference only. */
static void rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t why, rd_kafka_topic_partition_list_t *l, void *arg)
{
	rd_kafka_error_t *e;

	(void)arg;
	if (why == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		e = rd_kafka_incremental_assign(rk, l);
		printf("assigned %d\n", l->cnt);
	} else {
		e = rd_kafka_incremental_unassign(rk, l);
		printf("revoked %d\n", l->cnt);
	}
	if (e)
		rd_kafka_error_destroy(e); /* the group was lost meanwhile: the poll loop hears of it */
}

static rd_kafka_t *join(void)
{
	char err[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(args.n_topics);
	rd_kafka_resp_err_t rc;
	rd_kafka_t *rk;

	set(conf, "bootstrap.servers", args.bootstrap);
	set(conf, "group.id", args.group);
	set(conf, "client.id", "outsider");
	if (args.id)
		set(conf, "group.instance.id", args.id);
	set(conf, "partition.assignment.strategy", "cooperative-sticky");
	set(conf, "enable.auto.commit", "false");
	set(conf, "auto.offset.reset", "earliest");
	set(conf, "log_level", "0");
	for (int i = 0; i < args.n_props; i++)
		set(conf, args.props[i], args.props[i] + strlen(args.props[i]) + 1);
	rd_kafka_conf_set_rebalance_cb(conf, rebalance);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
	if (!rk) {
		fprintf(stderr, "bg-outsider: %s\n", err);
		exit(2);
	}
	rd_kafka_poll_set_consumer(rk);
	for (int i = 0; i < args.n_topics; i++)
		rd_kafka_topic_partition_list_add(l, args.topics[i], RD_KAFKA_PARTITION_UA);
	rc = rd_kafka_subscribe(rk, l);
	if (rc) {
		fprintf(stderr, "bg-outsider: subscribe: %s\n", rd_kafka_err2str(rc));
		exit(2);
	}
	rd_kafka_topic_partition_list_destroy(l);
	return rk;
}

/* Until SIGTERM (false) or until the broker gave the id to another (true). */
static bool fenced(rd_kafka_t *rk)
{
	while (!ended) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);

		if (m)
			rd_kafka_message_destroy(m);
		if (rd_kafka_fatal_error(rk, NULL, 0))
			return true;
	}
	return false;
}

static int run(void)
{
	while (!ended) {
		rd_kafka_t *rk = join();
		bool lost = fenced(rk);

		if (!lost)
			rd_kafka_consumer_close(rk);
		rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
		if (!lost)
			break;
		puts("fenced");
		if (!args.again)
			return 3;
		usleep(200 * 1000);
	}
	return 0;
}

static int usage(void)
{
	fputs("usage: bg-outsider -b BOOTSTRAP -g GROUP -t TOPIC… [-i GROUP-INSTANCE-ID] [-X NAME=VALUE]… "
	      "[--again]\n",
	      stderr);
	return 2;
}

static bool property(char *text)
{
	char *eq = strchr(text, '=');

	if (!eq || args.n_props == 16)
		return false;
	*eq = 0;
	args.props[args.n_props++] = text;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"again", no_argument, NULL, 'r'}, {0}};
	int opt;

	while ((opt = getopt_long(argc, argv, "b:g:t:i:X:", longs, NULL)) != -1) {
		if (opt == 'b')
			args.bootstrap = optarg;
		else if (opt == 'g')
			args.group = optarg;
		else if (opt == 'i')
			args.id = optarg;
		else if (opt == 't' && args.n_topics < 16)
			args.topics[args.n_topics++] = optarg;
		else if (opt == 'r')
			args.again = true;
		else if (opt != 'X' || !property(optarg))
			return usage();
	}
	if (!args.bootstrap || !args.group || !args.n_topics || optind != argc)
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, on_term);
	signal(SIGINT, on_term);
	return run();
}
