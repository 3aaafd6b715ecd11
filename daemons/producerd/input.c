/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "producerd/input.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/mem.h"

#define CHUNK 65536

struct prod_input {
	int fd;
	bool own_fd;
	bool regular; /* a file: always readable, and epoll does not take it */
	struct bg_watch *watch;
	char *separator;
	void (*more)(void *arg);
	void *arg;
	struct bg_buf buf;
	size_t pos;     /* of the next line in buf */
	size_t scanned; /* no newline in buf between pos and here */
	size_t line;    /* length of the peeked line with its end; 0: none */
	bool eof, skipping, wanted;
	int error;
	int64_t too_long;
};

/* At most one read, and only when it cannot wait: the descriptor may be shared, so it stays in blocking mode. */
static bool fill(struct prod_input *in)
{
	struct pollfd pfd = {.fd = in->fd, .events = POLLIN};
	char chunk[CHUNK];
	if (in->eof || (!in->regular && poll(&pfd, 1, 0) <= 0))
		return false;
	ssize_t n = read(in->fd, chunk, sizeof(chunk));
	if (n < 0) {
		if (errno == EINTR || errno == EAGAIN)
			return false;
		in->error = errno;
	}
	if (n <= 0) {
		in->eof = true;
		return true;
	}
	if (in->pos > 0) {
		memmove(in->buf.s, in->buf.s + in->pos, in->buf.len - in->pos);
		in->buf.len -= in->pos;
		in->scanned -= in->pos;
		in->pos = 0;
	}
	bg_buf_add(&in->buf, chunk, (size_t)n);
	return true;
}

static void on_readable(void *arg)
{
	struct prod_input *in = arg;
	bg_watch_enable(in->watch, false);
	if (in->wanted) {
		in->wanted = false;
		in->more(in->arg);
	}
}

static int open_source(struct prod_input *in, const char *path, struct bg_err *err)
{
	struct stat st;
	in->own_fd = strcmp(path, "-") != 0;
	in->fd = in->own_fd ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : STDIN_FILENO;
	if (in->fd < 0 || fstat(in->fd, &st))
		return bg_err_set(err, -errno, "input_unreadable", "input: %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return bg_err_set(err, -EISDIR, "input_unreadable", "input: %s: is a folder", path);
	in->regular = S_ISREG(st.st_mode);
	return 0;
}

int prod_input_open(struct bg_loop *l, const char *path, const char *separator, void (*more)(void *arg),
		    void *arg, struct prod_input **ret, struct bg_err *err)
{
	struct prod_input *in = bg_xcalloc(1, sizeof(*in));
	int rc = open_source(in, path, err);
	if (rc) {
		prod_input_free(in);
		return rc;
	}
	in->separator = separator && *separator ? bg_xstrdup(separator) : NULL;
	in->more = more;
	in->arg = arg;
	if (!in->regular) {
		in->watch = bg_watch_read(l, in->fd, on_readable, in);
		bg_watch_enable(in->watch, false);
	}
	*ret = in;
	return 0;
}

void prod_input_free(struct prod_input *in)
{
	if (!in)
		return;
	bg_watch_free(in->watch);
	if (in->own_fd && in->fd >= 0)
		close(in->fd);
	bg_buf_free(&in->buf);
	free(in->separator);
	free(in);
}

/* Look for a whole line in the buffer; true: in->line is set. */
static bool find_line(struct prod_input *in)
{
	const char *from = in->buf.s ? in->buf.s + in->scanned : NULL;
	const char *nl = from ? memchr(from, '\n', in->buf.len - in->scanned) : NULL;
	if (nl) {
		in->line = (size_t)(nl - (in->buf.s + in->pos)) + 1;
		return true;
	}
	in->scanned = in->buf.len;
	/* The last line may lack its newline. */
	in->line = in->eof ? in->buf.len - in->pos : 0;
	return in->line > 0;
}

static void drop(struct prod_input *in, size_t n)
{
	in->pos += n;
	in->scanned = in->pos;
	in->line = 0;
}

/* A line beyond the limit is thrown away as it comes, so the buffer stays bounded. True: look again. */
static bool skip_too_long(struct prod_input *in)
{
	bool whole = in->line > 0;
	size_t have = whole ? in->line : in->buf.len - in->pos;
	if (!in->skipping && have <= PROD_LINE_MAX)
		return false;
	if (!in->skipping)
		in->too_long++;
	in->skipping = !whole;
	drop(in, have);
	return whole;
}

static bool next_line(struct prod_input *in)
{
	while (!in->line) {
		bool found = find_line(in);
		if (skip_too_long(in))
			continue;
		if (found)
			break;
		if (!fill(in)) {
			in->wanted = !in->eof;
			if (in->wanted && in->watch)
				bg_watch_enable(in->watch, true);
			return false;
		}
	}
	return true;
}

bool prod_input_peek(struct prod_input *in, struct prod_bytes *ret_key, struct prod_bytes *ret_value)
{
	if (!next_line(in))
		return false;
	const char *s = in->buf.s + in->pos;
	size_t len = in->line;
	if (s[len - 1] == '\n')
		len--;
	*ret_key = (struct prod_bytes){NULL, 0};
	*ret_value = (struct prod_bytes){s, len};
	size_t sep = in->separator ? strlen(in->separator) : 0;
	const char *at = sep ? memmem(s, len, in->separator, sep) : NULL;
	if (at) {
		*ret_key = (struct prod_bytes){s, (size_t)(at - s)};
		*ret_value = (struct prod_bytes){at + sep, len - (size_t)(at - s) - sep};
	}
	return true;
}

void prod_input_pop(struct prod_input *in)
{
	drop(in, in->line);
}

bool prod_input_ended(const struct prod_input *in)
{
	return in->eof && !in->line && in->pos == in->buf.len;
}

int prod_input_error(const struct prod_input *in)
{
	return in->error;
}

int64_t prod_input_too_long(const struct prod_input *in)
{
	return in->too_long;
}
