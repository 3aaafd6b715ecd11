/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a configuration may get wrong: refused whole, with the place and what is allowed. */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <sys/resource.h>

#include "common/conf.h"
#include "common/mem.h"
#include "conf_table.h"

static const char good[] = "[consumer]\nswitch=o\n";

/* The errors of this text; never NULL. */
static char *refused_n(const char *text, size_t len, const char *instance)
{
	struct bg_buf errs = {0};
	struct bg_conf *c = (void *)1;

	if (bg_conf_load_mem("t.ini", text, len, test_tables, instance, &c, &errs) != -EINVAL)
		fail_msg("was taken: %.*s", (int)BG_MIN(len, (size_t)200), text);
	assert_ptr_equal(c, (void *)1);
	assert_true(errs.len > 0 && errs.s[errs.len - 1] == '\n');
	return errs.s;
}

static char *refused(const char *text)
{
	return refused_n(text, strlen(text), "blue-0");
}

/* Appended to a good text: exactly these errors. */
static void test_exact(void **state)
{
	static const struct {
		const char *text, *errs;
	} rows[] = {
		/* unknown names, with the nearest */
		{"swtich = x\n", "t.ini:3: [consumer] swtich: unknown key; did you mean \"switch\"?\n"},
		{"Mode = plain\n", "t.ini:3: [consumer] Mode: unknown key; did you mean \"mode\"?\n"},
		{"zzzzzz = x\n", "t.ini:3: [consumer] zzzzzz: unknown key\n"},
		{"listen = x\n", "t.ini:3: [consumer] listen: unknown key; it belongs into [http]\n"},
		{"soak = 1 s\n", "t.ini:3: [consumer] soak: unknown key; it belongs into [switch:NAME]\n"},
		{"[htp]\nx=1\ny=2\n", "t.ini:3: [htp]: unknown section; did you mean [http]?\n"},
		{"[HTTP]\n", "t.ini:3: [HTTP]: unknown section\n"},
		{"[ http ]\n", "t.ini:3: [ http ]: unknown section; did you mean [http]?\n"},
		{"[swich:a]\n", "t.ini:3: [swich:a]: unknown section; did you mean [switch:NAME]?\n"},
		{"[switch]\n", "t.ini:3: [switch]: the section needs a name: [switch:NAME]\n"},
		{"[instance]\n", "t.ini:3: [instance]: the section needs a name: [instance:NAME]\n"},
		{"[switch:]\n", "t.ini:3: [switch:]: unknown section; did you mean [switch:NAME]?\n"},
		{"[switch:a b]\ntopics=x\n",
		 "t.ini:3: [switch:a b]: bad name after the colon, allowed: 1 to 63 of a-z, 0-9, \".\", \"_\", \"-\", "
		 "first a letter or digit\n"},
		{"[handler:exec]\n",
		 "t.ini:3: [handler:exec]: unknown section; did you mean [handler:log]?\n"},
		{"[handler:lg]\n", "t.ini:3: [handler:lg]: unknown section; did you mean [handler:log]?\n"},
		{"[store:log]\n", "t.ini:3: [store:log]: unknown section; did you mean [store]?\n"},
		/* types and limits */
		{"count = 11\n", "t.ini:3: [consumer] count: \"11\" is out of range, allowed: -10 to 10\n"},
		{"count = -11\n", "t.ini:3: [consumer] count: \"-11\" is out of range, allowed: -10 to 10\n"},
		{"count = five\n",
		 "t.ini:3: [consumer] count: \"five\" is not a whole number, allowed: -10 to 10\n"},
		{"count = 99999999999999999999\n",
		 "t.ini:3: [consumer] count: \"99999999999999999999\" is too large a number, allowed: -10 to 10\n"},
		{"count =\n", "t.ini:3: [consumer] count: the value is empty, allowed: -10 to 10\n"},
		{"wait = 10\n",
		 "t.ini:3: [consumer] wait: \"10\" is not understood; a duration has a unit: us, ms, s, min, h or d (as in "
		 "\"500 ms\"), allowed: 1 ms to 1 min\n"},
		{"wait = 2 min\n",
		 "t.ini:3: [consumer] wait: \"2 min\" is out of range, allowed: 1 ms to 1 min\n"},
		{"wait = 0\n", "t.ini:3: [consumer] wait: \"0\" is out of range, allowed: 1 ms to 1 min\n"},
		{"size = 1 K\n",
		 "t.ini:3: [consumer] size: \"1 K\" is not understood; a size is bytes, or has a unit: B, KiB, MiB, GiB, TiB, kB, MB, "
		 "GB or TB, allowed: 1 KiB to 1 GiB\n"},
		{"size = 1\n", "t.ini:3: [consumer] size: \"1\" is out of range, allowed: 1 KiB to 1 GiB\n"},
		{"rate = 1.5\n", "t.ini:3: [consumer] rate: \"1.5\" is out of range, allowed: 0 to 1\n"},
		{"rate = nan\n", "t.ini:3: [consumer] rate: \"nan\" is not a number, allowed: 0 to 1\n"},
		{"yes = maybe\n",
		 "t.ini:3: [consumer] yes: \"maybe\" is neither yes nor no, allowed: yes, no\n"},
		{"mode = plian\n",
		 "t.ini:3: [consumer] mode: \"plian\" is not known (did you mean \"plain\"?), allowed: handover, plain\n"},
		{"mode = x\n", "t.ini:3: [consumer] mode: \"x\" is not known, allowed: handover, plain\n"},
		{"topics =\n", "t.ini:3: [consumer] topics: the value is empty\n"},
		/* twice */
		{"switch = p\n", "t.ini:3: [consumer] switch: the key is there twice, first in line 2\n"},
		{"[log]\n[consumer]\nswitch = p\n",
		 "t.ini:5: [consumer] switch: the key is there twice, first in line 2\n"},
		{"[kafka]\nacks=1\nacks=1\n",
		 "t.ini:5: [kafka] acks: the key is there twice, first in line 4\n"},
		{"count = x\ncount = y\n",
		 "t.ini:3: [consumer] count: \"x\" is not a whole number, allowed: -10 to 10\n"
		 "t.ini:4: [consumer] count: the key is there twice, first in line 3\n"},
		/* missing */
		{"[switch:a]\n", "t.ini:3: [switch:a] topics: is missing, needed: list\n"},
		/* %i and file: */
		{"text = 100%\n",
		 "t.ini:3: [consumer] text: a percent sign is written %%, and %i is the instance name\n"},
		{"text = %x\n",
		 "t.ini:3: [consumer] text: a percent sign is written %%, and %i is the instance name\n"},
		{"text = file:/nonexistent/f\n",
		 "t.ini:3: [consumer] text: cannot read /nonexistent/f: No such file or directory\n"},
		{"text = file:/\n", "t.ini:3: [consumer] text: cannot read /: Is a directory\n"},
		{"text = file:/dev/null\n",
		 "t.ini:3: [consumer] text: cannot read /dev/null: not a regular file\n"},
		{"text = file:x\n",
		 "t.ini:3: [consumer] text: file: needs an absolute path, as in file:/path\n"},
		{"[kafka]\nx = file:/nonexistent/f\n",
		 "t.ini:4: [kafka] x: cannot read /nonexistent/f: No such file or directory\n"},
		/* what inih would bend */
		{"nokey\n",
		 "t.ini:3: [consumer]: a key without \"=\"; a line is [section], key = value, or a comment after # or ;\n"},
		{"key: v\n",
		 "t.ini:3: [consumer]: a key without \"=\"; a line is [section], key = value, or a comment after # or ;\n"},
		{"a:b = v\n",
		 "t.ini:3: [consumer]: a key without \"=\"; a line is [section], key = value, or a comment after # or ;\n"},
		{"= v\n", "t.ini:3: [consumer]: a value without a key; a line is key = value\n"},
		{"a ;b = v\n",
		 "t.ini:3: [consumer]: a comment inside a key; a comment has a line of its own\n"},
		{"text = a ; b\n",
		 "t.ini:3: [consumer]: a \" ;\" or \" #\" inside a value is taken for a comment; a comment has a line of its own, "
		 "and a value with it goes into a file: key = file:/path\n"},
		{"text = ;b\n",
		 "t.ini:3: [consumer]: a \" ;\" or \" #\" inside a value is taken for a comment; a comment has a line of its own, "
		 "and a value with it goes into a file: key = file:/path\n"},
		{"text = a\t# b\n",
		 "t.ini:3: [consumer]: a \" ;\" or \" #\" inside a value is taken for a comment; a comment has a line of its own, "
		 "and a value with it goes into a file: key = file:/path\n"},
		{"text = a\n  b\n",
		 "t.ini:4: [consumer]: an indented line; continuation lines are not allowed, a key begins at the margin\n"},
		{" count = 1\n",
		 "t.ini:3: [consumer]: an indented line; continuation lines are not allowed, a key begins at the margin\n"},
		{"\t[log]\n",
		 "t.ini:3: [consumer]: an indented line; continuation lines are not allowed, a key begins at the margin\n"},
		{"[log\n", "t.ini:3: a section has no closing \"]\"; it is written [name]\n"},
		{"[]\n", "t.ini:3: a section has no name; it is written [name]\n"},
		{"[log] level = info\n",
		 "t.ini:3: text after the \"]\" of a section; a key has a line of its own\n"},
		{"[log]]\n", "t.ini:3: text after the \"]\" of a section; a key has a line of its own\n"},
		{"[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\nx=1\n",
		 "t.ini:3: the section's name has 50 bytes; at most 49 are allowed\n"},
		{"text = \xff\n", "t.ini:3: [consumer]: the line is not UTF-8\n"},
		{"text = \x01\n", "t.ini:3: not a text file: a byte of value 1\n"},
		{"text = \x1b[0m\n", "t.ini:3: not a text file: a byte of value 27\n"},
		{"# \x7f\n", "t.ini:3: not a text file: a byte of value 127\n"},
		/* overrides by instance */
		{"[instance:blue-0]\nzzz = 1\n",
		 "t.ini:4: [instance:blue-0] zzz: unknown key, allowed: any key, or section.key\n"},
		{"[instance:blue-0]\nlog.zzz = 1\n",
		 "t.ini:4: [instance:blue-0] log.zzz: unknown key, allowed: any key, or section.key\n"},
		{"[instance:blue-0]\nsize = 1 MiB\n",
		 "t.ini:4: [instance:blue-0] size: the key is in [consumer] and [store]; write section.key\n"},
		{"[instance:blue-0]\nsoak = 1 s\n[switch:a]\ntopics=t\n[switch:b]\ntopics=t\n",
		 "t.ini:4: [instance:blue-0] soak: the key is in [switch:a] and [switch:b]; write section.key\n"},
		{"[instance:blue-0]\nwait = 1 s\nwait = 2 s\n",
		 "t.ini:5: [instance:blue-0] wait: the key is there twice, first in line 4\n"},
		{"[instance:blue-0]\nwait = 1 s\nconsumer.wait = 2 s\n",
		 "t.ini:5: [instance:blue-0] consumer.wait: the key is there twice, first in line 4\n"},
		{"[instance:blue-0]\ncount = 11\n",
		 "t.ini:4: [consumer] count: \"11\" is out of range, allowed: -10 to 10\n"},
		{"[instance:green-9]\ncount = 11\n",
		 "t.ini:4: [consumer] count: \"11\" is out of range, allowed: -10 to 10\n"},
		{"[instance:Green]\ncount = 1\n",
		 "t.ini:3: [instance:Green]: bad name after the colon, allowed: 1 to 63 of a-z, 0-9, \".\", \"_\", \"-\", "
		 "first a letter or digit\n"},
		{"[instance:blue-0]\nswitch.none.soak = 1 s\n",
		 "t.ini:4: [instance:blue-0] switch.none.soak: unknown key, allowed: any key, or section.key\n"},
	};

	(void)state;
	for (size_t i = 0; i < BG_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = bg_xasprintf("%s%s", good, rows[i].text);
		_cleanup_free_ char *errs = refused(text);

		if (strcmp(errs, rows[i].errs))
			fail_msg("%s\ngave  %s\nwants %s", rows[i].text, errs, rows[i].errs);
	}
}

static void test_missing(void **state)
{
	_cleanup_free_ char *empty = refused(""), *section = refused("\n[consumer]\n"),
			    *blank = refused("[consumer]\nswitch =\n");
	_cleanup_free_ char *before = refused("switch = o\n[consumer]\nswitch=o\n");

	(void)state;
	assert_string_equal(empty,
			    "t.ini: [consumer] switch: is missing (so is the section), needed: string\n");
	assert_string_equal(section, "t.ini:2: [consumer] switch: is missing, needed: string\n");
	assert_string_equal(blank, "t.ini:2: [consumer] switch: the value is empty\n");
	assert_string_equal(before, "t.ini:1: switch: a key before the first [section]\n");
}

/* A key that only the sections of others have: the name given by -i is what is wrong. */
static void test_missing_for_this_instance(void **state)
{
	static const char text[] = "[consumer]\nmode = plain\n[instance:blue-0]\nswitch = o\n";
	_cleanup_free_ char *other = refused_n(text, strlen(text), "blue-7");
	_cleanup_free_ char *none = refused_n("[consumer]\n", 11, "blue-7");

	(void)state;
	assert_string_equal(
		other,
		"t.ini:1: [consumer] switch: is missing, needed: string; there is no section [instance:blue-7]\n");
	assert_string_equal(none, "t.ini:1: [consumer] switch: is missing, needed: string\n");
}

static void test_instance_needed(void **state)
{
	static const char text[] = "[consumer]\nswitch=o-%i\n";
	_cleanup_free_ char *errs = refused_n(text, strlen(text), NULL);

	(void)state;
	assert_string_equal(errs, "t.ini:2: [consumer] switch: %i needs an instance name (-i)\n");
}

/* 199 bytes are one too many; what follows is still looked at. */
static void test_long_line(void **state)
{
	_cleanup_buf_ struct bg_buf b = {0};
	_cleanup_free_ char *errs = NULL;

	(void)state;
	bg_buf_puts(&b, "[consumer]\nswitch=o\ntext=");
	for (int i = 0; i < 194; i++)
		bg_buf_puts(&b, "x");
	bg_buf_puts(&b, "\ncount = 11\n");
	errs = refused(b.s);
	assert_string_equal(
		errs,
		"t.ini:3: [consumer]: the line has 199 bytes; at most 198 are allowed, a longer value goes into a "
		"file: key = file:/path\n"
		"t.ini:4: [consumer] count: \"11\" is out of range, allowed: -10 to 10\n");
}

static void test_ten_megabytes(void **state)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/big.ini", (const char *)*state), *want = NULL,
			    *part = malloc(1 << 20);
	_cleanup_buf_ struct bg_buf errs = {0};
	struct bg_conf *c = NULL;
	struct rusage before, after;
	FILE *f = fopen(path, "we");

	memset(part, 'x', 1 << 20);
	fputs("[consumer]\nswitch=o\ntext=", f);
	for (int i = 0; i < 10; i++)
		fwrite(part, 1, 1 << 20, f);
	fputs("\n", f);
	fclose(f);
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(bg_conf_load(path, test_tables, NULL, &c, &errs), -EINVAL);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 4096); /* KiB: it was not loaded whole */
	want = bg_xasprintf(
		"%s:3: [consumer]: the line has 10485765 bytes; at most 198 are allowed, a longer value goes into a "
		"file: key = file:/path\n",
		path);
	assert_string_equal(errs.s, want);
}

static void test_too_much(void **state)
{
	_cleanup_buf_ struct bg_buf keys = {0}, sections = {0}, bytes = {0};
	_cleanup_free_ char *e1 = NULL, *e2 = NULL, *e3 = NULL;

	(void)state;
	bg_buf_puts(&keys, good);
	bg_buf_puts(&sections, good);
	for (int i = 0; i < 10001; i++)
		bg_buf_puts(&keys, "topics=a\n");
	for (int i = 0; i < 1001; i++)
		bg_buf_printf(&sections, "[switch:s%d]\ntopics=a\n", i);
	for (int i = 0; i < 17 << 14; i++)
		bg_buf_puts(&bytes, "# 3456789012345678901234567890123456789012345678901234567890123\n");
	e1 = refused(keys.s);
	e2 = refused(sections.s);
	e3 = refused(bytes.s);
	assert_non_null(strstr(e1, "the file is too large; at most 16 MiB and 10000 keys are allowed\n"));
	assert_non_null(strstr(e2, "too many sections; at most 1000 are allowed\n"));
	assert_non_null(strstr(e3, "the file is too large"));
}

static void test_binary(void **state)
{
	static const char nul[] = "[consumer]\nswitch=o\0text=1\n";
	_cleanup_free_ char *errs = refused_n(nul, sizeof(nul) - 1, NULL), *noise = malloc(1 << 16);
	unsigned seed = 7;

	(void)state;
	assert_string_equal(errs, "t.ini:2: not a text file: a byte of value 0\n");
	for (int round = 0; round < 50; round++) {
		_cleanup_free_ char *e = NULL;

		for (int i = 0; i < 1 << 16; i++)
			noise[i] = (char)rand_r(&seed);
		e = refused_n(noise, 1 << 16, NULL);
		assert_true(strlen(e) < 4096);
	}
}

/* Every byte of a whole file replaced in turn: taken or refused with its place, never a crash. */
static void test_mutations(void **state)
{
	static const char text[] =
		"[consumer]\nswitch = o\ntopics = a\nwait = 1 s\n[kafka]\na.b = c\n[switch:x]\ntopics = %i\n[instance:blue-0]\nlog.level = info\n";
	static const char bytes[] = {'\0', '\n', '=', '[', ']', ':',        ';',
				     '#',  ' ',  '%', '.', 'x', (char)0xff, '\r'};

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (size_t k = 0; k < sizeof(bytes); k++) {
			_cleanup_buf_ struct bg_buf errs = {0};
			struct bg_conf *c = NULL;
			char copy[sizeof(text)];
			int rc;

			memcpy(copy, text, sizeof(text));
			copy[i] = bytes[k];
			rc = bg_conf_load_mem("t.ini", copy, sizeof(text) - 1, test_tables, "blue-0", &c,
					      &errs);
			assert_int_equal(rc == 0, errs.len == 0);
			assert_int_equal(rc == 0, c != NULL);
			if (rc < 0)
				assert_memory_equal(errs.s, "t.ini:", 6);
			bg_conf_free(c);
		}
	}
}

static void test_at_most_20(void **state)
{
	_cleanup_buf_ struct bg_buf b = {0};

	(void)state;
	bg_buf_puts(&b, good);
	for (int n = 1; n <= 25; n++) {
		_cleanup_free_ char *errs = NULL;
		int lines = 0;

		bg_buf_printf(&b, "bad%d = 1\n", n);
		errs = refused(b.s);
		for (const char *p = errs; *p; p++)
			lines += *p == '\n';
		assert_int_equal(lines, BG_MIN(n, 20));
		if (n == 20)
			assert_non_null(strstr(errs, "bad20: unknown key\n"));
		if (n == 25)
			assert_non_null(strstr(errs, "t.ini: and 6 more errors\n"));
	}
}

/* Secrets do not turn up in messages. */
static void test_secret_silent(void **state)
{
	_cleanup_free_ char *errs = refused(
		"[consumer]\nswitch=o\nsecret-text = hush ; hush\n[kafka]\nsasl.password = hush # x\nsasl.password=hush\nsasl.password=hush\n");

	(void)state;
	assert_null(strstr(errs, "hush"));
}

/* A file:/path without an end of line in its first 64 KiB is no value. */
static void test_endless_value(void **state)
{
	_cleanup_free_ char *path = bg_xasprintf("%s/long", (const char *)*state), *data = malloc(65537);
	_cleanup_free_ char *text = bg_xasprintf("%stext = file:%s\n", good, path);
	_cleanup_free_ char *want =
		bg_xasprintf("t.ini:3: [consumer] text: cannot read %s: File too large\n", path);
	_cleanup_free_ char *errs = NULL;

	memset(data, 'x', 65537);
	unit_write(path, data, 65537);
	errs = refused(text);
	assert_string_equal(errs, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_missing_for_this_instance),
		cmocka_unit_test(test_instance_needed),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_ten_megabytes),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_at_most_20),
		cmocka_unit_test(test_secret_silent),
		cmocka_unit_test(test_endless_value),
	};

	return cmocka_run_group_tests(tests, unit_tmpdir, unit_tmpdir_gone);
}
