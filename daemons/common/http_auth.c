/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: Host, Origin and Content-Type of commands, the bearer token, the privilege column. */
#include "config.h"
#include "common/http_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include "common/mem.h"

/* Time depends on the length of what was sent, never on where it differs. */
bool http_token_equal(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	volatile unsigned char diff = la != lb;

	for (size_t i = 0; i < lb; i++)
		diff |= (unsigned char)(la ? a[i % la] : 0) ^ (unsigned char)b[i];
	return diff == 0;
}

bool http_is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_UNIX)
		return true;
	if (sa->sa_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24) == 127;
	if (sa->sa_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)sa)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
	}
	return false;
}

/* The name of "name", "name:port", "1.2.3.4:port", "[::1]:port", without a final dot. */
static bool host_name(const char *host, char *buf, size_t size)
{
	const char *end;
	size_t len;

	if (*host == '[') {
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		host++;
		len = (size_t)(end - host);
		end++;
	} else {
		len = strcspn(host, ":");
		end = host + len;
		if (len > 0 && host[len - 1] == '.')
			len--;
	}
	if (*end == ':' && strspn(end + 1, "0123456789") != strlen(end + 1))
		return false;
	if (len == 0 || len >= size)
		return false;
	memcpy(buf, host, len);
	buf[len] = '\0';
	return true;
}

bool http_host_allowed(const char *host, char *const *extra)
{
	unsigned char addr[sizeof(struct in6_addr)];
	char name[256], other[256];

	if (!host || !host_name(host, name, sizeof(name)))
		return false;
	if (strcasecmp(name, "localhost") == 0)
		return true;
	/* An address cannot be rebound to another machine as a name of an attacker's zone can. */
	if (inet_pton(AF_INET, name, addr) == 1 || inet_pton(AF_INET6, name, addr) == 1)
		return true;
	for (; extra && *extra; extra++)
		if (host_name(*extra, other, sizeof(other)) && strcasecmp(other, name) == 0)
			return true;
	return false;
}

/* Does an Origin or Referer name the same host and port that this request was sent to? */
static bool same_origin(const char *origin, const char *host)
{
	const char *p = strstr(origin, "://");
	size_t len = strlen(host);

	if (!p)
		return false; /* "null" */
	p += 3;
	return strncasecmp(p, host, len) == 0 && (p[len] == '\0' || p[len] == '/');
}

static bool is_json(const char *type)
{
	static const char want[] = "application/json";

	if (!type || strncasecmp(type, want, sizeof(want) - 1) != 0)
		return false;
	type += sizeof(want) - 1;
	return *type == '\0' || *type == ';' || *type == ' ';
}

/* A web page in somebody's browser must not be able to command (design 10). */
static int check_web(struct bg_http_server *s, const struct bg_route *route, struct evhttp_request *ev,
		     struct bg_err *err)
{
	const struct evkeyvalq *in = evhttp_request_get_input_headers(ev);
	const char *host = evhttp_find_header(in, "Host");
	const char *origin = evhttp_find_header(in, "Origin");
	const char *site = evhttp_find_header(in, "Sec-Fetch-Site");

	if (!http_host_allowed(host, s->hosts)) {
		bg_err_set(
			err, 0, "host_refused",
			"a command must name an address, localhost or a configured [http] host in Host, not %s",
			host ? host : "nothing");
		return 403;
	}
	if (!origin && strcmp(route->method, "GET") == 0)
		origin = evhttp_find_header(in, "Referer");
	if ((origin && !same_origin(origin, host)) ||
	    (site && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0)) {
		bg_err_set(err, 0, "origin_refused", "a web page of another origin may not command");
		return 403;
	}
	if (strcmp(route->method, "GET") != 0 && !is_json(evhttp_find_header(in, "Content-Type"))) {
		bg_err_set(err, 0, "content_type",
			   "a command needs the header Content-Type: application/json");
		return 415;
	}
	return 0;
}

static int check_token(struct bg_http_server *s, struct evhttp_request *ev, struct bg_err *err)
{
	const char *auth = evhttp_find_header(evhttp_request_get_input_headers(ev), "Authorization");

	if (!s->token || !*s->token)
		return 0;
	if (!auth || strncasecmp(auth, "Bearer ", 7) != 0) {
		bg_err_set(err, 0, "unauthorized",
			   "a bearer token is needed (header Authorization: Bearer TOKEN)");
		return 401;
	}
	for (auth += 7; *auth == ' '; auth++)
		;
	if (!http_token_equal(s->token, auth)) {
		bg_err_set(err, 0, "unauthorized", "the bearer token is wrong");
		return 401;
	}
	return 0;
}

int http_auth_check(struct bg_http_server *s, const struct http_conn *c, const struct bg_route *route,
		    struct evhttp_request *ev, struct bg_err *err)
{
	bool command = route->priv >= BG_PRIV_OPERATE || strcmp(route->method, "GET") != 0;
	bool local = c->lst->path != NULL;
	int status = 0;

	if (command && !local)
		status = check_web(s, route, ev, err);
	/* Who may open the Unix socket may do everything: its mode and group say so. */
	if (!status && !local &&
	    (route->priv >= BG_PRIV_OPERATE ||
	     (route->priv == BG_PRIV_READ && !c->loopback && !s->open_read)))
		status = check_token(s, ev, err);
	if (!status && route->priv == BG_PRIV_FAULT && !s->faults) {
		bg_err_set(err, 0, "faults_disabled", "faults are off; [faults] enabled = yes turns them on");
		return 403;
	}
	return status;
}
