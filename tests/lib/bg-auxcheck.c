/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second warm handle (bg_aux) against a broker that is there: checks each call, measures how long it
 * takes. usage: bg-auxcheck BOOTSTRAP TOPIC GROUP [COUNT]; the group must have no members. TOPIC `-`: only tells them. COUNT 0: only the
 * checks. A call that fails ends it with "code: message" and exit status 1.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/kafka.h"
#include "common/log.h"

#define LIMIT_US 20000000
#define PAUSE_US 2000 /* between two calls, so that each finds everything at rest */

struct check {
	struct bg_loop *loop;
	struct bg_aux *aux;
	const char *topic, *group;
	struct bg_offs parts, got;
	bool done;
	bool failed;
	int64_t end_us;
};

static void on_offs(void *arg, const struct bg_err *err, const struct bg_offs *offs)
{
	struct check *c = arg;

	c->end_us = bg_now_us();
	c->done = true;
	c->failed = err != NULL;
	if (err)
		fprintf(stderr, "%s: %s\n", err->code, err->msg);
	else
		bg_offs_copy(&c->got, offs);
}

static void on_health(void *arg, const struct bg_err *err, int brokers, int under, int leaderless)
{
	struct check *c = arg;

	c->end_us = bg_now_us();
	c->done = true;
	c->failed = err || brokers < 1 || under || leaderless;
	if (err)
		fprintf(stderr, "%s: %s\n", err->code, err->msg);
}

static void on_members(void *arg, const struct bg_err *err, const struct bg_member *v, size_t n)
{
	struct check *c = arg;

	c->end_us = bg_now_us();
	c->done = true;
	c->failed = err != NULL;
	if (err)
		fprintf(stderr, "%s: %s\n", err->code, err->msg);
	printf("members     %zu\n", n);
	for (size_t i = 0; i < n; i++)
		printf("member      %s %s %s\n", v[i].instance_id ? v[i].instance_id : "-", v[i].client_id,
		       v[i].host);
}

static void ask_members(struct check *c)
{
	bg_aux_members(c->aux, c->group, LIMIT_US, on_members, c);
}

static void ask_committed(struct check *c)
{
	bg_aux_committed(c->aux, c->group, &c->parts, LIMIT_US, on_offs, c);
}

static void ask_alter(struct check *c)
{
	bg_aux_alter(c->aux, c->group, &c->parts, LIMIT_US, on_offs, c);
}

static void ask_ranges(struct check *c)
{
	bg_aux_ranges(c->aux, &c->parts, LIMIT_US, on_offs, c);
}

static void ask_partitions(struct check *c)
{
	bg_aux_partitions(c->aux, &c->topic, 1, LIMIT_US, on_offs, c);
}

static void ask_health(struct check *c)
{
	bg_aux_health(c->aux, &c->topic, 1, LIMIT_US, on_health, c);
}

/* One call from begin to callback, in microseconds. */
static int64_t once(struct check *c, void (*ask)(struct check *c))
{
	int64_t t0 = bg_now_us();

	c->done = false;
	ask(c);
	if (!bg_loop_run_until(c->loop, &c->done, LIMIT_US + 1000000) || c->failed)
		exit(1);
	return c->end_us - t0;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure(struct check *c, const char *name, void (*ask)(struct check *c), int n)
{
	int64_t *us = bg_xcalloc((size_t)n, sizeof(*us)), first = once(c, ask);
	bool never = false;

	for (int i = 0; i < n; i++) {
		bg_loop_run_until(c->loop, &never, PAUSE_US);
		us[i] = once(c, ask);
	}
	qsort(us, (size_t)n, sizeof(*us), by_size);
	printf("%-11s n %d  first %" PRId64 " us  p50 %" PRId64 " us  p90 %" PRId64 " us  p99 %" PRId64
	       " us  max %" PRId64 " us\n",
	       name, n, first, us[n / 2], us[n * 9 / 10], us[n * 99 / 100], us[n - 1]);
	free(us);
}

/* What was written with epoch, floor and colour is read back so. */
static void check_metadata(struct check *c)
{
	for (size_t i = 0; i < c->parts.n; i++) {
		c->parts.v[i].offset = (int64_t)(1000 + i);
		c->parts.v[i].epoch = 7;
		c->parts.v[i].floor = 9;
		strcpy(c->parts.v[i].color, "blue");
	}
	once(c, ask_alter);
	once(c, ask_committed);
	for (size_t i = 0; i < c->parts.n; i++) {
		const struct bg_off *o = bg_offs_find(&c->got, c->topic, c->parts.v[i].partition);

		if (o && o->offset == (int64_t)(1000 + i) && o->epoch == 7 && o->floor == 9 &&
		    !strcmp(o->color, "blue"))
			continue;
		fprintf(stderr, "%s [%d]: read back otherwise than written\n", c->topic,
			(int)c->parts.v[i].partition);
		exit(1);
	}
}

static const struct {
	const char *name;
	void (*ask)(struct check *c);
} measured[] = {
	{"committed", ask_committed},   {"alter", ask_alter},   {"ranges", ask_ranges},
	{"partitions", ask_partitions}, {"health", ask_health},
};

int main(int argc, char **argv)
{
	struct check c = {0};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int n = argc > 4 ? atoi(argv[4]) : 1000;
	char text[256];
	struct bg_err err;
	struct bg_worker *w;

	if (argc < 4 || n < 0) {
		fputs("usage: bg-auxcheck BOOTSTRAP TOPIC GROUP [COUNT]\n", stderr);
		return 2;
	}
	bg_log_init("auxcheck", "logfmt", BG_DEBUG);
	c.topic = argv[2];
	c.group = argv[3];
	c.loop = bg_loop_new();
	w = bg_worker_new(c.loop, 2);
	rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], text, sizeof(text));
	rd_kafka_conf_set(conf, "socket.nagle.disable", "true", text, sizeof(text));
	rd_kafka_conf_set(conf, "group.id", "bg-auxcheck", text, sizeof(text));
	c.aux = bg_aux_new(c.loop, w, conf, &err);
	if (!c.aux) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	if (strcmp(c.topic, "-") == 0) {
		once(&c, ask_members);
		return 0;
	}
	once(&c, ask_partitions);
	bg_offs_copy(&c.parts, &c.got);
	check_metadata(&c);
	for (size_t i = 0; n > 0 && i < BG_ARRAY_SIZE(measured); i++)
		measure(&c, measured[i].name, measured[i].ask, i ? BG_MIN(n, 200) : n);
	bg_aux_free(c.aux);
	bg_worker_free(w, 15000000);
	bg_loop_free(c.loop);
	bg_offs_free(&c.parts);
	bg_offs_free(&c.got);
	return 0;
}
