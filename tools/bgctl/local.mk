# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += bgctl
bgctl_SOURCES = tools/bgctl/main.c tools/bgctl/cmd.c tools/bgctl/cmd.h tools/bgctl/ctl.h \
	tools/bgctl/body.c tools/bgctl/body.h tools/bgctl/client.c tools/bgctl/client.h tools/bgctl/errors.c \
	tools/bgctl/name.c tools/bgctl/out.c tools/bgctl/out.h tools/bgctl/wait.c tools/bgctl/wait.h \
	tools/bgctl/hold.h tools/bgctl/instances.h \
	tools/bgctl/cmd_abort.c tools/bgctl/cmd_history.c tools/bgctl/cmd_hold.c tools/bgctl/cmd_init.c \
	tools/bgctl/cmd_instances.c tools/bgctl/cmd_preflight.c tools/bgctl/cmd_release.c tools/bgctl/cmd_rollback.c \
	tools/bgctl/cmd_status.c tools/bgctl/cmd_switch.c tools/bgctl/cmd_version.c
bgctl_SOURCES += tools/bgctl/sse.c tools/bgctl/sse.h tools/bgctl/follow.c tools/bgctl/follow.h tools/bgctl/cmd_tail.c
bgctl_SOURCES += tools/bgctl/watch.c tools/bgctl/status.h tools/bgctl/screen.c tools/bgctl/screen.h
bgctl_SOURCES += tools/bgctl/cmd_snapshots.c tools/bgctl/cmd_doctor.c tools/bgctl/doctor.h tools/bgctl/doctor_table.c tools/bgctl/doctor_run.c \
	tools/bgctl/doctor_gather.c tools/bgctl/doctor_host.c tools/bgctl/doctor_machine.c \
	tools/bgctl/doctor_switch.c tools/bgctl/doctor_broker.c
bgctl_SOURCES += tools/bgctl/cmd_freeze.c tools/bgctl/cmd_schedule.c tools/bgctl/schedule.h tools/bgctl/when.c tools/bgctl/when.h
bgctl_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
bgctl_LDADD = $(BG_COMMON_LIBS)
dist_man_MANS += man/bgctl.1
bashcompdir = $(datadir)/bash-completion/completions
dist_bashcomp_DATA = tools/bash-completion/completions/bgctl
