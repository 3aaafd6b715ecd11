# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libswitchd.a
libswitchd_a_SOURCES = daemons/switchd/switch.def daemons/switchd/fsm.c daemons/switchd/fsm.h \
	daemons/switchd/plan.c daemons/switchd/plan.h daemons/switchd/cfg.c daemons/switchd/cfg.h \
	daemons/switchd/record.c daemons/switchd/record.h daemons/switchd/handover.c daemons/switchd/handover.h \
	daemons/switchd/store.h daemons/switchd/store_file.c daemons/switchd/persist.c daemons/switchd/persist.h \
	daemons/switchd/inst.c daemons/switchd/inst.h daemons/switchd/switch.c daemons/switchd/switch.h \
	daemons/switchd/adapter.h daemons/switchd/adapter_lifecycle.c daemons/switchd/fanout.c daemons/switchd/fanout.h \
	daemons/switchd/ask.c daemons/switchd/ask.h daemons/switchd/facts.c \
	daemons/switchd/run.c daemons/switchd/run.h daemons/switchd/run_forward.c daemons/switchd/run_verify.c daemons/switchd/run_back.c \
	daemons/switchd/identity.c daemons/switchd/identity.h daemons/switchd/known.c daemons/switchd/known.h daemons/switchd/fence.c daemons/switchd/fence.h daemons/switchd/fence_kafka.c daemons/switchd/run_fence.c \
	daemons/switchd/run_end.c daemons/switchd/initial.c daemons/switchd/initial.h \
	daemons/switchd/preflight.c daemons/switchd/preflight.h daemons/switchd/preflight_rules.c \
	daemons/switchd/preflight_int.h daemons/switchd/preflight_takeover.c daemons/switchd/member.c daemons/switchd/member.h \
	daemons/switchd/history.c daemons/switchd/history.h daemons/switchd/events.c daemons/switchd/events.h \
	daemons/switchd/watch.c daemons/switchd/watch.h daemons/switchd/reconcile.c daemons/switchd/reconcile.h \
	daemons/switchd/rebuild.c daemons/switchd/rebuild.h daemons/switchd/soak.c daemons/switchd/soak.h \
	daemons/switchd/snapshot.c daemons/switchd/snapshot.h \
	daemons/switchd/metrics.c daemons/switchd/metrics.h daemons/switchd/view.c daemons/switchd/view.h \
	daemons/switchd/hello.c daemons/switchd/hello.h daemons/switchd/command.c daemons/switchd/command.h \
	daemons/switchd/api.c daemons/switchd/api.h daemons/switchd/once.c daemons/switchd/once.h \
	daemons/switchd/sw_main.c daemons/switchd/sw_main.h
libswitchd_a_SOURCES += daemons/switchd/stream.c daemons/switchd/stream.h \
	daemons/switchd/doctor.c daemons/switchd/doctor.h daemons/switchd/restore.c daemons/switchd/restore.h \
	daemons/switchd/soak_judge.c daemons/switchd/soak_judge.h daemons/switchd/soak_back.c daemons/switchd/soak_back.h \
	daemons/switchd/freeze.c daemons/switchd/freeze.h daemons/switchd/frozen.c daemons/switchd/frozen.h \
	daemons/switchd/schedule.c daemons/switchd/schedule.h
sbin_PROGRAMS += bg-switchd
bg_switchd_SOURCES = daemons/switchd/main.c
bg_switchd_LDADD = libswitchd.a $(BG_COMMON_LIBS)
dist_man_MANS += man/bg-switchd.8
dist_examples_DATA += etc/switchd.ini
