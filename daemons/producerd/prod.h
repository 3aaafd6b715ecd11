/* SPDX-License-Identifier: Apache-2.0 */
/* What the modules of the daemon share, and the configuration. */
#ifndef BG_PRODUCERD_PROD_H
#define BG_PRODUCERD_PROD_H

#include <librdkafka/rdkafka.h>
#include "common/conf.h"
#include "common/daemon.h"
#include "common/http_server.h"
#include "common/metrics.h"
#include "common/worker.h"
#include "producerd/engine.h"

struct prod {
	struct bg_daemon *daemon;
	struct bg_worker *worker;
	struct bg_metrics *metrics;
	struct prod_engine *engine;
	struct bg_http_server *http;
	int64_t started_us;                                           /* real time */
	int64_t missed_shown, late_shown, full_shown, accepted_shown; /* counted into metrics so far */
};

/* prod_conf.c */
extern const struct bg_conf_key prod_conf_table[];
extern const struct bg_conf_key *const prod_conf_tables[];
int prod_conf_check(const struct bg_conf *conf, const char *instance, struct bg_buf *errs);
/* [kafka] with this daemon's defaults; the caller's. */
rd_kafka_conf_t *prod_conf_kafka(const struct bg_conf *conf);
/* Fill what the configuration says: topic, payload, rate, input, ends. Strings are the configuration's. */
void prod_conf_engine(const struct bg_conf *conf, struct prod_engine_opts *o);

/* The token of [http] token-file; NULL: none. The caller's. */
int prod_conf_token(const struct bg_conf *c, char **ret, struct bg_err *err);

/* api.c */
extern const struct bg_route prod_routes[];
struct json_object *prod_status(struct prod *p); /* the answer of GET /status; the caller's */
void prod_scrape(void *prod);                    /* gauges and counters of what is counted elsewhere */

int prod_main(int argc, char **argv);

#endif
