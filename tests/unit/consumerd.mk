# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_CONSUMERD = tests/unit/test_lifecycle tests/unit/test_parts
tests_unit_test_lifecycle_SOURCES = tests/unit/test_lifecycle.c
tests_unit_test_lifecycle_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_lifecycle_LDADD = libconsumerd.a $(UNIT_LIBS)
tests_unit_test_parts_SOURCES = tests/unit/test_parts.c
tests_unit_test_parts_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_parts_LDADD = libconsumerd.a $(UNIT_LIBS)
UNIT_TESTS_CONSUMERD += tests/unit/test_consumer_mock
tests_unit_test_consumer_mock_SOURCES = tests/unit/test_consumer_mock.c
tests_unit_test_consumer_mock_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_consumer_mock_LDADD = $(UNIT_LIBS)
UNIT_TESTS_CONSUMERD += tests/unit/test_mirror
tests_unit_test_mirror_SOURCES = tests/unit/test_mirror.c
tests_unit_test_mirror_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_mirror_LDADD = libconsumerd.a $(UNIT_LIBS)
