/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "verify_fixture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bg-verify/source.h"
#include "common/mem.h"

void fx_init(struct fx *x)
{
	memset(x, 0, sizeof(*x));
	strcpy(x->dir, "/tmp/bg-test-verify-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	x->opts.clock_error_ns = 50 * 1000000LL;
}

static void close_all(struct fx *x)
{
	for (size_t i = 0; i < x->n; i++) {
		if (x->f[i])
			fclose(x->f[i]);
		x->f[i] = NULL;
	}
}

void fx_free(struct fx *x)
{
	close_all(x);
	vf_judge_free(x->j);
	vf_sources_free(x->sources);
	vf_notes_free(&x->notes);
	for (size_t i = 0; i < x->n; i++) {
		unlink(x->paths[i]);
		free(x->paths[i]);
	}
	rmdir(x->dir);
}

size_t fx_ledger(struct fx *x, const char *instance, const char *color)
{
	size_t l = x->n++;

	assert_true(l < FX_LEDGERS);
	x->paths[l] = bg_xasprintf("%s/%s.%zu.jsonl", x->dir, instance, l);
	x->name[l] = instance;
	x->color[l] = color;
	x->f[l] = fopen(x->paths[l], "w");
	assert_non_null(x->f[l]);
	return l;
}

size_t fx_instance(struct fx *x, const char *instance, const char *color, int64_t t_us)
{
	size_t l = fx_ledger(x, instance, color);

	fx_start(x, l, t_us, "b1", 1700000000000000 + t_us);
	return l;
}

void fx_raw(struct fx *x, size_t l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(x->f[l], fmt, ap);
	va_end(ap);
}

void fx_start(struct fx *x, size_t l, int64_t t_us, const char *boot, int64_t real_us)
{
	fx_raw(x, l,
	       "{\"t\":%" PRId64 "000,\"ev\":\"start\",\"i\":\"%s\",\"c\":\"%s\",\"e\":0,\"boot\":\"%s\","
	       "\"inc\":\"%x\",\"real_us\":%" PRId64 "}\n",
	       t_us, x->name[l], x->color[l], boot, (unsigned)l, real_us);
}

void fx_record(struct fx *x, size_t l, int64_t t_us, int64_t epoch, int p, int64_t o)
{
	fx_raw(x, l,
	       "{\"t\":%" PRId64 "000,\"i\":\"%s\",\"c\":\"%s\",\"e\":%" PRId64 ",\"tp\":\"orders\",\"p\":%d,"
	       "\"o\":%" PRId64 "}\n",
	       t_us, x->name[l], x->color[l], epoch, p, o);
}

int64_t fx_records(struct fx *x, size_t l, int64_t t_us, int64_t epoch, int p, int64_t first, int64_t last)
{
	for (int64_t o = first; o <= last; o++)
		fx_record(x, l, t_us + (o - first) * 10, epoch, p, o);
	return t_us + (last - first) * 10;
}

void fx_state(struct fx *x, size_t l, int64_t t_us, int64_t epoch, const char *from, const char *to)
{
	fx_raw(x, l,
	       "{\"t\":%" PRId64 "000,\"ev\":\"state\",\"i\":\"%s\",\"c\":\"%s\",\"e\":%" PRId64
	       ",\"from\":\"%s\",\"to\":\"%s\"}\n",
	       t_us, x->name[l], x->color[l], epoch, from, to);
}

void fx_commit(struct fx *x, size_t l, int64_t t_us, int64_t epoch, const char *ev, int p, int64_t o,
	       int64_t oe)
{
	fx_raw(x, l,
	       "{\"t\":%" PRId64 "000,\"ev\":\"%s\",\"i\":\"%s\",\"c\":\"%s\",\"e\":%" PRId64
	       ",\"offs\":{\"orders\":[[%d,%" PRId64 ",%" PRId64 "]]}}\n",
	       t_us, ev, x->name[l], x->color[l], epoch, p, o, oe);
}

void fx_read(struct fx *x)
{
	struct vf_event ev;
	struct bg_err err = BG_ERR_INIT;

	close_all(x);
	assert_int_equal(vf_sources_open(x->paths, x->n, &x->notes, &x->sources, &err), 0);
	x->j = vf_judge_new(&x->opts, x->n, &x->notes);
	while (vf_sources_next(x->sources, &ev)) {
		vf_judge_boots(x->j, vf_sources_boots(x->sources));
		vf_judge_event(x->j, &ev);
	}
	vf_judge_ledgers_done(x->j);
}

void fx_topic(struct fx *x, int p, int64_t low, int64_t high, const int64_t *holes)
{
	uint32_t part = vf_judge_range(x->j, "orders", p, low, high);

	for (int64_t o = low; o < high; o++) {
		bool hole = false;

		for (const int64_t *h = holes; h && *h >= 0; h++)
			hole = hole || *h == o;
		if (!hole)
			vf_judge_message(x->j, part, o, 0, -1);
	}
	vf_judge_partition_done(x->j, part);
}

int fx_finish(struct fx *x)
{
	vf_judge_finish(x->j);
	return vf_judge_status(x->j, -1);
}

int fx_judge(struct fx *x, int parts, int64_t high)
{
	fx_read(x);
	for (int p = 0; p < parts; p++)
		fx_topic(x, p, 0, high, NULL);
	return fx_finish(x);
}
