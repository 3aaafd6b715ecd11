# SPDX-License-Identifier: Apache-2.0
libbgcommon_a_SOURCES += daemons/common/err.h daemons/common/mem.h daemons/common/units.h daemons/common/conf.h \
	daemons/common/log.h daemons/common/json.h daemons/common/statefile.h daemons/common/metrics.h \
	daemons/common/failpoint.h daemons/common/ids.h daemons/common/epoch.h daemons/common/offsets.h
