/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why no handle is ever reset: a request that timed out, or never got a connection, leaves its receive buffer in the
 * handle (libcurl 7.88). curl_easy_reset then sets the size of that buffer back to 16 KiB, and while there is one
 * CURLOPT_BUFFERSIZE is refused: the next request writes 16 KiB into the smaller buffer. With one size for life a
 * buffer is always as large as the handle believes. test_http_client shows it under valgrind.
 */
#include "config.h"
#include "common/http_easy.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"

#define MAX_AGE_S 110L /* servers close idle connections at 120 s, and curl's own limit is 118 s */
/* A long poll holds its receive buffer all the time: a thousand times curl's 16 KiB is most of a daemon. */
#define RECEIVE_BYTES 1024L
/* The least that curl takes; held while a POST to https lasts, or a body that did not go out at once. */
#define UPLOAD_BYTES 16384L

CURL *bg_easy_new(void)
{
	CURL *e = curl_easy_init();

	if (!e || curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BYTES) != CURLE_OK)
		bg_fatal("make an HTTP call");
	curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* Names are looked up per connection, which is rare; curl walks a cache of them at the end of every call. */
	curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, MAX_AGE_S);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "kafka-bluegreen/" PACKAGE_VERSION);
	return e;
}

static void add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *l = curl_slist_append(*list, line);

	if (!l)
		bg_fatal("make a header");
	*list = l;
}

static struct curl_slist *headers(const struct bg_httpc_call *call)
{
	_cleanup_free_ char *auth = NULL;
	struct curl_slist *l = NULL;

	add_header(&l, "Expect:"); /* no waiting for 100 Continue */
	add_header(&l, "Accept: application/json");
	/* A command without a body needs it too: the server refuses what a web page could send. */
	if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0)
		add_header(&l, "Content-Type: application/json");
	if (call->token && *call->token) {
		auth = bg_xasprintf("Authorization: Bearer %s", call->token);
		add_header(&l, auth);
	}
	return l;
}

static void set_method(CURL *e, const char *method, const char *body)
{
	bool get = strcmp(method, "GET") == 0 && !body, head = strcmp(method, "HEAD") == 0;

	curl_easy_setopt(e, CURLOPT_POSTFIELDS, get || head ? NULL : body ? body : "");
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)(get || head || !body ? 0 : strlen(body)));
	/* The last of the three says what it is: each undoes what another one said for an earlier request. */
	if (head)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(e, get ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST,
			 get || head || strcmp(method, "POST") == 0 ? NULL : method);
}

static bool has_host(const char *base)
{
	size_t len = strncmp(base, "http://", 7) == 0 ? 7 : strncmp(base, "https://", 8) == 0 ? 8 : 0;

	return len > 0 && base[len] && base[len] != '/';
}

/* Where to: "http://h:p", "https://h:p", "unix:/path". */
static int set_url(CURL *e, const char *base, const char *path, struct bg_err *err)
{
	bool local = strncmp(base, "unix:", 5) == 0 && base[5] == '/';
	_cleanup_free_ char *url = NULL;
	size_t len;

	if (!local && !has_host(base))
		return bg_err_set(err, -EINVAL, "bad_url",
				  "%s is not http://HOST:PORT, https://HOST:PORT or unix:/PATH", base);
	if (curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, local ? base + 5 : NULL) != CURLE_OK)
		return bg_err_set(err, -EINVAL, "bad_url", "%s: the path of the socket is too long", base);
	if (local)
		base = "http://localhost";
	len = strlen(base);
	while (len > 0 && base[len - 1] == '/')
		len--;
	url = bg_xasprintf("%.*s%s%s", (int)len, base, *path == '/' ? "" : "/", path);
	curl_easy_setopt(e, CURLOPT_URL, url);
	return 0;
}

int bg_easy_prepare(CURL *e, const struct bg_easy_request *r, struct curl_slist **ret_headers,
		    struct bg_err *err)
{
	int rc = set_url(e, r->call->base, r->call->path, err);

	if (rc < 0)
		return rc;
	set_method(e, r->call->method, r->body);
	*ret_headers = headers(r->call);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, *ret_headers);
	curl_easy_setopt(e, CURLOPT_PRIVATE, r->arg);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, r->on_data);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r->arg);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)BG_MAX((r->call->deadline_us + 999) / 1000, 1));
	return 0;
}

void bg_easy_rest(CURL *e)
{
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(e, CURLOPT_PRIVATE, NULL);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, NULL);
}
