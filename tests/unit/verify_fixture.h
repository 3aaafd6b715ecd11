/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic ledgers in a folder of their own, and a synthetic topic, for the tests of bg-verify. */
#ifndef TESTS_VERIFY_FIXTURE_H
#define TESTS_VERIFY_FIXTURE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "bg-verify/judge.h"

#define FX_LEDGERS 8

struct fx {
	char dir[64];
	char *paths[FX_LEDGERS + 1];
	FILE *f[FX_LEDGERS];
	const char *name[FX_LEDGERS], *color[FX_LEDGERS];
	size_t n;
	struct vf_opts opts;
	struct vf_notes notes;
	struct vf_sources *sources;
	struct vf_judge *j;
};

void fx_init(struct fx *x);
void fx_free(struct fx *x); /* removes the folder */
/* A ledger without a line. Returns its number. */
size_t fx_ledger(struct fx *x, const char *instance, const char *color);
/* The same with a start event at t_us on boot "b1". */
size_t fx_instance(struct fx *x, const char *instance, const char *color, int64_t t_us);
void fx_raw(struct fx *x, size_t l, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void fx_start(struct fx *x, size_t l, int64_t t_us, const char *boot, int64_t real_us);
/* Record of topic "orders". */
void fx_record(struct fx *x, size_t l, int64_t t_us, int64_t epoch, int p, int64_t o);
/* Records first..last, one every 10 us from t_us. Returns the time of the last one. */
int64_t fx_records(struct fx *x, size_t l, int64_t t_us, int64_t epoch, int p, int64_t first, int64_t last);
void fx_state(struct fx *x, size_t l, int64_t t_us, int64_t epoch, const char *from, const char *to);
/* ev: commit, commit_ok or commit_refused; one offset with its epoch. */
void fx_commit(struct fx *x, size_t l, int64_t t_us, int64_t epoch, const char *ev, int p, int64_t o,
	       int64_t oe);
/* Read the ledgers. */
void fx_read(struct fx *x);
/* Records low..high-1 of partition p are in the topic, all but those in `holes` (-1 ends it; may be NULL). */
void fx_topic(struct fx *x, int p, int64_t low, int64_t high, const int64_t *holes);
/* End of it all; the exit status. */
int fx_finish(struct fx *x);
/* read, topics "orders" with `parts` partitions of 0..high-1, finish. */
int fx_judge(struct fx *x, int parts, int64_t high);

#endif
