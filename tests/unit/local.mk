# SPDX-License-Identifier: Apache-2.0
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
UNIT_LIBS = $(BG_COMMON_LIBS) $(CMOCKA_LIBS)
if HAVE_CMOCKA
include tests/unit/common.mk
include tests/unit/net.mk
include tests/unit/kafka.mk
include tests/unit/consumerd.mk
include tests/unit/producerd.mk
include tests/unit/switchd.mk
include tests/unit/tools.mk
TESTS += $(UNIT_TESTS_COMMON) $(UNIT_TESTS_NET) $(UNIT_TESTS_KAFKA) $(UNIT_TESTS_CONSUMERD) $(UNIT_TESTS_PRODUCERD) $(UNIT_TESTS_SWITCHD) $(UNIT_TESTS_TOOLS)
check_PROGRAMS += $(UNIT_TESTS_COMMON) $(UNIT_TESTS_NET) $(UNIT_TESTS_KAFKA) $(UNIT_TESTS_CONSUMERD) $(UNIT_TESTS_PRODUCERD) $(UNIT_TESTS_SWITCHD) $(UNIT_TESTS_TOOLS)
endif
