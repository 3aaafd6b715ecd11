/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bg-verify/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

#define READ_SIZE (64 * 1024)
#define LINE_MAX_ (16 * 1024 * 1024) /* a commit of very many partitions; beyond it is no ledger */

struct boot {
	char *id;
	int64_t delta; /* real time minus CLOCK_MONOTONIC, ns */
};

struct source {
	struct vf_ledger_info info;
	int fd;
	char *buf;
	size_t len, cap, pos;
	bool eof, done;
	struct vf_line line; /* the pending one */
	int boot;            /* -1: no start event yet */
	int64_t key, t;      /* order of the pending line; its time on the common clock */
	bool has_key, no_start_said;
	int64_t suspect; /* number of an unreadable line whose successor decides what it was; 0: none */
	char suspect_why[256];
};

struct vf_sources {
	struct source *v;
	size_t n;
	size_t *heap, heap_n; /* by key, then epoch, then index */
	struct boot *boots;
	size_t nboots, boots_cap;
	struct vf_notes *notes;
	int last; /* whose line was given out last, -1: none */
};

/* More bytes into the buffer; false at the end or after an error, which is noted. */
static bool fill(struct vf_sources *ss, struct source *s)
{
	ssize_t n;

	if (s->pos > 0) {
		memmove(s->buf, s->buf + s->pos, s->len - s->pos);
		s->len -= s->pos;
		s->pos = 0;
	}
	s->buf = bg_xgrow(s->buf, &s->cap, s->len + READ_SIZE, 1);
	do
		n = read(s->fd, s->buf + s->len, READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		vf_error(ss->notes, "%s: cannot be read: %s", s->info.path, strerror(errno));
	if (n <= 0) {
		s->eof = true;
		return false;
	}
	s->len += (size_t)n;
	s->info.bytes += n;
	return true;
}

/* The next raw line. *whole: it ended with a newline. False at the end. The text is valid until the next call. */
static bool raw_line(struct vf_sources *ss, struct source *s, const char **ret, size_t *ret_len, bool *whole)
{
	size_t seen = 0;

	for (;;) {
		char *nl = s->len > s->pos + seen
				   ? memchr(s->buf + s->pos + seen, '\n', s->len - s->pos - seen)
				   : NULL;

		if (nl) {
			*ret = s->buf + s->pos;
			*ret_len = (size_t)(nl - *ret);
			*whole = true;
			s->pos += *ret_len + 1;
			s->info.lines++;
			return true;
		}
		seen = s->len - s->pos;
		if (seen > LINE_MAX_) {
			vf_error(ss->notes, "%s:%lld: a line of more than 16 MiB, the rest is not read",
				 s->info.path, (long long)s->info.lines + 1);
			s->info.damaged++;
			return false;
		}
		if (!s->eof && fill(ss, s))
			continue;
		if (seen == 0)
			return false;
		*ret = s->buf + s->pos;
		*ret_len = seen;
		*whole = false;
		s->pos = s->len;
		s->info.lines++;
		return true;
	}
}

static void damaged(struct vf_sources *ss, struct source *s)
{
	vf_error(ss->notes, "%s:%lld: damaged line: %s", s->info.path, (long long)s->suspect, s->suspect_why);
	s->info.damaged++;
	s->suspect = 0;
}

/* A fragment that a kill left, with the next incarnation's start event written right behind it. */
static bool start_inside(const char *text, size_t len, struct vf_line *ret)
{
	const char *p = text + 1;

	for (int tries = 0; tries < 8 && len > 1 && p < text + len; tries++) {
		p = memchr(p, '{', (size_t)(text + len - p));
		if (!p)
			return false;
		if (vf_line_parse(p, (size_t)(text + len - p), ret, NULL) == 0) {
			if (ret->kind == VF_START)
				return true;
			vf_line_free(ret);
		}
		p++;
	}
	return false;
}

/*
 * Parse the next usable line into s->line; false at the end. A line that cannot be read is the torn tail of
 * a killed incarnation when nothing or a start event follows it; anywhere else it is damage.
 */
static bool next_line(struct vf_sources *ss, struct source *s)
{
	const char *text;
	size_t len;
	bool whole;
	struct bg_err err = BG_ERR_INIT;

	while (raw_line(ss, s, &text, &len, &whole)) {
		if (len == 0)
			continue;
		if (vf_line_parse(text, len, &s->line, &err) == 0) {
			if (s->suspect && s->line.kind == VF_START) {
				s->info.torn++;
				s->suspect = 0;
			} else if (s->suspect) {
				damaged(ss, s);
			}
			return true;
		}
		if (s->suspect)
			damaged(ss, s);
		if (start_inside(text, len, &s->line)) {
			s->info.torn++;
			return true;
		}
		s->suspect = s->info.lines;
		bg_strlcpy(s->suspect_why, err.msg, sizeof(s->suspect_why));
	}
	if (s->suspect)
		s->info.torn++;
	s->suspect = 0;
	return false;
}

static int boot_index(struct vf_sources *ss, struct source *s, const struct vf_line *l)
{
	struct boot *b;

	for (size_t i = 0; i < ss->nboots; i++)
		if (strlen(ss->boots[i].id) == l->boot.len &&
		    memcmp(ss->boots[i].id, l->boot.s, l->boot.len) == 0)
			return (int)i;
	ss->boots = bg_xgrow(ss->boots, &ss->boots_cap, ss->nboots + 1, sizeof(*ss->boots));
	b = &ss->boots[ss->nboots];
	b->id = bg_xstrndup(l->boot.s, l->boot.len);
	b->delta = l->real_us * 1000 - l->t;
	if (l->real_us == 0) {
		vf_error(ss->notes, "%s:%lld: the start event has no real_us: its times cannot be compared",
			 s->info.path, (long long)s->info.lines);
		b->delta = ss->nboots ? ss->boots[0].delta : 0;
	}
	return (int)ss->nboots++;
}

/* Where the pending line stands in the order of all. */
static void set_key(struct vf_sources *ss, struct source *s)
{
	int64_t off;

	if (s->line.kind == VF_START && s->line.boot.len > 0) {
		int boot = boot_index(ss, s, &s->line);

		if (boot != s->boot)
			s->has_key = false; /* another clock: its order starts anew */
		s->boot = boot;
	}
	if (s->boot < 0 && !s->no_start_said) {
		vf_warn(ss->notes,
			"%s: no start event with a boot id before line %lld: taken to be of the same boot",
			s->info.path, (long long)s->info.lines);
		s->no_start_said = true;
	}
	off = s->boot > 0 ? ss->boots[s->boot].delta - ss->boots[0].delta : 0;
	s->t = s->line.t + off;
	/* Lines are in order; where a time is a little older than the line before, the order wins. */
	s->key = s->has_key && s->key > s->t ? s->key : s->t;
	s->has_key = true;
}

static bool before(const struct vf_sources *ss, size_t a, size_t b)
{
	const struct source *x = &ss->v[a], *y = &ss->v[b];

	if (x->key != y->key)
		return x->key < y->key;
	if (x->line.epoch != y->line.epoch)
		return x->line.epoch < y->line.epoch;
	return a < b;
}

static void heap_down(struct vf_sources *ss, size_t i)
{
	for (;;) {
		size_t l = 2 * i + 1, best = i;

		if (l < ss->heap_n && before(ss, ss->heap[l], ss->heap[best]))
			best = l;
		if (l + 1 < ss->heap_n && before(ss, ss->heap[l + 1], ss->heap[best]))
			best = l + 1;
		if (best == i)
			return;
		size_t tmp = ss->heap[i];
		ss->heap[i] = ss->heap[best];
		ss->heap[best] = tmp;
		i = best;
	}
}

int vf_sources_open(char *const *paths, size_t n, struct vf_notes *notes, struct vf_sources **ret,
		    struct bg_err *err)
{
	struct vf_sources *ss = bg_xcalloc(1, sizeof(*ss));

	ss->v = bg_xcalloc(n ? n : 1, sizeof(*ss->v));
	ss->heap = bg_xcalloc(n ? n : 1, sizeof(*ss->heap));
	ss->notes = notes;
	ss->last = -1;
	for (; ss->n < n; ss->n++) {
		struct source *s = &ss->v[ss->n];

		s->info.path = paths[ss->n];
		s->boot = -1;
		s->fd = open(paths[ss->n], O_RDONLY | O_CLOEXEC);
		if (s->fd < 0) {
			int rc = -errno;

			bg_err_set(err, rc, "ledger_missing", "%s: %s", paths[ss->n], strerror(-rc));
			vf_sources_free(ss);
			return rc;
		}
	}
	/* All heads are read before the first key is made: the first boot is the clock of reference. */
	for (size_t i = 0; i < n; i++) {
		struct source *s = &ss->v[i];

		s->done = !next_line(ss, s);
		if (s->done)
			vf_warn(notes, "%s: the ledger is empty", s->info.path);
		else if (s->line.kind == VF_START && s->line.boot.len > 0)
			s->boot = boot_index(ss, s, &s->line);
	}
	for (size_t i = 0; i < n; i++) {
		if (ss->v[i].done)
			continue;
		set_key(ss, &ss->v[i]);
		ss->heap[ss->heap_n++] = i;
	}
	for (size_t i = ss->heap_n; i-- > 0;)
		heap_down(ss, i);
	*ret = ss;
	return 0;
}

int vf_sources_next(struct vf_sources *ss, struct vf_event *ret)
{
	struct source *s;

	if (ss->last >= 0) {
		s = &ss->v[ss->last];
		vf_line_free(&s->line);
		s->done = !next_line(ss, s);
		if (s->done)
			ss->heap[0] = ss->heap[--ss->heap_n];
		else
			set_key(ss, s);
		heap_down(ss, 0);
		ss->last = -1;
	}
	if (ss->heap_n == 0)
		return 0;
	ss->last = (int)ss->heap[0];
	s = &ss->v[ss->last];
	*ret = (struct vf_event){&s->line, ss->last, s->boot < 0 ? 0 : s->boot, s->t, s->info.lines};
	return 1;
}

size_t vf_sources_boots(const struct vf_sources *ss)
{
	return ss->nboots ? ss->nboots : 1;
}

const struct vf_ledger_info *vf_sources_info(const struct vf_sources *ss, size_t i)
{
	return &ss->v[i].info;
}

void vf_sources_free(struct vf_sources *ss)
{
	if (!ss)
		return;
	for (size_t i = 0; i < ss->n; i++) {
		struct source *s = &ss->v[i];

		if (!s->done)
			vf_line_free(&s->line);
		close(s->fd);
		free(s->buf);
	}
	for (size_t i = 0; i < ss->nboots; i++)
		free(ss->boots[i].id);
	free(ss->boots);
	free(ss->v);
	free(ss->heap);
	free(ss);
}
