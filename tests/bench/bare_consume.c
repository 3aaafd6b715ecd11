/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of bg-consumerd: a bare poll loop.
 *
 *	bare-consume -b BOOTSTRAP -t TOPIC -g GROUP -n RECORDS [-c CHILD] [-X name=value]…
 *
 * Reads the topic from its start in a group of its own and commits once a second, as bg-consumerd does.
 * With -c every record goes through a child and counts when it is answered (bare_pipe.h). The clock starts
 * at the first tenth of RECORDS and stops at the last but one.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bare.h"
#include "bare_pipe.h"

#define COMMIT_US   INT64_C(1000000)
#define DEADLINE_US (120 * INT64_C(1000000))

static int64_t records, taken, done;
static int64_t start_us, start_done, start_cpu, stop_us, stop_done, stop_cpu, commit_us;

static void take(const rd_kafka_message_t *msg, bool piped)
{
	if (msg->err)
		die("%s", rd_kafka_message_errstr(msg));
	taken++;
	if (piped)
		pipe_give(msg);
	else
		done++;
}

/* Between two turns: the clock, the commit, the end. False: all are done. */
static bool go_on(rd_kafka_t *rk)
{
	int64_t now = now_us();

	if (!start_us && done >= records / 10) {
		start_us = now;
		start_cpu = cpu_us();
		start_done = done;
	}
	if (!stop_us && done >= records / 10 * 9) {
		stop_us = now;
		stop_cpu = cpu_us();
		stop_done = done;
	}
	if (now - commit_us >= COMMIT_US) {
		if (commit_us)
			rd_kafka_commit(rk, NULL, 1);
		commit_us = now;
	}
	return done < records;
}

static void run(rd_kafka_t *rk, bool piped)
{
	int64_t end = now_us() + DEADLINE_US;
	rd_kafka_message_t *msg;
	int i;

	while (go_on(rk)) {
		for (i = 0; i < 2000 && taken < records && (!piped || pipe_has_room()); i++) {
			msg = rd_kafka_consumer_poll(rk, piped || i ? 0 : 100);
			if (!msg)
				break;
			take(msg, piped);
			rd_kafka_message_destroy(msg);
		}
		if (piped)
			done = pipe_turn(i ? 0 : 1);
		if (now_us() > end)
			die("%lld of %lld records within the time", (long long)done, (long long)records);
	}
}

static void subscribe(rd_kafka_t *rk, const char *topic)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);

	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
	if (rd_kafka_subscribe(rk, topics))
		die("subscribe to %s failed", topic);
	rd_kafka_topic_partition_list_destroy(topics);
}

int main(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const char *topic = NULL, *child = NULL;
	char err[512];
	rd_kafka_t *rk;
	int opt;

	set(conf, "enable.auto.commit", "false");
	set(conf, "auto.offset.reset", "earliest");
	while ((opt = getopt(argc, argv, "b:t:g:n:c:X:")) != -1) {
		if (opt == 'b')
			set(conf, "bootstrap.servers", optarg);
		else if (opt == 't')
			topic = optarg;
		else if (opt == 'g')
			set(conf, "group.id", optarg);
		else if (opt == 'n')
			records = number("-n", optarg);
		else if (opt == 'c')
			child = optarg;
		else if (opt == 'X')
			set_pair(conf, optarg);
		else
			return 2;
	}
	if (!topic || !records) {
		fputs("usage: bare-consume -b BOOTSTRAP -t TOPIC -g GROUP -n RECORDS [-c CHILD]"
		      " [-X name=value]…\n",
		      stderr);
		return 2;
	}
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof(err));
	if (!rk)
		die("%s", err);
	if (child)
		pipe_start(child);
	subscribe(rk, topic);
	run(rk, child != NULL);
	print_result(stop_done - start_done, stop_us - start_us, stop_cpu - start_cpu);
	fflush(stdout);
	rd_kafka_consumer_close(rk);
	_exit(0);
}
