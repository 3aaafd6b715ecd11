/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bare_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bare.h"

#define WRITE_AT      65536 /* bytes gathered for one write */
#define BUFFER        (4 << 20)
#define MAX_IN_FLIGHT 8000 /* as ours: 1,000 of each of 8 partitions */

static int to_child, from_child;
static char out[BUFFER], in[1 << 20];
static size_t out_len, in_len;
static int64_t given, answered;
static struct json_tokener *tokener;

void pipe_start(const char *command)
{
	int down[2], up[2];

	if (pipe(down) || pipe(up))
		die("pipe: %s", strerror(errno));
	fcntl(down[1], F_SETPIPE_SZ, 1 << 20);
	fcntl(up[1], F_SETPIPE_SZ, 1 << 20);
	switch (fork()) {
	case -1:
		die("fork: %s", strerror(errno));
	case 0:
		dup2(down[0], 0);
		dup2(up[1], 1);
		close(down[1]);
		close(up[0]);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		die("sh: %s", strerror(errno));
	}
	close(down[0]);
	close(up[1]);
	to_child = down[1];
	from_child = up[0];
	fcntl(to_child, F_SETFL, O_NONBLOCK);
	fcntl(from_child, F_SETFL, O_NONBLOCK);
	tokener = json_tokener_new();
}

bool pipe_has_room(void)
{
	return given - answered < MAX_IN_FLIGHT && out_len < WRITE_AT;
}

static void add(struct json_object *o, const char *name, struct json_object *v)
{
	json_object_object_add_ex(o, name, v, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

static struct json_object *text(const void *s, size_t len)
{
	return s ? json_object_new_string_len(s, (int)len) : NULL;
}

void pipe_give(const rd_kafka_message_t *msg)
{
	struct json_object *o = json_object_new_object();
	const char *s;
	size_t len;

	add(o, "n", json_object_new_int64(++given));
	add(o, "topic", json_object_new_string(rd_kafka_topic_name(msg->rkt)));
	add(o, "partition", json_object_new_int(msg->partition));
	add(o, "offset", json_object_new_int64(msg->offset));
	add(o, "timestamp_ms", json_object_new_int64(rd_kafka_message_timestamp(msg, NULL)));
	add(o, "key", text(msg->key, msg->key_len));
	add(o, "value", text(msg->payload, msg->len));
	add(o, "headers", json_object_new_array_ext(0)); /* these records have none */
	s = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &len);
	if (len + 1 > BUFFER - out_len)
		die("a record too long for the buffer");
	memcpy(out + out_len, s, len);
	out_len += len;
	out[out_len++] = '\n';
	json_object_put(o);
}

static bool write_some(void)
{
	ssize_t n = out_len ? write(to_child, out, out_len) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("to the child: %s", strerror(errno));
	if (n <= 0)
		return false;
	memmove(out, out + n, out_len - (size_t)n);
	out_len -= (size_t)n;
	return true;
}

/* `"n":5`, or `"n":[5,90]`: from and up to. */
static int64_t how_many(struct json_object *o)
{
	struct json_object *n;

	if (!json_object_object_get_ex(o, "n", &n))
		return 0;
	if (!json_object_is_type(n, json_type_array))
		return 1;
	return json_object_get_int64(json_object_array_get_idx(n, 1)) -
	       json_object_get_int64(json_object_array_get_idx(n, 0)) + 1;
}

static void take_answer(const char *line, size_t len)
{
	struct json_object *o, *ok;

	json_tokener_reset(tokener);
	o = json_tokener_parse_ex(tokener, line, (int)len);
	if (!o || !json_object_object_get_ex(o, "ok", &ok) || !json_object_get_boolean(ok))
		die("the child answered: %.*s", (int)len, line);
	answered += how_many(o);
	json_object_put(o);
}

static bool read_some(void)
{
	ssize_t n = read(from_child, in + in_len, sizeof(in) - in_len);
	char *line = in, *end;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		die("from the child: %s", n ? strerror(errno) : "it ended");
	if (n < 0)
		return false;
	in_len += (size_t)n;
	while ((end = memchr(line, '\n', in_len - (size_t)(line - in)))) {
		take_answer(line, (size_t)(end - line));
		line = end + 1;
	}
	in_len -= (size_t)(line - in);
	memmove(in, line, in_len);
	return true;
}

int64_t pipe_turn(int wait_ms)
{
	bool wrote = write_some(), got = read_some();

	if (!wrote && !got && wait_ms) {
		struct pollfd fds[] = {{from_child, POLLIN, 0}, {to_child, out_len ? POLLOUT : 0, 0}};

		poll(fds, 2, wait_ms);
	}
	return answered;
}
