/* SPDX-License-Identifier: Apache-2.0 */
/* The topic's part of the judgement: what is in the log against what the ledgers say, and the verdict. */
#include "config.h"
#include "bg-verify/topic_judge.h"

#include <string.h>

#include "bg-verify/state.h"
#include "bg-verify/switches.h"
#include "common/mem.h"

/* First offset that is judged, and the one behind the last. */
static void bounds(const struct vf_judge *j, const struct vf_part *q, int64_t *lo, int64_t *hi)
{
	*lo = q->low;
	*hi = q->high;
	if (j->opts.from == VF_FROM_COMMITTED && q->first_commit >= 0)
		*lo = q->first_commit;
	else if (j->opts.from != VF_FROM_START)
		*lo = q->min_done < 0 ? q->high : q->min_done;
	if (j->opts.upto == VF_UPTO_COMMITTED)
		*hi = BG_MIN(q->max_commit < 0 ? *lo : q->max_commit, q->high);
	else if (j->opts.upto == VF_UPTO_PROCESSED)
		*hi = BG_MIN(q->max_done + 1, q->high);
}

void vf_lose(struct vf_judge *j, uint32_t part, int64_t first, int64_t count, enum vf_why why, uint32_t run,
	     int64_t seq)
{
	struct vf_part *q = &j->parts[part];
	struct vf_range *r = q->lost_range ? &j->lost.v[q->lost_range - 1] : NULL;

	j->lost_n += count;
	j->lost_by_why[why] += count;
	q->lost += count;
	if (r && r->kind == (int32_t)why && r->last + 1 == first && r->run == run &&
	    (seq < 0 ? r->seq < 0 : r->seq >= 0 && r->seq + r->count == seq)) {
		r->last += count;
		r->count += count;
		return;
	}
	r = vf_ranges_add(&j->lost, &(struct vf_range){.part = part,
						       .first = first,
						       .last = first + count - 1,
						       .count = count,
						       .kind = why,
						       .run = run,
						       .seq = seq});
	q->lost_range = r ? j->lost.n : 0;
}

static struct vf_number_map *numbers_of(struct vf_part *q, uint32_t run)
{
	struct vf_number_map *n;

	for (size_t i = q->n_numbers; i-- > 0;)
		if (q->numbers[i].run == run)
			return &q->numbers[i];
	q->numbers = bg_xgrow(q->numbers, &q->cap_numbers, q->n_numbers + 1, sizeof(*q->numbers));
	n = &q->numbers[q->n_numbers++];
	memset(n, 0, sizeof(*n));
	n->run = run;
	n->min = INT64_MAX;
	n->max = -1;
	return n;
}

/* Numbers are per run and partition. Returns true when a record of this number has been processed already. */
static bool number(struct vf_judge *j, struct vf_part *q, uint32_t run, int64_t seq, bool processed)
{
	struct vf_number_map *n = numbers_of(q, run);
	uint32_t bit = 1u << (seq & 31), *seen = vf_map_at(&n->seen, seq >> 5),
		 *done = vf_map_at(&n->done, seq >> 5);
	bool before = *done & bit;

	if (*seen & bit)
		j->produced_twice++;
	else
		n->distinct++;
	*seen |= bit;
	if (processed)
		*done |= bit;
	n->min = BG_MIN(n->min, seq);
	n->max = BG_MAX(n->max, seq);
	return before;
}

/* A commit had gone beyond this record when it was not processed. */
static void count_ahead(struct vf_judge *j, struct vf_part *q, uint32_t part, int64_t offset)
{
	while (q->ahead_at < j->ahead.n &&
	       (j->ahead.v[q->ahead_at].part != part || j->ahead.v[q->ahead_at].last < offset))
		q->ahead_at++;
	if (q->ahead_at < j->ahead.n && j->ahead.v[q->ahead_at].first <= offset)
		j->ahead.v[q->ahead_at].count++;
}

void vf_judge_message(struct vf_judge *j, uint32_t part, int64_t offset, uint32_t run, int64_t seq)
{
	struct vf_part *q = &j->parts[part];
	uint32_t entry = vf_map_get(&q->map, offset);
	bool done = entry & VF_M_DONE, elsewhere = false;
	int64_t lo, hi;

	bounds(j, q, &lo, &hi);
	q->in_topic++;
	q->next = offset + 1;
	if (entry & VF_M_SLOT)
		q->matched++;
	if (seq >= 0)
		elsewhere = number(j, q, run, seq, done);
	count_ahead(j, q, part, offset);
	if (j->opts.has_run) {
		if (seq < 0 || run != j->opts.run) {
			q->other_run++;
			return;
		}
		q->run_first = q->run_first < 0 ? offset : q->run_first;
		q->run_last = offset;
	}
	if (!done && offset > q->max_done)
		q->after_last++;
	if (offset < lo || offset >= hi)
		return;
	q->judged++;
	if (done)
		return;
	if (elsewhere) {
		j->excused++; /* the producer wrote it twice, and the other copy was processed */
		return;
	}
	vf_lose(j, part, offset, 1, entry & VF_M_IN ? VF_GIVEN : VF_NEVER, run, seq);
}

/* Offsets that are gone from the log and lay between `at` and what was processed: nobody can process them now. */
static void expired(struct vf_judge *j, uint32_t part, int64_t at, int64_t end)
{
	struct vf_part *q = &j->parts[part];

	end = BG_MIN(end, q->max_done);
	if (j->opts.has_run || at < 0)
		return;
	while (at < end && (at = vf_map_next(&q->map, at, VF_M_DONE, 0, end)) < end) {
		int64_t stop = vf_map_next(&q->map, at, VF_M_DONE, 1, end);

		vf_lose(j, part, at, stop - at, VF_EXPIRED, 0, -1);
		at = stop;
	}
}

uint32_t vf_judge_range(struct vf_judge *j, const char *topic, int32_t p, int64_t low, int64_t high)
{
	uint32_t no = vf_part_find(j, NULL, topic, strlen(topic), p);
	struct vf_part *q = &j->parts[no];

	expired(j, no, q->read ? q->next : q->base, low);
	/* From here on counted by the records that exist, see count_ahead. */
	for (size_t i = 0; !q->read && i < j->ahead.n; i++)
		if (j->ahead.v[i].part == no)
			j->ahead.v[i].count = 0;
	q->low = q->next = low;
	q->high = high;
	q->read = j->topic_read = true;
	return no;
}

void vf_judge_partition_done(struct vf_judge *j, uint32_t part)
{
	struct vf_part *q = &j->parts[part];
	int64_t in_range = vf_map_count(&q->map, q->low, q->high, VF_M_SLOT);

	if (in_range > q->matched)
		vf_error(
			j->notes,
			"%s [%d]: %lld processed offsets are not in the topic: another topic, or one made anew?",
			q->topic, q->p, (long long)(in_range - q->matched));
	for (size_t i = 0; i < q->n_numbers; i++) {
		struct vf_number_map *n = &q->numbers[i];

		if (!j->opts.has_run || n->run == j->opts.run)
			j->produced_missing += n->max - n->min + 1 - n->distinct;
		vf_map_free(&n->seen);
	}
}

void vf_judge_no_topic(struct vf_judge *j)
{
	for (size_t i = 0; i < j->n_parts; i++) {
		struct vf_part *q = &j->parts[i];
		int64_t at = q->base, end = q->max_done;

		while (at >= 0 && at < end && (at = vf_map_next(&q->map, at, VF_M_DONE, 0, end)) < end) {
			int64_t stop = vf_map_next(&q->map, at, VF_M_DONE, 1, end);

			vf_lose(j, (uint32_t)i, at, stop - at,
				vf_map_get(&q->map, at) & VF_M_IN ? VF_GIVEN : VF_NEVER, 0, -1);
			at = stop;
		}
		q->judged = end >= 0 ? end + 1 - q->base : 0;
	}
}

/* The first copy of a record written twice counted as lost until the second turned out to be processed. */
static void excuse(struct vf_judge *j)
{
	size_t n = 0;

	for (size_t i = 0; i < j->lost.n; i++) {
		struct vf_range r = j->lost.v[i];
		struct vf_number_map *m =
			r.seq < 0 || j->produced_twice == 0 ? NULL : numbers_of(&j->parts[r.part], r.run);
		int64_t out = 0;

		for (int64_t k = 0; m && k < r.count; k++)
			out += vf_map_get(&m->done, (r.seq + k) >> 5) >> ((r.seq + k) & 31) & 1;
		j->lost_n -= out;
		j->lost_by_why[r.kind] -= out;
		j->parts[r.part].lost -= out;
		j->excused += out;
		r.count -= out;
		if (r.count > 0)
			j->lost.v[n++] = r;
	}
	j->lost.n = n;
}

/* With a topic, a commit was ahead only of records that exist: not of transaction markers, not of compacted ones. */
static void settle_ahead(struct vf_judge *j)
{
	size_t n = 0;

	if (!j->topic_read)
		return;
	for (size_t i = 0; i < j->ahead.n; i++) {
		struct vf_range r = j->ahead.v[i];
		const struct vf_part *q = &j->parts[r.part];
		int64_t whole = r.last - r.first + 1;

		/* What the log no longer holds, and what came after its end was found, cannot be looked up. */
		if (!q->read || r.first < q->low || r.last >= q->high)
			r.count = whole;
		j->ahead_n += r.count - whole;
		if (r.count > 0)
			j->ahead.v[n++] = r;
	}
	if (n == 0 && j->ahead.dropped == 0)
		j->ahead_commits = 0;
	j->ahead.n = n;
}

/* What an incarnation said it would leave to be repeated is its in-flight, as are
 * repeats beyond the last acknowledged commit of an incarnation that was killed, fenced, or thrown out of its group
 * (its commit was refused) are its in-flight. */
static bool died_before(const struct vf_judge *j, const struct vf_slot *a)
{
	const struct vf_inc *x = &j->incs[a->inc];

	if (a->taken)
		return true;
	if (x->has_state && !x->working)
		return false;
	return x->restarted || x->last_t < a->dup_open_t;
}

static void count_dups(struct vf_judge *j)
{
	for (size_t i = 0; i < j->n_slots; i++) {
		const struct vf_slot *a = &j->slots[i];
		bool died = a->dup_open > 0 && died_before(j, a);

		for (int c = 0; c < VF_DUP_CLASSES; c++) {
			int64_t beyond = died ? a->dup_by_class[1][c] : 0;
			int64_t rest = a->dup_by_class[0][c] + a->dup_by_class[1][c] - beyond;
			int64_t flight = beyond + a->dup_told[c];

			j->in_flight += flight;
			j->in_flight_by_class[c] += flight;
			j->dup_n += rest;
			j->dup_by_class[c] += rest;
		}
	}
	for (size_t i = 0; i < j->dups.n; i++)
		j->dups.v[i].open =
			j->dups.v[i].told || (j->dups.v[i].open && died_before(j, &j->slots[j->dups.v[i].a]));
}

void vf_judge_finish(struct vf_judge *j)
{
	excuse(j);
	settle_ahead(j);
	count_dups(j);
	vf_switches_finish(j);
}

int vf_judge_status(const struct vf_judge *j, int64_t expect_duplicates)
{
	if (j->lost_n > 0 || j->duals > 0 || j->conflicts > 0)
		return 1;
	if (expect_duplicates >= 0 && j->dup_n > expect_duplicates)
		return 1;
	return j->notes->errors.n > 0 ? 3 : 0;
}
