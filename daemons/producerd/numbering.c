/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "producerd/numbering.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/ids.h"
#include "common/mem.h"
#include "common/statefile.h"

enum prod_numbers prod_numbers_parse(const char *name)
{
	if (!strcmp(name, "headers"))
		return PROD_NUMBERS_HEADERS;
	if (!strcmp(name, "value"))
		return PROD_NUMBERS_VALUE;
	if (!strcmp(name, "none"))
		return PROD_NUMBERS_NONE;
	abort();
}

void prod_numbering_init(struct prod_numbering *nb, enum prod_numbers mode)
{
	*nb = (struct prod_numbering){.mode = mode};
	bg_random_hex(nb->run, 4);
}

void prod_numbering_fini(struct prod_numbering *nb)
{
	free(nb->seq);
	nb->seq = NULL;
	nb->n = 0;
}

int64_t prod_numbering_next(struct prod_numbering *nb, int32_t partition)
{
	size_t p = (size_t)partition;
	if (p >= nb->n) {
		size_t old = nb->n;
		nb->seq = bg_xgrow(nb->seq, &nb->n, p + 1, sizeof(*nb->seq));
		memset(nb->seq + old, 0, (nb->n - old) * sizeof(*nb->seq));
	}
	return nb->seq[p];
}

void prod_numbering_taken(struct prod_numbering *nb, int32_t partition)
{
	nb->seq[partition]++;
}

uint32_t prod_numbering_crc(struct prod_bytes key, struct prod_bytes value)
{
	uint32_t crc = bg_crc32c(0, key.data, key.data ? key.len : 0);
	return bg_crc32c(crc, value.data, value.data ? value.len : 0);
}

rd_kafka_headers_t *prod_numbering_headers(const struct prod_numbering *nb, int64_t seq, int64_t time_us,
					   struct prod_bytes key, struct prod_bytes value)
{
	if (nb->mode != PROD_NUMBERS_HEADERS)
		return NULL;
	char text[24];
	int len;
	rd_kafka_headers_t *h = rd_kafka_headers_new(4);
	rd_kafka_header_add(h, "bg-run", 6, nb->run, 8);
	len = snprintf(text, sizeof(text), "%" PRId64, seq);
	rd_kafka_header_add(h, "bg-seq", 6, text, len);
	len = snprintf(text, sizeof(text), "%" PRId64, time_us);
	rd_kafka_header_add(h, "bg-time-us", 10, text, len);
	len = snprintf(text, sizeof(text), "%08" PRIx32, prod_numbering_crc(key, value));
	rd_kafka_header_add(h, "bg-crc", 6, text, len);
	return h;
}
