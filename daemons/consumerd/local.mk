# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libconsumerd.a
libconsumerd_a_SOURCES = \
	daemons/consumerd/answers.c daemons/consumerd/answers.h daemons/consumerd/api.c daemons/consumerd/api.h \
	daemons/consumerd/choose.c daemons/consumerd/choose.h daemons/consumerd/commands.c daemons/consumerd/commands.h \
	daemons/consumerd/commands_int.h daemons/consumerd/commit.c daemons/consumerd/commit.h \
	daemons/consumerd/con.c daemons/consumerd/con.h daemons/consumerd/con_conf.c daemons/consumerd/con_conf.h \
	daemons/consumerd/con_main.c daemons/consumerd/con_main.h daemons/consumerd/con_stop.c daemons/consumerd/con_stop.h \
	daemons/consumerd/dispatch.c daemons/consumerd/dispatch.h daemons/consumerd/drain.c \
	daemons/consumerd/exec_answer.c daemons/consumerd/exec_answer.h daemons/consumerd/exec_child.c daemons/consumerd/exec_child.h \
	daemons/consumerd/exec_command.c daemons/consumerd/exec_conf.c daemons/consumerd/exec_conf.h daemons/consumerd/exec_int.h \
	daemons/consumerd/exec_lines.c daemons/consumerd/exec_lines.h daemons/consumerd/exec_pipe.c \
	daemons/consumerd/exec_table.c daemons/consumerd/exec_table.h daemons/consumerd/exec_write.c daemons/consumerd/exec_write.h \
	daemons/consumerd/handler_exec.c \
	daemons/consumerd/faults.c daemons/consumerd/faults.h daemons/consumerd/flow.c \
	daemons/consumerd/handle.c daemons/consumerd/handler.c daemons/consumerd/handler.h daemons/consumerd/handler_log.c daemons/consumerd/handler_null.c \
	daemons/consumerd/hello.c daemons/consumerd/hello.h daemons/consumerd/joining.c daemons/consumerd/joining.h daemons/consumerd/late.c daemons/consumerd/ledger.c daemons/consumerd/ledger.h \
	daemons/consumerd/lifecycle.c daemons/consumerd/lifecycle.def daemons/consumerd/lifecycle.h \
	daemons/consumerd/loss.c daemons/consumerd/loss.h daemons/consumerd/meters.c daemons/consumerd/meters.h daemons/consumerd/mirror.c daemons/consumerd/mirror.h daemons/consumerd/parts.c daemons/consumerd/parts.h \
	daemons/consumerd/probe.c daemons/consumerd/probe.h daemons/consumerd/reading.c daemons/consumerd/reading.h daemons/consumerd/rebalance.c daemons/consumerd/rebalance.h daemons/consumerd/regroup.c daemons/consumerd/regroup.h daemons/consumerd/source.c daemons/consumerd/source.h \
	daemons/consumerd/source_int.h daemons/consumerd/spare.c daemons/consumerd/spare.h daemons/consumerd/take.c daemons/consumerd/start.c daemons/consumerd/start.h daemons/consumerd/start_int.h daemons/consumerd/state.c \
	daemons/consumerd/state.h daemons/consumerd/status.c
sbin_PROGRAMS += bg-consumerd
bg_consumerd_SOURCES = daemons/consumerd/main.c
bg_consumerd_LDADD = libconsumerd.a $(BG_COMMON_LIBS)
dist_man_MANS += man/bg-consumerd.8
dist_examples_DATA += etc/consumerd.ini
