/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a child answers (bg-exec(7)): a JSON line `{"n":5,"ok":true}` or a raw frame. Foreign bytes: whatever they
 * are, they are an answer, a line of no concern, or an error that says what was expected. Pure; fuzzed.
 */
#ifndef BG_CONSUMERD_EXEC_ANSWER_H
#define BG_CONSUMERD_EXEC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

#define EXEC_RAW_ANSWER 17 /* bytes of a raw answer behind its length, without a text */

struct exec_answer {
	uint64_t first, last; /* numbers, inclusive; 1 <= first <= last */
	bool ok;
	bool retry;      /* not ok: it may go better another time */
	char error[256]; /* not ok: the child's words, valid UTF-8, perhaps cut */
};

/*
 * One line without its newline. 0: an answer. 1: not meant as one (empty, or it does not begin with a brace).
 * -EINVAL: meant as one, and wrong; err says how.
 */
int exec_answer_line(const char *text, size_t len, struct exec_answer *ret, struct bg_err *err);
/* The part of it that takes the usual form by hand; false: ask json-c. For exec_answer_line and the fuzzer. */
bool exec_answer_scan(const char *text, size_t len, struct exec_answer *ret);
int exec_answer_json(const char *text, size_t len, struct exec_answer *ret, struct bg_err *err);

/* The inside of a raw frame, behind its length. 0 or -EINVAL. */
int exec_answer_raw(const void *data, size_t len, struct exec_answer *ret, struct bg_err *err);

/*
 * Cut what has come in into answers. Call until it returns 0 or an error; *at moves behind what was used.
 * 1: *ret_part and *ret_len are a line (without newline) or the inside of a frame. 0: more is needed.
 * -EMSGSIZE: it is longer than max; -EINVAL: no frame can have this length; err says so.
 */
int exec_cut_line(const char *data, size_t len, size_t *at, size_t max, const char **ret_part,
		  size_t *ret_len, struct bg_err *err);
int exec_cut_raw(const char *data, size_t len, size_t *at, size_t max, const char **ret_part, size_t *ret_len,
		 struct bg_err *err);

#endif
