/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that bg-producerd sends: whatever the file, each byte is sent once, in order, but for the ends of lines. */
#include "config.h"

#include "fuzz/fuzz.h"
#include "producerd/input.h"

static void more(void *arg)
{
	(void)arg;
	abort(); /* a file never has to be waited for */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bg_loop *loop;
	_cleanup_free_ char *path = bg_xasprintf("%s/lines", fuzz_dir());
	struct bg_err err = BG_ERR_INIT;
	struct prod_input *in;
	struct prod_bytes key, value;
	size_t sum = 0;

	if (!loop)
		loop = bg_loop_new();
	fuzz_file(path, data, size);
	FUZZ_MUST(prod_input_open(loop, path, "::", more, NULL, &in, &err) == 0);
	while (prod_input_peek(in, &key, &value)) {
		size_t got = (key.data ? key.len + 2 : 0) + value.len;

		FUZZ_MUST(sum + got <= size);
		FUZZ_MUST(!key.data || memcmp(data + sum, key.data, key.len) == 0);
		FUZZ_MUST(value.len == 0 ||
			  memcmp(data + sum + (got - value.len), value.data, value.len) == 0);
		sum += got;
		FUZZ_MUST(sum == size || data[sum] == '\n');
		sum += sum < size;
		prod_input_pop(in);
	}
	FUZZ_MUST(prod_input_ended(in) && !prod_input_error(in) && sum == size);
	prod_input_free(in);
	return 0;
}
