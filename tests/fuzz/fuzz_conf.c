/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes of a configuration, it is taken or refused; what was taken can be dumped, the dump is
 * taken too, and dumps the same.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/mem.h"
#include "unit/conf_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *dump(const struct bg_conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	bg_conf_dump(c, f);
	fclose(f);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct bg_buf errs = {0};
	_cleanup_free_ char *first = NULL, *second = NULL, *text = NULL;
	struct bg_conf *c = NULL;

	/* Not terminated; and no path of this machine is read. */
	if (memmem(data, size, "file:", 5))
		return 0;
	text = bg_xmalloc(size);
	memcpy(text, data, size);
	if (bg_conf_load_mem("fuzz", text, size, test_tables, "blue-0", &c, &errs) < 0) {
		if (!errs.len || c)
			abort();
		return 0;
	}
	if (errs.len)
		abort();
	first = dump(c);
	bg_conf_free(c);
	c = NULL;
	if (bg_conf_load_mem("dump", first, strlen(first), test_tables, NULL, &c, &errs) < 0) {
		/* Two values joined, or one with %i replaced, may be too long for a line now: that is said. */
		if (!strstr(errs.s, "the line has "))
			abort();
		return 0;
	}
	second = dump(c);
	if (strcmp(first, second))
		abort();
	bg_conf_free(c);
	return 0;
}
