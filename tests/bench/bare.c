/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bare.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

int64_t now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t cpu_us(void)
{
	return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t number(const char *what, const char *text)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (*end || n < 1)
		die("%s: \"%s\" is not a whole number from 1", what, text);
	return n;
}

void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char err[512];

	if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) != RD_KAFKA_CONF_OK)
		die("%s", err);
}

void set_pair(rd_kafka_conf_t *conf, const char *pair)
{
	char name[128];
	const char *eq = strchr(pair, '=');

	if (!eq || (size_t)(eq - pair) >= sizeof(name))
		die("-X %s: expected name=value", pair);
	memcpy(name, pair, (size_t)(eq - pair));
	name[eq - pair] = '\0';
	set(conf, name, eq + 1);
}

void print_result(int64_t records, int64_t us, int64_t cpu)
{
	printf("records=%lld us=%lld cpu_us=%lld\n", (long long)records, (long long)us, (long long)cpu);
}
