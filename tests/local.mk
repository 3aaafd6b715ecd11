# SPDX-License-Identifier: Apache-2.0
include tests/lib/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
EXTRA_DIST += .ci/run tests/run tests/lib/deps.sh tests/lib/tree.sh tests/lib/parts.sh tests/lib/checks.sh tests/lib/fuzz.sh tests/lib/sanitize.sh tests/lib/lsan.supp \
	tests/lib/tsan.supp tests/lib/valgrind.supp \
	tests/lib/proc.sh tests/lib/env.sh tests/lib/growth.sh tests/system
