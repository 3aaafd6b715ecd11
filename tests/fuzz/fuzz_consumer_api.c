/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bg-consumerd's whole interface, with the bodies of its routes, on a whole instance over librdkafka's mock
 * cluster. One instance lives through all inputs: between two it is paused and its epoch taken back, so that an
 * input finds it as the corpus was made for. Its modules are static, so the file that lists them is included.
 */
#include "consumerd/con_main.c"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "common/epoch.h"
#include "fuzz/fuzz_requests.h"

static rd_kafka_t *mock; /* the producer that the cluster lives in */
static struct bg_daemon daemon_;
static struct fuzz_client client;

static const char *start_cluster(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_mock_cluster_t *cluster;
	char err[256], value[] = "x";

	FUZZ_MUST(rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", err, sizeof(err)) == 0);
	mock = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
	FUZZ_MUST(mock);
	cluster = rd_kafka_handle_mock_cluster(mock);
	FUZZ_MUST(rd_kafka_mock_topic_create(cluster, "orders", 4, 1) == 0);
	for (int p = 0; p < 40; p++)
		FUZZ_MUST(rd_kafka_producev(mock, RD_KAFKA_V_TOPIC("orders"), RD_KAFKA_V_PARTITION(p % 4),
					    RD_KAFKA_V_VALUE(value, 1), RD_KAFKA_V_END) == 0);
	FUZZ_MUST(rd_kafka_flush(mock, 10000) == 0);
	return rd_kafka_mock_cluster_bootstraps(cluster);
}

static struct con *con(void)
{
	return daemon_.state;
}

static void turn_for(int64_t us)
{
	bool never = false;

	bg_loop_run_until(daemon_.loop, &never, us);
}

/* Every loop's run ends the process when a module cannot start. */
static void start(void)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	_cleanup_free_ char *ini = bg_xasprintf("[consumer]\nswitch = orders\ngroup = b\npeer-group = g\n"
						"topics = orders\nhandler = null\nstate-dir = %s/state\n"
						"drain-timeout = 50 ms\n[faults]\nenabled = yes\n"
						"[http]\nlisten = none\n[control]\nsocket = %s/control\n"
						"[kafka]\nbootstrap.servers = %s\nlog_level = 0\n"
						"fetch.wait.max.ms = 10\nsession.timeout.ms = 6000\n",
						fuzz_dir(), fuzz_dir(), start_cluster());
	struct bg_err err = BG_ERR_INIT;

	bg_log_init("fuzz", "logfmt", BG_ERROR);
	daemon_.spec = &spec;
	daemon_.instance = "blue-0";
	daemon_.loop = client.loop = bg_loop_new();
	if (bg_conf_load_mem("fuzz", ini, strlen(ini), con_tables, "blue-0", &daemon_.conf, &errs) ||
	    con_conf_check(daemon_.conf, "blue-0", &errs)) {
		fputs(errs.s, stderr);
		abort();
	}
	for (const struct bg_module *mod = modules; mod->name; mod++)
		FUZZ_MUST(mod->start(&daemon_, &err) == 0);
	client.sun.sun_family = AF_UNIX;
	snprintf(client.sun.sun_path, sizeof(client.sun.sun_path), "%s/control", fuzz_dir());
	/* The mock's first join takes 3 s. */
	for (int i = 0; i < 600 && (con()->state != CON_PAUSED || !con()->connected || !con()->parts.n); i++)
		turn_for(20000);
	FUZZ_MUST(con()->state == CON_PAUSED && con()->connected);
}

static void command(const char *text)
{
	fuzz_request(&client, text, strlen(text));
}

/* PAUSED and at no epoch: what the next input starts from. */
static void heal(void)
{
	struct con *c = con();
	_cleanup_free_ char *pause = NULL;

	command("PUT /fault/hang\n{\"hang\":false}");
	command("PUT /fault/processing-delay\n{\"delay_ms\":0}");
	command("PUT /fault/error-rate\n{\"rate\":0}");
	if (c->state == CON_PAUSED && !c->ep.epoch && !c->local_pause)
		return;
	command("DELETE /lifecycle/pause\n{}");
	pause = bg_xasprintf("POST /lifecycle/pause\n{\"epoch\":%lld,\"deadline_ms\":50}",
			     (long long)con_epochs_highest(&c->ep) + 1);
	command(pause);
	for (int i = 0; i < 100 && c->state != CON_PAUSED; i++)
		turn_for(1000);
	FUZZ_MUST(c->state == CON_PAUSED || c->state == CON_FAILED);
	turn_for(100);
	c->ep = (struct con_epochs){.floor_known = true};
}

/* Here, because the 3 s do not count as fuzzing. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A reload reads a file; it has a target of its own. */
	if (size < 1 || size > 32768 || memmem(data, size, "reload", 6))
		return 0;
	fuzz_requests(&client, data, size);
	heal();
	return 0;
}
