/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bgctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/token.h"

#define ANSWER_MAX (32u << 20)

struct sink {
	struct bg_buf buf;
	bool too_long;
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct sink *s = arg;

	if (s->buf.len + size * n > ANSWER_MAX) {
		s->too_long = true;
		return 0;
	}
	bg_buf_add(&s->buf, data, size * n);
	return size * n;
}

static bool is_http(const char *s)
{
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

/* Address and path of a call. */
static void set_target(CURL *h, const struct ctl *c, const char *path)
{
	const char *where = c->socket;
	_cleanup_free_ char *url = NULL;

	if (is_http(where)) {
		size_t n = strlen(where);

		while (n > 0 && where[n - 1] == '/')
			n--;
		url = bg_xasprintf("%.*s%s", (int)n, where, path);
	} else {
		if (strncmp(where, "unix:", 5) == 0)
			where += 5;
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, where);
		url = bg_xasprintf("http://localhost%s", path);
	}
	curl_easy_setopt(h, CURLOPT_URL, url);
}

static struct curl_slist *headers_of(const struct ctl *c, bool body)
{
	struct curl_slist *l = curl_slist_append(NULL, "Accept: application/json");

	if (body)
		l = curl_slist_append(l, "Content-Type: application/json");
	if (c->token) {
		_cleanup_free_ char *t = bg_xasprintf("Authorization: Bearer %s", c->token);

		l = curl_slist_append(l, t);
	}
	return l;
}

void ctl_describe(void *h, int code, const struct ctl *c, struct ctl_answer *ret)
{
	CURLcode rc = (CURLcode)code;
	long os = 0;

	curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &os);
	ret->denied = rc == CURLE_COULDNT_CONNECT && (os == EACCES || os == EPERM);
	if (rc == CURLE_COULDNT_CONNECT && os && !is_http(c->socket))
		bg_strlcpy(ret->why, strerror((int)os), sizeof(ret->why));
	else
		bg_strlcpy(ret->why, curl_easy_strerror(rc), sizeof(ret->why));
}

void *ctl_easy(const struct ctl *c, const char *path, bool body, struct curl_slist **ret_headers)
{
	CURL *h = curl_easy_init();

	if (!h)
		return NULL;
	*ret_headers = headers_of(c, body);
	set_target(h, c, path);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_PROXY, ""); /* a local daemon is never behind http_proxy */
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, *ret_headers);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	return h;
}

void ctl_call(struct ctl *c, const char *method, const char *path, struct json_object *body,
	      int64_t timeout_ms, struct ctl_answer *ret)
{
	struct curl_slist *headers = NULL;
	CURL *h = ctl_easy(c, path, body != NULL, &headers);
	struct sink sink = {0};
	long status = 0;
	CURLcode rc;

	memset(ret, 0, sizeof(*ret));
	if (!h) {
		bg_strlcpy(ret->why, "libcurl cannot be started", sizeof(ret->why));
		return;
	}
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &sink);
	if (body)
		curl_easy_setopt(h, CURLOPT_COPYPOSTFIELDS, bg_json_text(body));
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	rc = curl_easy_perform(h);
	if (rc != CURLE_OK) {
		ctl_describe(h, (int)rc, c, ret);
		if (sink.too_long)
			bg_strlcpy(ret->why, "the answer is longer than 32 MiB", sizeof(ret->why));
	} else {
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
		ret->status = (int)status;
		if (sink.buf.len)
			bg_json_parse(sink.buf.s, sink.buf.len, &ret->json, NULL);
	}
	bg_buf_free(&sink.buf);
	curl_slist_free_all(headers);
	curl_easy_cleanup(h);
}

void ctl_answer_free(struct ctl_answer *a)
{
	if (a->json)
		json_object_put(a->json);
	a->json = NULL;
}

char *ctl_path(const struct ctl *c, const char *tail)
{
	char *name = curl_easy_escape(NULL, c->name, 0);
	char *path = bg_xasprintf("/v1/switches/%s%s", name ? name : "", tail);

	curl_free(name);
	return path;
}

int ctl_load_token(struct ctl *c)
{
	struct bg_err err = BG_ERR_INIT;

	if (!c->token_file || !*c->token_file)
		return 0;
	free(c->token);
	c->token = NULL;
	if (bg_token_read(c->token_file, &c->token, &err) < 0) {
		fprintf(c->err, "bgctl: token file: %s\n", err.msg);
		return CTL_USAGE;
	}
	return 0;
}
