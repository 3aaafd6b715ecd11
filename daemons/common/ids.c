/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

#define NAME_LIMIT 63

bool bg_color_parse(const char *s, enum bg_color *ret)
{
	if (!s)
		return false;
	for (int c = BG_BLUE; c <= BG_GREEN; c++) {
		if (!strcmp(s, bg_color_name((enum bg_color)c))) {
			*ret = (enum bg_color)c;
			return true;
		}
	}
	return false;
}

int bg_ordinal_of(const char *name)
{
	size_t len = name ? strlen(name) : 0, start = len;
	int v = 0;

	while (start > 0 && name[start - 1] >= '0' && name[start - 1] <= '9')
		start--;
	if (start == len)
		return -1;
	for (size_t i = start; i < len; i++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, name[i] - '0', &v))
			return -1;
	return v;
}

bool bg_name_valid(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = s ? strnlen(s, NAME_LIMIT + 1) : 0;

	if (len == 0 || len > NAME_LIMIT || !strchr(first, s[0]))
		return false;
	return !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-")];
}

static void random_bytes(void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			/* An id that is not random would make two processes one: rather none at all. */
			bg_fatal("get random bytes");
		}
		p += n;
		len -= (size_t)n;
	}
}

void bg_random_hex(char *buf, size_t nbytes)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < nbytes; i++) {
		unsigned char b;

		random_bytes(&b, 1);
		buf[2 * i] = hex[b >> 4];
		buf[2 * i + 1] = hex[b & 15];
	}
	buf[2 * nbytes] = '\0';
}

uint64_t bg_random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

static char boot_id[40];

static void read_boot_id(void)
{
	_cleanup_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot_id, sizeof(boot_id) - 1);

	boot_id[n > 0 ? n : 0] = '\0';
	boot_id[strcspn(boot_id, "\n")] = '\0';
}

const char *bg_boot_id(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_boot_id);
	return boot_id;
}
