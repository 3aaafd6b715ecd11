/* SPDX-License-Identifier: Apache-2.0 */
/* What became of the records: counted once for /status and once more as metrics (P-6). */
#ifndef BG_PRODUCERD_STATS_H
#define BG_PRODUCERD_STATS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/metrics.h"

#define PROD_STATS_ERRORS 32 /* kinds of error that are told apart; further ones count as _FAIL */

struct prod_stats {
	int64_t accepted; /* by librdkafka's queue */
	int64_t acked;    /* by the broker: only these count as sent */
	int64_t failed; /* will not be sent: an error came instead of the acknowledgement, or it was refused */
	int64_t maybe;  /* of failed: the broker may have them all the same */
	int64_t full;   /* how often the queue was full */
	int64_t latency_sum_us, latency_max_us;
	struct {
		rd_kafka_resp_err_t err;
		int64_t n;
	} errors[PROD_STATS_ERRORS];
	int n_errors;
	struct bg_metric *m_errors;
	struct bg_series *m_success, *m_error, *m_latency;
};

void prod_stats_init(struct prod_stats *st, struct bg_metrics *m);
void prod_stats_acked(struct prod_stats *st, int64_t latency_us);
/* One record that was accepted before (or refused) will not be sent. maybe: the broker may have it. */
void prod_stats_failed(struct prod_stats *st, rd_kafka_resp_err_t err, bool maybe);
int64_t prod_stats_count(const struct prod_stats *st, rd_kafka_resp_err_t err);
/* {"_MSG_TIMED_OUT":3}; the caller's. */
struct json_object *prod_stats_errors_json(const struct prod_stats *st);

#endif
