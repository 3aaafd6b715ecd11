/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "producerd/stats.h"
#include <json-c/json.h>
#include <stddef.h>
#include "common/json.h"
#include "common/mem.h"

void prod_stats_init(struct prod_stats *st, struct bg_metrics *m)
{
	static const double bounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
					0.5,    1,     2,     5,     10,   30,   60,   120, 300};
	*st = (struct prod_stats){0};
	struct bg_metric *sent =
		bg_metric(m, BG_COUNTER, "kafka_producer_record_send_total",
			  "Records acknowledged by the broker (success) or not sent (error)");
	st->m_success = bg_series(sent, "result", "success", NULL);
	st->m_error = bg_series(sent, "result", "error", NULL);
	st->m_errors = bg_metric(m, BG_COUNTER, "kafka_producer_record_error_total",
				 "Records that were not sent, by error");
	struct bg_metric *lat = bg_metric(m, BG_HISTOGRAM, "bg_producer_ack_latency_seconds",
					  "Time from the queue to the acknowledgement by the broker");
	bg_metric_buckets(lat, bounds, BG_ARRAY_SIZE(bounds));
	st->m_latency = bg_series(lat, NULL);
}

void prod_stats_acked(struct prod_stats *st, int64_t latency_us)
{
	st->acked++;
	bg_series_add(st->m_success, 1);
	if (latency_us < 0)
		return;
	st->latency_sum_us += latency_us;
	if (latency_us > st->latency_max_us)
		st->latency_max_us = latency_us;
	bg_series_observe(st->m_latency, (double)latency_us / 1e6);
}

/* The last slot is kept for what does not fit. */
static int slot_of(struct prod_stats *st, rd_kafka_resp_err_t *err)
{
	for (int i = 0; i < st->n_errors; i++)
		if (st->errors[i].err == *err)
			return i;
	if (st->n_errors >= PROD_STATS_ERRORS - 1) {
		*err = RD_KAFKA_RESP_ERR__FAIL;
		st->n_errors = PROD_STATS_ERRORS;
		st->errors[PROD_STATS_ERRORS - 1].err = *err;
		return PROD_STATS_ERRORS - 1;
	}
	st->errors[st->n_errors].err = *err;
	return st->n_errors++;
}

void prod_stats_failed(struct prod_stats *st, rd_kafka_resp_err_t err, bool maybe)
{
	st->failed++;
	if (maybe)
		st->maybe++;
	bg_series_add(st->m_error, 1);
	st->errors[slot_of(st, &err)].n++;
	bg_series_add(bg_series(st->m_errors, "error", rd_kafka_err2name(err), NULL), 1);
}

int64_t prod_stats_count(const struct prod_stats *st, rd_kafka_resp_err_t err)
{
	for (int i = 0; i < st->n_errors; i++)
		if (st->errors[i].err == err)
			return st->errors[i].n;
	return 0;
}

struct json_object *prod_stats_errors_json(const struct prod_stats *st)
{
	struct json_object *o = json_object_new_object();
	for (int i = 0; i < st->n_errors; i++)
		bg_json_add_int(o, rd_kafka_err2name(st->errors[i].err), st->errors[i].n);
	return o;
}
