/* SPDX-License-Identifier: Apache-2.0 */
/* The report for programs. Times are milliseconds with three decimals. */
#include "config.h"
#include "bg-verify/report.h"

#include <inttypes.h>

#include "common/json.h"
#include "common/mem.h"

static struct json_object *ms(int64_t ns)
{
	_cleanup_free_ char *text = bg_xasprintf("%.3f", (double)ns / 1e6);

	return json_object_new_double_s((double)ns / 1e6, text);
}

static struct json_object *pct(const struct vf_pct *p)
{
	struct json_object *o;

	if (p->p50 < 0)
		return NULL;
	o = json_object_new_object();
	bg_json_add(o, "p50", ms(p->p50));
	bg_json_add(o, "p90", ms(p->p90));
	bg_json_add(o, "p99", ms(p->p99));
	bg_json_add(o, "max", ms(p->max));
	return o;
}

static struct json_object *place(const struct vf_judge *j, const struct vf_range *r)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "topic", j->parts[r->part].topic);
	bg_json_add_int(o, "partition", j->parts[r->part].p);
	bg_json_add_int(o, "first", r->first);
	bg_json_add_int(o, "last", r->last);
	return o;
}

static struct json_object *lost(const struct vf_judge *j)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < j->lost.n; i++) {
		struct json_object *o = place(j, &j->lost.v[i]);

		bg_json_add_int(o, "count", j->lost.v[i].count);
		bg_json_add_str(o, "why", vf_why_names[j->lost.v[i].kind]);
		if (j->lost.v[i].seq >= 0)
			bg_json_add_int(o, "seq", j->lost.v[i].seq);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *worker(const struct vf_judge *j, uint32_t slot)
{
	struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "instance", j->incs[j->slots[slot].inc].name);
	bg_json_add_str(o, "color", bg_color_name(j->incs[j->slots[slot].inc].color));
	bg_json_add_int(o, "epoch", j->slots[slot].epoch);
	return o;
}

static struct json_object *dups(const struct vf_judge *j)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < j->dups.n; i++) {
		const struct vf_range *r = &j->dups.v[i];
		struct json_object *o = place(j, r);

		bg_json_add_int(o, "count", r->count);
		bg_json_add_str(o, "class", vf_dup_names[r->kind]);
		bg_json_add_bool(o, "in_flight", r->open);
		bg_json_add(o, "by", worker(j, r->a));
		bg_json_add(o, "again_by", worker(j, r->b));
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *reorders(const struct vf_judge *j)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < j->reorders.n; i++) {
		struct json_object *o = place(j, &j->reorders.v[i]);

		bg_json_add(o, "by", worker(j, j->reorders.v[i].a));
		bg_json_add_int(o, "line", j->reorders.v[i].lineno);
		json_object_array_add(a, o);
	}
	return a;
}

/* Stale effects and commits ahead of processing: who, at which epoch, on which line of its ledger. */
static struct json_object *faults(const struct vf_judge *j, const struct vf_ranges *l, bool stale)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < l->n; i++) {
		const struct vf_range *r = &l->v[i];
		struct json_object *o = place(j, r);

		if (stale)
			bg_json_add_str(o, "what", r->count ? "record" : "commit");
		if (stale)
			bg_json_add_int(o, "epoch_in_force", r->seq);
		bg_json_add_int(o, "count", r->count);
		bg_json_add_str(o, "instance", j->incs[r->a].name);
		bg_json_add_int(o, "epoch", r->epoch);
		bg_json_add_int(o, "line", r->lineno);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *switches(const struct vf_judge *j)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < j->n_switches; i++) {
		const struct vf_switch *w = &j->switches[i];
		struct json_object *o = json_object_new_object(), *g = json_object_new_array();

		bg_json_add_int(o, "epoch", w->epoch);
		bg_json_add_int(o, "previous_epoch", w->prev_epoch);
		bg_json_add_str(o, "from", bg_color_name(w->from));
		bg_json_add_str(o, "to", bg_color_name(w->to));
		bg_json_add(o, "gap_ms", w->gap_known ? ms(w->gap) : NULL);
		bg_json_add(o, "worst_gap_ms", w->worst >= 0 ? ms(w->worst) : NULL);
		bg_json_add_str(o, "worst_topic", w->worst >= 0 ? j->parts[w->worst_part].topic : NULL);
		bg_json_add_int(o, "worst_partition", w->worst >= 0 ? j->parts[w->worst_part].p : -1);
		bg_json_add(o, "dual_active_ms", ms(w->dual));
		bg_json_add_int(o, "dual_active_records", w->dual_records);
		bg_json_add_bool(o, "two_clocks", w->two_clocks);
		for (size_t k = w->gaps_at; k < w->gaps_at + w->gaps_n; k++) {
			struct json_object *p = json_object_new_object();

			bg_json_add_str(p, "topic", j->parts[j->gaps[k].part].topic);
			bg_json_add_int(p, "partition", j->parts[j->gaps[k].part].p);
			bg_json_add(p, "gap_ms", ms(j->gaps[k].gap));
			json_object_array_add(g, p);
		}
		bg_json_add(o, "partition_gaps", g);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *records(const struct vf_judge *j)
{
	struct json_object *o = json_object_new_object();
	int64_t topic = 0, judged = 0, processed = 0, again = 0, after = 0, other = 0;

	for (size_t i = 0; i < j->n_parts; i++) {
		const struct vf_part *q = &j->parts[i];

		topic += q->in_topic;
		judged += q->judged;
		processed += q->processed;
		again += q->processings;
		after += q->after_last;
		other += q->other_run;
	}
	bg_json_add_int(o, "topic", topic);
	bg_json_add_int(o, "judged", judged);
	bg_json_add_int(o, "processed", processed);
	bg_json_add_int(o, "processings", again);
	bg_json_add_int(o, "after_last_processed", after);
	bg_json_add_int(o, "other_runs", other);
	return o;
}

static struct json_object *partitions(const struct vf_judge *j)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < j->n_parts; i++) {
		const struct vf_part *q = &j->parts[i];
		struct json_object *o = json_object_new_object();

		bg_json_add_str(o, "topic", q->topic);
		bg_json_add_int(o, "partition", q->p);
		if (q->read) {
			bg_json_add_int(o, "log_start", q->low);
			bg_json_add_int(o, "log_end", q->high);
			bg_json_add_int(o, "in_topic", q->in_topic);
		}
		bg_json_add_int(o, "processed", q->processed);
		bg_json_add_int(o, "skipped", q->skipped);
		bg_json_add_int(o, "lost", q->lost);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *ledgers(const struct vf_report *r)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < r->n_ledgers; i++) {
		const struct vf_ledger_info *l = vf_sources_info(r->sources, i);
		struct json_object *o = json_object_new_object();

		bg_json_add_str(o, "path", l->path);
		bg_json_add_int(o, "lines", l->lines);
		bg_json_add_int(o, "torn", l->torn);
		bg_json_add_int(o, "damaged", l->damaged);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *notes(const struct vf_note_list *l)
{
	struct json_object *a = json_object_new_array();

	for (int64_t i = 0; i < l->n && i < VF_NOTES_KEPT; i++)
		json_object_array_add(a, json_object_new_string(l->v[i]));
	return a;
}

static struct json_object *reasons(const struct vf_judge *j)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < j->n_reasons; i++)
		bg_json_add_int(o, j->reasons[i].text, j->reasons[i].n);
	return o;
}

static struct json_object *classes(const int64_t *n)
{
	static const char *const names[VF_DUP_CLASSES] = {"same_incarnation", "same_epoch", "same_color",
							  "across_colors"};
	struct json_object *o = json_object_new_object();

	for (int c = 0; c < VF_DUP_CLASSES; c++)
		bg_json_add_int(o, names[c], n[c]);
	return o;
}

static void counts(struct json_object *o, const struct vf_judge *j)
{
	bg_json_add_int(o, "lost", j->lost_n);
	bg_json_add_int(o, "duplicated", j->dup_n);
	bg_json_add_int(o, "in_flight", j->in_flight);
	bg_json_add_int(o, "given_again", j->given_again);
	bg_json_add(o, "duplicated_by", classes(j->dup_by_class));
	bg_json_add(o, "in_flight_by", classes(j->in_flight_by_class));
	bg_json_add_int(o, "duplicated_offsets", j->dup_distinct);
	bg_json_add_int(o, "reordered", j->reordered);
	bg_json_add(o, "dual_active_ms", ms(j->dual_ns));
	bg_json_add_int(o, "dual_active_records", j->dual_records);
	bg_json_add_int(o, "epochs_used_by_both", j->conflicts);
	bg_json_add_int(o, "within_clock_error", j->undecided);
	bg_json_add_int(o, "stale_records", j->stale_records);
	bg_json_add_int(o, "stale_commits", j->stale_commits);
	bg_json_add_int(o, "commits_ahead", j->ahead_n);
	bg_json_add_int(o, "produced_twice", j->produced_twice);
	bg_json_add_int(o, "produced_missing", j->produced_missing);
	bg_json_add_int(o, "skipped", j->skipped);
}

void vf_report_json(const struct vf_report *r, FILE *out)
{
	const struct vf_judge *j = r->j;
	_cleanup_json_ struct json_object *o = json_object_new_object();

	bg_json_add_str(o, "verdict", r->status == 0 ? "ok" : r->status == 1 ? "violated" : "incomplete");
	bg_json_add_int(o, "exit", r->status);
	counts(o, j);
	bg_json_add_int(o, "switches", (int64_t)j->n_changes);
	bg_json_add(o, "gap_ms", pct(&j->gap));
	bg_json_add(o, "worst_gap_ms", pct(&j->worst));
	bg_json_add_int(o, "clocks", (int64_t)j->nboots);
	bg_json_add(o, "clock_error_ms", ms(j->opts.clock_error_ns));
	bg_json_add_bool(o, "topic_read", j->topic_read);
	bg_json_add(o, "records", records(j));
	bg_json_add(o, "skipped_by", reasons(j));
	bg_json_add(o, "partitions", partitions(j));
	bg_json_add(o, "switch_list", switches(j));
	bg_json_add(o, "lost_ranges", lost(j));
	bg_json_add(o, "duplicate_ranges", dups(j));
	bg_json_add(o, "reordered_list", reorders(j));
	bg_json_add(o, "commits_ahead_list", faults(j, &j->ahead, false));
	bg_json_add(o, "stale_list", faults(j, &j->stale, true));
	bg_json_add(o, "ledgers", ledgers(r));
	bg_json_add(o, "warnings", notes(&j->notes->warnings));
	bg_json_add(o, "errors", notes(&j->notes->errors));
	fprintf(out, "%s\n", bg_json_text(o));
}
