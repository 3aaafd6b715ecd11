/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record as a child reads it: one JSON object a line, or a raw frame (bg-exec(7)). Written by hand, for it is
 * the hot path: json-c makes 500,000 records a second at best.
 */
#ifndef BG_CONSUMERD_EXEC_WRITE_H
#define BG_CONSUMERD_EXEC_WRITE_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>
#include "common/mem.h"

#define EXEC_RAW_HEAD 48 /* bytes of a raw record before its topic, the length's own four among them */

struct exec_record {
	uint64_t n;
	const char *topic; /* Kafka allows [a-zA-Z0-9._-] only */
	int32_t partition;
	int64_t offset, timestamp_ms; /* timestamp -1: none */
	const void *key, *value;      /* NULL: none, as opposed to empty */
	size_t key_len, value_len;
	const rd_kafka_headers_t *headers; /* NULL: none */
};

/* Append one record to b. */
void exec_write_json(struct bg_buf *b, const struct exec_record *r);
void exec_write_raw(struct bg_buf *b, const struct exec_record *r);

#endif
