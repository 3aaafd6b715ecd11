# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Debian packages: what the build needs, and what the tests need besides. Sourced by quickstart and tests/run.
# shellcheck disable=SC2034 # used by those that source it
set -euo pipefail

BG_DEPS_BUILD=(
	gcc libc6-dev make autoconf autoconf-archive automake pkg-config xz-utils
	librdkafka-dev libevent-dev libssl-dev libcurl4-openssl-dev libjson-c-dev libinih-dev libsystemd-dev
)
BG_DEPS_DEMO=(curl jq procps) # quickstart
BG_DEPS_CHECKS=(clang clang-format shellcheck shfmt libcmocka-dev mandoc)
BG_DEPS_UNIT=(libcmocka-dev tzdata)
BG_DEPS_SANITIZE=(libcmocka-dev libasan8 libubsan1 libtsan2 valgrind libc6-dbg libclang-rt-14-dev)
BG_DEPS_FUZZ=(clang libclang-rt-14-dev libcmocka-dev)
BG_DEPS_MODEL=(spin)
BG_DEPS_SYSTEM=(bats jq curl procps prometheus openjdk-17-jre-headless maven python3 nodejs)

# Those of the named packages that are not installed, on stdout.
bg_deps_missing() {
	local p
	for p in "$@"; do
		dpkg-query -W -f='${db:Status-Abbrev}\n' "$p" 2>/dev/null | grep -q '^ii' || echo "$p"
	done
}

# Install the named packages by apt-get; a warm run asks dpkg only. Needs root when something is missing.
# Services that a package brings (prometheus) are not started: we want its tools.
bg_deps_install() {
	local missing policy=/usr/sbin/policy-rc.d made=no rc=0
	mapfile -t missing < <(bg_deps_missing "$@" | sort -u)
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "these packages are missing; as root: apt-get install ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${#missing[@]} packages: ${missing[*]}"
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		made=yes
	fi
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } </dev/null || rc=$?
	[ "$made" = no ] || rm -f "$policy"
	return "$rc"
}
