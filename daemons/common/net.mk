# SPDX-License-Identifier: Apache-2.0
libbgcommon_a_SOURCES += daemons/common/loop.h daemons/common/loop.c daemons/common/loop_event.c \
	daemons/common/loop_int.h daemons/common/http_early.c daemons/common/worker.h daemons/common/worker.c \
	daemons/common/http_server.h daemons/common/http_internal.h daemons/common/http_server.c \
	daemons/common/http_conn.c daemons/common/http_request.c daemons/common/http_route.c \
	daemons/common/http_auth.c daemons/common/http_listen.c daemons/common/http_client.h \
	daemons/common/http_client.c daemons/common/http_easy.h daemons/common/http_easy.c daemons/common/daemon.h
libbgcommon_a_SOURCES += daemons/common/daemon.c daemons/common/daemon_args.c daemons/common/daemon_int.h \
	daemons/common/notify.c daemons/common/notify.h
