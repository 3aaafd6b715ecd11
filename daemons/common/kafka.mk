# SPDX-License-Identifier: Apache-2.0
libbgcommon_a_SOURCES += daemons/common/kafka.h
