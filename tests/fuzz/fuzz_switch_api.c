/* SPDX-License-Identifier: Apache-2.0 */
/* bg-switchd's whole interface, with the bodies of its routes, hello among them, on a switch of fakes that answer well. */
#include "config.h"

#include "common/log.h"
#include "fuzz/fuzz_requests.h"
#include "switchd/api.h"
#include "switchd/metrics.h"
#include "switchd/watch.h"
#include "unit/switchd_fake.h"

static void turn(void *arg)
{
	struct fake *f = arg;

	if (f->n_call)
		fake_answer(f, f->call[0].verb, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bg_daemon d = {0};
	struct fake *f;
	struct bg_http_server *http;
	struct fuzz_client c = {.turn = turn};

	/* A reload reads a file; it has a target of its own. */
	if (size < 2 || size > 32768 || memmem(data, size, "reload", 6))
		return 0;
	f = fake_new();
	f->dm.d = &d;
	f->dm.metrics = sw_metrics_new(&f->dm);
	f->dm.poll = bg_httpc_new(f->loop);
	if (data[0] == 'i')
		fake_active(f, BG_BLUE, 6);
	else
		fake_start(f);
	http = bg_http_server_new(f->loop, &(struct bg_http_opts){.routes = sw_routes, .arg = &f->dm});
	c.loop = f->loop;
	c.arg = f;
	fuzz_listen(&c, http);
	fuzz_requests(&c, data + 1, size - 1);
	sw_watch_stop(f->sw);
	bg_http_server_free(http);
	bg_httpc_free(f->dm.poll);
	f->dm.poll = NULL;
	sw_metrics_free(f->dm.metrics);
	f->dm.metrics = NULL;
	fake_free(f);
	return 0;
}
