/* SPDX-License-Identifier: Apache-2.0 */
/* Event streams that bgctl follows: whole or byte by byte, the same events come out, with the same ids. */
#include "config.h"

#include "bgctl/sse.h"
#include "fuzz/fuzz.h"

static int on_event(void *arg, const char *type, int64_t id, const char *data, size_t len)
{
	struct bg_buf *b = arg;

	FUZZ_MUST(*type && strlen(type) < 64 && id >= -1 && data[len] == '\0');
	bg_buf_printf(b, "%s %lld %zu ", type, (long long)id, len);
	bg_buf_add(b, data, len);
	bg_buf_puts(b, "\n");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_bytes(data, size);
	_cleanup_buf_ struct bg_buf whole = {0}, bytes = {0};
	struct sse a = {.id = -1}, b = {.id = -1};

	FUZZ_MUST(sse_feed(&a, text, size, on_event, &whole) == 0);
	for (size_t i = 0; i < size; i++)
		FUZZ_MUST(sse_feed(&b, text + i, 1, on_event, &bytes) == 0);
	FUZZ_MUST(whole.len == bytes.len && (!whole.len || memcmp(whole.s, bytes.s, whole.len) == 0));
	FUZZ_MUST(a.id == b.id);
	sse_reset(&a);
	FUZZ_MUST(a.id == b.id && !a.line.len && !a.data.len);
	sse_free(&a);
	sse_free(&b);
	return 0;
}
