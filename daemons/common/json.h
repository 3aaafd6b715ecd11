/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: strict parse with limits, and checks of bodies against a list of fields. json-c underneath. */
#ifndef BG_COMMON_JSON_H
#define BG_COMMON_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/err.h"

enum bg_json_type { BG_J_STRING, BG_J_INT, BG_J_BOOL, BG_J_OBJECT, BG_J_ARRAY, BG_J_NUMBER };
struct bg_field {
	const char *name; /* ends the list when NULL */
	enum bg_json_type type;
	bool required;
	int64_t min, max;    /* INT (both 0: any); STRING: length, max 0: 1024 */
	const char *choices; /* STRING: "a|b" */
};

/* One document, whole, depth at most 16, no duplicate garbage after it. "" is {} . -EINVAL with position. */
int bg_json_parse(const char *text, size_t len, struct json_object **ret, struct bg_err *err);
/* err names the member and what was expected; unknown members are ignored. */
int bg_json_check(struct json_object *o, const struct bg_field *fields, struct bg_err *err);
/* Reading with defaults (wrong type = default). */
const char *bg_json_str(struct json_object *o, const char *name, const char *dflt);
int64_t bg_json_int(struct json_object *o, const char *name, int64_t dflt);
bool bg_json_bool(struct json_object *o, const char *name, bool dflt);
struct json_object *bg_json_get(struct json_object *o,
				const char *name); /* NULL: not there or null; borrowed */
/* Building: o["name"] = …; return o. NULL string adds null. */
void bg_json_add_str(struct json_object *o, const char *name, const char *value);
void bg_json_add_int(struct json_object *o, const char *name, int64_t value);
void bg_json_add_bool(struct json_object *o, const char *name, bool value);
void bg_json_add(struct json_object *o, const char *name, struct json_object *value); /* takes value */
const char *bg_json_text(struct json_object *o); /* compact; owned by o */
static inline void bg_json_put(struct json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ __attribute__((cleanup(bg_json_put)))

#endif
