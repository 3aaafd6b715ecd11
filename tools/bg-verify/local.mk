# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += bg-verify
noinst_LIBRARIES += libbgverify.a
libbgverify_a_SOURCES = tools/bg-verify/judge.c tools/bg-verify/judge.h tools/bg-verify/ledger.c tools/bg-verify/ledger.h \
	tools/bg-verify/map.c tools/bg-verify/map.h tools/bg-verify/notes.c tools/bg-verify/notes.h \
	tools/bg-verify/report.c tools/bg-verify/report.h tools/bg-verify/report_json.c \
	tools/bg-verify/source.c tools/bg-verify/source.h tools/bg-verify/state.c tools/bg-verify/state.h \
	tools/bg-verify/switches.c tools/bg-verify/switches.h tools/bg-verify/topic.c tools/bg-verify/topic.h \
	tools/bg-verify/topic_judge.c tools/bg-verify/topic_judge.h tools/bg-verify/verify.c tools/bg-verify/verify.h
libbgverify_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
bg_verify_SOURCES = tools/bg-verify/main.c
bg_verify_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
bg_verify_LDADD = libbgverify.a $(BG_COMMON_LIBS)
dist_man_MANS += man/bg-verify.1
