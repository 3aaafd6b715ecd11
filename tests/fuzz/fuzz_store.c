/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bg-switchd finds in its folder at a start: the first byte says whether the rest is the record (r), a
 * snapshot (s) or the history (h); a capital letter puts it there without the header that guards it. The real
 * store reads it, and the switch is loaded and started from it. It must start whatever it finds.
 */
#include "config.h"

#include <ctype.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/statefile.h"
#include "fuzz/fuzz.h"
#include "switchd/history.h"
#include "switchd/view.h"
#include "unit/switchd_fake.h"

#define RECORD                                                                                               \
	"{\"version\":1,\"switch\":\"orders\",\"revision\":4,\"epoch\":7,\"active\":\"blue\",\"desired\":{"  \
	"\"blue\":\"ACTIVE\",\"green\":\"PAUSED\"},\"phase\":\"IDLE\",\"id\":\"a\",\"snapshot_epoch\":7}"

static char *put(const char *rest, bool framed, const void *data, size_t size)
{
	char *path = bg_xasprintf("%s/orders/%s", fuzz_dir(), rest);

	if (framed)
		FUZZ_MUST(bg_state_write(path, data, size, NULL) == 0);
	else
		fuzz_file(path, data, size);
	return path;
}

/* A record that was taken says the same when written and read again. */
static void again(const struct sw_record *r)
{
	_cleanup_json_ struct json_object *j = sw_record_to_json(r, "orders"), *second = NULL;
	struct sw_record back;
	struct bg_err err = BG_ERR_INIT;

	FUZZ_MUST(sw_record_from_json(j, "orders", &back, &err) == 0);
	second = sw_record_to_json(&back, "orders");
	FUZZ_MUST(strcmp(bg_json_text(j), bg_json_text(second)) == 0);
}

static void load(struct sw_store *store)
{
	struct fake *f = fake_new();
	struct sw_store *was = f->dm.store;
	struct bg_err err = BG_ERR_INIT;
	_cleanup_json_ struct json_object *view = NULL, *list = NULL;
	_cleanup_buf_ struct bg_buf b = {0};
	bool never = false;

	f->dm.store = store;
	FUZZ_MUST(sw_switch_load(f->sw, &err) == 0);
	f->dm.store = was; /* what it writes from here goes nowhere */
	again(&f->sw->rec);
	for (size_t i = 0; i < f->sw->handed.n; i++)
		FUZZ_MUST(f->sw->handed.v[i].offset >= -1 && f->sw->handed.v[i].partition >= 0);
	fake_start(f);
	bg_loop_run_until(f->loop, &never, 100);
	view = sw_view(f->sw, true);
	FUZZ_MUST(bg_json_text(view));
	FUZZ_MUST(store->ops->read_history(store, "orders", &b, &err) == 0);
	list = sw_history_list(b.s, 20);
	FUZZ_MUST(json_object_array_length(list) <= 20);
	fake_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sw_store *store;
	_cleanup_free_ char *record = NULL, *snapshot = NULL, *history = NULL;
	struct bg_err err = BG_ERR_INIT;
	char what;

	if (size < 1 || size > 65536)
		return 0;
	if (!store) {
		_cleanup_free_ char *snaps = bg_xasprintf("%s/orders/snapshots", fuzz_dir());

		FUZZ_MUST(bg_mkdirs(snaps, &err) == 0);
		FUZZ_MUST(sw_store_file_open(fuzz_dir(), &store, &err) == 0);
	}
	what = (char)tolower(data[0]);
	record = what == 'r' ? put("record.json", data[0] == 'r', data + 1, size - 1)
			     : put("record.json", true, RECORD, strlen(RECORD));
	if (what == 's')
		snapshot = put("snapshots/7.json", data[0] == 's', data + 1, size - 1);
	if (what == 'h')
		history = put("history.jsonl", false, data + 1, size - 1);
	load(store);
	unlink(record);
	if (snapshot)
		unlink(snapshot);
	if (history)
		unlink(history);
	return 0;
}
