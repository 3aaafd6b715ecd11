/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bg-consumerd's state file. Whatever lies there, the daemon starts, or refuses a file of another instance; a
 * damaged one is set aside and counts as none. The first byte says whether the rest is the file itself, or what
 * its header frames (so that the content is looked at, too).
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>

#include "common/log.h"
#include "common/statefile.h"
#include "consumerd/state.h"
#include "fuzz/fuzz.h"

/* What was set aside: kept by the daemon, but not by us. Returns how many there were. */
static int forget_damaged(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	FUZZ_MUST(d);
	while ((e = readdir(d))) {
		_cleanup_free_ char *path = bg_xasprintf("%s/%s", dir, e->d_name);

		if (strncmp(e->d_name, "state.json.damaged-", 19) == 0) {
			unlink(path);
			n++;
		}
	}
	closedir(d);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *dir = fuzz_dir();
	_cleanup_free_ char *path = bg_xasprintf("%s/state.json", dir);
	struct con con = {.cfg = {.sw = "orders", .instance = "blue-0", .state_dir = dir}};
	struct bg_err err = BG_ERR_INIT;
	int rc, aside;

	if (size < 1)
		return 0;
	bg_log_init("fuzz", "logfmt", BG_ERROR);
	if (data[0] == 'r')
		fuzz_file(path, data + 1, size - 1);
	else
		FUZZ_MUST(bg_state_write(path, data + 1, size - 1, &err) == 0);
	rc = con_state_load(&con, &err);
	aside = forget_damaged(dir);
	FUZZ_MUST(rc == 0 || (rc == -EINVAL && err.msg[0]));
	FUZZ_MUST(!aside || (rc == 0 && !con.ep.floor_known && con.ep.needs_name));
	FUZZ_MUST(con.ep.epoch >= 0 && con.ep.floor >= 0);
	/* Nothing but a whole file of ours lets the instance trust its epoch. */
	FUZZ_MUST(rc != 0 || con.ep.floor_known != con.ep.needs_name);
	return 0;
}
