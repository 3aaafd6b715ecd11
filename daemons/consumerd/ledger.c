/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

#define SKIP_MAX 1000000 /* offsets that one line may skip: bg-verify takes no more */

struct con_ledger {
	int fd;
	struct bg_buf buf;
	char *path;
	char head[160]; /* "i":…,"c":… of every line */
	bool failed;
};

int con_ledger_open(struct con *c, const char *path, struct bg_err *err)
{
	struct con_ledger *l;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return bg_err_set(err, -errno, "ledger", "[ledger] path %s: %s", path, strerror(errno));
	l = bg_xcalloc(1, sizeof *l);
	l->fd = fd;
	l->path = bg_xstrdup(path);
	snprintf(l->head, sizeof l->head, "\"i\":\"%s\",\"c\":\"%s\"", c->cfg.instance,
		 bg_color_name(c->cfg.color));
	c->ledger = l;
	bg_buf_printf(
		&l->buf,
		"{\"t\":%lld,%s,\"ev\":\"start\",\"sw\":\"%s\",\"boot\":\"%s\",\"inc\":\"%s\",\"real_us\":%lld}\n",
		(long long)bg_now_us() * 1000, l->head, c->cfg.sw, bg_boot_id(), c->incarnation,
		(long long)bg_real_us());
	if (!con_ledger_flush(c))
		return bg_err_set(err, -EIO, "ledger", "[ledger] path %s: cannot write", path);
	return 0;
}

void con_ledger_close(struct con *c)
{
	struct con_ledger *l = c->ledger;

	if (!l)
		return;
	con_ledger_flush(c);
	close(l->fd);
	bg_buf_free(&l->buf);
	free(l->path);
	free(l);
	c->ledger = NULL;
}

/* Decimal digits of v into s; the hot path of every record, and printf is most of its cost. */
static char *put_int(char *s, int64_t v)
{
	char tmp[24];
	int n = 0;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	if (v < 0)
		*s++ = '-';
	do
		tmp[n++] = (char)('0' + u % 10);
	while (u /= 10);
	while (n)
		*s++ = tmp[--n];
	return s;
}

static char *put_str(char *s, const char *text, size_t len)
{
	memcpy(s, text, len);
	return s + len;
}
#define PUT(s, lit) put_str(s, lit, sizeof(lit) - 1)

/* Topic names have only [a-zA-Z0-9._-], and instance names are checked: nothing needs escaping. */
static void record_line(struct con_ledger *l, const char *ev, const struct con_rec *r, int64_t now_us)
{
	char line[640], *s = line;
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size, tlen;

	tlen = strlen(r->part->topic);
	s = PUT(s, "{\"t\":");
	s = put_int(s, now_us * 1000);
	s = PUT(s, ",");
	s = put_str(s, l->head, strlen(l->head));
	s = PUT(s, ",\"e\":");
	/* An orphan was given at an earlier epoch; of others it is the one under which their offset will be committed. */
	s = put_int(s, r->orphan ? r->epoch : r->part->epoch);
	s = put_str(s, ev, strlen(ev));
	s = PUT(s, ",\"tp\":\"");
	s = put_str(s, r->part->topic, BG_MIN(tlen, (size_t)249));
	s = PUT(s, "\",\"p\":");
	s = put_int(s, r->part->partition);
	s = PUT(s, ",\"o\":");
	s = put_int(s, r->offset);
	if (!rd_kafka_message_headers(r->msg, &headers) &&
	    !rd_kafka_header_get_last(headers, "bg-seq", &value, &size) && size && size < 20 &&
	    strspn(value, "0123456789") == size) {
		s = PUT(s, ",\"n\":");
		s = put_str(s, value, size);
	}
	s = PUT(s, "}\n");
	bg_buf_add(&l->buf, line, (size_t)(s - line));
}

void con_ledger_record(struct con *c, const struct con_rec *r, int64_t now_us)
{
	if (c->ledger)
		record_line(c->ledger, "", r, now_us);
}

void con_ledger_in(struct con *c, const struct con_rec *r, int64_t now_us)
{
	if (c->ledger)
		record_line(c->ledger, ",\"ev\":\"in\"", r, now_us);
}

void con_ledger_offsets(struct con *c, const char *ev, const struct bg_offs *offs, const char *why)
{
	struct con_ledger *l = c->ledger;
	struct json_object *j;

	if (!l)
		return;
	j = bg_offs_to_json(offs);
	bg_buf_printf(&l->buf, "{\"t\":%lld,%s,\"ev\":\"%s\",\"e\":%lld,", (long long)bg_now_us() * 1000,
		      l->head, ev, (long long)c->work_epoch);
	if (why)
		bg_buf_printf(&l->buf, "\"why\":\"%s\",", why);
	bg_buf_printf(&l->buf, "\"offs\":%s}\n", bg_json_text(j));
	json_object_put(j);
	con_ledger_flush(c);
}

void con_ledger_skip(struct con *c, const struct con_part *p, int64_t first, int64_t last, const char *reason)
{
	struct con_ledger *l = c->ledger;

	if (!l)
		return;
	for (int64_t to; first <= last; first = to + 1) {
		to = BG_MIN(last, first + SKIP_MAX - 1);
		bg_buf_printf(&l->buf,
			      "{\"t\":%lld,%s,\"ev\":\"skip\",\"e\":%lld,\"tp\":\"%s\",\"p\":%d,\"o\":%lld",
			      (long long)bg_now_us() * 1000, l->head, (long long)c->work_epoch, p->topic,
			      p->partition, (long long)first);
		bg_buf_printf(&l->buf, ",\"last\":%lld,\"reason\":\"%s\"}\n", (long long)to, reason);
		con_ledger_flush(c);
	}
}

void con_ledger_state(struct con *c, const char *from, const char *to)
{
	struct con_ledger *l = c->ledger;

	if (!l)
		return;
	bg_buf_printf(&l->buf, "{\"t\":%lld,%s,\"ev\":\"state\",\"e\":%lld,\"from\":\"%s\",\"to\":\"%s\"}\n",
		      (long long)bg_now_us() * 1000, l->head, (long long)c->ep.epoch, from, to);
	con_ledger_flush(c);
}

bool con_ledger_flush(struct con *c)
{
	struct con_ledger *l = c->ledger;
	size_t done = 0;

	if (!l)
		return true;
	while (done < l->buf.len) {
		ssize_t n = write(l->fd, l->buf.s + done, l->buf.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* Keep what is left: the line goes on where it was cut when there is room again. */
			memmove(l->buf.s, l->buf.s + done, l->buf.len - done);
			l->buf.len -= done;
			if (!l->failed)
				con_error(c, "ledger", "cannot write %s: %s", l->path, strerror(errno));
			l->failed = true;
			return false;
		}
		done += (size_t)n;
	}
	bg_buf_reset(&l->buf);
	l->failed = false;
	return true;
}
