/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumerd/joining.h"

#include <stdatomic.h>

#include "common/loop.h"

#define JOIN_GROUP 11 /* Kafka's API keys */
#define HEARTBEAT  12
#define SYNC_GROUP 14
#define LIMIT_US   60000000

/*
 * When the join under way was begun, 0: none. By number of the handle, not in it: librdkafka's threads may tell of a
 * handle while it is destroyed. Two that share a place are a thousand handles apart.
 */
static _Atomic int64_t begun_us[1024];

static _Atomic int64_t *place(uint64_t generation)
{
	return &begun_us[generation % (sizeof begun_us / sizeof begun_us[0])];
}

void con_joining_sent(uint64_t generation, int16_t api)
{
	if (api == JOIN_GROUP)
		atomic_store(place(generation), bg_now_us());
	else if (api == HEARTBEAT) /* only a member at rest sends one: the join came to nothing */
		atomic_store(place(generation), 0);
}

void con_joining_answered(uint64_t generation, int16_t api)
{
	if (api == SYNC_GROUP)
		atomic_store(place(generation), 0);
}

bool con_joining(uint64_t generation)
{
	int64_t from = atomic_load(place(generation));

	return from && bg_now_us() - from < LIMIT_US;
}

static rd_kafka_resp_err_t on_request(rd_kafka_t *rk, int fd, const char *broker, int32_t id, int16_t api,
				      int16_t version, int32_t corr, size_t size, void *opaque)
{
	(void)rk, (void)fd, (void)broker, (void)id, (void)version, (void)corr, (void)size;
	con_joining_sent((uint64_t)(uintptr_t)opaque, api);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_response(rd_kafka_t *rk, int fd, const char *broker, int32_t id, int16_t api,
				       int16_t version, int32_t corr, size_t size, int64_t rtt,
				       rd_kafka_resp_err_t err, void *opaque)
{
	(void)rk, (void)fd, (void)broker, (void)id, (void)version, (void)corr, (void)size, (void)rtt;
	(void)err;
	con_joining_answered((uint64_t)(uintptr_t)opaque, api);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *err,
				  size_t size)
{
	(void)conf, (void)err, (void)size;
	rd_kafka_interceptor_add_on_request_sent(rk, "joining", on_request, opaque);
	rd_kafka_interceptor_add_on_response_received(rk, "joining", on_response, opaque);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void con_joining_watch(rd_kafka_conf_t *conf, uint64_t generation)
{
	atomic_store(place(generation), 0);
	rd_kafka_conf_interceptor_add_on_new(conf, "joining", on_new, (void *)(uintptr_t)generation);
}
