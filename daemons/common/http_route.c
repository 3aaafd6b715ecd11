/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and methods of the route table. */
#include "config.h"
#include "common/http_internal.h"

#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

static const struct {
	enum evhttp_cmd_type type;
	const char *name;
} methods[] = {
	{EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},       {EVHTTP_REQ_HEAD, "HEAD"},
	{EVHTTP_REQ_PUT, "PUT"},     {EVHTTP_REQ_DELETE, "DELETE"},   {EVHTTP_REQ_OPTIONS, "OPTIONS"},
	{EVHTTP_REQ_TRACE, "TRACE"}, {EVHTTP_REQ_CONNECT, "CONNECT"}, {EVHTTP_REQ_PATCH, "PATCH"},
};

const char *http_method_name(enum evhttp_cmd_type type)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(methods); i++)
		if (methods[i].type == type)
			return methods[i].name;
	return NULL;
}

bool http_method_known(const char *m, size_t len)
{
	for (size_t i = 0; i < BG_ARRAY_SIZE(methods); i++)
		if (strlen(methods[i].name) == len && memcmp(methods[i].name, m, len) == 0)
			return true;
	return false;
}

void http_params_free(struct http_param *params, int n)
{
	for (int i = 0; i < n; i++) {
		free(params[i].name);
		free(params[i].value);
	}
}

/* A segment for {name}: decoded, not empty, without a NUL. */
static char *decode_segment(const char *s, size_t len)
{
	_cleanup_free_ char *raw = bg_xstrndup(s, len);
	size_t size = 0;
	char *out = evhttp_uridecode(raw, 0, &size);

	if (out && (size == 0 || strlen(out) != size)) {
		free(out);
		return NULL;
	}
	return out;
}

bool http_route_match(const char *pattern, const char *path, struct http_param *params, int *n)
{
	*n = 0;
	for (;;) {
		size_t pl = strcspn(pattern, "/"), sl = strcspn(path, "/");

		if (pl > 2 && pattern[0] == '{' && pattern[pl - 1] == '}') {
			char *value = *n < HTTP_MAX_PARAMS ? decode_segment(path, sl) : NULL;

			if (!value)
				break;
			params[*n].name = bg_xstrndup(pattern + 1, pl - 2);
			params[(*n)++].value = value;
		} else if (pl != sl || memcmp(pattern, path, pl) != 0) {
			break;
		}
		pattern += pl;
		path += sl;
		if (!*pattern && !*path)
			return true;
		if (!*pattern || !*path)
			break;
		pattern++;
		path++;
	}
	http_params_free(params, *n);
	*n = 0;
	return false;
}

static void add_method(struct bg_buf *allow, const char *m)
{
	size_t len = strlen(m);

	for (const char *p = allow->s; p && (p = strstr(p, m)); p += len)
		if ((p == allow->s || p[-1] == ' ') && (p[len] == '\0' || p[len] == ','))
			return;
	if (allow->len)
		bg_buf_puts(allow, ", ");
	bg_buf_puts(allow, m);
}

const struct bg_route *http_route_find(const struct bg_route *routes, const char *method, const char *path,
				       struct bg_buf *ret_allow)
{
	struct http_param params[HTTP_MAX_PARAMS];
	const char *want = strcmp(method, "HEAD") == 0 ? "GET" : method;
	int n;

	for (const struct bg_route *r = routes; r->method; r++) {
		if (!http_route_match(r->path, path, params, &n))
			continue;
		http_params_free(params, n);
		if (strcmp(r->method, want) == 0)
			return r;
		add_method(ret_allow, r->method);
		if (strcmp(r->method, "GET") == 0)
			add_method(ret_allow, "HEAD");
	}
	return NULL;
}

size_t http_route_max_body(const struct bg_route *r)
{
	return r->max_body ? r->max_body : HTTP_MAX_BODY;
}
