/* SPDX-License-Identifier: Apache-2.0 */
/* The one small pool for calls that can only block. fn runs in a thread, done on the loop. */
#ifndef BG_COMMON_WORKER_H
#define BG_COMMON_WORKER_H

#include <stdint.h>
#include "common/loop.h"

struct bg_worker;
struct bg_worker *bg_worker_new(struct bg_loop *l, int threads);
/*
 * Waits at most `wait_us` for all jobs, queued ones too, and those that a done submits meanwhile, and calls done of
 * those that ended (so free it before what they use). Then jobs not begun are dropped and running threads left behind (the process is about to exit);
 * their done is never called. NULL is fine. Not from within a job; from within done only when done frees nothing else.
 */
void bg_worker_free(struct bg_worker *w, int64_t wait_us);
/*
 * limit_us > 0: when the job has not ended by then the process exits with status 70 and a message naming
 * `what` (destroying a Kafka handle can block for ever, facts 4). The queue is bounded (256 jobs): returns
 * -EAGAIN when full, or being freed with its time over, 0 otherwise; done is then called exactly once (may be NULL). The limit counts from the job's start,
 * without the time in which the whole process stood still. `what` is copied (63 bytes).
 */
int bg_worker_submit(struct bg_worker *w, const char *what, void (*fn)(void *arg), void (*done)(void *arg),
		     void *arg, int64_t limit_us);

#endif
