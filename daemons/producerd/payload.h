/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values of generated records: letters of a given size, a template, or a numbered JSON object. */
#ifndef BG_PRODUCERD_PAYLOAD_H
#define BG_PRODUCERD_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"
#include "producerd/numbering.h"

#define PROD_KEY_MAX   32
#define PROD_RAND_MAX  65536 /* {rand:N} */
#define PROD_VALUE_MAX (10 * 1024 * 1024)

struct prod_payload;

struct prod_payload_opts {
	const char *template;      /* NULL: none. {seq} {key} {time_us} {run} {rand:N}; copied */
	size_t size;               /* of the value when there is no template */
	int64_t keys;              /* how many keys there are; 0: records have none */
	enum prod_numbers numbers; /* VALUE without a template: the value is a JSON object with the numbers */
	uint64_t seed;             /* of the random parts */
};

/* What a record is made of. */
struct prod_record {
	int64_t seq, time_us;
	const char *run;
	struct prod_bytes key;
};

/* -EINVAL: the template has an unknown placeholder, or numbers = value and none of {seq}. */
int prod_payload_new(const struct prod_payload_opts *o, struct prod_payload **ret, struct bg_err *err);
void prod_payload_free(struct prod_payload *p);
/* Key of the n-th record, in buf; {NULL, 0} when records have none. */
struct prod_bytes prod_payload_key(const struct prod_payload *p, int64_t n, char buf[PROD_KEY_MAX]);
/* The value; valid until the next call. */
struct prod_bytes prod_payload_value(struct prod_payload *p, const struct prod_record *r);

#endif
