/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures, from outside, what bg-producerd put into a topic: reads every partition from its start to its
 * end, checks the numbering (bg-run, bg-seq, bg-crc), sorts the send times (bg-time-us), and says how evenly
 * they lie (requirement P-1): in each second of the run the count is within 1 % (± 1 record), and in 99 of
 * 100 intervals the silence is under 3 intervals or 5 ms.
 *
 *   bg-pacing -b BOOTSTRAP -t TOPIC [-r RATE -s SECONDS]
 *   bg-pacing -b BOOTSTRAP -t TOPIC -d
 *
 * One JSON object on stdout. Exit status: 0 good, 1 not (what is in "wrong"), 2 usage, 3 no answer. With -d the
 * records instead, one a line: partition, number of headers, key, value; nothing is checked.
 */
#include "config.h"
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <librdkafka/rdkafka.h>
#include "common/mem.h"
#include "common/statefile.h"

#define SILENCE_US  5000
#define POLL_MS     10000
#define METADATA_MS 10000
#define MAX_RUNS    64

/* One run in one partition: its numbers must follow each other from 0. */
struct run {
	char name[16];
	int64_t next;
};
struct part {
	struct run runs[MAX_RUNS];
	int n;
};

struct pacing {
	const char *bootstrap, *topic;
	double rate;
	int seconds;
	bool dump;
	rd_kafka_t *rk;
	struct part *parts;
	int32_t n_parts;
	int64_t *times;
	size_t n, cap;
	int64_t lost, out_of_order, bad_crc, unnumbered;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "bg-pacing: %s: %s\n", what, why);
	return 3;
}

/* A header as text; false: not there, or longer than any of ours. */
static bool header(const rd_kafka_headers_t *h, const char *name, char *buf, size_t size)
{
	const void *value;
	size_t len;
	if (rd_kafka_header_get_last(h, name, &value, &len) || len >= size)
		return false;
	memcpy(buf, value, len);
	buf[len] = 0;
	return true;
}

static void check_sequence(struct pacing *p, int32_t partition, const char *run, int64_t seq)
{
	struct part *part = &p->parts[partition];
	int i = 0;
	while (i < part->n && strcmp(part->runs[i].name, run))
		i++;
	if (i == part->n) {
		if (i == MAX_RUNS) {
			p->unnumbered++;
			return;
		}
		bg_strlcpy(part->runs[i].name, run, sizeof(part->runs[i].name));
		part->n++;
	}
	struct run *r = &part->runs[i];
	if (seq < r->next)
		p->out_of_order++;
	else
		p->lost += seq - r->next;
	if (seq >= r->next)
		r->next = seq + 1;
}

static void take(struct pacing *p, const rd_kafka_message_t *m)
{
	char run[16], seq[24], time[24], crc[16];
	rd_kafka_headers_t *h;
	if (rd_kafka_message_headers(m, &h) || !header(h, "bg-run", run, sizeof(run)) ||
	    !header(h, "bg-seq", seq, sizeof(seq)) || !header(h, "bg-time-us", time, sizeof(time)) ||
	    !header(h, "bg-crc", crc, sizeof(crc))) {
		p->unnumbered++;
		return;
	}
	check_sequence(p, m->partition, run, strtoll(seq, NULL, 10));
	uint32_t have = bg_crc32c(bg_crc32c(0, m->key, m->key_len), m->payload, m->len);
	if (have != strtoul(crc, NULL, 16))
		p->bad_crc++;
	p->times = bg_xgrow(p->times, &p->cap, p->n + 1, sizeof(*p->times));
	p->times[p->n++] = strtoll(time, NULL, 10);
}

static void dump(const rd_kafka_message_t *m)
{
	rd_kafka_headers_t *h;
	size_t n = rd_kafka_message_headers(m, &h) ? 0 : rd_kafka_header_cnt(h);
	printf("%" PRId32 " %zu %.*s %.*s\n", m->partition, n, (int)m->key_len,
	       m->key ? (const char *)m->key : "", (int)m->len, m->payload ? (const char *)m->payload : "");
}

static int assign_all(struct pacing *p)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(p->rk, p->topic, NULL);
	rd_kafka_resp_err_t err = rd_kafka_metadata(p->rk, 0, rkt, &md, METADATA_MS);
	rd_kafka_topic_destroy(rkt);
	if (err)
		return fail(p->topic, rd_kafka_err2str(err));
	err = md->topics[0].err;
	p->n_parts = md->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(md);
	if (err)
		return fail(p->topic, rd_kafka_err2str(err));
	p->parts = bg_xcalloc((size_t)p->n_parts, sizeof(*p->parts));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(p->n_parts);
	for (int32_t i = 0; i < p->n_parts; i++)
		rd_kafka_topic_partition_list_add(list, p->topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
	err = rd_kafka_assign(p->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return err ? fail("assign", rd_kafka_err2str(err)) : 0;
}

static int read_all(struct pacing *p)
{
	for (int32_t ended = 0; ended < p->n_parts;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(p->rk, POLL_MS);
		if (!m)
			return fail("reading", "nothing came for 10 s");
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ended++;
		else if (!m->err && p->dump)
			dump(m);
		else if (!m->err)
			take(p, m);
		rd_kafka_message_destroy(m);
	}
	return 0;
}

static int open_consumer(struct pacing *p)
{
	static const char *const conf_pairs[][2] = {
		{"group.id", "bg-pacing"},       {"enable.partition.eof", "true"},
		{"enable.auto.commit", "false"}, {"fetch.wait.max.ms", "100"},
		{"auto.offset.reset", "error"},
	};
	char text[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	for (size_t i = 0; i < BG_ARRAY_SIZE(conf_pairs); i++)
		rd_kafka_conf_set(conf, conf_pairs[i][0], conf_pairs[i][1], NULL, 0);
	rd_kafka_conf_set(conf, "bootstrap.servers", p->bootstrap, NULL, 0);
	p->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		return fail("librdkafka", text);
	}
	rd_kafka_poll_set_consumer(p->rk);
	return 0;
}

/* --- judging --- */

struct judged {
	int64_t seconds, bad_seconds, min, max;
	int64_t silent; /* intervals that are longer than allowed */
	int64_t longest_us;
	double silent_share;
	double p99_us;
};

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Whole seconds from the first record on; the last, broken one is not counted unless -s asks for it. */
static void judge_seconds(const struct pacing *p, struct judged *j)
{
	size_t i = 0;
	double allowed = p->rate / 100 + 1;
	j->seconds = p->seconds ? p->seconds : (p->times[p->n - 1] - p->times[0]) / 1000000;
	j->min = INT64_MAX;
	for (int64_t s = 0; s < j->seconds; s++) {
		int64_t count = 0, end = p->times[0] + (s + 1) * 1000000;
		for (; i < p->n && p->times[i] < end; i++)
			count++;
		double off = (double)count - p->rate;
		if (off > allowed || off < -allowed)
			j->bad_seconds++;
		j->min = BG_MIN(j->min, count);
		j->max = BG_MAX(j->max, count);
	}
}

static void judge_silence(const struct pacing *p, struct judged *j)
{
	double allowed = BG_MAX(3e6 / p->rate, (double)SILENCE_US);
	int64_t *gaps = bg_xcalloc(p->n, sizeof(*gaps));
	for (size_t i = 1; i < p->n; i++) {
		gaps[i - 1] = p->times[i] - p->times[i - 1];
		if ((double)gaps[i - 1] >= allowed)
			j->silent++;
	}
	qsort(gaps, p->n - 1, sizeof(*gaps), by_value);
	j->longest_us = gaps[p->n - 2];
	j->p99_us = (double)gaps[(size_t)((double)(p->n - 1) * 0.99)];
	j->silent_share = (double)j->silent / (double)(p->n - 1);
	free(gaps);
}

static int report(struct pacing *p)
{
	struct judged j = {0};
	bool paced = p->rate > 0 && p->n > 1;
	if (paced) {
		qsort(p->times, p->n, sizeof(*p->times), by_value);
		judge_seconds(p, &j);
		judge_silence(p, &j);
	}
	bool numbers = !p->lost && !p->out_of_order && !p->bad_crc && !p->unnumbered;
	bool seconds = !p->rate || (paced && j.seconds > 0 && !j.bad_seconds);
	bool silence = !p->rate || (paced && j.silent_share <= 0.01);
	printf("{\"records\":%zu,\"lost\":%" PRId64 ",\"out_of_order\":%" PRId64 ",\"bad_crc\":%" PRId64
	       ",\"unnumbered\":%" PRId64 ",\"rate\":%g,\"seconds\":%" PRId64 ",\"bad_seconds\":%" PRId64
	       ",\"min_a_second\":%" PRId64 ",\"max_a_second\":%" PRId64
	       ",\"silent_share\":%.6f,\"gap_p99_us\":%.0f"
	       ",\"gap_max_us\":%" PRId64 ",\"wrong\":[%s%s%s]}\n",
	       p->n, p->lost, p->out_of_order, p->bad_crc, p->unnumbered, p->rate, j.seconds, j.bad_seconds,
	       paced ? j.min : 0, j.max, j.silent_share, j.p99_us, j.longest_us, numbers ? "" : "\"numbers\"",
	       seconds ? "" : (numbers ? "\"seconds\"" : ",\"seconds\""),
	       silence ? "" : (numbers && seconds ? "\"silence\"" : ",\"silence\""));
	return numbers && seconds && silence ? 0 : 1;
}

static int usage(void)
{
	fputs("usage: bg-pacing -b BOOTSTRAP -t TOPIC [-r RATE] [-s SECONDS] [-d]\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct pacing p = {0};
	int opt;
	while ((opt = getopt(argc, argv, "b:t:r:s:d")) != -1) {
		if (opt == 'b')
			p.bootstrap = optarg;
		else if (opt == 't')
			p.topic = optarg;
		else if (opt == 'r')
			p.rate = atof(optarg);
		else if (opt == 's')
			p.seconds = atoi(optarg);
		else if (opt == 'd')
			p.dump = true;
		else
			return usage();
	}
	if (!p.bootstrap || !p.topic || optind < argc)
		return usage();
	int rc = open_consumer(&p);
	if (!rc)
		rc = assign_all(&p);
	if (!rc)
		rc = read_all(&p);
	if (!rc && !p.dump)
		rc = report(&p);
	if (p.rk) {
		rd_kafka_consumer_close(p.rk);
		rd_kafka_destroy(p.rk);
	}
	free(p.parts);
	free(p.times);
	return rc;
}
