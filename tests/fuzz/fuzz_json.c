/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies and commit metadata: taken or refused; what was taken is the same when written and read again. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/epoch.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/offsets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_meta(const char *text, size_t size)
{
	struct bg_meta m, again;
	char buf[BG_META_MAX];

	if (!bg_meta_parse(text, size, &m))
		return;
	if (!bg_meta_parse(buf, (size_t)bg_meta_format(buf, &m), &again) || m.epoch != again.epoch ||
	    m.floor != again.floor || m.mirrored != again.mirrored || m.epoch < 0 || m.floor < m.epoch)
		abort();
}

static void try_offsets(struct json_object *j)
{
	_cleanup_offs_ struct bg_offs o = BG_OFFS_INIT, again = BG_OFFS_INIT;
	_cleanup_json_ struct json_object *back = NULL;

	if (bg_offs_from_json(j, &o, NULL) < 0)
		return;
	back = bg_offs_to_json(&o);
	if (bg_offs_from_json(back, &again, NULL) < 0 || again.n != o.n)
		abort();
	for (size_t i = 0; i < o.n; i++)
		if (strcmp(o.v[i].topic, again.v[i].topic) || o.v[i].partition != again.v[i].partition ||
		    o.v[i].offset != again.v[i].offset || o.v[i].epoch != again.v[i].epoch)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bg_field fields[] = {
		{"a", BG_J_STRING, true, 1, 9, NULL},
		{"b", BG_J_INT, false, -5, 5, NULL},
		{"c", BG_J_STRING, false, 0, 0, "x|y"},
		{"d", BG_J_NUMBER, false, 0, 0, NULL},
		{NULL},
	};
	_cleanup_free_ char *text = bg_xmalloc(size);
	_cleanup_json_ struct json_object *j = NULL, *again = NULL;
	struct bg_err err = BG_ERR_INIT;
	const char *out;

	memcpy(text, data, size);
	try_meta(text, size);
	if (bg_json_parse(text, size, &j, &err) < 0) {
		if (!err.msg[0] || j)
			abort();
		return 0;
	}
	bg_json_check(j, fields, &err);
	out = bg_json_text(j);
	if (bg_json_parse(out, strlen(out), &again, &err) < 0 || strcmp(out, bg_json_text(again)))
		abort();
	try_offsets(j);
	return 0;
}
