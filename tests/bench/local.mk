# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += tests/bench/floor tests/bench/bare-produce tests/bench/bare-consume tests/bench/echo-child \
	tests/bench/fleet tests/bench/bare-fanout tests/bench/floor-fanout
tests_bench_floor_SOURCES = tests/bench/floor.c
tests_bench_floor_LDADD = $(RDKAFKA_LIBS) -lpthread
tests_bench_bare_produce_SOURCES = tests/bench/bare_produce.c tests/bench/bare.c tests/bench/bare.h
tests_bench_bare_produce_LDADD = $(RDKAFKA_LIBS)
tests_bench_bare_consume_SOURCES = tests/bench/bare_consume.c tests/bench/bare_pipe.c tests/bench/bare_pipe.h \
	tests/bench/bare.c tests/bench/bare.h
tests_bench_bare_consume_LDADD = $(RDKAFKA_LIBS) $(JSONC_LIBS)
tests_bench_echo_child_SOURCES = tests/bench/echo_child.c
tests_bench_fleet_SOURCES = tests/bench/fleet.c
tests_bench_fleet_LDADD = $(BG_COMMON_LIBS)
tests_bench_bare_fanout_SOURCES = tests/bench/bare_fanout.c tests/bench/bare.c tests/bench/bare.h
tests_bench_bare_fanout_LDADD = $(RDKAFKA_LIBS) $(CURL_LIBS)
tests_bench_floor_fanout_SOURCES = tests/bench/floor_fanout.c tests/bench/bare.c tests/bench/bare.h
tests_bench_floor_fanout_LDADD = $(RDKAFKA_LIBS)
EXTRA_DIST += tests/bench/README.md tests/bench/lib.sh tests/bench/gap.sh tests/bench/produce.sh tests/bench/consume.sh \
	tests/bench/fanout.sh tests/bench/memory.sh tests/bench/long.sh
