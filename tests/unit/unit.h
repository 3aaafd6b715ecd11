/* SPDX-License-Identifier: Apache-2.0 */
/* What every cmocka program here needs before <cmocka.h>, and a folder of its own that goes with it. */
#ifndef BG_TESTS_UNIT_H
#define BG_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <unistd.h>

#include <cmocka.h>

static inline int unit_rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* Group set-up: *state is the folder's path. */
static inline int unit_tmpdir(void **state)
{
	char *path = strdup("/tmp/bg-unit-XXXXXX");

	*state = path;
	return path && mkdtemp(path) ? 0 : -1;
}

static inline int unit_tmpdir_gone(void **state)
{
	nftw(*state, unit_rm_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static inline void unit_write(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

#endif
