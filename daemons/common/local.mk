# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libbgcommon.a
libbgcommon_a_SOURCES = daemons/common/token.c daemons/common/token.h
include daemons/common/base.mk
include daemons/common/net.mk
include daemons/common/kafka.mk
