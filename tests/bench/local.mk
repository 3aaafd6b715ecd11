# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += tests/bench/floor
tests_bench_floor_SOURCES = tests/bench/floor.c
tests_bench_floor_LDADD = $(RDKAFKA_LIBS) -lpthread
