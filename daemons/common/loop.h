/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop (libevent): one a daemon, one thread that owns all state. */
#ifndef BG_COMMON_LOOP_H
#define BG_COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct bg_loop;
struct bg_timer;
struct bg_watch;

int64_t bg_now_us(void);  /* CLOCK_MONOTONIC; tests may replace it, see bg_clock_set */
int64_t bg_real_us(void); /* CLOCK_REALTIME */
/* Tests: freeze the clock at `us` (timers of the loop are not affected). us < 0: the real one again. */
void bg_clock_set(int64_t us);

struct bg_loop *bg_loop_new(void); /* also ignores SIGPIPE */
void bg_loop_free(struct bg_loop *l);
struct event_base *bg_loop_base(struct bg_loop *l);
int bg_loop_run(struct bg_loop *l);               /* until bg_loop_quit; returns its status */
void bg_loop_quit(struct bg_loop *l, int status); /* after the current turn */
/* For tests: turn until *flag or `timeout_us`; true when *flag. */
bool bg_loop_run_until(struct bg_loop *l, const bool *flag, int64_t timeout_us);
/* Run fn on the loop's next turn (loop thread only). Order is kept. */
void bg_loop_defer(struct bg_loop *l, void (*fn)(void *arg), void *arg);
/* The same from any thread. */
void bg_loop_post(struct bg_loop *l, void (*fn)(void *arg), void *arg);

/* Timers: one-shot or periodic, microseconds. Starting a running one restarts it. free(NULL) is fine.
 * A periodic one keeps its grid (no drift), and skips what it missed. Freeing inside any callback is fine. */
struct bg_timer *bg_timer_new(struct bg_loop *l, void (*fn)(void *arg), void *arg);
void bg_timer_start(struct bg_timer *t, int64_t us);
void bg_timer_every(struct bg_timer *t, int64_t us);
void bg_timer_stop(struct bg_timer *t);
bool bg_timer_pending(const struct bg_timer *t);
void bg_timer_free(struct bg_timer *t);

void bg_loop_signal(struct bg_loop *l, int signo, void (*fn)(int signo, void *arg), void *arg);
/* Readable fd, level-triggered, until freed. The fd stays the caller's. */
struct bg_watch *bg_watch_read(struct bg_loop *l, int fd, void (*fn)(void *arg), void *arg);
struct bg_watch *bg_watch_write(struct bg_loop *l, int fd, void (*fn)(void *arg), void *arg);
void bg_watch_enable(struct bg_watch *w, bool on);
void bg_watch_free(struct bg_watch *w);

/*
 * Stall guard (protocol rule 9): a heartbeat timer runs every limit/4; when two beats lie further apart
 * than `limit_us`, fn is called with the length before any other callback of that turn that goes through
 * bg_* wrappers. Also callable directly: bg_loop_check_stall() at the head of a callback returns true
 * when the loop stood still for longer than the limit and fn was run just now. The time a machine was
 * suspended counts. fn may free and stop what it likes, but for the HTTP server and client themselves.
 * One guard a loop; a new call replaces it, limit 0 takes it away.
 */
void bg_loop_stall_guard(struct bg_loop *l, int64_t limit_us, void (*fn)(void *arg, int64_t stalled_us),
			 void *arg);
bool bg_loop_check_stall(struct bg_loop *l);
uint64_t bg_loop_turns(const struct bg_loop *l); /* progress, feeds the watchdog */

#endif
