#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The second warm handle (daemons/common/kafka_aux*) against a real Kafka: round trip of the metadata, times,
# a group with members, an unknown topic, and a broker that is killed and comes back. Run by hand.
# usage: top_builddir=BUILD tests/lib/check-aux.sh [COUNT]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib/kafka.sh
. "$here/kafka.sh"

count=${1:-1000}
check=${top_builddir:?}/tests/lib/bg-auxcheck
dir=$(mktemp -d)
member=
cleanup() {
	[[ -z $member ]] || kill "$member" 2>/dev/null || true
	kafka_kill "$dir" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT

refused() { # CODE ARGUMENT…
	local code=$1 out
	shift
	if out=$("$check" "$@" 2>&1); then
		kafka_die "expected $code, but it went well"
	elif [[ $out != *"$code: "* ]]; then
		kafka_die "expected $code, got: $out"
	else
		printf 'refused as it should be: %s\n' "$out"
	fi
}

main() {
	local b run
	kafka_start "$dir"
	b=$(cat "$dir/bootstrap")
	kafka_topic "$b" orders 8
	"$check" "$b" orders idle "$count"
	refused unknown_topic "$b" nosuch idle 0

	kcat -b "$b" -X group.instance.id=twin -X client.id=kcat-of-the-test -G live orders >"$dir/kcat.log" 2>&1 &
	member=$!
	until grep -q assigned "$dir/kcat.log"; do sleep 0.1; done
	refused group_not_empty "$b" orders live 0
	"$check" "$b" - live | grep -q '^member      twin kcat-of-the-test ' || kafka_die "the member is not told"
	"$check" "$b" - nosuch | grep -q '^members     0$' || kafka_die "a group that is not there has members"

	echo "killing the broker under $count calls"
	"$check" "$b" orders idle "$count" &
	run=$!
	sleep 1
	kafka_kill "$dir"
	kafka_restart "$dir"
	wait "$run"
	kafka_kill "$dir"
	refused broker_unavailable "$b" orders idle 0
	echo "all is well"
}

main
