# SPDX-License-Identifier: Apache-2.0
libbgcommon_a_SOURCES += daemons/common/loop.h daemons/common/loop.c daemons/common/worker.h daemons/common/worker.c \
	daemons/common/http_server.h daemons/common/http_client.h daemons/common/daemon.h
libbgcommon_a_SOURCES += daemons/common/daemon.c daemons/common/daemon_args.c daemons/common/daemon_int.h \
	daemons/common/notify.c daemons/common/notify.h
