/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences without a hole, headers as requirement P-3 has them, CRC-32C over key and value. */
#include "config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "producerd/numbering.h"

#define BYTES(s) ((struct prod_bytes){(s), sizeof(s) - 1})
static const struct prod_bytes none = {NULL, 0};

static void sequences_are_per_partition_from_zero(void **state)
{
	(void)state;
	struct prod_numbering nb;
	prod_numbering_init(&nb, PROD_NUMBERS_HEADERS);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(prod_numbering_next(&nb, 0), i);
		prod_numbering_taken(&nb, 0);
	}
	assert_int_equal(prod_numbering_next(&nb, 7), 0);
	assert_int_equal(prod_numbering_next(&nb, 1), 0);
	prod_numbering_taken(&nb, 1);
	/* The table grows, and what was counted stays. */
	assert_int_equal(prod_numbering_next(&nb, 5000), 0);
	assert_int_equal(prod_numbering_next(&nb, 4999), 0);
	assert_int_equal(prod_numbering_next(&nb, 1), 1);
	assert_int_equal(prod_numbering_next(&nb, 0), 5);
	prod_numbering_fini(&nb);
}

static void a_refused_record_leaves_no_hole(void **state)
{
	(void)state;
	struct prod_numbering nb;
	prod_numbering_init(&nb, PROD_NUMBERS_HEADERS);
	assert_int_equal(prod_numbering_next(&nb, 3), 0);
	assert_int_equal(prod_numbering_next(&nb, 3), 0);
	prod_numbering_taken(&nb, 3);
	assert_int_equal(prod_numbering_next(&nb, 3), 1);
	prod_numbering_fini(&nb);
}

static void a_run_is_eight_hex_digits_and_new(void **state)
{
	(void)state;
	struct prod_numbering a, b;
	prod_numbering_init(&a, PROD_NUMBERS_NONE);
	prod_numbering_init(&b, PROD_NUMBERS_NONE);
	assert_int_equal(strlen(a.run), 8);
	assert_int_equal(strspn(a.run, "0123456789abcdef"), 8);
	assert_string_not_equal(a.run, b.run);
}

static void assert_header(rd_kafka_headers_t *h, const char *name, const char *expected)
{
	const void *value;
	size_t size;
	assert_int_equal(rd_kafka_header_get_last(h, name, &value, &size), 0);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(value, expected, size);
}

static void headers_say_run_seq_time_and_crc(void **state)
{
	(void)state;
	struct prod_numbering nb;
	prod_numbering_init(&nb, PROD_NUMBERS_HEADERS);
	rd_kafka_headers_t *h =
		prod_numbering_headers(&nb, 4711, 1700000000000001, BYTES("1234"), BYTES("56789"));
	assert_int_equal(rd_kafka_header_cnt(h), 4);
	assert_header(h, "bg-run", nb.run);
	assert_header(h, "bg-seq", "4711");
	assert_header(h, "bg-time-us", "1700000000000001");
	assert_header(h, "bg-crc", "e3069283"); /* the check value of CRC-32C, of "123456789" */
	rd_kafka_headers_destroy(h);
}

static void only_the_mode_headers_has_headers(void **state)
{
	(void)state;
	struct prod_numbering nb;
	prod_numbering_init(&nb, PROD_NUMBERS_VALUE);
	assert_null(prod_numbering_headers(&nb, 0, 0, none, BYTES("x")));
	prod_numbering_init(&nb, PROD_NUMBERS_NONE);
	assert_null(prod_numbering_headers(&nb, 0, 0, none, BYTES("x")));
}

static void crc_covers_key_then_value(void **state)
{
	(void)state;
	uint32_t all = prod_numbering_crc(BYTES("1234"), BYTES("56789"));
	assert_int_equal(all, 0xe3069283);
	assert_int_equal(prod_numbering_crc(none, BYTES("123456789")), all);
	assert_int_equal(prod_numbering_crc(BYTES("123456789"), none), all);
	assert_int_equal(prod_numbering_crc(none, none), 0);
	assert_int_not_equal(prod_numbering_crc(BYTES("56789"), BYTES("1234")), all);
}

static void modes_by_name(void **state)
{
	(void)state;
	assert_int_equal(prod_numbers_parse("headers"), PROD_NUMBERS_HEADERS);
	assert_int_equal(prod_numbers_parse("value"), PROD_NUMBERS_VALUE);
	assert_int_equal(prod_numbers_parse("none"), PROD_NUMBERS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences_are_per_partition_from_zero),
		cmocka_unit_test(a_refused_record_leaves_no_hole),
		cmocka_unit_test(a_run_is_eight_hex_digits_and_new),
		cmocka_unit_test(headers_say_run_seq_time_and_crc),
		cmocka_unit_test(only_the_mode_headers_has_headers),
		cmocka_unit_test(crc_covers_key_then_value),
		cmocka_unit_test(modes_by_name),
	};
	return cmocka_run_group_tests_name("numbering", tests, NULL, NULL);
}
