# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_PRODUCERD = tests/unit/test_pace tests/unit/test_numbering tests/unit/test_payload
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
