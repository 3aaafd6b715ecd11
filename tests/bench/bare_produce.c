/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of bg-producerd: a bare produce loop, as fast as the queue takes the records.
 *
 *	bare-produce -b BOOTSTRAP -t TOPIC -s SIZE (-d SECONDS | -n RECORDS) [-X name=value]…
 *
 * Values are SIZE bytes cut from random letters, partitions are taken in turn. With -d it warms up for a
 * second and then counts the acknowledgements of SECONDS; with -n it sends RECORDS and counts them all.
 */
#include "config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bare.h"

#define POOL       (1 << 20)
#define QUEUE      "500000" /* as bg-producerd's max-queue */
#define WARM_UP_US INT64_C(1000000)
#define POLL_EVERY 512

static int64_t acked;

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
	(void)rk;
	(void)opaque;
	if (msg->err)
		die("not sent: %s", rd_kafka_err2str(msg->err));
	acked++;
}

static int partitions_of(rd_kafka_t *rk, rd_kafka_topic_t *rkt)
{
	const struct rd_kafka_metadata *md;
	int n;

	if (rd_kafka_metadata(rk, 0, rkt, &md, 10000))
		die("no metadata of the topic");
	n = md->topic_cnt == 1 ? md->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(md);
	if (n < 1)
		die("the topic has no partitions");
	return n;
}

struct job {
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	size_t size;
	int partitions;
	char *pool;
	uint64_t sent;
};

/* One record; false: the queue is full. */
static bool put(struct job *j)
{
	const char *value = j->pool + j->sent * 7919 % (POOL - j->size);
	rd_kafka_error_t *e;
	rd_kafka_vu_t vus[] = {
		{.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = j->rkt},
		{.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = (int32_t)(j->sent % (unsigned)j->partitions)},
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
		{.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)value, j->size}},
	};

	e = rd_kafka_produceva(j->rk, vus, sizeof(vus) / sizeof(vus[0]));
	if (!e) {
		j->sent++;
		return true;
	}
	if (rd_kafka_error_code(e) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
		die("produce: %s", rd_kafka_error_string(e));
	rd_kafka_error_destroy(e);
	return false;
}

/* Until the time is reached, or that many are sent (and then acknowledged). */
static void run(struct job *j, int64_t until_us, uint64_t records)
{
	while (records ? j->sent < records : now_us() < until_us) {
		int i;

		for (i = 0; i < POLL_EVERY && (!records || j->sent < records); i++)
			if (!put(j)) {
				rd_kafka_poll(j->rk, 10);
				break;
			}
		rd_kafka_poll(j->rk, 0);
	}
	if (records && (rd_kafka_flush(j->rk, 60000) || acked != (int64_t)records))
		die("not all records were acknowledged");
}

static void measure(struct job *j, int64_t seconds, int64_t records)
{
	int64_t start = now_us(), cpu = cpu_us(), before = 0;

	if (records) {
		run(j, 0, (uint64_t)records);
	} else {
		run(j, start + WARM_UP_US, 0);
		start = now_us();
		cpu = cpu_us();
		before = acked;
		run(j, start + seconds * 1000000, 0);
	}
	print_result(acked - before, now_us() - start, cpu_us() - cpu);
}

static void fill(char *pool)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	uint64_t x = 1;
	int i;

	for (i = 0; i < POOL; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		pool[i] = letters[x >> 58];
	}
}

int main(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const char *topic = NULL;
	int64_t seconds = 0, records = 0;
	struct job j = {.pool = malloc(POOL)};
	char err[512];
	int opt;

	set(conf, "queue.buffering.max.messages", QUEUE);
	while ((opt = getopt(argc, argv, "b:t:s:d:n:X:")) != -1) {
		if (opt == 'b')
			set(conf, "bootstrap.servers", optarg);
		else if (opt == 't')
			topic = optarg;
		else if (opt == 's')
			j.size = (size_t)number("-s", optarg);
		else if (opt == 'd')
			seconds = number("-d", optarg);
		else if (opt == 'n')
			records = number("-n", optarg);
		else if (opt == 'X')
			set_pair(conf, optarg);
		else
			return 2;
	}
	if (!topic || !j.size || j.size > POOL / 2 || !seconds == !records || !j.pool) {
		fputs("usage: bare-produce -b BOOTSTRAP -t TOPIC -s SIZE (-d SECONDS | -n RECORDS)"
		      " [-X name=value]…\n",
		      stderr);
		return 2;
	}
	fill(j.pool);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	j.rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	if (!j.rk)
		die("%s", err);
	j.rkt = rd_kafka_topic_new(j.rk, topic, NULL);
	j.partitions = partitions_of(j.rk, j.rkt);
	measure(&j, seconds, records);
	fflush(stdout);
	rd_kafka_purge(j.rk, RD_KAFKA_PURGE_F_QUEUE);
	rd_kafka_topic_destroy(j.rkt);
	_exit(0); /* what is still queued is nobody's business */
}
