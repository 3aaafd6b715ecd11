# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_KAFKA = tests/unit/test_kafka_conf

tests_unit_test_kafka_conf_SOURCES = tests/unit/test_kafka_conf.c
tests_unit_test_kafka_conf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_kafka_conf_LDADD = $(UNIT_LIBS)

UNIT_TESTS_KAFKA += tests/unit/test_kafka_queue
tests_unit_test_kafka_queue_SOURCES = tests/unit/test_kafka_queue.c tests/unit/kafka_mock.h
tests_unit_test_kafka_queue_CFLAGS = $(UNIT_CFLAGS) -I$(top_srcdir)
tests_unit_test_kafka_queue_LDADD = $(UNIT_LIBS)

UNIT_TESTS_KAFKA += tests/unit/test_kafka_aux
tests_unit_test_kafka_aux_SOURCES = tests/unit/test_kafka_aux.c tests/unit/kafka_mock.h \
	tests/unit/kafka_aux_fixture.h
tests_unit_test_kafka_aux_CFLAGS = $(UNIT_CFLAGS) -I$(top_srcdir)
tests_unit_test_kafka_aux_LDADD = $(UNIT_LIBS)

UNIT_TESTS_KAFKA += tests/unit/test_kafka_aux_errors
tests_unit_test_kafka_aux_errors_SOURCES = tests/unit/test_kafka_aux_errors.c tests/unit/kafka_mock.h \
	tests/unit/kafka_aux_fixture.h
tests_unit_test_kafka_aux_errors_CFLAGS = $(UNIT_CFLAGS) -I$(top_srcdir)
tests_unit_test_kafka_aux_errors_LDADD = $(UNIT_LIBS)
