# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_PRODUCERD = tests/unit/test_pace tests/unit/test_numbering tests/unit/test_payload tests/unit/test_send_errors \
	tests/unit/test_engine
PRODUCERD_UNIT_LIBS = $(PRODUCERD_LIBS) $(CMOCKA_LIBS)

tests_unit_test_pace_SOURCES = tests/unit/test_pace.c
tests_unit_test_pace_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pace_LDADD = $(PRODUCERD_UNIT_LIBS)

tests_unit_test_numbering_SOURCES = tests/unit/test_numbering.c
tests_unit_test_numbering_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_numbering_LDADD = $(PRODUCERD_UNIT_LIBS)

tests_unit_test_payload_SOURCES = tests/unit/test_payload.c
tests_unit_test_payload_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_payload_LDADD = $(PRODUCERD_UNIT_LIBS)

tests_unit_test_send_errors_SOURCES = tests/unit/test_send_errors.c tests/unit/producerd_mock.h
tests_unit_test_send_errors_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_send_errors_LDADD = $(PRODUCERD_UNIT_LIBS)

tests_unit_test_engine_SOURCES = tests/unit/test_engine.c tests/unit/producerd_mock.h
tests_unit_test_engine_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_engine_LDADD = $(PRODUCERD_UNIT_LIBS)
