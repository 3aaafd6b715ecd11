# SPDX-License-Identifier: Apache-2.0
# One real Kafka for all files; those that stop a broker start their own.

setup_suite() {
	export BG_SRC=${BG_SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)}
	export BG_BUILD=${BG_BUILD:?the folder of a build with --enable-failpoints}
	export BG_BIN=$BG_BUILD
	export BG_TESTADMIN=$BG_BUILD/tests/lib/bg-testadmin
	export BG_SYSTEM_DIR=${BG_SYSTEM_DIR:-$BATS_SUITE_TMPDIR}
	# shellcheck source=tests/lib/kafka.sh
	. "$BG_SRC/tests/lib/kafka.sh"
	kafka_start "$BG_SYSTEM_DIR/kafka"
	export BG_BOOTSTRAP
	BG_BOOTSTRAP=$(cat "$BG_SYSTEM_DIR/kafka/bootstrap")
}

teardown_suite() {
	kafka_stop "$BG_SYSTEM_DIR/kafka"
}
