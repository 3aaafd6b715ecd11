/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/mem.h"
#include "common/statefile.h"

static const char payload[] = "{\"epoch\":7,\"side\":\"active\",\"switch\":\"orders\"}\n";
#define PAYLOAD_LEN (sizeof(payload) - 1)

static char *path_of(void **state, const char *name)
{
	return bg_xasprintf("%s/%s", (const char *)*state, name);
}

/* A file's bytes; NULL when it is not there. */
static char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *buf;

	if (!f)
		return NULL;
	buf = calloc(1, 1 << 20);
	*len = fread(buf, 1, 1 << 20, f);
	fclose(f);
	return buf;
}

static size_t count_files(const char *dir, const char *prefix, bool remove_them)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		n++;
		if (remove_them)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	return n;
}

static uint32_t crc_slow(const unsigned char *p, size_t len)
{
	uint32_t c = ~0u;

	while (len--) {
		c ^= *p++;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
	}
	return ~c;
}

static void test_crc(void **state)
{
	unsigned char buf[100];

	(void)state;
	assert_int_equal(bg_crc32c(0, "", 0), 0);
	assert_true(bg_crc32c(0, "123456789", 9) == 0xe3069283u);
	memset(buf, 0, 32);
	assert_true(bg_crc32c(0, buf, 32) == 0x8a9136aau); /* RFC 3720, B.4 */
	memset(buf, 0xff, 32);
	assert_true(bg_crc32c(0, buf, 32) == 0x62a8ab43u);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (unsigned char)(i * 37 + 11);
	for (size_t off = 0; off < 9; off++)
		for (size_t len = 0; len + off <= sizeof(buf); len++) {
			assert_true(bg_crc32c(0, buf + off, len) == crc_slow(buf + off, len));
			/* in two parts as in one */
			assert_true(bg_crc32c(bg_crc32c(0, buf + off, len / 3), buf + off + len / 3,
					      len - len / 3) == crc_slow(buf + off, len));
		}
}

static void test_round_trip(void **state)
{
	_cleanup_free_ char *path = path_of(state, "s.json"), *data = NULL, *raw = NULL,
			    *tmp = path_of(state, "s.json.tmp");
	struct bg_err e = BG_ERR_INIT;
	size_t len = 99;
	struct stat st;

	assert_int_equal(bg_state_read(path, &data, &len, &e), -ENOENT);
	assert_null(data);
	assert_non_null(strstr(e.msg, path));
	assert_int_equal(bg_state_write(path, payload, PAYLOAD_LEN, &e), 0);
	assert_int_equal(bg_state_read(path, &data, &len, &e), 0);
	assert_int_equal(len, PAYLOAD_LEN);
	assert_string_equal(data, payload);
	raw = slurp(path, &len);
	assert_memory_equal(raw, "bg1 crc32c=", 11);
	assert_string_equal(strchr(raw, '\n') + 1, payload);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07007, 0);
	assert_int_equal(access(tmp, F_OK), -1);
	/* Replaced whole, shorter and empty ones too. */
	assert_int_equal(bg_state_write(path, "{}", 2, &e), 0);
	free(data);
	assert_int_equal(bg_state_read(path, &data, &len, &e), 0);
	assert_string_equal(data, "{}");
	assert_int_equal(bg_state_write(path, "", 0, &e), 0);
	free(data);
	assert_int_equal(bg_state_read(path, &data, &len, &e), 0);
	assert_int_equal(len, 0);
	assert_string_equal(data, "");
	assert_int_equal(bg_state_write(path, "a\0b", 3, &e), 0);
	free(data);
	assert_int_equal(bg_state_read(path, &data, &len, &e), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "a\0b", 4);
}

/* Write `raw` as the state file, read it, expect that the damage is found, said, and the file kept aside. */
static void expect_damaged(void **state, const char *path, const char *raw, size_t len)
{
	struct bg_err e = BG_ERR_INIT;
	_cleanup_free_ char *kept = NULL;
	char *data = (char *)1, *aside;
	size_t n = 77, kept_len = 0;

	unit_write(path, raw, len);
	if (bg_state_read(path, &data, &n, &e) != -EBADMSG)
		fail_msg("damage not found in %zu bytes: %.*s", len, (int)len, raw);
	assert_ptr_equal(data, (char *)1);
	assert_int_equal(n, 77);
	assert_string_equal(e.code, "state_damaged");
	assert_int_equal(access(path, F_OK), -1);
	aside = strstr(e.msg, "moved to ");
	assert_non_null(aside);
	kept = slurp(aside + strlen("moved to "), &kept_len);
	assert_non_null(kept);
	assert_int_equal(kept_len, len);
	assert_memory_equal(kept, raw, len);
	assert_int_equal(count_files(*state, "d.json.damaged-", true), 1);
	assert_int_equal(bg_state_read(path, &data, &n, &e), -ENOENT);
}

static void test_every_byte(void **state)
{
	_cleanup_free_ char *path = path_of(state, "d.json"), *raw = NULL;
	size_t len = 0;

	assert_int_equal(bg_state_write(path, payload, PAYLOAD_LEN, NULL), 0);
	raw = slurp(path, &len);
	for (size_t i = 0; i < len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			raw[i] = (char)(raw[i] ^ 1 << bit);
			expect_damaged(state, path, raw, len);
			raw[i] = (char)(raw[i] ^ 1 << bit);
		}
		/* set to '0', to a newline and to zero */
		for (size_t k = 0; k < 3; k++) {
			const char *c = &"0\n"[k];
			char was = raw[i];

			if (*c == was)
				continue;
			raw[i] = *c;
			expect_damaged(state, path, raw, len);
			raw[i] = was;
		}
	}
}

static void test_every_length(void **state)
{
	_cleanup_free_ char *path = path_of(state, "d.json"), *raw = NULL;
	size_t len = 0;

	assert_int_equal(bg_state_write(path, payload, PAYLOAD_LEN, NULL), 0);
	raw = slurp(path, &len);
	for (size_t n = 0; n < len; n++)
		expect_damaged(state, path, raw, n);
	/* and longer: a byte more, the file twice, zeroes as after a crash of the machine */
	expect_damaged(state, path, raw, len + 1);
	memcpy(raw + len, raw, len);
	expect_damaged(state, path, raw, 2 * len);
	memset(raw, 0, len);
	expect_damaged(state, path, raw, len);
	expect_damaged(state, path, raw, 4096);
	unit_write(path, "{\"epoch\":7}", 11);
	expect_damaged(state, path, "{\"epoch\":7}", 11);
}

static void test_aside_names(void **state)
{
	_cleanup_free_ char *path = path_of(state, "n.json"), *data = NULL;
	size_t n;

	for (int i = 0; i < 5; i++) {
		unit_write(path, "x", 1);
		assert_int_equal(bg_state_read(path, &data, &n, NULL), -EBADMSG);
	}
	/* one second holds several: none is overwritten */
	assert_int_equal(count_files(*state, "n.json.damaged-", true), 5);
}

static void test_write_errors(void **state)
{
	_cleanup_free_ char *none = path_of(state, "none/s.json"), *dir = path_of(state, "dir"), *data = NULL;
	struct bg_err e = BG_ERR_INIT;
	size_t n;

	assert_int_equal(bg_state_write(none, "x", 1, &e), -ENOENT);
	assert_non_null(strstr(e.msg, none));
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_true(bg_state_write(dir, "x", 1, &e) < 0);
	assert_int_equal(count_files(*state, "dir.tmp", false), 0);
	assert_int_equal(bg_state_read(dir, &data, &n, &e), -EISDIR);
	assert_int_equal(rmdir(dir), 0);
	if (access("/dev/full", W_OK) == 0) {
		_cleanup_free_ char *link = path_of(state, "f.tmp"), *f = path_of(state, "f");

		/* A link in the place of the temporary file is not followed. */
		assert_int_equal(symlink("/dev/full", link), 0);
		assert_true(bg_state_write(f, "x", 1, &e) < 0);
	}
}

/* The old content stays whole when the process dies before the rename. */
static void test_torn_write(void **state)
{
	_cleanup_free_ char *path = path_of(state, "t.json"), *tmp = path_of(state, "t.json.tmp"),
			    *data = NULL;
	size_t n;

	assert_int_equal(bg_state_write(path, payload, PAYLOAD_LEN, NULL), 0);
	unit_write(tmp, "bg1 crc3", 8);
	assert_int_equal(bg_state_read(path, &data, &n, NULL), 0);
	assert_string_equal(data, payload);
	assert_int_equal(bg_state_write(path, "{}", 2, NULL), 0);
	assert_int_equal(access(tmp, F_OK), -1);
	free(data);
	assert_int_equal(bg_state_read(path, &data, &n, NULL), 0); /* nothing of the torn one is left in it */
	assert_string_equal(data, "{}");
}

static void test_mkdirs(void **state)
{
	_cleanup_free_ char *deep = path_of(state, "a/b//c"), *file = path_of(state, "file"),
			    *below = path_of(state, "file/x");
	struct bg_err e = BG_ERR_INIT;
	struct stat st;

	assert_int_equal(bg_mkdirs(deep, &e), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07, 0);
	assert_int_equal(bg_mkdirs(deep, &e), 0);
	assert_int_equal(bg_mkdirs("/", &e), 0);
	unit_write(file, "", 0);
	assert_int_equal(bg_mkdirs(file, &e), -ENOTDIR);
	assert_int_equal(bg_mkdirs(below, &e), -ENOTDIR);
	assert_non_null(strstr(e.msg, file));
}

static void test_lock(void **state)
{
	_cleanup_free_ char *path = path_of(state, "lock"), *none = path_of(state, "none/lock");
	struct bg_err e = BG_ERR_INIT;
	char pid[32];
	int fd = bg_lock_file(path, &e), status;
	pid_t child;

	assert_true(fd >= 0);
	assert_int_equal(bg_lock_file(path, &e), -EWOULDBLOCK);
	snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
	assert_non_null(strstr(e.msg, pid));
	assert_string_equal(e.code, "locked");
	child = fork();
	if (child == 0) {
		status = bg_lock_file(path, NULL) == -EWOULDBLOCK ? 0 : 1;
		free(path);
		free(none);
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	fd = bg_lock_file(path, &e);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(bg_lock_file(none, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),         cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_byte),  cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_aside_names), cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_torn_write),  cmocka_unit_test(test_mkdirs),
		cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests(tests, unit_tmpdir, unit_tmpdir_gone);
}
