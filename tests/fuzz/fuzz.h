/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Must hold, whatever the input; libFuzzer keeps the input when it does not. */
#define FUZZ_MUST(cond)                                                                                      \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);            \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* A copy of its very length, not terminated: a read beyond the end shows under the sanitizer. */
static inline char *fuzz_bytes(const uint8_t *data, size_t size)
{
	char *p = bg_xmalloc(size);

	memcpy(p, data, size);
	return p;
}

/* The same as a string; ends at the first NUL. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	return bg_xstrndup((const char *)data, size);
}

static char fuzz_dir_path[64];

static inline void fuzz_dir_remove(void)
{
	_cleanup_free_ char *cmd = bg_xasprintf("rm -rf '%s'", fuzz_dir_path);

	if (system(cmd) != 0)
		fprintf(stderr, "%s stays behind\n", fuzz_dir_path);
}

/* A scratch folder, in memory where there is one (a target may fsync a thousand times a second); removed at the end. */
static inline const char *fuzz_dir(void)
{
	const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	if (!fuzz_dir_path[0]) {
		snprintf(fuzz_dir_path, sizeof(fuzz_dir_path), "%s/bg-fuzz.XXXXXX", root);
		FUZZ_MUST(mkdtemp(fuzz_dir_path));
		atexit(fuzz_dir_remove);
	}
	return fuzz_dir_path;
}

/* The file's whole content is `data`. */
static inline void fuzz_file(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "we");

	FUZZ_MUST(f);
	FUZZ_MUST(fwrite(data, 1, size, f) == size);
	FUZZ_MUST(fclose(f) == 0);
}

#endif
