/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledger lines are foreign bytes. Whatever they are, a line is parsed or refused; and what the scan takes,
 * json-c must take too, to the same meaning.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bg-verify/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct vf_str a, struct vf_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Not terminated, as in the reader's buffer: a read beyond the end shows under the sanitizer. */
	char *text = malloc(size ? size : 1);
	struct vf_line a, b;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (vf_line_scan(text, size, &a)) {
		if (vf_line_json(text, size, &b, NULL) < 0 || a.kind != b.kind || a.t != b.t ||
		    a.epoch != b.epoch || a.partition != b.partition || a.offset != b.offset ||
		    a.seq != b.seq || a.color != b.color || !same(a.instance, b.instance) ||
		    !same(a.topic, b.topic))
			abort();
		vf_line_free(&b);
		vf_line_free(&a);
	} else if (vf_line_json(text, size, &b, NULL) == 0) {
		vf_line_free(&b);
	}
	free(text);
	return 0;
}
