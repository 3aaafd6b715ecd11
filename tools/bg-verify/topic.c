/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bg-verify/topic.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"

#define ASK_MS   10000
#define STUCK_MS 30000 /* without a record or an end for so long, reading is given up */

struct part {
	char *topic;
	int32_t p;
	int64_t low, high;
	uint32_t no; /* of the judge */
	bool done;
};
struct vf_topics {
	rd_kafka_t *rk;
	struct part *v;
	size_t n, cap, left;
};

static int bootstrap_of(const char *text, char **ret, struct bg_err *err)
{
	char line[4096];
	FILE *f;
	size_t n;

	if (strncmp(text, "file:", 5) != 0) {
		*ret = bg_xstrdup(text);
		return 0;
	}
	f = fopen(text + 5, "re");
	if (!f)
		return bg_err_set(err, -errno, "no_bootstrap", "%s: %s", text + 5, strerror(errno));
	line[0] = '\0';
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	n = strcspn(line, "\r\n");
	if (n == 0)
		return bg_err_set(err, -EINVAL, "no_bootstrap",
				  "%s: the first line is empty, HOST:PORT was expected", text + 5);
	*ret = bg_xstrndup(line, n);
	return 0;
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct bg_err *err)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return 0;
	return bg_err_set(err, -EINVAL, "bad_property", "-X %s=%s: %s", name, value, why);
}

static int set_all(rd_kafka_conf_t *conf, const char *bootstrap, char *const *props, size_t n,
		   struct bg_err *err)
{
	static const char *const mine[][2] = {
		{"group.id", "bg-verify"}, /* librdkafka wants one; nothing is committed, nobody is joined */
		{"enable.auto.commit", "false"},   {"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},    {"enable.partition.eof", "true"},
		{"queued.min.messages", "100000"},
	};
	_cleanup_free_ char *servers = NULL;
	int rc;

	for (size_t i = 0; i < BG_ARRAY_SIZE(mine); i++)
		if ((rc = set(conf, mine[i][0], mine[i][1], err)) < 0)
			return rc;
	if (bootstrap) {
		if ((rc = bootstrap_of(bootstrap, &servers, err)) < 0 ||
		    (rc = set(conf, "bootstrap.servers", servers, err)) < 0)
			return rc;
	}
	for (size_t i = 0; i < n; i++) {
		const char *eq = strchr(props[i], '=');
		_cleanup_free_ char *name = eq ? bg_xstrndup(props[i], (size_t)(eq - props[i])) : NULL;

		if (!eq)
			return bg_err_set(err, -EINVAL, "bad_property", "-X %s: NAME=VALUE was expected",
					  props[i]);
		if ((rc = set(conf, name, eq + 1, err)) < 0)
			return rc;
	}
	return 0;
}

/* Errors come back from the calls; librdkafka's own lines would only stand between those of the report. */
static void quiet(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
	(void)rk;
	if (level <= 2)
		fprintf(stderr, "bg-verify: %s: %s\n", fac, buf);
}

int vf_topics_open(const char *bootstrap, char *const *props, size_t n, struct vf_topics **ret,
		   struct bg_err *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	rd_kafka_t *rk;
	int rc = set_all(conf, bootstrap, props, n, err);

	if (rc < 0) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	rd_kafka_conf_set_log_cb(conf, quiet);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return bg_err_set(err, -EINVAL, "bad_property", "%s", why);
	}
	rd_kafka_poll_set_consumer(rk);
	*ret = bg_xcalloc(1, sizeof(**ret));
	(*ret)->rk = rk;
	return 0;
}

static int add_partition(struct vf_topics *t, const char *topic, int32_t p, struct bg_err *err)
{
	int64_t low, high;
	rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(t->rk, topic, p, &low, &high, ASK_MS);

	if (e)
		return bg_err_set(err, -EIO, "topic_unreadable", "%s [%d]: start and end of the log: %s",
				  topic, p, rd_kafka_err2str(e));
	t->v = bg_xgrow(t->v, &t->cap, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = (struct part){bg_xstrdup(topic), p, low, high, 0, false};
	return 0;
}

int vf_topics_end(struct vf_topics *t, const char *topic, struct bg_err *err)
{
	rd_kafka_topic_t *rkt;
	const rd_kafka_metadata_t *md = NULL;
	rd_kafka_resp_err_t e;
	int rc = 0;

	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i].topic, topic) == 0)
			return 0;
	rkt = rd_kafka_topic_new(t->rk, topic, NULL);
	if (!rkt)
		return bg_err_set(err, -EINVAL, "topic_unreadable", "topic %s: %s", topic,
				  rd_kafka_err2str(rd_kafka_last_error()));
	e = rd_kafka_metadata(t->rk, 0, rkt, &md, ASK_MS);
	if (!e && md->topic_cnt == 1)
		e = md->topics[0].err;
	if (!e && (md->topic_cnt != 1 || md->topics[0].partition_cnt == 0))
		e = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	if (e)
		rc = bg_err_set(err, -EIO, "topic_unreadable", "topic %s: %s", topic, rd_kafka_err2str(e));
	for (int i = 0; rc == 0 && i < md->topics[0].partition_cnt; i++)
		rc = add_partition(t, topic, md->topics[0].partitions[i].id, err);
	if (md)
		rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(rkt);
	return rc;
}

bool vf_number_parse(const char *run, size_t run_len, const char *seq, size_t seq_len, uint32_t *ret_run,
		     int64_t *ret_seq)
{
	uint32_t r = 0;
	int64_t s = 0;

	if (run_len != 8 || seq_len < 1 || seq_len > 18)
		return false;
	for (size_t i = 0; i < run_len; i++) {
		const char *digits = "0123456789abcdef", *d = memchr(digits, run[i] | 0x20, 16);

		if (!d)
			return false;
		r = r << 4 | (uint32_t)(d - digits);
	}
	for (size_t i = 0; i < seq_len; i++) {
		if (seq[i] < '0' || seq[i] > '9')
			return false;
		s = s * 10 + (seq[i] - '0');
	}
	*ret_run = r;
	*ret_seq = s;
	return true;
}

static void number_of(const rd_kafka_message_t *m, uint32_t *run, int64_t *seq)
{
	rd_kafka_headers_t *h;
	const void *rv, *sv;
	size_t rn, sn;

	*run = 0;
	*seq = -1;
	if (rd_kafka_message_headers(m, &h) || rd_kafka_header_get_last(h, "bg-run", &rv, &rn) ||
	    rd_kafka_header_get_last(h, "bg-seq", &sv, &sn) || !rv || !sv)
		return;
	if (!vf_number_parse(rv, rn, sv, sn, run, seq))
		*seq = -1;
}

static void part_done(struct vf_topics *t, struct part *q)
{
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);

	q->done = true;
	t->left--;
	rd_kafka_topic_partition_list_add(l, q->topic, q->p);
	rd_kafka_pause_partitions(t->rk, l); /* producers may go on: nothing behind the end is fetched */
	rd_kafka_topic_partition_list_destroy(l);
}

static struct part *part_of(struct vf_topics *t, const rd_kafka_message_t *m, size_t *hint)
{
	const char *topic = rd_kafka_topic_name(m->rkt);

	for (size_t k = 0; k < t->n; k++) {
		struct part *q = &t->v[(*hint + k) % t->n];

		if (q->p == m->partition && strcmp(q->topic, topic) == 0) {
			*hint = (*hint + k) % t->n;
			return q;
		}
	}
	return NULL;
}

/* Assign the partition anew: after an offset out of range a seek starts no fetch (librdkafka 2.0.2). */
static rd_kafka_resp_err_t start_at(struct vf_topics *t, const struct part *q, int64_t offset)
{
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
	rd_kafka_error_t *e;
	rd_kafka_resp_err_t rc;

	rd_kafka_topic_partition_list_add(l, q->topic, q->p)->offset = offset;
	e = rd_kafka_incremental_unassign(t->rk, l);
	if (!e)
		e = rd_kafka_incremental_assign(t->rk, l);
	rc = e ? rd_kafka_error_code(e) : RD_KAFKA_RESP_ERR_NO_ERROR;
	if (e)
		rd_kafka_error_destroy(e);
	rd_kafka_topic_partition_list_destroy(l);
	return rc;
}

/* Retention went on while we read, and overtook us: go on at the new start of the log. */
static int overtaken(struct vf_topics *t, struct vf_judge *j, struct part *q, rd_kafka_resp_err_t why,
		     struct bg_err *err)
{
	int64_t low, high;
	rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(t->rk, q->topic, q->p, &low, &high, ASK_MS);

	if (!e && low > q->low) {
		q->low = low;
		vf_judge_range(j, q->topic, q->p, low, q->high);
		if (low >= q->high) {
			part_done(t, q);
			return 0;
		}
		e = start_at(t, q, low);
	} else if (!e) {
		e = why; /* it has not moved: something else is wrong */
	}
	if (e)
		return bg_err_set(err, -EIO, "topic_unreadable", "%s [%d]: log start %lld: %s", q->topic,
				  q->p, (long long)q->low, rd_kafka_err2str(e));
	return 0;
}

/* One event of the queue. */
static int take(struct vf_topics *t, struct vf_judge *j, const rd_kafka_message_t *m, size_t *hint,
		struct bg_err *err)
{
	struct part *q = m->rkt ? part_of(t, m, hint) : NULL;
	uint32_t run;
	int64_t seq;

	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (q && !q->done)
			part_done(t, q);
		return 0;
	}
	if (q && !q->done &&
	    (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
	     m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE))
		return overtaken(t, j, q, m->err, err);
	/* Brokers that come and go are librdkafka's to handle; STUCK_MS ends it. What names a partition is final. */
	if (m->err && (!q || q->done))
		return 0;
	if (m->err)
		return bg_err_set(err, -EIO, "topic_unreadable", "%s [%d]: %s", q->topic, q->p,
				  rd_kafka_message_errstr(m));
	if (!q || q->done)
		return 0;
	if (m->offset < q->high) {
		number_of(m, &run, &seq);
		vf_judge_message(j, q->no, m->offset, run, seq);
	}
	if (m->offset + 1 >= q->high)
		part_done(t, q);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int consume(struct vf_topics *t, struct vf_judge *j, struct bg_err *err)
{
	int64_t last = now_ms();
	size_t hint = 0;
	int rc = 0;

	while (t->left > 0 && rc == 0) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(t->rk, 500);

		if (m) {
			rc = take(t, j, m, &hint, err);
			if (!m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
			    m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
				last = now_ms();
			rd_kafka_message_destroy(m);
		} else if (now_ms() - last > STUCK_MS) {
			for (size_t i = 0; i < t->n; i++)
				if (!t->v[i].done)
					return bg_err_set(
						err, -ETIMEDOUT, "topic_unreadable",
						"%s [%d]: nothing came for %d s, its end %lld was not reached",
						t->v[i].topic, t->v[i].p, STUCK_MS / 1000,
						(long long)t->v[i].high);
		}
	}
	return rc;
}

int vf_topics_read(struct vf_topics *t, struct vf_judge *j, struct bg_err *err)
{
	rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)t->n);
	rd_kafka_resp_err_t e;
	int rc = 0;

	t->left = 0;
	for (size_t i = 0; i < t->n; i++) {
		struct part *q = &t->v[i];

		q->no = vf_judge_range(j, q->topic, q->p, q->low, q->high);
		q->done = q->low >= q->high;
		if (!q->done) {
			rd_kafka_topic_partition_list_add(l, q->topic, q->p)->offset = q->low;
			t->left++;
		}
	}
	if (t->left > 0) {
		e = rd_kafka_assign(t->rk, l);
		if (e)
			rc = bg_err_set(err, -EIO, "topic_unreadable", "assign: %s", rd_kafka_err2str(e));
		else
			rc = consume(t, j, err);
		rd_kafka_assign(t->rk, NULL);
	}
	rd_kafka_topic_partition_list_destroy(l);
	for (size_t i = 0; rc == 0 && i < t->n; i++)
		vf_judge_partition_done(j, t->v[i].no);
	return rc;
}

void vf_topics_free(struct vf_topics *t)
{
	if (!t)
		return;
	rd_kafka_destroy_flags(t->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].topic);
	free(t->v);
	free(t);
}
