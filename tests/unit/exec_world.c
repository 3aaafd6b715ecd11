/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/mem.h"
#include "consumerd/commands.h"
#include "consumerd/con_conf.h"
#include "consumerd/dispatch.h"
#include "consumerd/faults.h"
#include "consumerd/handler.h"
#include "consumerd/meters.h"
#include "consumerd/source.h"
#include "exec_world.h"

struct exec_world w;

/* ---- what is not under test ---- */

void rd_kafka_message_destroy(rd_kafka_message_t *m)
{
	free(m);
}
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *m, rd_kafka_timestamp_type_t *type)
{
	(void)m;
	*type = RD_KAFKA_TIMESTAMP_CREATE_TIME;
	return 1795550400000;
}
rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *m, rd_kafka_headers_t **ret)
{
	(void)m;
	(void)ret;
	return RD_KAFKA_RESP_ERR__NOENT;
}
void con_error(struct con *c, const char *ev, const char *fmt, ...)
{
	va_list ap;

	(void)c;
	(void)ev;
	va_start(ap, fmt);
	vsnprintf(w.error, sizeof w.error, fmt, ap);
	va_end(ap);
}
void con_changed(struct con *c)
{
	c->seq++;
}
bool con_may_hand_out(const struct con *c)
{
	return c->state == CON_ACTIVE && !c->held && !c->cut && !c->stopping;
}
void con_source_pause(struct con *c, struct con_part *p, unsigned reason)
{
	(void)c;
	p->why |= reason;
}
void con_source_unpause(struct con *c, struct con_part *p, unsigned reason)
{
	(void)c;
	p->why &= ~reason;
}
void con_source_go_on(struct con *c)
{
	(void)c;
}
void con_source_try_revoke(struct con *c)
{
	(void)c;
}
void con_commands_check_drained(struct con *c)
{
	(void)c;
	w.drained_asked++;
}
void con_meters_latency(struct con *c, int64_t us)
{
	(void)c;
	(void)us;
}
void con_meters_repeats(struct con *c, size_t n)
{
	(void)c;
	w.repeats += n;
}

/* ---- the world ---- */

void begin(const char *mode, const char *more)
{
	_cleanup_free_ char *ini =
		bg_xasprintf("[consumer]\nswitch = orders\ntopics = orders\ngroup = g\npeer-group = h\n"
			     "handler = exec\n[handler:exec]\ncommand = '%s' child %s\n"
			     "environment = ONCE=%s\nenvironment = MINE=a=b c\n%s%s\n"
			     "[kafka]\nbootstrap.servers = localhost:1\n",
			     w.self, mode, w.once,
			     strstr(more, "restart-backoff") ? "" : "restart-backoff = 1 ms\n", more);
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_err err = BG_ERR_INIT;

	if (bg_conf_load_mem("test", ini, strlen(ini), con_tables, "blue-0", &w.d.conf, &errs) ||
	    con_conf_check(w.d.conf, "blue-0", &errs))
		fail_msg("%s", errs.s);
	w.d.instance = "blue-0";
	w.d.loop = bg_loop_new();
	w.c.d = &w.d;
	w.c.loop = w.d.loop;
	w.c.state = CON_ACTIVE;
	w.c.metrics = bg_metrics_new();
	con_parts_init(&w.c.parts);
	con_conf_apply(&w.c);
	con_faults_init(&w.c);
	assert_int_equal(w.c.handler->start(&w.c, &err), 0);
	for (int i = 0; i < 3; i++) {
		struct con_part *p = con_part_get(&w.c.parts, "orders", i);

		p->assigned = p->started = true;
		con_part_confirm(p, 0, 7);
	}
}

int setup(void **state)
{
	ssize_t n;

	(void)state;
	memset(&w, 0, sizeof w);
	strcpy(w.dir, "/tmp/bg-exec-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.once, sizeof w.once, "%s/once", w.dir);
	snprintf(w.file, sizeof w.file, "%s/file", w.dir);
	n = readlink("/proc/self/exe", w.self, sizeof w.self - 1);
	assert_true(n > 0);
	return 0;
}

int teardown(void **state)
{
	(void)state;
	w.c.handler->stop(&w.c);
	con_faults_free(&w.c);
	con_dispatch_free();
	con_parts_free(&w.c.parts);
	bg_metrics_free(w.c.metrics);
	con_conf_free(&w.c);
	bg_loop_free(w.d.loop);
	bg_conf_free(w.d.conf);
	unlink(w.once);
	unlink(w.file);
	rmdir(w.dir);
	return 0;
}

struct con_part *part(int i)
{
	return con_part_find(&w.c.parts, "orders", i);
}

void feed(int i, int n)
{
	static char value[200000];

	memset(value, 'v', sizeof value);
	while (n--) {
		rd_kafka_message_t *m = calloc(1, sizeof *m);

		assert_non_null(m);
		m->offset = w.next[i]++;
		m->partition = i;
		m->payload = value;
		m->len = w.value_len ? w.value_len : 10;
		assert_int_equal(con_part_receive(&w.c.parts, part(i), m), CON_TAKEN);
	}
	con_dispatch_all(&w.c);
}

double metric(const char *name)
{
	_cleanup_free_ char *text = bg_metrics_render(w.c.metrics), *key = bg_xasprintf("\n%s{", name);
	const char *at = strstr(text, key);

	if (!at)
		fail_msg("no metric %s", name);
	return atof(strchr(at, '}') + 2);
}

bool all_done(void)
{
	for (int i = 0; i < 3; i++)
		if (part(i)->acked != w.next[i])
			return false;
	return !w.c.parts.in_flight;
}

void drain(void)
{
	w.c.state = CON_DRAINING;
	for (int i = 0; i < 3; i++) {
		part(i)->why |= CON_WHY_LIFECYCLE;
		con_part_drop_pending(&w.c.parts, part(i));
	}
	con_dispatch_flush(&w.c);
	con_dispatch_settle(&w.c, false);
}
