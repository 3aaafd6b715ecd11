/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "consumer_fixture.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

struct world w;
static CURL *curl;

static size_t take(char *data, size_t size, size_t n, void *arg)
{
	bg_buf_add(arg, data, size * n);
	return size * n;
}

long call(const char *method, const char *path, const char *fmt, ...)
{
	_cleanup_buf_ struct bg_buf body = {0};
	_cleanup_free_ char *url = bg_xasprintf("http://localhost%s", path), *send = NULL;
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	long status = 0;
	va_list ap;

	va_start(ap, fmt);
	if (fmt)
		send = bg_xvasprintf(fmt, ap);
	va_end(ap);
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, w.sock);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	if (send)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, send);
	json_object_put(w.answer);
	w.answer = NULL;
	if (!curl_easy_perform(curl))
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(h);
	if (body.s)
		bg_json_parse(body.s, body.len, &w.answer, NULL);
	return status;
}

const char *word(const char *member)
{
	return bg_json_str(w.answer, member, "");
}

bool await(const char *member, const char *value, int seconds)
{
	for (int i = 0; i < seconds * 50; i++) {
		if (call("GET", "/lifecycle/status", NULL) == 200) {
			struct json_object *o = bg_json_get(w.answer, member);

			if (o && !strcmp(json_object_get_string(o), value))
				return true;
		}
		usleep(20000);
	}
	fprintf(stderr, "waited in vain for %s = %s: %s\n", member, value,
		w.answer ? bg_json_text(w.answer) : "-");
	return false;
}

void produce(int n)
{
	char value[] = "x";

	for (int i = 0; i < n; i++)
		rd_kafka_producev(w.rk, RD_KAFKA_V_TOPIC("orders"), RD_KAFKA_V_PARTITION(i % w.parts),
				  RD_KAFKA_V_VALUE(value, sizeof value), RD_KAFKA_V_END);
	assert_int_equal(rd_kafka_flush(w.rk, 10000), 0);
}

void start_daemon(void)
{
	const char *dir = getenv("top_builddir");
	_cleanup_free_ char *ini = bg_xasprintf("%s/c.ini", w.dir);
	_cleanup_free_ char *log = bg_xasprintf("%s/log", w.dir);
	_cleanup_free_ char *program = bg_xasprintf("%s/bg-consumerd", dir ? dir : ".");

	w.pid = fork();
	if (!w.pid) {
		if (!freopen(log, "a", stderr))
			_exit(99);
		execl(program, program, "-c", ini, "-i", "blue-0", (char *)NULL);
		_exit(98);
	}
	assert_true(w.pid > 0);
}

void stop_daemon(int signo)
{
	int status;

	kill(w.pid, signo);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	if (signo == SIGTERM)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

FILE *ini_open(void)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/c.ini", w.dir);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fprintf(f, "[http]\nlisten = none\n[control]\nsocket = %s\n[faults]\nenabled = yes\n", w.sock);
	return f;
}

void world_begin(int parts)
{
	char err[256];

	snprintf(w.dir, sizeof w.dir, "/tmp/bg-mock-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.sock, sizeof w.sock, "%s/s", w.dir);
	w.parts = parts;
	w.rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, err, sizeof err);
	w.mock = rd_kafka_mock_cluster_new(w.rk, 1);
	w.bootstrap = rd_kafka_mock_cluster_bootstraps(w.mock);
	rd_kafka_mock_topic_create(w.mock, "orders", parts, 1);
	rd_kafka_brokers_add(w.rk, w.bootstrap);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	curl = curl_easy_init();
}

int world_end(void)
{
	_cleanup_free_ char *cmd = bg_xasprintf("rm -rf '%s'", w.dir);

	stop_daemon(SIGTERM);
	json_object_put(w.answer);
	curl_easy_cleanup(curl);
	rd_kafka_mock_cluster_destroy(w.mock);
	rd_kafka_destroy(w.rk);
	return system(cmd);
}

long resume(int epoch, const char *more)
{
	return call("POST", "/lifecycle/resume", "{\"epoch\":%d,\"deadline_ms\":1500%s}", epoch, more);
}

bool resume_until_done(int epoch, const char *more)
{
	for (int i = 0; i < 20; i++)
		if (resume(epoch, more) == 200)
			return true;
	return false;
}

/* A controller's long poll is held at nearly every stop: it is answered, and the stop goes on. */
void restart_while_polled(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[8192] = "";
	ssize_t n;

	bg_strlcpy(sun.sun_path, w.sock, sizeof sun.sun_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_true(call("GET", "/lifecycle/status", NULL) == 200);
	dprintf(fd, "GET /lifecycle/status?since=%lld&wait_ms=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		(long long)bg_json_int(w.answer, "seq", 0));
	/* Requests are taken in order: when this one is answered, that one is held. */
	assert_true(call("GET", "/health", NULL) == 200);
	stop_daemon(SIGTERM);
	for (size_t len = 0; (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
		len += (size_t)n;
	assert_non_null(strstr(text, "503 "));
	assert_non_null(strstr(text, "shutting_down"));
	start_daemon();
}

rd_kafka_t *outsider(const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char err[256];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "group.id", group, err, sizeof err);
	rd_kafka_conf_set(conf, "bootstrap.servers", w.bootstrap, err, sizeof err);
	/* The mock insists on an assignor that all members have, and waits for as long as the last one's session. */
	rd_kafka_conf_set(conf, "session.timeout.ms", "3500", err, sizeof err);
	rd_kafka_conf_set(conf, "heartbeat.interval.ms", "500", err, sizeof err);
	rd_kafka_conf_set(conf, "partition.assignment.strategy", "cooperative-sticky", err, sizeof err);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof err);
	assert_non_null(rk);
	return rk;
}
