/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl's easy handles as the HTTP client uses them. What all requests have in common is set once, when a handle is
 * made; it is used for many requests, one after the other, and never reset (see http_easy.c).
 */
#ifndef BG_COMMON_HTTP_EASY_H
#define BG_COMMON_HTTP_EASY_H

#include <curl/curl.h>
#include "common/http_client.h"

struct bg_easy_request {
	const struct bg_httpc_call *call;
	const char *body; /* NULL: none; must outlive the request, as all that follows */
	char *error;      /* CURL_ERROR_SIZE bytes */
	curl_write_callback on_data;
	void *arg; /* of on_data, and CURLINFO_PRIVATE */
};

/* Ends the process when there is no memory. For curl_easy_cleanup. */
CURL *bg_easy_new(void);
/* Every option that differs from request to request. -EINVAL: the URL is refused, err says why. *ret_headers is the
 * caller's: to be freed when the request is over. */
int bg_easy_prepare(CURL *e, const struct bg_easy_request *r, struct curl_slist **ret_headers,
		    struct bg_err *err);
/* The request is over: the handle must not point to anything of it. */
void bg_easy_rest(CURL *e);

#endif
