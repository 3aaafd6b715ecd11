# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libswitchd.a
libswitchd_a_SOURCES = daemons/switchd/switch.def daemons/switchd/fsm.c daemons/switchd/fsm.h \
	daemons/switchd/plan.c daemons/switchd/plan.h daemons/switchd/cfg.c daemons/switchd/cfg.h \
	daemons/switchd/record.c daemons/switchd/record.h daemons/switchd/handover.c daemons/switchd/handover.h \
	daemons/switchd/store.h daemons/switchd/store_file.c daemons/switchd/persist.c daemons/switchd/persist.h \
	daemons/switchd/inst.c daemons/switchd/inst.h daemons/switchd/switch.h daemons/switchd/api.h \
	daemons/switchd/adapter.h daemons/switchd/adapter_lifecycle.c daemons/switchd/fanout.c daemons/switchd/fanout.h
