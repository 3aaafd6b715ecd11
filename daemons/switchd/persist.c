/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/persist.h"

#include <errno.h>
#include <string.h>

#include "common/failpoint.h"
#include "common/json.h"
#include "common/log.h"

enum what { RECORD, SNAPSHOT, HISTORY };

struct job {
	struct job *next;
	struct sw_persist *p; /* NULL once the switch is gone */
	struct sw_store *store;
	char *sw, *text;
	enum what what;
	int64_t number; /* expected revision, or epoch */
	sw_persist_fn fn;
	void *arg;
	int rc;
	struct bg_err err;
	int64_t found;
};

struct sw_persist {
	struct bg_worker *worker;
	struct sw_store *store;
	struct bg_timer *retry; /* the worker's queue was full */
	char *sw;
	struct job *first, **last; /* first is running when `running` */
	bool running;
	int64_t found;
};

/* A write that failed may have reached the disk all the same (an fsync that failed after the rename). */
static int64_t stored_revision(const struct job *j)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ struct json_object *o = NULL;
	int rc = j->store->ops->read_record(j->store, j->sw, &text, NULL);

	if (rc == -ENOENT || rc == -EBADMSG)
		return 0;
	if (rc < 0 || bg_json_parse(text, strlen(text), &o, NULL) < 0)
		return -1;
	return bg_json_int(o, "revision", -1);
}

static void run_job(void *arg)
{
	struct job *j = arg;
	const struct sw_store_ops *ops = j->store->ops;

	switch (j->what) {
	case RECORD:
		BG_FAILPOINT("store.record.before");
		j->rc = ops->write_record(j->store, j->sw, j->text, j->number, &j->err);
		j->found = j->rc < 0 ? stored_revision(j) : -1;
		BG_FAILPOINT("store.record.after");
		break;
	case SNAPSHOT:
		BG_FAILPOINT("store.snapshot.before");
		j->rc = ops->write_snapshot(j->store, j->sw, j->number, j->text, &j->err);
		BG_FAILPOINT("store.snapshot.after");
		break;
	case HISTORY:
		BG_FAILPOINT("store.history.before");
		j->rc = ops->append_history(j->store, j->sw, j->text, &j->err);
		BG_FAILPOINT("store.history.after");
		break;
	}
}

static void job_free(struct job *j)
{
	free(j->sw);
	free(j->text);
	free(j);
}

static void next(struct sw_persist *p);

static void job_done(void *arg)
{
	struct job *j = arg;
	struct sw_persist *p = j->p;

	if (p) {
		p->first = j->next;
		if (!p->first)
			p->last = &p->first;
		p->running = false;
		p->found = j->found;
		if (j->rc < 0)
			bg_log_sw(BG_ERROR, j->sw, "store_failed", "%s", j->err.msg);
		if (j->fn)
			j->fn(j->arg, j->rc, &j->err);
		next(p);
	}
	job_free(j);
}

static void next(struct sw_persist *p)
{
	if (p->running || !p->first)
		return;
	p->running = true;
	if (bg_worker_submit(p->worker, "write to the store", run_job, job_done, p->first, 0) < 0) {
		p->running = false;
		bg_timer_start(p->retry, 50000);
	}
}

static void on_retry(void *arg)
{
	next(arg);
}

struct sw_persist *sw_persist_new(struct bg_loop *l, struct bg_worker *w, struct sw_store *s, const char *sw)
{
	struct sw_persist *p = bg_xcalloc(1, sizeof(*p));

	p->worker = w;
	p->store = s;
	p->sw = bg_xstrdup(sw);
	p->last = &p->first;
	p->retry = bg_timer_new(l, on_retry, p);
	return p;
}

void sw_persist_free(struct sw_persist *p)
{
	if (!p)
		return;
	struct job *j = p->first;
	if (p->running) {
		struct job *n = j->next;

		j->p = NULL; /* job_done frees it */
		j = n;
	}
	while (j) {
		struct job *n = j->next;

		job_free(j);
		j = n;
	}
	bg_timer_free(p->retry);
	free(p->sw);
	free(p);
}

static void add(struct sw_persist *p, enum what what, const char *text, int64_t number, sw_persist_fn fn,
		void *arg)
{
	struct job *j = bg_xcalloc(1, sizeof(*j));

	j->p = p;
	j->store = p->store;
	j->sw = bg_xstrdup(p->sw);
	j->text = bg_xstrdup(text);
	j->what = what;
	j->number = number;
	j->fn = fn;
	j->arg = arg;
	*p->last = j;
	p->last = &j->next;
	next(p);
}

void sw_persist_record(struct sw_persist *p, const char *json, int64_t expect, sw_persist_fn fn, void *arg)
{
	add(p, RECORD, json, expect, fn, arg);
}

void sw_persist_snapshot(struct sw_persist *p, int64_t epoch, const char *json, sw_persist_fn fn, void *arg)
{
	add(p, SNAPSHOT, json, epoch, fn, arg);
}

void sw_persist_history(struct sw_persist *p, const char *line, sw_persist_fn fn, void *arg)
{
	add(p, HISTORY, line, 0, fn, arg);
}

bool sw_persist_drop_record(struct sw_persist *p, const void *arg)
{
	for (struct job **at = &p->first; *at; at = &(*at)->next) {
		struct job *j = *at;

		if (j->what != RECORD || j->arg != arg)
			continue;
		if (p->running && j == p->first)
			return false;
		*at = j->next;
		if (p->last == &j->next)
			p->last = at;
		job_free(j);
		return true;
	}
	return false;
}

int64_t sw_persist_found(const struct sw_persist *p)
{
	return p->found;
}

bool sw_persist_idle(const struct sw_persist *p)
{
	return !p->first;
}
