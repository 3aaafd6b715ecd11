/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledgers as one stream in the order of time. Each ledger is in order by itself, so they are merged; at most
 * one line of each is in memory. Times of one boot are compared exactly (CLOCK_MONOTONIC is the machine's),
 * times of different boots by the real time that the start events carry.
 */
#ifndef BG_VERIFY_SOURCE_H
#define BG_VERIFY_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "bg-verify/ledger.h"
#include "bg-verify/notes.h"

struct vf_event {
	const struct vf_line *line; /* until the next call */
	int source;                 /* index of the ledger */
	int boot;                   /* index of the boot; equal ones have one clock */
	int64_t t;                  /* ns, on the clock of boot 0 */
	int64_t lineno;
};

struct vf_ledger_info {
	const char *path;
	int64_t lines, bytes;
	int64_t torn;    /* partial lines at the end of an incarnation, tolerated */
	int64_t damaged; /* lines that could not be read */
};

struct vf_sources;

/* Opens all and reads the first line of each. Returns 0 or a negative errno; err names the ledger. `notes`
 * receives what is wrong with lines later; it outlives the sources. `paths` too. */
int vf_sources_open(char *const *paths, size_t n, struct vf_notes *notes, struct vf_sources **ret,
		    struct bg_err *err);
/* 1 and the next event, 0 at the end of all. */
int vf_sources_next(struct vf_sources *s, struct vf_event *ret);
size_t vf_sources_boots(const struct vf_sources *s);
const struct vf_ledger_info *vf_sources_info(const struct vf_sources *s, size_t i);
void vf_sources_free(struct vf_sources *s);

#endif
