# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += bg-devbroker
bg_devbroker_SOURCES = tools/bg-devbroker.c
bg_devbroker_LDADD = $(RDKAFKA_LIBS)
dist_man_MANS += man/bg-devbroker.1
