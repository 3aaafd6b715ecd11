/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in a group: an admin request like those for its offsets (kafka_aux_admin.c). */
#include "config.h"
#include "common/kafka_aux.h"

#include <stdlib.h>
#include "common/mem.h"

void aux_members_start(struct aux_call *c, rd_kafka_AdminOptions_t *o)
{
	const char *group = c->group;

	rd_kafka_DescribeConsumerGroups(c->h->rk, &group, 1, o, c->h->q);
}

void aux_members_take(struct aux_call *c, rd_kafka_event_t *ev)
{
	const rd_kafka_DescribeConsumerGroups_result_t *res =
		rd_kafka_event_DescribeConsumerGroups_result(ev);
	size_t n = 0;
	const rd_kafka_ConsumerGroupDescription_t **g =
		res ? rd_kafka_DescribeConsumerGroups_result_groups(res, &n) : NULL;
	const rd_kafka_error_t *e = n == 1 ? rd_kafka_ConsumerGroupDescription_error(g[0]) : NULL;
	_cleanup_free_ struct bg_member *v = NULL;

	/* Kafka 4 says so of a group that nobody has ever joined; older ones call it dead and empty. */
	if (e && rd_kafka_error_code(e) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
		aux_call_members(c, NULL, 0);
		return;
	}
	if (e || n != 1) {
		aux_call_attempt_failed(c, e ? rd_kafka_error_code(e) : RD_KAFKA_RESP_ERR__BAD_MSG,
					"group %s", c->group);
		return;
	}
	n = rd_kafka_ConsumerGroupDescription_member_count(g[0]);
	v = bg_xcalloc(n + 1, sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		const rd_kafka_MemberDescription_t *m = rd_kafka_ConsumerGroupDescription_member(g[0], i);

		v[i] = (struct bg_member){rd_kafka_MemberDescription_group_instance_id(m),
					  rd_kafka_MemberDescription_client_id(m),
					  rd_kafka_MemberDescription_host(m),
					  rd_kafka_MemberDescription_consumer_id(m)};
	}
	aux_call_members(c, v, n);
}
