# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_COMMON = \
	tests/unit/test_mem \
	tests/unit/test_units \
	tests/unit/test_json \
	tests/unit/test_offsets \
	tests/unit/test_epoch \
	tests/unit/test_ids \
	tests/unit/test_statefile \
	tests/unit/test_log \
	tests/unit/test_metrics \
	tests/unit/test_failpoint \
	tests/unit/test_conf \
	tests/unit/test_conf_bad

tests_unit_test_mem_SOURCES = tests/unit/test_mem.c tests/unit/unit.h
tests_unit_test_mem_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_mem_LDADD = $(UNIT_LIBS)

tests_unit_test_units_SOURCES = tests/unit/test_units.c tests/unit/unit.h
tests_unit_test_units_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_units_LDADD = $(UNIT_LIBS)

tests_unit_test_json_SOURCES = tests/unit/test_json.c tests/unit/unit.h
tests_unit_test_json_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_json_LDADD = $(UNIT_LIBS)

tests_unit_test_offsets_SOURCES = tests/unit/test_offsets.c tests/unit/unit.h
tests_unit_test_offsets_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_offsets_LDADD = $(UNIT_LIBS)

tests_unit_test_epoch_SOURCES = tests/unit/test_epoch.c tests/unit/unit.h
tests_unit_test_epoch_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_epoch_LDADD = $(UNIT_LIBS)

tests_unit_test_ids_SOURCES = tests/unit/test_ids.c tests/unit/unit.h
tests_unit_test_ids_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ids_LDADD = $(UNIT_LIBS)

tests_unit_test_statefile_SOURCES = tests/unit/test_statefile.c tests/unit/unit.h
tests_unit_test_statefile_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_statefile_LDADD = $(UNIT_LIBS)

tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/unit/unit.h
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = $(UNIT_LIBS)

tests_unit_test_metrics_SOURCES = tests/unit/test_metrics.c tests/unit/unit.h
tests_unit_test_metrics_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_metrics_LDADD = $(UNIT_LIBS)

tests_unit_test_failpoint_SOURCES = tests/unit/test_failpoint.c tests/unit/unit.h
tests_unit_test_failpoint_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_failpoint_LDADD = $(UNIT_LIBS)

tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/unit/unit.h tests/unit/conf_table.h
tests_unit_test_conf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_conf_LDADD = $(UNIT_LIBS)

tests_unit_test_conf_bad_SOURCES = tests/unit/test_conf_bad.c tests/unit/unit.h tests/unit/conf_table.h
tests_unit_test_conf_bad_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_conf_bad_LDADD = $(UNIT_LIBS)
