# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS_TOOLS = tests/unit/test_verify_judge tests/unit/test_verify_ledger tests/unit/test_verify_main \
	tests/unit/test_bgctl
TOOLS_TEST_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
VERIFY_FIXTURE = tests/unit/verify_fixture.c tests/unit/verify_fixture.h

tests_unit_test_verify_judge_SOURCES = tests/unit/test_verify_judge.c $(VERIFY_FIXTURE)
tests_unit_test_verify_judge_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_verify_judge_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_verify_judge_LDADD = libbgverify.a $(UNIT_LIBS)

# The fuzz target is run over every byte of a line here, too.
tests_unit_test_verify_ledger_SOURCES = tests/unit/test_verify_ledger.c tests/fuzz/fuzz_ledger.c $(VERIFY_FIXTURE)
tests_unit_test_verify_ledger_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_verify_ledger_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_verify_ledger_LDADD = libbgverify.a $(UNIT_LIBS)

tests_unit_test_verify_main_SOURCES = tests/unit/test_verify_main.c $(VERIFY_FIXTURE)
tests_unit_test_verify_main_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_verify_main_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_verify_main_LDADD = libbgverify.a $(UNIT_LIBS)

# Runs the program itself, as its users do.
tests_unit_test_bgctl_SOURCES = tests/unit/test_bgctl.c tests/unit/bgctl_stand_in.c tests/unit/bgctl_stand_in.h
tests_unit_test_bgctl_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_bgctl_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_bgctl_LDADD = $(UNIT_LIBS)
EXTRA_tests_unit_test_bgctl_DEPENDENCIES = bgctl

UNIT_TESTS_TOOLS += tests/unit/test_bgctl_follow
tests_unit_test_bgctl_follow_SOURCES = tests/unit/test_bgctl_follow.c tests/unit/bgctl_stand_in.c \
	tests/unit/bgctl_stand_in.h tools/bgctl/sse.c
tests_unit_test_bgctl_follow_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_bgctl_follow_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_bgctl_follow_LDADD = $(UNIT_LIBS)
EXTRA_tests_unit_test_bgctl_follow_DEPENDENCIES = bgctl
UNIT_TESTS_TOOLS += tests/unit/test_bgctl_doctor
tests_unit_test_bgctl_doctor_SOURCES = tests/unit/test_bgctl_doctor.c tests/unit/bgctl_stand_in.c \
	tests/unit/bgctl_stand_in.h
tests_unit_test_bgctl_doctor_CPPFLAGS = $(TOOLS_TEST_CPPFLAGS)
tests_unit_test_bgctl_doctor_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_bgctl_doctor_LDADD = $(UNIT_LIBS)
EXTRA_tests_unit_test_bgctl_doctor_DEPENDENCIES = bgctl bg-switchd bg-consumerd
