/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people: what was judged, the counts, where, the switches, and the verdict as the last line. */
#include "config.h"
#include "bg-verify/report.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN 20 /* ranges of a kind; --json has all that are kept */

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static const char *inc_name(const struct vf_judge *j, uint32_t inc)
{
	return j->incs[inc].name[0] ? j->incs[inc].name : "(nameless)";
}

static void offsets(FILE *out, const struct vf_judge *j, const struct vf_range *r)
{
	const struct vf_part *q = &j->parts[r->part];

	if (r->first == r->last)
		fprintf(out, "  %s [%d] offset %" PRId64, q->topic, q->p, r->first);
	else
		fprintf(out, "  %s [%d] offsets %" PRId64 "-%" PRId64, q->topic, q->p, r->first, r->last);
}

static size_t shown(const struct vf_ranges *l)
{
	return l->n < SHOWN ? l->n : SHOWN;
}

static void more(FILE *out, const struct vf_ranges *l)
{
	if (l->n + (size_t)l->dropped > SHOWN)
		fprintf(out, "  ... and %zu more ranges (--json lists them)\n",
			l->n + (size_t)l->dropped - SHOWN);
}

static void text_head(const struct vf_report *r, FILE *out)
{
	const struct vf_judge *j = r->j;
	int64_t in_topic = 0, torn = 0, lines = 0;
	size_t read = 0;

	for (size_t i = 0; i < r->n_ledgers; i++) {
		const struct vf_ledger_info *l = vf_sources_info(r->sources, i);

		lines += l->lines;
		torn += l->torn;
	}
	fprintf(out, "%zu ledgers, %" PRId64 " lines, %zu process lives", r->n_ledgers, lines, j->n_incs);
	if (j->nboots == 1)
		fprintf(out, ", one clock\n");
	else
		fprintf(out, ",\n%zu clocks, compared by real time, assumed clock error %.3f ms\n", j->nboots,
			ms(j->opts.clock_error_ns));
	for (size_t i = 0; i < r->n_ledgers && torn; i++) {
		const struct vf_ledger_info *l = vf_sources_info(r->sources, i);

		if (l->torn)
			fprintf(out,
				"torn: %s: %" PRId64 " partial last line%s, left out (a kill does that)\n",
				l->path, l->torn, l->torn == 1 ? "" : "s");
	}
	for (size_t i = 0; i < j->n_parts; i++) {
		in_topic += j->parts[i].in_topic;
		read += j->parts[i].read;
	}
	if (j->topic_read)
		fprintf(out,
			"%zu partitions, %" PRId64 " records up to the end that was found at the start\n",
			read, in_topic);
	else
		fprintf(out, "no topic was read: only holes between processed offsets can be seen\n");
}

static void text_counts(const struct vf_judge *j, FILE *out)
{
	int64_t after = 0, processed = 0;

	for (size_t i = 0; i < j->n_parts; i++) {
		after += j->parts[i].after_last;
		processed += j->parts[i].processed;
	}
	fprintf(out, "\n%-16s%" PRId64 "\n%-16s%" PRId64, "processed", processed, "lost", j->lost_n);
	if (after > 0 && j->opts.upto == VF_UPTO_END)
		fprintf(out,
			"   (%" PRId64
			" lie after the last processed one;\n%-20sstill running? --upto processed)",
			after, "");
	fprintf(out, "\n%-16s%" PRId64, "duplicated", j->dup_n);
	if (j->in_flight > 0)
		fprintf(out, "   and %" PRId64 " in flight when an instance died, was fenced or let go",
			j->in_flight);
	fprintf(out, "\n");
	for (int c = 0; c < VF_DUP_CLASSES; c++)
		if (j->dup_by_class[c] || j->in_flight_by_class[c])
			fprintf(out, "  %-16s%" PRId64 "   in flight %" PRId64 "\n", vf_dup_names[c],
				j->dup_by_class[c], j->in_flight_by_class[c]);
	fprintf(out, "%-16s%" PRId64 "\n", "reordered", j->reordered);
	fprintf(out, "%-16s%.3f ms   %" PRId64 " records", "dual-active", ms(j->dual_ns), j->dual_records);
	if (j->undecided)
		fprintf(out, ", %" PRId64 " within the clock error", j->undecided);
	fprintf(out, "\n%-16s%" PRId64 " records, %" PRId64 " commits\n", "stale epoch", j->stale_records,
		j->stale_commits);
	fprintf(out, "%-16s%" PRId64 " records, by %" PRId64 " commits\n", "commit ahead", j->ahead_n,
		j->ahead_commits);
	if (j->skipped)
		fprintf(out, "%-16s%" PRId64 "\n", "skipped", j->skipped);
	for (size_t i = 0; i < j->n_reasons; i++)
		fprintf(out, "  %" PRId64 " %s\n", j->reasons[i].n, j->reasons[i].text);
	if (j->produced_twice)
		fprintf(out, "%-16s%" PRId64 " numbers are in the topic more than once\n", "produced twice",
			j->produced_twice);
	if (j->produced_missing)
		fprintf(out, "%-16s%" PRId64 " numbers are not in the topic\n", "not produced",
			j->produced_missing);
}

static void text_places(const struct vf_judge *j, FILE *out)
{
	if (j->lost_n)
		fprintf(out, "\nlost:\n");
	for (size_t i = 0; i < shown(&j->lost); i++) {
		offsets(out, j, &j->lost.v[i]);
		fprintf(out, "   %s\n", vf_why_names[j->lost.v[i].kind]);
	}
	more(out, &j->lost);
	if (j->dups.n)
		fprintf(out, "\nprocessed more than once:\n");
	for (size_t i = 0; i < shown(&j->dups); i++) {
		const struct vf_range *r = &j->dups.v[i];
		const struct vf_slot *a = &j->slots[r->a], *b = &j->slots[r->b];

		offsets(out, j, r);
		fprintf(out, "\n    by %s at %" PRId64 ", again by %s at %" PRId64 "%s\n",
			inc_name(j, a->inc), a->epoch, inc_name(j, b->inc), b->epoch,
			r->open ? "; in flight" : "");
	}
	more(out, &j->dups);
	if (j->reorders.n)
		fprintf(out, "\nout of order:\n");
	for (size_t i = 0; i < shown(&j->reorders); i++) {
		offsets(out, j, &j->reorders.v[i]);
		fprintf(out, "   by %s, line %" PRId64 "\n", inc_name(j, j->slots[j->reorders.v[i].a].inc),
			j->reorders.v[i].lineno);
	}
	more(out, &j->reorders);
}

static void text_faults(const struct vf_judge *j, FILE *out)
{
	if (j->stale.n)
		fprintf(out, "\neffects of a stale epoch:\n");
	for (size_t i = 0; i < shown(&j->stale); i++) {
		const struct vf_range *r = &j->stale.v[i];

		offsets(out, j, r);
		fprintf(out, "\n    %s by %s at epoch %" PRId64 " when %" PRId64 " was in force\n",
			r->count ? "processed" : "committed", inc_name(j, r->a), r->epoch, r->seq);
	}
	more(out, &j->stale);
	if (j->ahead.n)
		fprintf(out, "\ncommitted before it was processed:\n");
	for (size_t i = 0; i < shown(&j->ahead); i++) {
		offsets(out, j, &j->ahead.v[i]);
		fprintf(out, "   by %s, line %" PRId64 "\n", inc_name(j, j->ahead.v[i].a),
			j->ahead.v[i].lineno);
	}
	more(out, &j->ahead);
	for (size_t i = 0; i < j->n_epochs; i++)
		if (j->epochs[i].conflict)
			fprintf(out, "\nepoch %" PRId64 " was used by both colours\n", j->epochs[i].epoch);
}

static void switch_line(const struct vf_judge *j, const struct vf_switch *w, FILE *out)
{
	char gap[24] = "-", worst[24] = "-", where[40] = "";

	if (w->gap_known)
		snprintf(gap, sizeof(gap), "%.3f", ms(w->gap));
	if (w->worst >= 0) {
		snprintf(worst, sizeof(worst), "%.3f", ms(w->worst));
		snprintf(where, sizeof(where), "%.20s [%d]", j->parts[w->worst_part].topic,
			 j->parts[w->worst_part].p);
	}
	fprintf(out, "%6" PRId64 "  %-5s %-5s %10s %10s  %-18.28s%s", w->epoch,
		w->from == BG_BLUE ? "blue" : "green", w->to == BG_BLUE ? "blue" : "green", gap, worst, where,
		w->two_clocks ? " ~" : "");
	if (w->dual > 0 || w->dual_records > 0)
		fprintf(out, " %.3f", ms(w->dual));
	fprintf(out, "\n");
}

static void pct_line(FILE *out, const char *name, const struct vf_pct *p)
{
	fprintf(out, "%-16sp50 %.3f   p90 %.3f   p99 %.3f   max %.3f ms\n", name, ms(p->p50), ms(p->p90),
		ms(p->p99), ms(p->max));
}

static void text_switches(const struct vf_judge *j, FILE *out)
{
	size_t first = j->n_switches > 2 * SHOWN ? j->n_switches - 2 * SHOWN : 0;

	fprintf(out, "\n%-16s%zu\n", "switches", j->n_changes);
	if (j->gap.p50 >= 0)
		pct_line(out, "gap", &j->gap);
	if (j->worst.p50 >= 0)
		pct_line(out, "worst gap", &j->worst);
	if (j->n_switches)
		fprintf(out, "\n%6s  %-5s %-5s %10s %10s  %-18s %s\n", "epoch", "from", "to", "gap ms",
			"worst ms", "of partition", "dual ms");
	if (first)
		fprintf(out, "  ... %zu earlier ones (--json lists them)\n", first);
	for (size_t i = first; i < j->n_switches; i++)
		switch_line(j, &j->switches[i], out);
}

static void notes(FILE *out, const char *name, const struct vf_note_list *l)
{
	for (int64_t i = 0; i < l->n && i < VF_NOTES_KEPT; i++)
		fprintf(out, "%s: %s\n", name, l->v[i]);
	if (l->n > VF_NOTES_KEPT)
		fprintf(out, "%s: ... and %" PRId64 " more\n", name, l->n - VF_NOTES_KEPT);
}

void vf_report_text(const struct vf_report *r, FILE *out)
{
	const struct vf_judge *j = r->j;

	text_head(r, out);
	text_counts(j, out);
	text_places(j, out);
	text_faults(j, out);
	text_switches(j, out);
	if (j->notes->warnings.n || j->notes->errors.n)
		fprintf(out, "\n");
	notes(out, "warning", &j->notes->warnings);
	notes(out, "error", &j->notes->errors);
	fprintf(out, "\nverdict: %s: lost %" PRId64 ", duplicated %" PRId64 ", dual-active %.3f ms",
		r->status == 0   ? "good"
		: r->status == 1 ? "violated"
				 : "incomplete",
		j->lost_n, j->dup_n, ms(j->dual_ns));
	if (j->gap.p50 >= 0)
		fprintf(out, ", gap p50 %.3f ms", ms(j->gap.p50));
	fprintf(out, "\n");
}
