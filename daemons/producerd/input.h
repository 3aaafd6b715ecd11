/* SPDX-License-Identifier: Apache-2.0 */
/* Lines from standard input, a file or a FIFO, read as the loop finds them; bounded, never blocking. */
#ifndef BG_PRODUCERD_INPUT_H
#define BG_PRODUCERD_INPUT_H

#include <stdbool.h>
#include "common/err.h"
#include "common/loop.h"
#include "producerd/numbering.h"

#define PROD_LINE_MAX (10 * 1024 * 1024) /* a longer line is left out and counted */

struct prod_input;

/*
 * path: a file, or "-" for standard input. separator: what stands between key and value of a line; NULL:
 * lines have no key. `more` is called on the loop when lines or the end have come after a peek found none.
 */
int prod_input_open(struct bg_loop *l, const char *path, const char *separator, void (*more)(void *arg),
		    void *arg, struct prod_input **ret, struct bg_err *err);
void prod_input_free(struct prod_input *in);
/* The next line without its end; false: none now. Valid until the next call of any prod_input function. A
 * line without the separator has no key. */
bool prod_input_peek(struct prod_input *in, struct prod_bytes *ret_key, struct prod_bytes *ret_value);
void prod_input_pop(struct prod_input *in);         /* the peeked line is done */
bool prod_input_ended(const struct prod_input *in); /* the end was read, and every line is popped */
int prod_input_error(const struct prod_input *in); /* errno of a failed read, which ends the input; 0: none */
int64_t prod_input_too_long(const struct prod_input *in); /* lines left out so far */

#endif
