#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A consumer behind bg-consumerd: records come on standard input, answers go to standard output (bg-exec(7)).
# POSIX sh and nothing else; with jq at hand, `jq -r .value` would undo the escapes that JSON has.
set -eu

# Your code: done when it returns 0, else the record comes again. $1 the whole line, $2 its value as JSON writes it.
work() {
	printf '%s\n' "$2" >&2
}

while IFS= read -r line; do
	n=${line#'{"n":'}
	n=${n%%,*}
	value=${line#*',"value":'}
	value=${value%',"headers":['*}
	if work "$line" "$value"; then
		printf '{"n":%s,"ok":true}\n' "$n"
	else
		printf '{"n":%s,"ok":false,"error":"work ended with %s"}\n' "$n" "$?"
	fi
done
