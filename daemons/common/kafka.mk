# SPDX-License-Identifier: Apache-2.0
libbgcommon_a_SOURCES += daemons/common/kafka.h daemons/common/kafka_aux.h daemons/common/kafka.c \
	daemons/common/kafka_aux.c daemons/common/kafka_aux_admin.c daemons/common/kafka_aux_call.c \
	daemons/common/kafka_aux_job.c daemons/common/kafka_aux_members.c daemons/common/kafka_conf.c daemons/common/kafka_queue.c
