# SPDX-License-Identifier: Apache-2.0
# Unit tests link the library; main.c is a stub over it.
noinst_LIBRARIES += libbgproducerd.a
libbgproducerd_a_SOURCES = \
	daemons/producerd/api.c \
	daemons/producerd/engine.c daemons/producerd/engine.h \
	daemons/producerd/input.c daemons/producerd/input.h \
	daemons/producerd/numbering.c daemons/producerd/numbering.h \
	daemons/producerd/pace.c daemons/producerd/pace.h \
	daemons/producerd/payload.c daemons/producerd/payload.h \
	daemons/producerd/prod.h \
	daemons/producerd/prod_conf.c \
	daemons/producerd/prod_main.c \
	daemons/producerd/send.c daemons/producerd/send.h \
	daemons/producerd/stats.c daemons/producerd/stats.h
PRODUCERD_LIBS = libbgproducerd.a $(BG_COMMON_LIBS) -lm

sbin_PROGRAMS += bg-producerd
bg_producerd_SOURCES = daemons/producerd/main.c
bg_producerd_LDADD = $(PRODUCERD_LIBS)

dist_man_MANS += man/bg-producerd.8
dist_examples_DATA += etc/producerd.ini
