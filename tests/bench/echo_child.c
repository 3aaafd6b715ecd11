/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's own program of the benches: takes every record of the exec handler and answers it at once. It
 * does as little as it can, so that what is measured is the way to it and back (bg-exec(7)).
 *
 *	echo-child [-r] [-b]	-r: raw framing; -b: one answer for all that one read brought
 */
#include "config.h"

#include <endian.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAW_ANSWER 21

static char in[1 << 20], out[1 << 20];
static size_t in_len, out_len;
static bool raw, batch;
static uint64_t first, last; /* to be answered; 0: none */

static void fail(const char *what)
{
	fprintf(stderr, "echo-child: %s\n", what);
	exit(1);
}

static void flush(void)
{
	size_t done = 0;

	while (done < out_len) {
		ssize_t n = write(1, out + done, out_len - done);

		if (n <= 0)
			fail("cannot write");
		done += (size_t)n;
	}
	out_len = 0;
}

static void answer_raw(void)
{
	uint32_t len = htobe32(RAW_ANSWER - 4);
	uint64_t from = htobe64(first), to = htobe64(last);

	memcpy(out + out_len, &len, 4);
	memcpy(out + out_len + 4, &from, 8);
	memcpy(out + out_len + 12, &to, 8);
	out[out_len + 20] = 0;
	out_len += RAW_ANSWER;
}

static void answer(void)
{
	if (!first)
		return;
	if (out_len + 96 > sizeof(out))
		flush();
	if (raw)
		answer_raw();
	else if (first == last)
		out_len += (size_t)snprintf(out + out_len, 96, "{\"n\":%" PRIu64 ",\"ok\":true}\n", first);
	else
		out_len += (size_t)snprintf(out + out_len, 96,
					    "{\"n\":[%" PRIu64 ",%" PRIu64 "],\"ok\":true}\n", first, last);
	first = 0;
}

static void take(uint64_t n)
{
	if (!n || (first && n != last + 1))
		fail("numbers are not in order");
	if (!first)
		first = n;
	last = n;
	if (!batch)
		answer();
}

/* One record at the front of data; its length, or 0: it is not complete. */
static size_t take_line(const char *data, size_t len)
{
	static const char start[] = "{\"n\":";
	const char *end = memchr(data, '\n', len);

	if (!end)
		return 0;
	if (strncmp(data, start, sizeof(start) - 1) != 0)
		fail("a line that does not begin with the number");
	take(strtoull(data + sizeof(start) - 1, NULL, 10));
	return (size_t)(end + 1 - data);
}

static size_t take_frame(const char *data, size_t len)
{
	uint32_t size;
	uint64_t n;

	if (len < 12)
		return 0;
	memcpy(&size, data, 4);
	memcpy(&n, data + 4, 8);
	size = be32toh(size);
	if (size > sizeof(in) - 4)
		fail("a record too long");
	if (len < size + 4)
		return 0;
	take(be64toh(n));
	return size + 4;
}

static void take_all(void)
{
	size_t at = 0, n;

	while (at < in_len && (n = (raw ? take_frame : take_line)(in + at, in_len - at)))
		at += n;
	in_len -= at;
	memmove(in, in + at, in_len);
	if (in_len == sizeof(in))
		fail("a record too long");
	answer();
	flush();
}

int main(int argc, char **argv)
{
	ssize_t n;
	int opt;

	while ((opt = getopt(argc, argv, "rb")) != -1) {
		if (opt == 'r')
			raw = true;
		else if (opt == 'b')
			batch = true;
		else
			return 2;
	}
	while ((n = read(0, in + in_len, sizeof(in) - in_len)) > 0) {
		in_len += (size_t)n;
		take_all();
	}
	return n == 0 ? 0 : 1;
}
