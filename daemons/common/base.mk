# SPDX-License-Identifier: Apache-2.0
libbgcommon_a_SOURCES += daemons/common/err.h daemons/common/mem.h daemons/common/units.h daemons/common/conf.h \
	daemons/common/log.h daemons/common/json.h daemons/common/statefile.h daemons/common/metrics.h \
	daemons/common/failpoint.h daemons/common/ids.h daemons/common/epoch.h daemons/common/offsets.h
libbgcommon_a_SOURCES += daemons/common/err.c daemons/common/mem.c daemons/common/units.c daemons/common/log.c \
	daemons/common/json.c daemons/common/offsets.c daemons/common/epoch.c daemons/common/ids.c \
	daemons/common/failpoint.c daemons/common/statefile.c daemons/common/crc32c.c
libbgcommon_a_SOURCES += daemons/common/conf_int.h daemons/common/conf.c daemons/common/conf_read.c \
	daemons/common/conf_value.c daemons/common/conf_apply.c daemons/common/conf_dump.c
libbgcommon_a_SOURCES += daemons/common/metrics.c
