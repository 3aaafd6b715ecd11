# SPDX-License-Identifier: Apache-2.0
libbgcommon_a_SOURCES += daemons/common/loop.h daemons/common/loop.c daemons/common/worker.h daemons/common/worker.c \
	daemons/common/http_server.h daemons/common/http_client.h daemons/common/daemon.h
