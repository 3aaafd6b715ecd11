# SPDX-License-Identifier: Apache-2.0
# loop, worker, HTTP, daemon
UNIT_TESTS_NET = tests/unit/test_loop tests/unit/test_worker tests/unit/test_http_server \
	tests/unit/test_http_client tests/unit/test_http_easy

tests_unit_test_loop_SOURCES = tests/unit/test_loop.c tests/unit/unit.h
tests_unit_test_loop_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_loop_LDADD = $(UNIT_LIBS)

tests_unit_test_worker_SOURCES = tests/unit/test_worker.c tests/unit/unit.h
tests_unit_test_worker_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_worker_LDADD = $(UNIT_LIBS)

tests_unit_test_http_server_SOURCES = tests/unit/test_http_server.c tests/unit/raw_client.h
tests_unit_test_http_server_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_http_server_LDADD = $(UNIT_LIBS)

tests_unit_test_http_client_SOURCES = tests/unit/test_http_client.c tests/unit/raw_client.h tests/unit/unit.h
tests_unit_test_http_client_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_http_client_LDADD = $(UNIT_LIBS)

tests_unit_test_http_easy_SOURCES = tests/unit/test_http_easy.c tests/unit/raw_client.h tests/unit/unit.h
tests_unit_test_http_easy_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_http_easy_LDADD = $(UNIT_LIBS)

# test_daemon runs this one.
check_PROGRAMS += tests/unit/tiny_daemon
tests_unit_tiny_daemon_SOURCES = tests/unit/tiny_daemon.c
tests_unit_tiny_daemon_LDADD = $(BG_COMMON_LIBS)

UNIT_TESTS_NET += tests/unit/test_daemon
tests_unit_test_daemon_SOURCES = tests/unit/test_daemon.c tests/unit/unit.h
tests_unit_test_daemon_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_daemon_LDADD = $(UNIT_LIBS)
EXTRA_tests_unit_test_daemon_DEPENDENCIES = tests/unit/tiny_daemon$(EXEEXT)
