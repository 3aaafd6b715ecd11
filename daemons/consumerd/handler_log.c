/* SPDX-License-Identifier: Apache-2.0 */
/* The handler that writes each record as a JSON line to a file or to standard output. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "consumerd/dispatch.h"
#include "consumerd/handler.h"

static struct {
	int fd;
	struct bg_buf buf;
} h = {.fd = -1};

static int log_start(struct con *c, struct bg_err *err)
{
	const char *path = bg_conf_str(c->d->conf, "handler:log", "path");

	if (!path || !strcmp(path, "-")) {
		h.fd = dup(STDOUT_FILENO);
	} else {
		h.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	}
	if (h.fd < 0)
		return bg_err_set(err, -errno, "handler_log", "[handler:log] path %s: %s", path ? path : "-",
				  strerror(errno));
	return 0;
}

static void log_stop(struct con *c)
{
	(void)c;
	if (h.fd >= 0)
		close(h.fd);
	h.fd = -1;
	bg_buf_free(&h.buf);
}

static void add_text(struct json_object *o, const char *name, const void *data, size_t len)
{
	if (data)
		bg_json_add(o, name, json_object_new_string_len(data, (int)BG_MIN(len, (size_t)1 << 20)));
}

static void log_give(struct con *c, struct con_rec *r)
{
	struct json_object *o = json_object_new_object();
	rd_kafka_timestamp_type_t type;

	bg_json_add_str(o, "topic", r->part->topic);
	bg_json_add_int(o, "partition", r->part->partition);
	bg_json_add_int(o, "offset", r->offset);
	bg_json_add_int(o, "timestamp_ms", rd_kafka_message_timestamp(r->msg, &type));
	add_text(o, "key", r->msg->key, r->msg->key_len);
	add_text(o, "value", r->msg->payload, r->msg->len);
	bg_buf_puts(&h.buf, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								      JSON_C_TO_STRING_NOSLASHESCAPE));
	bg_buf_puts(&h.buf, "\n");
	json_object_put(o);
	con_done(c, r, NULL);
}

/* A torn line is finished by the next try; nothing is acknowledged before all of it is written. */
static bool log_flush(struct con *c)
{
	size_t done = 0;

	while (done < h.buf.len) {
		ssize_t n = write(h.fd, h.buf.s + done, h.buf.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			memmove(h.buf.s, h.buf.s + done, h.buf.len - done);
			h.buf.len -= done;
			con_error(c, "handler_log", "cannot write: %s", strerror(errno));
			return false;
		}
		done += (size_t)n;
	}
	bg_buf_reset(&h.buf);
	return true;
}

const struct con_handler_ops con_handler_log = {
	.name = "log",
	.start = log_start,
	.stop = log_stop,
	.give = log_give,
	.flush = log_flush,
};
