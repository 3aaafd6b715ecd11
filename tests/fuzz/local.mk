# SPDX-License-Identifier: Apache-2.0
# Fuzz targets (--enable-fuzzing, CC=clang): `tests/run fuzz` runs each that is listed here, on its folder in
# tests/fuzz/corpus. A target is one file that defines LLVMFuzzerTestOneInput, a row in FUZZ_TARGETS and its rules.
EXTRA_DIST += tests/fuzz/corpus
if BG_FUZZING
FUZZ_TARGETS = \
	tests/fuzz/fuzz_answers \
	tests/fuzz/fuzz_conf \
	tests/fuzz/fuzz_consumer_api \
	tests/fuzz/fuzz_daemons \
	tests/fuzz/fuzz_exec \
	tests/fuzz/fuzz_http \
	tests/fuzz/fuzz_json \
	tests/fuzz/fuzz_ledger \
	tests/fuzz/fuzz_lines \
	tests/fuzz/fuzz_sse \
	tests/fuzz/fuzz_state \
	tests/fuzz/fuzz_store \
	tests/fuzz/fuzz_switch_api
check_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_DEFS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests -I$(top_srcdir)/tools
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
FUZZ_FAKE = tests/unit/switchd_fake.c tests/unit/switchd_fake.h tests/fuzz/fuzz.h

.PHONY: fuzz-targets fuzz-list
fuzz-targets: $(FUZZ_TARGETS)
fuzz-list:
	@echo $(FUZZ_TARGETS)

tests_fuzz_fuzz_answers_SOURCES = tests/fuzz/fuzz_answers.c $(FUZZ_FAKE)
tests_fuzz_fuzz_answers_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_answers_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_answers_LDADD = libswitchd.a $(BG_COMMON_LIBS) $(CMOCKA_LIBS)

tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c tests/unit/conf_table.h
tests_fuzz_fuzz_conf_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_conf_LDADD = $(BG_COMMON_LIBS)

tests_fuzz_fuzz_consumer_api_SOURCES = tests/fuzz/fuzz_consumer_api.c tests/fuzz/fuzz_requests.h
tests_fuzz_fuzz_consumer_api_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_consumer_api_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_consumer_api_LDADD = libconsumerd.a $(BG_COMMON_LIBS)

tests_fuzz_fuzz_daemons_SOURCES = tests/fuzz/fuzz_daemons.c
tests_fuzz_fuzz_daemons_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_daemons_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_daemons_LDADD = libconsumerd.a libswitchd.a $(PRODUCERD_LIBS)

tests_fuzz_fuzz_exec_SOURCES = tests/fuzz/fuzz_exec.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_exec_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_exec_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_exec_LDADD = libconsumerd.a $(BG_COMMON_LIBS)

tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c
tests_fuzz_fuzz_http_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_LDADD = $(BG_COMMON_LIBS)

tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c
tests_fuzz_fuzz_json_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_json_LDADD = $(BG_COMMON_LIBS)

tests_fuzz_fuzz_ledger_SOURCES = tests/fuzz/fuzz_ledger.c
tests_fuzz_fuzz_ledger_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_ledger_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_ledger_LDADD = libbgverify.a $(BG_COMMON_LIBS)

tests_fuzz_fuzz_lines_SOURCES = tests/fuzz/fuzz_lines.c
tests_fuzz_fuzz_lines_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_lines_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_lines_LDADD = $(PRODUCERD_LIBS)

tests_fuzz_fuzz_sse_SOURCES = tests/fuzz/fuzz_sse.c tools/bgctl/sse.c tools/bgctl/sse.h
tests_fuzz_fuzz_sse_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_sse_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_sse_LDADD = $(BG_COMMON_LIBS)

tests_fuzz_fuzz_state_SOURCES = tests/fuzz/fuzz_state.c
tests_fuzz_fuzz_state_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_state_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_state_LDADD = libconsumerd.a $(BG_COMMON_LIBS)

tests_fuzz_fuzz_store_SOURCES = tests/fuzz/fuzz_store.c $(FUZZ_FAKE)
tests_fuzz_fuzz_store_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_store_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_store_LDADD = libswitchd.a $(BG_COMMON_LIBS) $(CMOCKA_LIBS)

tests_fuzz_fuzz_switch_api_SOURCES = tests/fuzz/fuzz_switch_api.c tests/fuzz/fuzz_requests.h $(FUZZ_FAKE)
tests_fuzz_fuzz_switch_api_CPPFLAGS = $(FUZZ_DEFS)
tests_fuzz_fuzz_switch_api_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_switch_api_LDADD = libswitchd.a $(BG_COMMON_LIBS) $(CMOCKA_LIBS)
endif
