# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += tests/lib/bg-testadmin
tests_lib_bg_testadmin_SOURCES = tests/lib/bg-testadmin.c
tests_lib_bg_testadmin_LDADD = $(RDKAFKA_LIBS)
EXTRA_DIST += tests/lib/kafka.sh tests/lib/check-aux.sh
noinst_PROGRAMS += tests/lib/bg-auxcheck
tests_lib_bg_auxcheck_SOURCES = tests/lib/bg-auxcheck.c
tests_lib_bg_auxcheck_LDADD = $(BG_COMMON_LIBS)
noinst_PROGRAMS += tests/lib/bg-pacing
tests_lib_bg_pacing_SOURCES = tests/lib/bg-pacing.c
tests_lib_bg_pacing_LDADD = libbgcommon.a $(RDKAFKA_LIBS)
noinst_PROGRAMS += tests/lib/bg-outsider
tests_lib_bg_outsider_SOURCES = tests/lib/bg-outsider.c
tests_lib_bg_outsider_LDADD = $(RDKAFKA_LIBS)
noinst_PROGRAMS += tests/lib/bg-relay
tests_lib_bg_relay_SOURCES = tests/lib/bg-relay.c
tests_lib_bg_relay_LDADD = $(EVENT_LIBS)
# Only in a build with --enable-sanitizers=thread, where everything links it.
if BG_TSAN
noinst_LIBRARIES += libbgtsan.a
endif
EXTRA_LIBRARIES = libbgtsan.a
libbgtsan_a_SOURCES = tests/lib/tsan-threads.c
# Preloaded by failcalls.sh; not linked with anything of ours, so it needs no libtool.
noinst_DATA = tests/lib/bg-failcall.so
CLEANFILES += tests/lib/bg-failcall.so
EXTRA_DIST += tests/lib/bg-failcall.c tests/lib/failcalls.sh
tests/lib/bg-failcall.so: tests/lib/bg-failcall.c
	$(AM_V_CC)$(MKDIR_P) tests/lib && $(CC) -std=gnu17 -Wall -Wextra -Wno-missing-prototypes -O1 -g -fPIC -shared -o $@ $(top_srcdir)/tests/lib/bg-failcall.c -ldl
