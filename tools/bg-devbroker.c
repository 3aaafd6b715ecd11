/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bg-devbroker: librdkafka's mock cluster as a process, so that the rest can be tried where there is no
 * Kafka. It keeps everything in memory, on loopback, and ends at SIGTERM. Only librdkafka is needed: the
 * brokers are its own threads, all this file does is to start them and to say where they are.
 */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include "common/mem.h"

#define MAX_BROKERS    32
#define MAX_PARTITIONS 10000
#define MAX_TOPIC_NAME 249

enum { OPT_REBALANCE_DELAY = 256 };

struct topic {
	const char *name;
	int partitions;
};

struct devbroker {
	struct topic *topics; /* room for one an argument */
	size_t n_topics;
	int brokers;
	int rtt_ms;
	int rebalance_delay_ms; /* -1: librdkafka's own */
	const char *address_file;
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *mock;
	bool down;
};

/* What it is not; the same words in --help, at start and in the man page. */
static const char lacks[] =
	"bg-devbroker is for trying out and for tests, not for data that matters: everything is in memory and is\n"
	"gone when it ends, and it listens on loopback only, on new ports at every start. It keeps at most 5 MiB\n"
	"or 100,000 batches a partition and drops the oldest. It lacks static membership (so fencing by it),\n"
	"fencing and isolation of transactions, ListGroups, DescribeGroups, CreateTopics, and it does not wake a\n"
	"waiting fetch when data arrives (set fetch.wait.max.ms=10 on consumers of it, and of it only). The first\n"
	"join of a group takes 3 s, later ones the session time-out less 1 s.\n";

static void usage(FILE *out)
{
	fputs("Usage: bg-devbroker [OPTION]...\n"
	      "A throw-away Kafka for trying kafka-bluegreen: librdkafka's mock cluster, in the foreground.\n"
	      "\n"
	      "  -t, --topic NAME:PARTITIONS    make this topic (may be repeated; others appear when\n"
	      "                                 they are first used, with 4 partitions)\n"
	      "  -b, --brokers N                1 to 32 brokers (default 1)\n"
	      "  -a, --address-file PATH        write host:port[,...] there when ready, remove it at\n"
	      "                                 the end; clients say bootstrap.servers = file:PATH\n"
	      "  -r, --rtt MS                   answer every request MS milliseconds later (default 0)\n"
	      "      --group-rebalance-delay MS first join of a group waits so long (default 3000;\n"
	      "                                 needs a librdkafka newer than 2.0 that can change it)\n"
	      "  -V, --version                  print the version and end\n"
	      "  -h, --help                     print this and end\n"
	      "\n"
	      "SIGTERM and SIGINT end it; SIGUSR1 takes all brokers down, SIGUSR2 up again.\n"
	      "\n",
	      out);
	fputs(lacks, out);
}

__attribute__((format(printf, 1, 2))) static int usage_error(const char *fmt, ...)
{
	va_list ap;
	fputs("bg-devbroker: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'bg-devbroker --help'.\n", stderr);
	return 2;
}

static bool parse_number(const char *s, long min, long max, int *ret)
{
	char *end;
	errno = 0;
	long v = strtol(s, &end, 10);
	if (errno || end == s || *end || v < min || v > max)
		return false;
	*ret = (int)v;
	return true;
}

/* NAME:PARTITIONS. The name stays in argv. */
static bool parse_topic(struct devbroker *b, char *arg)
{
	char *colon = strrchr(arg, ':');
	int partitions;
	if (!colon || !parse_number(colon + 1, 1, MAX_PARTITIONS, &partitions))
		return false;
	*colon = 0;
	size_t len = strlen(arg);
	bool ok = len >= 1 && len <= MAX_TOPIC_NAME && strcmp(arg, ".") && strcmp(arg, "..");
	for (size_t i = 0; ok && i < len; i++)
		ok = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", arg[i]) !=
		     NULL;
	if (!ok) {
		*colon = ':';
		return false;
	}
	b->topics[b->n_topics++] = (struct topic){arg, partitions};
	return true;
}

/* 0: go on; else the exit status + 1. */
static int parse_option(struct devbroker *b, int opt)
{
	switch (opt) {
	case 't':
		if (!parse_topic(b, optarg))
			return 1 +
			       usage_error("--topic '%s': expected NAME:PARTITIONS, the name of at most 249 "
					   "letters, digits, '.', '_' or '-', 1 to 10000 partitions",
					   optarg);
		return 0;
	case 'b':
		if (!parse_number(optarg, 1, MAX_BROKERS, &b->brokers))
			return 1 + usage_error("--brokers '%s': expected a number from 1 to 32", optarg);
		return 0;
	case 'r':
		if (!parse_number(optarg, 0, 60000, &b->rtt_ms))
			return 1 + usage_error("--rtt '%s': expected milliseconds from 0 to 60000", optarg);
		return 0;
	case OPT_REBALANCE_DELAY:
		if (!parse_number(optarg, 0, 60000, &b->rebalance_delay_ms))
			return 1 +
			       usage_error(
				       "--group-rebalance-delay '%s': expected milliseconds from 0 to 60000",
				       optarg);
#ifndef HAVE_RD_KAFKA_MOCK_GROUP_INITIAL_REBALANCE_DELAY_MS
		return 1 + usage_error("--group-rebalance-delay: librdkafka %s cannot change it (3000 ms)",
				       rd_kafka_version_str());
#else
		return 0;
#endif
	case 'a':
		b->address_file = optarg;
		return 0;
	case 'V':
		printf("bg-devbroker %s (librdkafka %s)\n", PACKAGE_VERSION, rd_kafka_version_str());
		return 1;
	case 'h':
		usage(stdout);
		return 1;
	default:
		fputs("Try 'bg-devbroker --help'.\n", stderr);
		return 3;
	}
}

static int parse_args(struct devbroker *b, int argc, char **argv)
{
	static const struct option options[] = {
		{"topic", required_argument, NULL, 't'},
		{"brokers", required_argument, NULL, 'b'},
		{"address-file", required_argument, NULL, 'a'},
		{"rtt", required_argument, NULL, 'r'},
		{"group-rebalance-delay", required_argument, NULL, OPT_REBALANCE_DELAY},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt, rc;
	while ((opt = getopt_long(argc, argv, "t:b:a:r:Vh", options, NULL)) != -1)
		if ((rc = parse_option(b, opt)))
			return rc;
	if (optind < argc)
		return 1 + usage_error("unexpected argument '%s'", argv[optind]);
	return 0;
}

/* Whole or not at all, so that a client that waits for the file never reads half an address. */
static int write_address(const char *path, const char *address)
{
	char tmp[PATH_MAX];
	int len = snprintf(tmp, sizeof(tmp), "%s.tmp.%ld", path, (long)getpid());
	if (len < 0 || (size_t)len >= sizeof(tmp)) {
		fprintf(stderr, "bg-devbroker: --address-file: the path is too long\n");
		return -1;
	}
	_cleanup_fd_ int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || dprintf(fd, "%s\n", address) < 0 || rename(tmp, path)) {
		fprintf(stderr, "bg-devbroker: cannot write %s: %s\n", path, strerror(errno));
		unlink(tmp);
		return -1;
	}
	return 0;
}

/* Only our own: another bg-devbroker may have taken the name since. */
static void remove_address(const char *path, const char *address)
{
	char text[64 * MAX_BROKERS] = "";
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(text, sizeof(text), f))
		text[strcspn(text, "\n")] = 0;
	fclose(f);
	if (!strcmp(text, address))
		unlink(path);
}

/*
 * Nagle's algorithm and the delayed acknowledgement of the other side cost 40 ms an answer on loopback. The
 * mock cluster does not turn it off, but connections inherit TCP_NODELAY from the socket that listens.
 */
static void no_delay(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		int listens = 0, on = 1;
		socklen_t len = sizeof(listens);

		if (!getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) && listens)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

static int start_cluster(struct devbroker *b)
{
	char errstr[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "client.id", "bg-devbroker", NULL, 0);
	rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
	b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
	if (!b->rk) {
		rd_kafka_conf_destroy(conf);
		fprintf(stderr, "bg-devbroker: librdkafka does not start: %s\n", errstr);
		return -1;
	}
	b->mock = rd_kafka_mock_cluster_new(b->rk, b->brokers);
	if (!b->mock) {
		fprintf(stderr, "bg-devbroker: the mock cluster does not start (%d brokers): %s\n",
			b->brokers, strerror(errno));
		return -1;
	}
#ifdef HAVE_RD_KAFKA_MOCK_GROUP_INITIAL_REBALANCE_DELAY_MS
	if (b->rebalance_delay_ms >= 0)
		rd_kafka_mock_group_initial_rebalance_delay_ms(b->mock, b->rebalance_delay_ms);
#endif
	if (b->rtt_ms)
		rd_kafka_mock_broker_set_rtt(b->mock, -1, b->rtt_ms);
	for (size_t i = 0; i < b->n_topics; i++) {
		const struct topic *t = &b->topics[i];
		rd_kafka_resp_err_t err =
			rd_kafka_mock_topic_create(b->mock, t->name, t->partitions, BG_MIN(b->brokers, 3));
		if (err) {
			fprintf(stderr, "bg-devbroker: topic %s: %s\n", t->name,
				err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? "named twice"
									      : rd_kafka_err2str(err));
			return -1;
		}
	}
	no_delay();
	return 0;
}

static void stop_cluster(struct devbroker *b)
{
	if (b->mock)
		rd_kafka_mock_cluster_destroy(b->mock);
	if (b->rk)
		rd_kafka_destroy(b->rk);
}

static void set_down(struct devbroker *b, bool down)
{
	if (b->down == down)
		return;
	b->down = down;
	if (down)
		rd_kafka_mock_broker_set_down(b->mock, -1);
	else
		rd_kafka_mock_broker_set_up(b->mock, -1);
	fprintf(stderr, "bg-devbroker: all brokers are %s\n", down ? "down" : "up");
}

/* Until SIGTERM or SIGINT. The set is blocked in all threads, so signals wait here. */
static void serve(struct devbroker *b, const sigset_t *set)
{
	for (;;) {
		int signo = sigwaitinfo(set, NULL);
		if (signo == SIGUSR1 || signo == SIGUSR2)
			set_down(b, signo == SIGUSR1);
		else if (signo == SIGTERM || signo == SIGINT)
			return;
	}
}

int main(int argc, char **argv)
{
	struct devbroker b = {.brokers = 1, .rebalance_delay_ms = -1};
	b.topics = calloc((size_t)argc, sizeof(*b.topics));
	if (!b.topics) {
		perror("bg-devbroker");
		return 1;
	}
	int rc = parse_args(&b, argc, argv);
	if (rc) {
		free(b.topics);
		return rc - 1;
	}
	/* Before the brokers' threads start: they inherit the mask. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);

	rc = 1;
	if (!start_cluster(&b)) {
		const char *address = rd_kafka_mock_cluster_bootstraps(b.mock);
		if (!b.address_file || !write_address(b.address_file, address)) {
			fputs(lacks, stderr);
			printf("bg-devbroker: ready at %s\n", address);
			fflush(stdout);
			serve(&b, &set);
			if (b.address_file)
				remove_address(b.address_file, address);
			rc = 0;
		}
	}
	stop_cluster(&b);
	free(b.topics);
	return rc;
}
