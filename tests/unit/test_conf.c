/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's values: types, defaults, overrides, file:/path, dump, diff. What is refused: test_conf_bad.c. */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/conf.h"
#include "common/mem.h"
#include "conf_table.h"

static struct bg_conf *load(const char *text, const char *instance)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *c = NULL;

	if (bg_conf_load_mem("t.ini", text, strlen(text), test_tables, instance, &c, &errs) < 0)
		fail_msg("refused: %s", errs.s);
	assert_int_equal(errs.len, 0);
	return c;
}

static void test_types(void **state)
{
	struct bg_conf *c = load(
		"# comment\n; another, with = and [x]\n\n\t# indented comment\n[consumer]\n"
		"switch = orders\ntopics = a\ntopics=b\nmode=plain\nyes = on\ncount = -5\nwait = 500 ms\nsize = 64 KiB\n"
		"rate = 0.25\ntext =  with  blanks = and ' \"signs\"  \r\n",
		NULL);

	(void)state;
	assert_string_equal(bg_conf_str(c, "consumer", "switch"), "orders");
	assert_int_equal(bg_conf_list_len(c, "consumer", "topics"), 2);
	assert_string_equal(bg_conf_list_at(c, "consumer", "topics", 0), "a");
	assert_string_equal(bg_conf_list_at(c, "consumer", "topics", 1), "b");
	assert_null(bg_conf_list_at(c, "consumer", "topics", 2));
	assert_string_equal(bg_conf_str(c, "consumer", "mode"), "plain");
	assert_true(bg_conf_bool(c, "consumer", "yes"));
	assert_true(bg_conf_int(c, "consumer", "count") == -5);
	assert_true(bg_conf_int(c, "consumer", "wait") == 500000);
	assert_true(bg_conf_int(c, "consumer", "size") == 65536);
	assert_true(bg_conf_double(c, "consumer", "rate") == 0.25);
	assert_string_equal(bg_conf_str(c, "consumer", "text"), "with  blanks = and ' \"signs\"");
	assert_true(bg_conf_is_set(c, "consumer", "count"));
	assert_string_equal(bg_conf_where(c, "consumer", "count"), "t.ini:11: [consumer] count");
	bg_conf_free(c);
	bg_conf_free(NULL);
}

static void test_defaults(void **state)
{
	struct bg_conf *c = load("[consumer]\nswitch=o\n", NULL);

	(void)state;
	assert_string_equal(bg_conf_str(c, "consumer", "mode"), "handover");
	assert_true(bg_conf_int(c, "consumer", "wait") == 10000000);
	assert_true(bg_conf_int(c, "consumer", "count") == 0); /* no default: 0, and not set */
	assert_false(bg_conf_is_set(c, "consumer", "count"));
	assert_false(bg_conf_is_set(c, "consumer", "wait"));
	assert_null(bg_conf_str(c, "consumer", "text"));
	assert_int_equal(bg_conf_list_len(c, "consumer", "topics"), 0);
	assert_int_equal(bg_conf_list_len(c, "consumer", "defaults"), 2);
	assert_string_equal(bg_conf_list_at(c, "consumer", "defaults", 1), "two");
	assert_string_equal(bg_conf_where(c, "consumer", "wait"), "t.ini: [consumer] wait");
	/* The daemon's row hides the common one, the others of the section stay. */
	assert_string_equal(bg_conf_str(c, "http", "listen"), "127.0.0.1:8080");
	assert_true(bg_conf_int(c, "http", "max-connections") == 1024);
	assert_string_equal(bg_conf_str(c, "control", "socket"), "none");
	assert_string_equal(bg_conf_str(c, "log", "level"), "info");
	assert_null(bg_conf_name_at(c, "switch", 0));
	bg_conf_free(c);
}

static void test_odd_but_good(void **state)
{
	char line[260] = "\xef\xbb\xbf[consumer]\nswitch = ", comment[6000];
	struct bg_conf *c;

	(void)state;
	/* byte order mark, a line of just the limit, no newline at the end */
	memset(line + strlen(line), 'x', 198 - strlen("switch = "));
	c = load(line, NULL);
	assert_int_equal(strlen(bg_conf_str(c, "consumer", "switch")), 189);
	bg_conf_free(c);
	/* a comment may be of any length and of any words; a section may come twice if its keys do not */
	memset(comment, '=', sizeof(comment) - 1);
	comment[0] = '#';
	strcpy(comment + sizeof(comment) - 64, "\n[consumer] ; text\nswitch=o\n[log]\n[consumer]\nyes=1\n");
	c = load(comment, NULL);
	assert_true(bg_conf_bool(c, "consumer", "yes"));
	assert_string_equal(bg_conf_str(c, "consumer", "switch"), "o");
	bg_conf_free(c);
	/* ; and # without a blank before are part of the value; an empty string is one */
	c = load("[consumer]\nswitch=a;b#c\ntext =\n", NULL);
	assert_string_equal(bg_conf_str(c, "consumer", "switch"), "a;b#c");
	assert_string_equal(bg_conf_str(c, "consumer", "text"), "");
	assert_true(bg_conf_is_set(c, "consumer", "text"));
	bg_conf_free(c);
}

static void test_named(void **state)
{
	struct bg_conf *c = load(
		"[switch:pay]\ntopics=p\n[consumer]\nswitch=o\n[switch:orders]\nsoak = 5 s\ntopics = a\n[handler:log]\n",
		NULL);

	(void)state;
	assert_string_equal(bg_conf_name_at(c, "switch", 0), "pay");
	assert_string_equal(bg_conf_name_at(c, "switch", 1), "orders");
	assert_null(bg_conf_name_at(c, "switch", 2));
	assert_string_equal(bg_conf_name_at(c, "handler", 0), "log");
	assert_true(bg_conf_int(c, "switch:pay", "soak") == 60000000);
	assert_true(bg_conf_int(c, "switch:orders", "soak") == 5000000);
	assert_string_equal(bg_conf_list_at(c, "switch:pay", "topics", 0), "p");
	bg_conf_free(c);
}

static void test_pass(void **state)
{
	struct bg_conf *c = load(
		"[consumer]\nswitch=o\n[kafka]\nbootstrap.servers = a:1\nclient.id = 100%i\nbootstrap.servers = b:2\nempty =\n",
		"blue-0");
	const char *value;
	int line;

	(void)state;
	assert_string_equal(bg_conf_pass_at(c, "kafka", 0, &value, &line), "bootstrap.servers");
	assert_string_equal(value, "a:1,b:2");
	assert_int_equal(line, 4);
	assert_string_equal(bg_conf_pass_at(c, "kafka", 1, &value, &line), "client.id");
	assert_string_equal(value, "100%i"); /* nothing is replaced here */
	assert_int_equal(line, 5);
	assert_string_equal(bg_conf_pass_at(c, "kafka", 2, &value, NULL), "empty");
	assert_string_equal(value, "");
	assert_null(bg_conf_pass_at(c, "kafka", 3, NULL, NULL));
	assert_null(bg_conf_pass_at(c, "none", 0, NULL, NULL));
	assert_string_equal(bg_conf_where(c, "kafka", "client.id"), "t.ini:5: [kafka] client.id");
	assert_string_equal(bg_conf_where(c, "kafka", "acks"), "t.ini: [kafka] acks");
	bg_conf_free(c);
}

static void test_instance_name(void **state)
{
	static const char text[] = "[consumer]\nswitch=o-%i\ntext=50%%-%i%%\n";
	struct bg_conf *c = load(text, "blue-0");

	(void)state;
	assert_string_equal(bg_conf_str(c, "consumer", "switch"), "o-blue-0");
	assert_string_equal(bg_conf_str(c, "consumer", "text"), "50%-blue-0%");
	assert_string_equal(bg_conf_str(c, "consumer", "socket"), "/run/x/consumerd-blue-0.sock");
	assert_string_equal(bg_conf_str(c, "consumer", "dir"), "/var/x/blue-0");
	bg_conf_free(c);
	/* A default goes without the name when there is none. */
	c = load("[consumer]\nswitch=o\n", NULL);
	assert_string_equal(bg_conf_str(c, "consumer", "socket"), "/run/x/consumerd.sock");
	assert_string_equal(bg_conf_str(c, "consumer", "dir"), "/var/x");
	bg_conf_free(c);
}

static void test_override(void **state)
{
	static const char text[] =
		"[instance:blue-0]\nwait = 2 s\ntopics = x\nlisten = 127.0.0.1:1\nlog.level = debug\n"
		"kafka.client.id = me\nswitch.orders.soak = 1 s\n"
		"[consumer]\nswitch=o\nwait = 1 s\ntopics = a\ntopics = b\n[kafka]\nclient.id = all\nacks = 1\n"
		"[switch:orders]\ntopics=t\n[instance:green-0]\nwait = 3 s\nkafka.debug = all\nconsumer.topics = %i\n";
	struct bg_conf *c = load(text, "blue-0");
	const char *value;

	(void)state;
	assert_true(bg_conf_int(c, "consumer", "wait") == 2000000);
	assert_string_equal(bg_conf_where(c, "consumer", "wait"), "t.ini:2: [consumer] wait");
	assert_int_equal(bg_conf_list_len(c, "consumer", "topics"), 1); /* the whole list */
	assert_string_equal(bg_conf_list_at(c, "consumer", "topics", 0), "x");
	assert_string_equal(bg_conf_str(c, "http", "listen"), "127.0.0.1:1");
	assert_string_equal(bg_conf_str(c, "log", "level"), "debug");
	assert_string_equal(bg_conf_pass_at(c, "kafka", 0, &value, NULL), "client.id");
	assert_string_equal(value, "me");
	assert_string_equal(bg_conf_pass_at(c, "kafka", 1, &value, NULL), "acks");
	assert_null(bg_conf_pass_at(c, "kafka", 2, &value, NULL)); /* debug is green's */
	assert_true(bg_conf_int(c, "switch:orders", "soak") == 1000000);
	bg_conf_free(c);
	c = load(text, "green-0");
	assert_true(bg_conf_int(c, "consumer", "wait") == 3000000);
	assert_string_equal(bg_conf_list_at(c, "consumer", "topics", 0), "green-0");
	assert_string_equal(bg_conf_pass_at(c, "kafka", 2, &value, NULL), "debug");
	bg_conf_free(c);
	c = load(text, "blue-7"); /* has no section of its own */
	assert_true(bg_conf_int(c, "consumer", "wait") == 1000000);
	assert_int_equal(bg_conf_list_len(c, "consumer", "topics"), 2);
	bg_conf_free(c);
	c = load(text, NULL);
	assert_true(bg_conf_int(c, "consumer", "wait") == 1000000);
	bg_conf_free(c);
}

/* A required key may come from the instance's section alone. */
static void test_override_required(void **state)
{
	struct bg_conf *c = load("[instance:blue-0]\nswitch = o\n", "blue-0");

	(void)state;
	assert_string_equal(bg_conf_str(c, "consumer", "switch"), "o");
	bg_conf_free(c);
}

static void test_file_values(void **state)
{
	const char *dir = *state, *value;
	_cleanup_free_ char *one = bg_xasprintf("%s/one", dir), *i = bg_xasprintf("%s/blue-0.tok", dir),
			    *big = bg_xasprintf("%s/big", dir);
	_cleanup_free_ char *text =
		bg_xasprintf("[consumer]\nswitch = file:%s\nwait = file:%s/wait\ntext = file:%s/%%i.tok\n"
			     "topics = a\ntopics = file:%s/crlf\nsecret-text = file:%s\n"
			     "[kafka]\nsasl.jaas.config = file:%s\nclient.rack = file:%s\n",
			     one, dir, dir, dir, one, big, big);
	_cleanup_free_ char *wait = bg_xasprintf("%s/wait", dir), *crlf = bg_xasprintf("%s/crlf", dir),
			    *line = malloc(5001);
	_cleanup_free_ char *dump = NULL;
	struct bg_conf *c;
	size_t size;
	FILE *f;

	unit_write(one, "first %i ; # line\nsecond\n", 25);
	unit_write(wait, "2 s", 3);
	unit_write(i, "\n", 1);
	unit_write(crlf, "b\r\nc\r\n", 6);
	memset(line, 'k', 5000);
	line[5000] = '\n';
	unit_write(big, line, 5001);
	c = load(text, "blue-0");
	assert_string_equal(bg_conf_str(c, "consumer", "switch"),
			    "first %i ; # line"); /* not expanded any more */
	assert_true(bg_conf_int(c, "consumer", "wait") == 2000000);
	assert_string_equal(bg_conf_str(c, "consumer", "text"), "");
	assert_string_equal(bg_conf_list_at(c, "consumer", "topics", 1), "b");
	assert_string_equal(bg_conf_pass_at(c, "kafka", 0, &value, NULL), "sasl.jaas.config");
	assert_int_equal(strlen(value), 5000);
	f = open_memstream(&dump, &size);
	bg_conf_dump(c, f);
	fclose(f);
	/* A value that no line can hold is shown as its reference; a secret one not even so. */
	assert_non_null(strstr(dump, "\nclient.rack = file:"));
	assert_non_null(strstr(dump, "\nsasl.jaas.config = (secret)\n"));
	assert_non_null(strstr(dump, "\nsecret-text = (secret)\n"));
	assert_non_null(strstr(dump, "\nswitch = file:"));
	assert_null(strstr(dump, "kkkk"));
	bg_conf_free(c);
}

static void test_dump(void **state)
{
	struct bg_conf *c = load(
		"[consumer]\nswitch=o\ntopics=a\ntopics=b\nwait=60000 ms\nsize=2048\nyes=true\nsecret-text=hush\ntext=5%%\n"
		"[kafka]\nsasl.password=p\nssl.key.pem=p\nSASL.Client.SECRET=p\noauth.token=p\nclient.id=x%y\n[switch:a]\ntopics=t\n",
		NULL);
	struct bg_conf *again;
	_cleanup_free_ char *dump = NULL, *dump2 = NULL;
	size_t size;
	FILE *f = open_memstream(&dump, &size);

	(void)state;
	bg_conf_dump(c, f);
	fclose(f);
	assert_non_null(strstr(dump, "[consumer]\nswitch = o\ntopics = a\ntopics = b\n"));
	assert_non_null(strstr(dump, "\nwait = 1 min\n"));
	assert_non_null(strstr(dump, "\nsize = 2 KiB\n"));
	assert_non_null(strstr(dump, "\nyes = yes\n"));
	assert_non_null(strstr(dump, "\nsecret-text = (secret)\n"));
	assert_non_null(strstr(dump, "\ntext = 5%%\n"));
	assert_non_null(strstr(
		dump,
		"\nsasl.password = (secret)\nssl.key.pem = (secret)\nSASL.Client.SECRET = (secret)\noauth.token = (secret)\nclient.id = x%y\n"));
	assert_non_null(strstr(dump, "\n[switch:a]\nsoak = 1 min\ntopics = t\n"));
	assert_null(strstr(dump, "hush"));
	bg_conf_free(c);
	/* What was dumped can be loaded, and dumps the same. */
	again = load(dump, NULL);
	f = open_memstream(&dump2, &size);
	bg_conf_dump(again, f);
	fclose(f);
	assert_string_equal(dump, dump2);
	bg_conf_free(again);
}

static void test_describe(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t size, tabs = 0, lines = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	bg_conf_describe(test_tables, f);
	fclose(f);
	assert_non_null(strstr(text, "consumer\twait\tduration\t10 s\t1 ms to 1 min\tyes\tHow long.\n"));
	assert_non_null(strstr(text, "consumer\tmode\tword\thandover\thandover, plain\tno\t"));
	assert_non_null(strstr(text, "consumer\tswitch\tstring\t(required)\t\tno\t"));
	assert_non_null(strstr(text, "http\tlisten\tstring\t127.0.0.1:8080\t"));
	assert_null(strstr(text, "http\tlisten\tstring\tnone"));
	for (const char *p = text; *p; p++) {
		tabs += *p == '\t';
		lines += *p == '\n';
	}
	assert_int_equal(tabs, 6 * lines);
}

static void note(void *arg, const char *section, const char *key, bool reloadable)
{
	bg_buf_printf(arg, "%s.%s%s ", section, key, reloadable ? "+" : "");
}

static void test_diff(void **state)
{
	struct bg_conf *a = load(
		"[consumer]\nswitch=o\nwait=60 s\ntopics=a\ntopics=b\n[kafka]\nclient.id=x\n[switch:s]\ntopics=t\n",
		NULL);
	struct bg_conf *same = load(
		"[consumer]\nswitch = o\nwait = 1 min\ntopics=a\ntopics=b\nmode=handover\n[kafka]\nclient.id=x\n[switch:s]\ntopics=t\n[log]\nlevel=info\n",
		NULL);
	struct bg_conf *b = load(
		"[consumer]\nswitch=p\nwait=1 s\ntopics=b\ntopics=a\n[kafka]\nacks=1\n[switch:u]\ntopics=t\n[log]\nlevel=debug\n",
		NULL);
	_cleanup_buf_ struct bg_buf out = {0};

	(void)state;
	bg_conf_diff(a, same, note, &out);
	assert_int_equal(out.len, 0); /* written otherwise, meaning the same */
	bg_conf_diff(a, b, note, &out);
	assert_string_equal(out.s,
			    "consumer.switch consumer.topics consumer.wait+ kafka.acks log.level+ "
			    "switch:u.soak switch:u.topics kafka.client.id switch:s.soak switch:s.topics ");
	bg_conf_free(a);
	bg_conf_free(same);
	bg_conf_free(b);
}

static void test_load_file(void **state)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/c.ini", (const char *)*state),
			    *where = bg_xasprintf("%s:2: [consumer] switch", path);
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *c = NULL;

	unit_write(path, "[consumer]\nswitch = o\n", 22);
	assert_int_equal(bg_conf_load(path, test_tables, NULL, &c, &errs), 0);
	assert_string_equal(bg_conf_where(c, "consumer", "switch"), where);
	bg_conf_free(c);
	c = NULL;
	assert_int_equal(bg_conf_load(*state, test_tables, NULL, &c, &errs), -EISDIR);
	assert_int_equal(bg_conf_load("/nonexistent/x.ini", test_tables, NULL, &c, &errs), -ENOENT);
	assert_null(c);
	assert_non_null(strstr(errs.s, "/nonexistent/x.ini: cannot be opened: No such file or directory\n"));
}

/* Asking for what no table has is our bug, and must not go on as if it were unset. */
static void test_bug_aborts(void **state)
{
	struct bg_conf *c = load("[consumer]\nswitch=o\n", NULL);

	(void)state;
	for (int i = 0; i < 3; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
			signal(SIGABRT, SIG_DFL);
			close(STDERR_FILENO);
			if (i == 0)
				bg_conf_str(c, "consumer", "swtich");
			else if (i == 1)
				bg_conf_int(c, "consumer", "switch");
			else
				bg_conf_bool(c, "nowhere", "switch");
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
	bg_conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),        cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_odd_but_good), cmocka_unit_test(test_named),
		cmocka_unit_test(test_pass),         cmocka_unit_test(test_instance_name),
		cmocka_unit_test(test_override),     cmocka_unit_test(test_override_required),
		cmocka_unit_test(test_file_values),  cmocka_unit_test(test_dump),
		cmocka_unit_test(test_describe),     cmocka_unit_test(test_diff),
		cmocka_unit_test(test_load_file),    cmocka_unit_test(test_bug_aborts),
	};

	return cmocka_run_group_tests(tests, unit_tmpdir, unit_tmpdir_gone);
}
