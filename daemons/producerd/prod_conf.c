/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "producerd/prod.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "common/ids.h"
#include "common/kafka.h"
#include "common/mem.h"
#include "common/token.h"

#define DAY_US INT64_C(86400000000)

const struct bg_conf_key prod_conf_table[] = {
	{"producer", "topic", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_REQUIRED, "topic to produce to"},
	{"producer", "rate", BG_CONF_DOUBLE, "100", 0, PROD_RATE_MAX, NULL, BG_CONF_RELOAD,
	 "records per second, evenly paced; 0 = as fast as the queue takes them"},
	{"producer", "autostart", BG_CONF_BOOL, "yes", 0, 0, NULL, 0,
	 "begin at once; no = wait for a start command"},
	{"producer", "numbering", BG_CONF_ENUM, "headers", 0, 0, "headers|value|none", 0,
	 "where run, sequence, time and CRC of a record are put"},
	{"producer", "payload-size", BG_CONF_SIZE, "100 B", 0, PROD_VALUE_MAX, NULL, BG_CONF_RELOAD,
	 "bytes of a generated value"},
	{"producer", "keys", BG_CONF_INT, "1000", 0, INT64_C(1000000000000), NULL, BG_CONF_RELOAD,
	 "how many different keys are generated; 0 = records have none"},
	{"producer", "template", BG_CONF_STRING, NULL, 0, 0, NULL, BG_CONF_RELOAD,
	 "text of a generated value, with {seq} {key} {time_us} {run} {rand:N}"},
	{"producer", "input", BG_CONF_STRING, "none", 0, 0, NULL, 0,
	 "none = generate; - = lines of standard input; or the path of a file or FIFO"},
	{"producer", "input-key-separator", BG_CONF_STRING, NULL, 0, 0, NULL, 0,
	 "text between key and value of a line; unset = lines have no key"},
	{"producer", "count", BG_CONF_INT, "0", 0, INT64_MAX, NULL, 0,
	 "end after so many records, when all are acknowledged; 0 = endless"},
	{"producer", "duration", BG_CONF_DURATION, "0", 0, 3650 * DAY_US, NULL, 0,
	 "end after this time, when all are acknowledged; 0 = endless"},
	{"producer", "partitioning", BG_CONF_ENUM, "key", 0, 0, "key|round-robin", 0,
	 "partition by murmur2 hash of the key (without a key: in turn), or always in turn"},
	{"producer", "max-queue", BG_CONF_INT, "500000", 1, 10000000, NULL, 0,
	 "records that may wait for acknowledgement; then producing waits"},
	{"producer", "stop-timeout", BG_CONF_DURATION, "10 s", 0, 3600000000, NULL, BG_CONF_RELOAD,
	 "at SIGTERM: time for what is queued to be sent"},
	{"producer", "nice", BG_CONF_INT, "0", -20, 19, NULL, 0,
	 "priority of the thread that paces, as far as it is allowed; keeps the pace even on a busy machine"},
	{"http", "listen", BG_CONF_STRING, "127.0.0.1:8081", 0, 0, NULL, 0,
	 "address and port of the HTTP interface; none = no TCP"},
	{"control", "socket", BG_CONF_STRING, BG_RUNDIR "/producerd-%i.sock", 0, 0, NULL, 0,
	 "path of the Unix control socket; none = no socket"},
	{"kafka", "*", BG_CONF_PASS, NULL, 0, 0, BG_CONF_KAFKA_LISTS, 0,
	 "any producer property of librdkafka"},
	{NULL, NULL, BG_CONF_STRING, NULL, 0, 0, NULL, 0, NULL},
};

const struct bg_conf_key *const prod_conf_tables[] = {prod_conf_table, bg_conf_common_table, NULL};

/* Set from [producer], or without sense where partitions are chosen here. */
static const char *const reserved[] = {
	"queue.buffering.max.messages",
	"transactional.id",
	"partitioner",
	NULL,
};

/* The property's value in [kafka] under any of its names; NULL: not there. */
static const char *passed(const struct bg_conf *c, const char *name, const char *alias)
{
	const char *key, *value;
	int line;
	for (size_t i = 0; (key = bg_conf_pass_at(c, "kafka", i, &value, &line)); i++)
		if (!strcmp(key, name) || (alias && !strcmp(key, alias)))
			return value;
	return NULL;
}

/* Idempotence is the default, but where it contradicts what was asked for, that wins: acks = 1 is enough to say. */
static bool idempotence_fits(const struct bg_conf *c)
{
	const char *acks = passed(c, "acks", "request.required.acks");
	const char *flight = passed(c, "max.in.flight.requests.per.connection", "max.in.flight");
	const char *retries = passed(c, "retries", "message.send.max.retries");
	if (acks && strcasecmp(acks, "all") && strcmp(acks, "-1"))
		return false;
	if (flight && strtol(flight, NULL, 10) > 5)
		return false;
	return !retries || strtol(retries, NULL, 10) > 0;
}

rd_kafka_conf_t *prod_conf_kafka(const struct bg_conf *conf)
{
	char queue[24];
	snprintf(queue, sizeof(queue), "%" PRId64, bg_conf_int(conf, "producer", "max-queue"));
	rd_kafka_conf_t *k = bg_kafka_conf(conf, "queue.buffering.max.messages", queue, NULL);
	if (!passed(conf, "enable.idempotence", NULL))
		rd_kafka_conf_set(k, "enable.idempotence", idempotence_fits(conf) ? "true" : "false", NULL,
				  0);
	if (!passed(conf, "linger.ms", "queue.buffering.max.ms"))
		rd_kafka_conf_set(k, "linger.ms", "5", NULL, 0);
	return k;
}

/* NULL when the key is unset or `none`. */
static const char *input_of(const struct bg_conf *c)
{
	const char *input = bg_conf_str(c, "producer", "input");
	return input && strcmp(input, "none") ? input : NULL;
}

void prod_conf_engine(const struct bg_conf *c, struct prod_engine_opts *o)
{
	o->topic = bg_conf_str(c, "producer", "topic");
	o->rate = bg_conf_double(c, "producer", "rate");
	o->autostart = bg_conf_bool(c, "producer", "autostart");
	o->by_key = !strcmp(bg_conf_str(c, "producer", "partitioning"), "key");
	o->input = input_of(c);
	o->separator = bg_conf_str(c, "producer", "input-key-separator");
	o->count = bg_conf_int(c, "producer", "count");
	o->duration_us = bg_conf_int(c, "producer", "duration");
	o->payload = (struct prod_payload_opts){
		.template = bg_conf_str(c, "producer", "template"),
		.size = (size_t)bg_conf_int(c, "producer", "payload-size"),
		.keys = bg_conf_int(c, "producer", "keys"),
		.numbers = prod_numbers_parse(bg_conf_str(c, "producer", "numbering")),
		.seed = bg_random_u64(),
	};
}

static int wrong(const struct bg_conf *c, const char *key, const char *what, struct bg_buf *errs)
{
	bg_buf_printf(errs, "%s: %s\n", bg_conf_where(c, "producer", key), what);
	return -EINVAL;
}

/* What one value alone cannot tell. */
static int check_producer(const struct bg_conf *c, struct bg_buf *errs)
{
	struct prod_engine_opts o = {0};
	struct prod_payload *p;
	struct bg_err err = BG_ERR_INIT;
	int rc = 0;
	prod_conf_engine(c, &o);
	size_t len = strlen(o.topic);
	if (len < 1 || len > 249 ||
	    strspn(o.topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != len)
		rc = wrong(c, "topic", "is no topic name: 1 to 249 letters, digits, '.', '_' or '-'", errs);
	if (prod_payload_new(&o.payload, &p, &err))
		rc = wrong(c, "template", err.msg, errs);
	else
		prod_payload_free(p);
	if (o.input && o.payload.template)
		rc = wrong(c, "template", "cannot be together with input: lines are sent as they are", errs);
	if (o.input && o.payload.numbers == PROD_NUMBERS_VALUE)
		rc = wrong(c, "numbering", "value cannot be together with input; headers and none can", errs);
	if (o.separator && !o.input)
		rc = wrong(c, "input-key-separator", "has no meaning without input", errs);
	return rc;
}

static void quiet(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
	(void)rk;
	(void)level;
	(void)fac;
	(void)text;
}

/* Contradictions between properties are seen only by making a handle; none is connected by that. */
static int check_handle(const struct bg_conf *c, struct bg_buf *errs)
{
	char text[512];
	size_t size = sizeof(text);
	rd_kafka_conf_t *k = prod_conf_kafka(c);
	/* A handle with SASL already acts (tickets, tokens); and what is wrong is told by errs, not by the log. */
	if (!rd_kafka_conf_get(k, "security.protocol", text, &size) && !strncasecmp(text, "sasl", 4)) {
		rd_kafka_conf_destroy(k);
		return 0;
	}
	rd_kafka_conf_set(k, "bootstrap.servers", "", NULL, 0);
	rd_kafka_conf_set_log_cb(k, quiet);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, k, text, sizeof(text));
	if (rk) {
		rd_kafka_destroy(rk);
		return 0;
	}
	rd_kafka_conf_destroy(k);
	bg_buf_printf(errs, "[kafka]: %s\n", text);
	return -EINVAL;
}

int prod_conf_token(const struct bg_conf *c, char **ret, struct bg_err *err)
{
	const char *path = bg_conf_str(c, "http", "token-file");
	if (path)
		return bg_token_read(path, ret, err);
	*ret = NULL;
	return 0;
}

static int check_token(const struct bg_conf *c, struct bg_buf *errs)
{
	_cleanup_free_ char *token = NULL;
	struct bg_err err = BG_ERR_INIT;
	int rc = prod_conf_token(c, &token, &err);
	if (rc)
		bg_buf_printf(errs, "%s: %s\n", bg_conf_where(c, "http", "token-file"), err.msg);
	return rc;
}

int prod_conf_check(const struct bg_conf *conf, const char *instance, struct bg_buf *errs)
{
	(void)instance;
	int rc = check_producer(conf, errs);
	if (check_token(conf, errs))
		rc = -EINVAL;
	int kafka = bg_kafka_check(conf, reserved, errs);
	if (!kafka)
		kafka = check_handle(conf, errs);
	return rc ? rc : kafka;
}
