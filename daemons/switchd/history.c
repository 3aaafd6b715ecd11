/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "switchd/history.h"

#include <string.h>

#include "common/json.h"
#include "common/units.h"

int sw_outcome_exit(const char *outcome)
{
	static const struct {
		const char *outcome;
		int status;
	} exits[] = {{"done", 0},     {"failed", 1},  {"rolled_back", 1}, {"no_go", 3},
		     {SW_DROPPED, 3}, {"aborted", 5}, {"needs_person", 6}};

	for (size_t i = 0; i < BG_ARRAY_SIZE(exits); i++)
		if (strcmp(exits[i].outcome, outcome) == 0)
			return exits[i].status;
	return 1;
}

struct json_object *sw_history_steps(const struct sw_run *r)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < r->n_step; i++) {
		const struct sw_step *s = &r->step[i];
		struct json_object *o = json_object_new_object();

		bg_json_add_str(o, "phase", sw_state_name(s->state));
		bg_json_add_int(o, "at_us", s->at_us - r->started_us);
		if (s->end_us)
			bg_json_add_int(o, "us", s->end_us - s->at_us);
		json_object_array_add(a, o);
	}
	return a;
}

/* Microseconds from the first pause; what did not happen is left out. */
static void add_at(struct json_object *o, const char *name, int64_t us, int64_t zero)
{
	if (us)
		bg_json_add_int(o, name, us - zero);
}

static struct json_object *instances_of(struct sw_run *r, int64_t zero)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < r->sw->n_inst; i++) {
		const struct sw_trace *t = &r->trace[i];
		const struct sw_inst *in = &r->sw->inst[i];
		struct json_object *o = json_object_new_object();

		bg_json_add_str(o, "instance", sw_inst_label(in));
		bg_json_add_str(o, "color", bg_color_name(in->color));
		bg_json_add_str(o, "url", in->url);
		add_at(o, "pause_sent_us", t->pause_sent_us, zero);
		add_at(o, "pause_answered_us", t->pause_answered_us, zero);
		if (t->pause_answered_us) {
			bg_json_add_int(o, "drain_us", t->drain_us);
			bg_json_add_int(o, "commit_us", t->commit_us);
		}
		add_at(o, "resume_sent_us", t->resume_sent_us, zero);
		add_at(o, "resume_answered_us", t->resume_answered_us, zero);
		if (t->resume_answered_us)
			bg_json_add_int(o, "position_us", t->position_us);
		json_object_array_add(a, o);
	}
	return a;
}

/*
 * When the first record of a partition came, by our monotonic clock; 0: unknown. An instance's clock is ours
 * only within one boot; then the numbers compare exactly.
 */
static int64_t first_record(struct sw_run *r, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < r->sw->n_inst; i++) {
		const struct sw_inst *in = &r->sw->inst[i];

		if (in->color != (enum bg_color)r->to || in->epoch != r->epoch || !*in->boot ||
		    strcmp(in->boot, bg_boot_id()) != 0)
			continue;
		for (size_t k = 0; k < in->n_part; k++)
			if (in->part[k].partition == partition && strcmp(in->part[k].topic, topic) == 0 &&
			    in->part[k].first_us)
				return in->part[k].first_us;
	}
	return 0;
}

static struct json_object *partitions_of(struct sw_run *r, int64_t zero, int64_t *ret_first,
					 int64_t *ret_worst)
{
	struct json_object *a = json_object_new_array();

	*ret_first = *ret_worst = 0;
	for (size_t i = 0; i < r->un.offs.n; i++) {
		const struct bg_off *p = &r->un.offs.v[i];
		struct json_object *o = json_object_new_object();
		int64_t first = first_record(r, p->topic, p->partition);

		bg_json_add_str(o, "topic", p->topic);
		bg_json_add_int(o, "partition", p->partition);
		bg_json_add_int(o, "offset", p->offset);
		bg_json_add_int(o, "epoch", p->epoch);
		if (first && zero) {
			bg_json_add_int(o, "first_record_us", first - zero);
			*ret_first = *ret_first ? BG_MIN(*ret_first, first) : first;
			*ret_worst = BG_MAX(*ret_worst, first);
		} else {
			bg_json_add(o, "first_record_us", NULL);
		}
		json_object_array_add(a, o);
	}
	return a;
}

static void add_span(struct json_object *entry, const char *name, int64_t sent, int64_t answered,
		     int64_t zero)
{
	struct json_object *o = json_object_new_object();

	add_at(o, "sent_us", sent, zero);
	add_at(o, "answered_us", answered, zero);
	bg_json_add(entry, name, o);
}

static void add_transfer(struct json_object *entry, struct sw_run *r)
{
	struct json_object *o = json_object_new_object();

	if (r->resume_us && r->paused_us && r->resume_us >= r->paused_us)
		bg_json_add_int(o, "us", r->resume_us - r->paused_us);
	bg_json_add_str(o, "reads", r->reads);
	bg_json_add_int(o, "partitions", (int64_t)r->un.offs.n);
	bg_json_add_int(o, "from_answers", (int64_t)r->un.from_answers);
	bg_json_add_int(o, "from_commits", (int64_t)r->un.from_commits);
	bg_json_add_int(o, "from_restored", (int64_t)r->un.from_restored);
	bg_json_add_int(o, "from_handed", (int64_t)r->un.from_handed);
	bg_json_add_int(o, "from_initial", (int64_t)r->un.from_initial);
	bg_json_add(entry, "transfer", o);
}

static void add_gap(struct json_object *e, struct sw_run *r)
{
	int64_t zero = r->pause_us, first, worst;
	bool done = strcmp(r->outcome, "done") == 0;

	bg_json_add(e, "instances", instances_of(r, zero));
	bg_json_add(e, "partitions", partitions_of(r, zero, &first, &worst));
	if (done && first && zero) {
		bg_json_add_int(e, "gap_us", first - zero);
		bg_json_add_int(e, "worst_gap_us", worst - zero);
		bg_json_add_str(e, "gap_basis", "monotonic");
	} else if (done && zero && r->resumed_us) {
		/* No record was waiting, or the clocks do not compare: the answers are all there is. */
		bg_json_add_int(e, "gap_us", r->resumed_us - zero);
		bg_json_add_int(e, "worst_gap_us", r->resumed_us - zero);
		bg_json_add_str(e, "gap_basis", "resume_answer");
	} else {
		bg_json_add(e, "gap_us", NULL);
		bg_json_add(e, "worst_gap_us", NULL);
		bg_json_add(e, "gap_basis", NULL);
	}
}

struct json_object *sw_history_entry(struct sw_run *r)
{
	struct json_object *e = json_object_new_object();
	char t[32];

	bg_json_add_str(e, "id", r->id);
	bg_json_add_str(e, "kind", sw_kind_name(r->kind));
	if (r->restore_epoch)
		bg_json_add_int(e, "restored", r->restore_epoch);
	bg_json_add_str(e, "switch", r->sw->cfg->name);
	bg_json_add_str(e, "strategy", r->sw->cfg->plan->name);
	bg_json_add_str(e, "handover", r->sw->cfg->eager ? "eager" : "committed");
	bg_json_add_str(e, "from", r->kind == SW_KIND_INIT ? NULL : sw_color_name(r->from));
	bg_json_add_str(e, "to", sw_color_name(r->to));
	bg_json_add_int(e, "epoch", r->sw->rec.epoch);
	bg_json_add_int(e, "base_epoch", r->base_epoch);
	bg_json_add_str(e, "by", r->by);
	bg_json_add_str(e, "reason", r->reason);
	bg_json_add_bool(e, "automatic", r->automatic[0] != '\0');
	if (r->automatic[0])
		bg_json_add_str(e, "rule", r->automatic);
	bg_json_add_bool(e, "force", r->force);
	if (r->resubscribe)
		bg_json_add_bool(e, "resubscribe", true);
	if (r->scheduled_us)
		bg_json_add_str(e, "scheduled", bg_format_time(t, sizeof(t), r->scheduled_us));
	bg_json_add_str(e, "started", bg_format_time(t, sizeof(t), r->started_real_us));
	bg_json_add_str(e, "outcome", r->outcome);
	bg_json_add_int(e, "exit", sw_outcome_exit(r->outcome));
	bg_json_add_str(e, "error", r->why.msg[0] ? r->why.msg : NULL);
	bg_json_add_int(e, "duration_us", (r->ended_us ? r->ended_us : bg_now_us()) - r->started_us);
	bg_json_add(e, "steps", sw_history_steps(r));
	add_span(e, "pause", r->pause_us, r->paused_us, r->pause_us);
	add_transfer(e, r);
	add_span(e, "resume", r->resume_us, r->resumed_us, r->pause_us);
	add_gap(e, r);
	bg_json_add(e, "fencing", r->fencing ? json_object_get(r->fencing) : NULL);
	bg_json_add(e, "preflight", r->rules ? json_object_get(r->rules) : json_object_new_array());
	return e;
}

static bool listed(struct json_object *list, const char *id)
{
	for (size_t i = 0; *id && i < json_object_array_length(list); i++)
		if (strcmp(bg_json_str(json_object_array_get_idx(list, i), "id", ""), id) == 0)
			return true;
	return false;
}

struct json_object *sw_history_list(const char *text, size_t limit)
{
	struct json_object *list = json_object_new_array();
	size_t end = text ? strlen(text) : 0;

	while (end > 0 && json_object_array_length(list) < limit) {
		size_t stop = text[end - 1] == '\n' ? end - 1 : end, begin = stop;
		struct json_object *o = NULL;

		while (begin > 0 && text[begin - 1] != '\n')
			begin--;
		/* A damaged line says nothing, but hides no other. */
		if (stop > begin && bg_json_parse(text + begin, stop - begin, &o, NULL) == 0 &&
		    json_object_is_type(o, json_type_object) && !listed(list, bg_json_str(o, "id", "")))
			json_object_array_add(list, json_object_get(o));
		json_object_put(o);
		end = begin;
	}
	return list;
}
