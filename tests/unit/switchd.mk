# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_SWITCHD = tests/unit/test_switch_fsm tests/unit/test_handover tests/unit/test_store_file
SWITCHD_UNIT_LIBS = libswitchd.a $(UNIT_LIBS)
tests_unit_test_switch_fsm_SOURCES = tests/unit/test_switch_fsm.c
tests_unit_test_switch_fsm_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_switch_fsm_LDADD = $(SWITCHD_UNIT_LIBS)
tests_unit_test_handover_SOURCES = tests/unit/test_handover.c
tests_unit_test_handover_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_handover_LDADD = $(SWITCHD_UNIT_LIBS)
tests_unit_test_store_file_SOURCES = tests/unit/test_store_file.c
tests_unit_test_store_file_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_store_file_LDADD = $(SWITCHD_UNIT_LIBS)
UNIT_TESTS_SWITCHD += tests/unit/test_switch_run
SWITCHD_FAKE = tests/unit/switchd_fake.c tests/unit/switchd_fake.h
tests_unit_test_switch_run_SOURCES = tests/unit/test_switch_run.c $(SWITCHD_FAKE)
tests_unit_test_switch_run_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_switch_run_LDADD = $(SWITCHD_UNIT_LIBS)
UNIT_TESTS_SWITCHD += tests/unit/test_preflight
tests_unit_test_preflight_SOURCES = tests/unit/test_preflight.c $(SWITCHD_FAKE)
tests_unit_test_preflight_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_preflight_LDADD = $(SWITCHD_UNIT_LIBS)
UNIT_TESTS_SWITCHD += tests/unit/test_switch_adapter
tests_unit_test_switch_adapter_SOURCES = tests/unit/test_switch_adapter.c tests/unit/fake_instance.c \
	tests/unit/fake_instance.h $(SWITCHD_FAKE)
tests_unit_test_switch_adapter_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_switch_adapter_LDADD = $(SWITCHD_UNIT_LIBS)
