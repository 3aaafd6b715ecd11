/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledger lines. Nearly all lines are records in the very form that bg-consumerd writes; a scan takes those
 * (ten times json-c's speed: ten million lines are normal). Whatever deviates by a byte goes to json-c, so
 * any valid JSON is understood, and only json-c decides what is invalid.
 */
#include "config.h"
#include "bg-verify/ledger.h"

#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

struct scan {
	const char *p, *end;
};

static bool take(struct scan *s, const char *lit)
{
	size_t n = strlen(lit);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, lit, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* A whole number of at most 18 digits as JSON writes it: no sign, no leading zero. */
static bool take_uint(struct scan *s, int64_t *ret)
{
	const char *p = s->p;
	int64_t v = 0;

	while (p < s->end && *p >= '0' && *p <= '9' && p - s->p < 18)
		v = v * 10 + (*p++ - '0');
	if (p == s->p || (p < s->end && *p >= '0' && *p <= '9') || (*s->p == '0' && p - s->p > 1))
		return false;
	s->p = p;
	*ret = v;
	return true;
}

/* A string without escapes and of plain ASCII, up to and with the closing quote. */
static bool take_str(struct scan *s, struct vf_str *ret)
{
	const char *p = s->p;

	while (p < s->end && *p != '"') {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f || *p == '\\')
			return false;
		p++;
	}
	if (p == s->end || p == s->p)
		return false;
	*ret = (struct vf_str){s->p, (size_t)(p - s->p)};
	s->p = p + 1;
	return true;
}

static bool color_of(struct vf_str c, enum bg_color *ret)
{
	if (c.len == 4 && memcmp(c.s, "blue", 4) == 0)
		*ret = BG_BLUE;
	else if (c.len == 5 && memcmp(c.s, "green", 5) == 0)
		*ret = BG_GREEN;
	else
		return false;
	return true;
}

static void line_clear(struct vf_line *l)
{
	memset(l, 0, sizeof(*l));
	l->epoch = l->seq = l->offset = l->partition = -1;
}

bool vf_line_scan(const char *text, size_t len, struct vf_line *ret)
{
	struct scan s = {text, text + len};
	struct vf_line l;
	struct vf_str color;
	int64_t part;

	line_clear(&l);
	if (!take(&s, "{\"t\":") || !take_uint(&s, &l.t) || !take(&s, ",\"i\":\"") ||
	    !take_str(&s, &l.instance) || !take(&s, ",\"c\":\"") || !take_str(&s, &color) ||
	    !color_of(color, &l.color) || !take(&s, ",\"e\":") || !take_uint(&s, &l.epoch))
		return false;
	l.kind = take(&s, ",\"ev\":\"in\"") ? VF_IN : VF_RECORD;
	if (!take(&s, ",\"tp\":\"") || !take_str(&s, &l.topic) || !take(&s, ",\"p\":") ||
	    !take_uint(&s, &part) || part > INT32_MAX || !take(&s, ",\"o\":") || !take_uint(&s, &l.offset))
		return false;
	if (take(&s, ",\"n\":") && !take_uint(&s, &l.seq))
		return false;
	if (!take(&s, "}") || s.p != s.end)
		return false;
	l.partition = (int32_t)part;
	l.has_color = true;
	*ret = l;
	return true;
}

static const struct {
	const char *name;
	enum vf_kind kind;
} kinds[] = {
	{"in", VF_IN},
	{"skip", VF_SKIP},
	{"start", VF_START},
	{"state", VF_STATE},
	{"commit", VF_COMMIT},
	{"commit_ok", VF_COMMIT_OK},
	{"commit_refused", VF_COMMIT_REFUSED},
	{"abandon", VF_ABANDON},
};

static int get_kind(struct json_object *o, enum vf_kind *ret, struct bg_err *err)
{
	struct json_object *ev = bg_json_get(o, "ev");

	*ret = VF_RECORD;
	if (!ev)
		return 0;
	if (!json_object_is_type(ev, json_type_string))
		return bg_err_set(err, -EINVAL, "bad_line", "\"ev\" is not a string");
	*ret = VF_OTHER;
	for (size_t i = 0; i < BG_ARRAY_SIZE(kinds); i++)
		if (strcmp(json_object_get_string(ev), kinds[i].name) == 0)
			*ret = kinds[i].kind;
	return 0;
}

/* Whole numbers from min to max. Absent: left as it is, an error only when `need`. */
static int get_int(struct json_object *o, const char *name, bool need, int64_t min, int64_t max, int64_t *ret,
		   struct bg_err *err)
{
	struct json_object *v = bg_json_get(o, name);
	int64_t n;

	if (!v && !need)
		return 0;
	if (!v)
		return bg_err_set(err, -EINVAL, "bad_line", "\"%s\" is missing", name);
	if (!json_object_is_type(v, json_type_int))
		return bg_err_set(err, -EINVAL, "bad_line", "\"%s\" is not a whole number", name);
	n = json_object_get_int64(v);
	if (n < min || n > max)
		return bg_err_set(err, -EINVAL, "bad_line", "\"%s\" is %lld, out of range", name,
				  (long long)n);
	*ret = n;
	return 0;
}

static int get_str(struct json_object *o, const char *name, bool need, struct vf_str *ret, struct bg_err *err)
{
	struct json_object *v = bg_json_get(o, name);

	if (!v && !need)
		return 0;
	if (!v)
		return bg_err_set(err, -EINVAL, "bad_line", "\"%s\" is missing", name);
	if (!json_object_is_type(v, json_type_string))
		return bg_err_set(err, -EINVAL, "bad_line", "\"%s\" is not a string", name);
	*ret = (struct vf_str){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
	/* Names are compared and printed: control bytes have no business in them. */
	for (size_t i = 0; i < ret->len; i++)
		if ((unsigned char)ret->s[i] < 0x20)
			return bg_err_set(err, -EINVAL, "bad_line", "\"%s\" holds a control character", name);
	return 0;
}

static int get_common(struct json_object *o, struct vf_line *l, struct bg_err *err)
{
	bool record = l->kind == VF_RECORD || l->kind == VF_IN || l->kind == VF_SKIP;
	struct vf_str color = {0};
	int64_t part = -1;

	if (get_int(o, "t", true, 0, INT64_MAX / 4, &l->t, err) < 0 ||
	    get_int(o, "e", record, 0, INT64_MAX / 4, &l->epoch, err) < 0 ||
	    get_str(o, "i", record, &l->instance, err) < 0 || get_str(o, "c", record, &color, err) < 0)
		return -EINVAL;
	if (color.s && !color_of(color, &l->color))
		return bg_err_set(err, -EINVAL, "bad_line", "\"c\" is neither blue nor green");
	l->has_color = color.s != NULL;
	if (!record)
		return 0;
	if (l->instance.len == 0)
		return bg_err_set(err, -EINVAL, "bad_line", "\"i\" is empty");
	if (get_str(o, "tp", true, &l->topic, err) < 0 ||
	    get_int(o, "p", true, 0, INT32_MAX, &part, err) < 0 ||
	    get_int(o, "o", true, 0, INT64_MAX / 4, &l->offset, err) < 0 ||
	    get_int(o, "n", false, 0, INT64_MAX / 4, &l->seq, err) < 0 ||
	    get_str(o, "reason", false, &l->reason, err) < 0)
		return -EINVAL;
	if (l->topic.len == 0)
		return bg_err_set(err, -EINVAL, "bad_line", "\"tp\" is empty");
	l->partition = (int32_t)part;
	l->last = l->offset;
	return get_int(o, "last", false, l->offset, l->offset + VF_SKIP_MAX - 1, &l->last, err);
}

static int get_event(struct json_object *o, struct vf_line *l, struct bg_err *err)
{
	struct json_object *offs;

	switch (l->kind) {
	case VF_START:
		if (get_str(o, "boot", false, &l->boot, err) < 0 ||
		    get_str(o, "inc", false, &l->inc, err) < 0)
			return -EINVAL;
		return get_int(o, "real_us", false, 0, INT64_MAX / 4000, &l->real_us, err);
	case VF_STATE:
		if (get_str(o, "from", false, &l->from, err) < 0)
			return -EINVAL;
		return get_str(o, "to", true, &l->to, err);
	case VF_COMMIT:
	case VF_COMMIT_OK:
	case VF_COMMIT_REFUSED:
	case VF_ABANDON:
		offs = bg_json_get(o, "offs");
		if (!offs)
			return bg_err_set(err, -EINVAL, "bad_line", "\"offs\" is missing");
		return bg_offs_from_json(offs, &l->offs, err) < 0 ? -EINVAL : 0;
	default:
		return 0;
	}
}

int vf_line_json(const char *text, size_t len, struct vf_line *ret, struct bg_err *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct vf_line l;

	line_clear(&l);
	if (len == 0)
		return bg_err_set(err, -EINVAL, "bad_line", "the line is empty");
	if (bg_json_parse(text, len, &o, err) < 0)
		return -EINVAL;
	if (!json_object_is_type(o, json_type_object))
		return bg_err_set(err, -EINVAL, "bad_line", "not a JSON object");
	if (get_kind(o, &l.kind, err) < 0 || get_common(o, &l, err) < 0)
		return -EINVAL;
	if (get_event(o, &l, err) < 0) {
		bg_offs_free(&l.offs);
		return -EINVAL;
	}
	l.json = bg_steal_ptr(&o);
	*ret = l;
	return 0;
}

int vf_line_parse(const char *text, size_t len, struct vf_line *ret, struct bg_err *err)
{
	if (vf_line_scan(text, len, ret))
		return 0;
	return vf_line_json(text, len, ret, err);
}

void vf_line_free(struct vf_line *l)
{
	bg_offs_free(&l->offs);
	if (l->json)
		json_object_put(l->json);
	l->json = NULL;
}
