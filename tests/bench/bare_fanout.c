/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of bg-switchd's fan-out: curl's multi interface and nothing else.
 *
 *	bare-fanout -s SWITCH -n ROUNDS <URLS
 *
 * One kept-alive connection to each of the URLs (fleet.c), which are lines of its standard input; each round pauses all of them at a new
 * epoch. Prints the time of each round but the first, which makes the connections: `us=N`.
 */
#include "config.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare.h"

#define MAX_URLS 10000

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

static CURL *make(const char *url, struct curl_slist *headers)
{
	CURL *c = curl_easy_init();
	char all[300];

	snprintf(all, sizeof(all), "%s/lifecycle/pause", url);
	if (!c || curl_easy_setopt(c, CURLOPT_URL, all) || curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers))
		die("curl");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	return c;
}

/* All lines of standard input; the number of them. */
static int make_all(CURL **easy, struct curl_slist *headers)
{
	char line[256];
	int n = 0;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (n == MAX_URLS)
			die("more than %d URLs", MAX_URLS);
		easy[n++] = make(line, headers);
	}
	if (!n)
		die("no URLs");
	return n;
}

static void round_of(CURLM *multi, CURL **easy, int count, const char *body)
{
	CURLMsg *msg;
	int i, running = 1, left;
	long status;

	for (i = 0; i < count; i++) {
		curl_easy_setopt(easy[i], CURLOPT_POSTFIELDS, body);
		curl_multi_add_handle(multi, easy[i]);
	}
	while (running) {
		if (curl_multi_perform(multi, &running))
			die("curl_multi_perform");
		while ((msg = curl_multi_info_read(multi, &left))) {
			if (msg->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(msg->easy_handle, CURLINFO_RESPONSE_CODE, &status);
			if (msg->data.result || status != 200)
				die("answered %ld, %s", status, curl_easy_strerror(msg->data.result));
			curl_multi_remove_handle(multi, msg->easy_handle);
		}
		if (running)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
}

int main(int argc, char **argv)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	const char *sw = NULL;
	static CURL *easy[MAX_URLS];
	int64_t rounds = 0, r, start;
	int opt, count;
	char body[256];
	CURLM *multi;

	while ((opt = getopt(argc, argv, "s:n:")) != -1) {
		if (opt == 's')
			sw = optarg;
		else if (opt == 'n')
			rounds = number("-n", optarg);
		else
			return 2;
	}
	if (!sw || !rounds || argc != optind) {
		fputs("usage: bare-fanout -s SWITCH -n ROUNDS <URLS\n", stderr);
		return 2;
	}
	multi = curl_multi_init();
	if (!multi)
		die("out of memory");
	count = make_all(easy, headers);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)count + 16);
	for (r = 0; r <= rounds; r++) {
		snprintf(body, sizeof(body), "{\"switch\":\"%s\",\"epoch\":%lld,\"deadline_ms\":10000}", sw,
			 (long long)(r + 1));
		start = now_us();
		round_of(multi, easy, count, body);
		if (r)
			printf("us=%lld\n", (long long)(now_us() - start));
	}
	return 0;
}
