/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "common/token.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

int bg_token_read(const char *path, char **ret, struct bg_err *err)
{
	char line[260];
	FILE *f = fopen(path, "re");
	size_t len;

	if (!f)
		return bg_err_set(err, -errno, "token_file", "token-file %s: %s", path, strerror(errno));
	if (!fgets(line, sizeof line, f))
		line[0] = '\0';
	fclose(f);
	len = strcspn(line, "\r\n");
	line[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (line[i] <= ' ' || line[i] > '~')
			len = 0;
	if (len < 16 || len > 256)
		return bg_err_set(
			err, -EINVAL, "token_file",
			"token-file %s: expected 16 to 256 printable characters without blanks on the first line",
			path);
	*ret = bg_xstrdup(line);
	return 0;
}
