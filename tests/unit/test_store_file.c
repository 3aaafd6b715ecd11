/* SPDX-License-Identifier: Apache-2.0 */
/* The file store: compare-and-swap, damage at every byte, crash between temporary file and rename, the lock. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/json.h"
#include "common/mem.h"
#include "switchd/history.h"
#include "switchd/record.h"
#include "switchd/store.h"

struct world {
	char dir[64];
	struct sw_store *s;
};

static void wipe(const char *dir)
{
	_cleanup_free_ char *cmd = bg_xasprintf("rm -rf '%s'", dir);

	assert_int_equal(system(cmd), 0);
}

static int setup(void **state)
{
	struct world *w = bg_xcalloc(1, sizeof(*w));
	struct bg_err err = BG_ERR_INIT;

	strcpy(w->dir, "/tmp/switchd-store-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(sw_store_file_open(w->dir, &w->s, &err), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	sw_store_close(w->s);
	wipe(w->dir);
	free(w);
	return 0;
}

static char *record_text(int64_t revision)
{
	struct sw_record r;
	_cleanup_json_ struct json_object *j = NULL;

	sw_record_init(&r);
	r.revision = revision;
	r.epoch = 7;
	r.active = BG_BLUE;
	r.desired_active[BG_BLUE] = true;
	r.phase = SW_IDLE;
	strcpy(r.by, "alice \"a\" \\ ü");
	j = sw_record_to_json(&r, "orders");
	return bg_xstrdup(bg_json_text(j));
}

static int put(struct world *w, int64_t revision, int64_t expect)
{
	_cleanup_free_ char *text = record_text(revision);
	struct bg_err err = BG_ERR_INIT;

	return w->s->ops->write_record(w->s, "orders", text, expect, &err);
}

static int get(struct world *w, struct sw_record *ret)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ struct json_object *j = NULL;
	struct bg_err err = BG_ERR_INIT;
	int rc = w->s->ops->read_record(w->s, "orders", &text, &err);

	if (rc < 0)
		return rc;
	assert_int_equal(bg_json_parse(text, strlen(text), &j, &err), 0);
	return sw_record_from_json(j, "orders", ret, &err);
}

static void there_and_back(void **state)
{
	struct world *w = *state;
	struct sw_record r;

	assert_int_equal(get(w, &r), -ENOENT);
	assert_int_equal(put(w, 1, 0), 0);
	assert_int_equal(get(w, &r), 0);
	assert_int_equal(r.revision, 1);
	assert_int_equal(r.epoch, 7);
	assert_int_equal(r.active, BG_BLUE);
	assert_true(r.desired_active[BG_BLUE]);
	assert_false(r.desired_active[BG_GREEN]);
	assert_string_equal(r.by, "alice \"a\" \\ ü");
	assert_int_equal(r.phase, SW_IDLE);
}

static void compare_and_swap(void **state)
{
	struct world *w = *state;
	struct sw_record r;

	assert_int_equal(put(w, 1, 5), -ESTALE);
	assert_int_equal(put(w, 1, 0), 0);
	assert_int_equal(put(w, 2, 0), -ESTALE);
	assert_int_equal(put(w, 2, 1), 0);
	assert_int_equal(put(w, 3, 1), -ESTALE);
	assert_int_equal(get(w, &r), 0);
	assert_int_equal(r.revision, 2);
}

static void lock_is_held_for_life(void **state)
{
	struct world *w = *state;
	struct bg_err err = BG_ERR_INIT;
	struct sw_store *second = NULL;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(sw_store_file_open(w->dir, &second, &err) == -EWOULDBLOCK && strstr(err.msg, w->dir)
			      ? 0
			      : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	sw_store_close(w->s);
	assert_int_equal(sw_store_file_open(w->dir, &w->s, &err), 0);
}

/* Every byte of the record, flipped: refused and moved aside, or (never) the very same record. */
static void damage_at_every_byte(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = bg_xasprintf("%s/orders/record.json", w->dir);
	char good[4096], bad[4096];
	struct sw_record r;
	size_t len;

	assert_int_equal(put(w, 1, 0), 0);
	FILE *f = fopen(path, "r");
	len = fread(good, 1, sizeof(good), f);
	fclose(f);
	assert_in_range(len, 100, sizeof(good) - 1);
	for (size_t i = 0; i < len; i++) {
		memcpy(bad, good, len);
		bad[i] = (char)(bad[i] ^ 0x21);
		f = fopen(path, "w");
		assert_int_equal(fwrite(bad, 1, len, f), len);
		fclose(f);
		int rc = get(w, &r);
		if (rc != -EBADMSG)
			fail_msg("byte %zu damaged: rc %d", i, rc);
		assert_int_equal(get(w, &r), -ENOENT); /* moved aside */
	}
	for (size_t i = 0; i < len; i++) { /* cut short */
		f = fopen(path, "w");
		assert_int_equal(fwrite(good, 1, i, f), i);
		fclose(f);
		assert_int_equal(get(w, &r), -EBADMSG);
	}
	/* A damaged one counts as none: the rebuilt record is written over revision 0. */
	assert_int_equal(put(w, 1, 0), 0);
}

/* Killed after the temporary file was written, before the rename: the old record counts. */
static void temporary_file_is_no_record(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *cmd = NULL;
	struct sw_record r;

	assert_int_equal(put(w, 1, 0), 0);
	cmd = bg_xasprintf(
		"cd '%s/orders' && for s in tmp .tmp new; do head -c 50 record.json > record.json.$s; done",
		w->dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(get(w, &r), 0);
	assert_int_equal(r.revision, 1);
	assert_int_equal(put(w, 2, 1), 0);
	assert_int_equal(get(w, &r), 0);
	assert_int_equal(r.revision, 2);
}

static void snapshots(void **state)
{
	struct world *w = *state;
	const struct sw_store_ops *o = w->s->ops;
	_cleanup_free_ char *text = NULL, *junk = NULL;
	_cleanup_free_ int64_t *v = NULL;
	struct bg_err err = BG_ERR_INIT;
	size_t n = 7;

	assert_int_equal(o->list_snapshots(w->s, "orders", &v, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(o->read_snapshot(w->s, "orders", 7, &text, &err), -ENOENT);
	assert_int_equal(o->write_snapshot(w->s, "orders", 10, "{\"a\":1}", &err), 0);
	assert_int_equal(o->write_snapshot(w->s, "orders", 9, "{\"a\":2}", &err), 0);
	junk = bg_xasprintf("touch '%s'/orders/snapshots/x.json '%s'/orders/snapshots/11.json.tmp", w->dir,
			    w->dir);
	assert_int_equal(system(junk), 0);
	free(v);
	assert_int_equal(o->list_snapshots(w->s, "orders", &v, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(v[0], 9);
	assert_int_equal(v[1], 10);
	assert_int_equal(o->read_snapshot(w->s, "orders", 9, &text, &err), 0);
	assert_string_equal(text, "{\"a\":2}");
}

static void append(struct world *w, const char *id, int n)
{
	char line[64];
	struct bg_err err = BG_ERR_INIT;

	snprintf(line, sizeof(line), "{\"id\":\"%s\",\"n\":%d}", id, n);
	assert_int_equal(w->s->ops->append_history(w->s, "orders", line, &err), 0);
}

static struct json_object *history(struct world *w, size_t limit)
{
	_cleanup_buf_ struct bg_buf b = {0};
	struct bg_err err = BG_ERR_INIT;

	assert_int_equal(w->s->ops->read_history(w->s, "orders", &b, &err), 0);
	return sw_history_list(b.s, limit);
}

static void history_newest_first_last_line_of_an_id_counts(void **state)
{
	struct world *w = *state;
	_cleanup_json_ struct json_object *none = history(w, 5), *l = NULL;

	assert_int_equal(json_object_array_length(none), 0);
	append(w, "a", 1);
	append(w, "b", 2);
	append(w, "a", 3);
	l = history(w, 5);
	assert_int_equal(json_object_array_length(l), 2);
	assert_int_equal(bg_json_int(json_object_array_get_idx(l, 0), "n", 0), 3);
	assert_int_equal(bg_json_int(json_object_array_get_idx(l, 1), "n", 0), 2);
}

static void torn_history_line_hides_no_other(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *cmd =
		bg_xasprintf("printf '{\"id\":\"torn\"' >> '%s/orders/history.jsonl'", w->dir);
	_cleanup_json_ struct json_object *l = NULL, *l2 = NULL;

	append(w, "1", 0);
	assert_int_equal(system(cmd), 0);
	l = history(w, 5);
	assert_int_equal(json_object_array_length(l), 1);
	append(w, "2", 0);
	l2 = history(w, 5);
	assert_int_equal(json_object_array_length(l2), 2);
	assert_string_equal(bg_json_str(json_object_array_get_idx(l2, 0), "id", ""), "2");
}

static void history_keeps_a_thousand(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = bg_xasprintf("%s/orders/history.jsonl", w->dir);
	_cleanup_buf_ struct bg_buf all = {0};
	struct bg_err err = BG_ERR_INIT;
	size_t lines = 0;

	append(w, "0", 0);
	FILE *f = fopen(path, "a");
	for (int i = 1; i < 1100; i++)
		fprintf(f, "{\"id\":\"%d\"}\n", i);
	fclose(f);
	append(w, "1100", 0);
	assert_int_equal(w->s->ops->read_history(w->s, "orders", &all, &err), 0);
	for (size_t i = 0; i < all.len; i++)
		lines += all.s[i] == '\n';
	assert_int_equal(lines, SW_HISTORY_KEPT);
	assert_non_null(strstr(all.s, "\"1100\""));
	assert_null(strstr(all.s, "{\"id\":\"100\"}"));
}

static void bad_records_are_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"version\":2,\"switch\":\"orders\",\"revision\":1,\"epoch\":1,\"phase\":\"IDLE\",\"desired\":{\"blue\":\"PAUSED\",\"green\":\"PAUSED\"}}",
		"{\"version\":1,\"switch\":\"other\",\"revision\":1,\"epoch\":1,\"phase\":\"IDLE\",\"desired\":{\"blue\":\"PAUSED\",\"green\":\"PAUSED\"}}",
		"{\"version\":1,\"switch\":\"orders\",\"revision\":1,\"epoch\":1,\"phase\":\"DANCING\",\"desired\":{\"blue\":\"PAUSED\",\"green\":\"PAUSED\"}}",
		"{\"version\":1,\"switch\":\"orders\",\"revision\":1,\"epoch\":1,\"phase\":\"IDLE\",\"desired\":{\"blue\":\"ACTIVE\",\"green\":\"ACTIVE\"}}",
		"{\"version\":1,\"switch\":\"orders\",\"revision\":1,\"epoch\":1,\"phase\":\"IDLE\",\"desired\":{\"blue\":\"PAUSED\"}}",
		"{\"version\":1,\"switch\":\"orders\",\"revision\":1,\"epoch\":1,\"phase\":\"IDLE\",\"active\":\"red\",\"desired\":{\"blue\":\"PAUSED\",\"green\":\"PAUSED\"}}",
		"{\"version\":1,\"switch\":\"orders\",\"revision\":1,\"epoch\":1,\"phase\":\"PAUSING\",\"desired\":{\"blue\":\"PAUSED\",\"green\":\"PAUSED\"}}",
		"{\"version\":1,\"switch\":\"orders\",\"revision\":1,\"epoch\":\"1\",\"phase\":\"IDLE\",\"desired\":{\"blue\":\"PAUSED\",\"green\":\"PAUSED\"}}",
		"{\"version\":1,\"switch\":\"orders\",\"revision\":-1,\"epoch\":1,\"phase\":\"IDLE\",\"desired\":{\"blue\":\"PAUSED\",\"green\":\"PAUSED\"}}",
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(bad); i++) {
		_cleanup_json_ struct json_object *j = NULL;
		struct sw_record r;
		struct bg_err err = BG_ERR_INIT;

		assert_int_equal(bg_json_parse(bad[i], strlen(bad[i]), &j, &err), 0);
		if (sw_record_from_json(j, "orders", &r, &err) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_true(err.msg[0]);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(there_and_back),
		T(compare_and_swap),
		T(lock_is_held_for_life),
		T(damage_at_every_byte),
		T(temporary_file_is_no_record),
		T(snapshots),
		T(history_newest_first_last_line_of_an_id_counts),
		T(torn_history_line_hides_no_other),
		T(history_keeps_a_thousand),
		cmocka_unit_test(bad_records_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
