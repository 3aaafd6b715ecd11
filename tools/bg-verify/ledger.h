/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of a ledger (design 8). The bytes are foreign: a line is parsed whole or refused with a reason,
 * never guessed.
 */
#ifndef BG_VERIFY_LEDGER_H
#define BG_VERIFY_LEDGER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"
#include "common/ids.h"
#include "common/offsets.h"

enum vf_kind {
	VF_RECORD, /* processed, about to be acknowledged */
	VF_IN,     /* given to an asynchronous handler */
	VF_SKIP,   /* acknowledged without having been processed, with a reason */
	VF_START,
	VF_STATE,
	VF_COMMIT,
	VF_COMMIT_OK,
	VF_COMMIT_REFUSED,
	VF_ABANDON, /* it went back to these offsets: what it did behind them comes again */
	VF_OTHER,   /* an event of a newer writer: ignored */
};

struct vf_str { /* not terminated */
	const char *s;
	size_t len;
};

#define VF_SKIP_MAX 1000000 /* offsets that one line may skip */

struct vf_line {
	enum vf_kind kind;
	enum bg_color color;
	bool has_color;
	int32_t partition;
	int64_t t;     /* CLOCK_MONOTONIC, ns */
	int64_t epoch; /* -1: not given */
	int64_t offset;
	int64_t last;    /* SKIP: of a range that begins at offset */
	int64_t seq;     /* bg-seq, -1: none */
	int64_t real_us; /* START, 0: not given */
	struct vf_str instance, topic, from, to, reason, boot, inc;
	struct bg_offs offs;      /* COMMIT* */
	struct json_object *json; /* what the strings point into, when it is not the text itself */
};

/*
 * Parse one line without its newline. Strings of *ret point into `text` or into memory of *ret: keep both
 * until vf_line_free. Returns 0, or -EINVAL with what is wrong; *ret then needs no free.
 */
int vf_line_parse(const char *text, size_t len, struct vf_line *ret, struct bg_err *err);
void vf_line_free(struct vf_line *l);
/* The two halves of it, for the tests: by scan (false: not of that form, try json) and by json-c. */
bool vf_line_scan(const char *text, size_t len, struct vf_line *ret);
int vf_line_json(const char *text, size_t len, struct vf_line *ret, struct bg_err *err);

#endif
