/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers by which loss, doubles and reordering are proved downstream: a run (8 hex digits, new at every
 * start), a sequence per partition from 0, the send time, and a CRC-32C over key and value.
 */
#ifndef BG_PRODUCERD_NUMBERING_H
#define BG_PRODUCERD_NUMBERING_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

enum prod_numbers {
	PROD_NUMBERS_HEADERS, /* bg-run, bg-seq, bg-time-us, bg-crc */
	PROD_NUMBERS_VALUE,   /* in the value, by payload.c */
	PROD_NUMBERS_NONE,
};

struct prod_numbering {
	enum prod_numbers mode;
	char run[9];
	int64_t *seq; /* next of each partition */
	size_t n;
};

struct prod_bytes {
	const void *data; /* NULL: none, which is not the same as empty */
	size_t len;
};

/* "headers", "value" or "none"; aborts on anything else (the configuration has been checked). */
enum prod_numbers prod_numbers_parse(const char *name);
void prod_numbering_init(struct prod_numbering *nb, enum prod_numbers mode);
void prod_numbering_fini(struct prod_numbering *nb);
/* The number that the next record of the partition gets. It is used up only by prod_numbering_taken, so a
 * record that the queue refused leaves no hole. */
int64_t prod_numbering_next(struct prod_numbering *nb, int32_t partition);
void prod_numbering_taken(struct prod_numbering *nb, int32_t partition);
uint32_t prod_numbering_crc(struct prod_bytes key, struct prod_bytes value);
/* New headers, the caller's (or NULL unless the mode is headers). */
rd_kafka_headers_t *prod_numbering_headers(const struct prod_numbering *nb, int64_t seq, int64_t time_us,
					   struct prod_bytes key, struct prod_bytes value);

#endif
