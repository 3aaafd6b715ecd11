/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Kafka queue as an event of the loop. librdkafka writes to the descriptor only when its queue goes from
 * empty to not empty, so whoever leaves records in it is never told again: bg_kq_kick makes the descriptor
 * readable by ourselves. An eventfd folds many writes into one wake-up.
 */
#include "config.h"
#include "common/kafka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/log.h"
#include "common/mem.h"

/* Also without news: a member that is not polled for max.poll.interval.ms leaves its group. */
#define POLL_US 1000000

struct bg_kq {
	rd_kafka_queue_t *q;
	int fd;
	struct bg_watch *watch;
	struct bg_timer *timer;
	void (*fn)(void *arg);
	void *arg;
};

static void on_readable(void *arg)
{
	struct bg_kq *k = arg;
	uint64_t n;
	ssize_t got;

	/* Reset before draining: what arrives from here on wakes us again. */
	got = read(k->fd, &n, sizeof(n));
	(void)got;
	k->fn(k->arg); /* may free k */
}

static void on_timer(void *arg)
{
	struct bg_kq *k = arg;

	k->fn(k->arg); /* may free k */
}

struct bg_kq *bg_kq_new(struct bg_loop *l, rd_kafka_queue_t *q, void (*fn)(void *arg), void *arg)
{
	static const uint64_t one = 1;
	struct bg_kq *k = bg_xcalloc(1, sizeof(*k));

	*k = (struct bg_kq){.q = q, .fn = fn, .arg = arg};
	k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->fd < 0)
		bg_fatal("make an eventfd for a queue of Kafka");
	k->watch = bg_watch_read(l, k->fd, on_readable, k);
	k->timer = bg_timer_new(l, on_timer, k);
	bg_timer_every(k->timer, POLL_US);
	rd_kafka_queue_io_event_enable(q, k->fd, &one, sizeof(one));
	bg_kq_kick(k); /* what was queued before gives no edge */
	return k;
}

void bg_kq_kick(struct bg_kq *k)
{
	uint64_t one = 1;
	ssize_t put;

	put = write(k->fd, &one, sizeof(one)); /* EAGAIN: full, so it is readable anyway */
	(void)put;
}

void bg_kq_free(struct bg_kq *k)
{
	if (!k)
		return;
	/* Taken under the queue's lock, as its writes are: no thread writes to the descriptor afterwards. */
	rd_kafka_queue_io_event_enable(k->q, -1, NULL, 0);
	bg_watch_free(k->watch);
	bg_timer_free(k->timer);
	close(k->fd);
	free(k);
}
