#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A real Apache Kafka (KRaft) for the tests; source it.
#
#   kafka_install                    fetch Kafka into the cache, once
#   kafka_start DIR [N] [KEY=VALUE…] N combined broker+controllers (default 1) on free loopback ports; returns
#                                    when they answer. DIR/bootstrap has the addresses, DIR/pid the process ids.
#                                    KEY=VALUE go into server.properties.
#   kafka_stop DIR [NODE]            orderly; all nodes, or one (1..N). The data stay.
#   kafka_kill DIR [NODE]            kill -9
#   kafka_restart DIR [NODE]         the same ports and data again; returns when they answer
#   kafka_signal DIR SIGNAL [NODE]   e.g. STOP and CONT
#   kafka_topic BOOTSTRAP NAME PARTITIONS [replication=N] [KEY=VALUE…]
#   kafka_admin BOOTSTRAP COMMAND…   bg-testadmin: offsets, commit, ends, produce, describe-group …
#   kafka_class CLASS ARGUMENT…      a class of Kafka's own tools, e.g. org.apache.kafka.tools.TopicCommand
#
# All return non-zero with a message on failure. BG_TESTADMIN may name the built tests/lib/bg-testadmin; else it
# is looked for in top_builddir, and below the current folder and the source tree.

KAFKA_VERSION=${KAFKA_VERSION:-4.1.0}
KAFKA_HOME_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-bluegreen/kafka-$KAFKA_VERSION
KAFKA_START_SECONDS=${KAFKA_START_SECONDS:-120}
KAFKA_LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

kafka_die() {
	printf 'kafka.sh: %s\n' "$*" >&2
	return 1
}

kafka_write_pom() {
	local artifact
	printf '%s\n' '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>' \
		'<groupId>kafka-bluegreen</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>' \
		'<dependencies>'
	for artifact in kafka_2.13 kafka-tools connect-runtime connect-file; do
		printf '<dependency><groupId>org.apache.kafka</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n' \
			"$artifact" "$KAFKA_VERSION"
	done
	# Kafka itself brings no binding for its log calls; without one a broker that fails does so in silence.
	printf '%s\n' '<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>' \
		'<version>2.24.3</version></dependency></dependencies></project>'
}

kafka_write_log4j() {
	printf '%s\n' 'rootLogger.level = info' 'rootLogger.appenderRef.out.ref = out' 'appender.out.type = Console' \
		'appender.out.name = out' 'appender.out.layout.type = PatternLayout' \
		'appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n'
}

# Into a temporary folder, then renamed: an interrupted fetch leaves nothing that looks whole.
kafka_fetch() {
	local tmp=$KAFKA_HOME_CACHE.tmp.$$
	rm -rf "$KAFKA_HOME_CACHE".tmp.*
	mkdir -p "$tmp"
	kafka_write_pom >"$tmp/pom.xml"
	kafka_write_log4j >"$tmp/log4j2.properties"
	if ! mvn -q -B -f "$tmp/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$tmp/libs" >"$tmp/mvn.log" 2>&1; then
		tail -n 20 "$tmp/mvn.log" >&2
		rm -rf "$tmp"
		kafka_die "cannot fetch Kafka $KAFKA_VERSION with mvn"
		return 1
	fi
	rm -rf "$KAFKA_HOME_CACHE"
	mv "$tmp" "$KAFKA_HOME_CACHE"
}

kafka_install() {
	[[ -d $KAFKA_HOME_CACHE/libs ]] && return 0
	mkdir -p "$(dirname "$KAFKA_HOME_CACHE")" || return 1
	(
		flock 9 || exit 1
		[[ -d $KAFKA_HOME_CACHE/libs ]] || kafka_fetch
	) 9>"$KAFKA_HOME_CACHE.lock"
}

kafka_class() {
	java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_HOME_CACHE/libs/*" "$@"
}

kafka_find_admin() {
	local f
	for f in "${BG_TESTADMIN:-}" "${top_builddir:-.}/tests/lib/bg-testadmin" "$KAFKA_LIB_DIR/bg-testadmin" \
		"$KAFKA_LIB_DIR"/../../*/tests/lib/bg-testadmin; do
		if [[ -n $f && -x $f && ! -d $f ]]; then
			printf '%s\n' "$f"
			return 0
		fi
	done
	kafka_die "tests/lib/bg-testadmin is not built (make tests/lib/bg-testadmin), or set BG_TESTADMIN"
}

kafka_admin() {
	local bootstrap=$1 admin
	shift
	admin=$(kafka_find_admin) || return 1
	"$admin" -b "$bootstrap" "$@"
}

kafka_topic() {
	local bootstrap=$1
	shift
	kafka_admin "$bootstrap" create "$@"
}

# Ports below the range that the kernel gives to clients, and not in use now. Two starts at the same moment may
# still pick the same one: the loser's broker does not come up, and kafka_start tries again with others.
kafka_free_port() {
	local port i
	for ((i = 0; i < 200; i++)); do
		port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
		if ! (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			printf '%s\n' "$port"
			return 0
		fi
	done
	kafka_die "no free port found"
}

kafka_write_properties() {
	local dir=$1 id=$2 port=$3 cport=$4 voters=$5 replicas=$6
	shift 6
	cat <<-END
		process.roles=broker,controller
		node.id=$id
		controller.quorum.voters=$voters
		listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$cport
		advertised.listeners=PLAINTEXT://127.0.0.1:$port
		controller.listener.names=CONTROLLER
		log.dirs=$dir/data
		num.network.threads=2
		num.io.threads=4
		auto.create.topics.enable=false
		offsets.topic.num.partitions=4
		offsets.topic.replication.factor=$replicas
		transaction.state.log.num.partitions=4
		transaction.state.log.replication.factor=$replicas
		transaction.state.log.min.isr=1
		share.coordinator.state.topic.replication.factor=$replicas
		share.coordinator.state.topic.min.isr=1
		broker.heartbeat.interval.ms=500
		broker.session.timeout.ms=4000
		group.initial.rebalance.delay.ms=0
		group.min.session.timeout.ms=1000
		log.retention.check.interval.ms=2000
	END
	printf '%s\n' "$@"
}

# The empty storage of node ID. Formatting starts a JVM and gives the same each time, so it is done once and kept.
kafka_format() {
	local node=$1 id=$2 kept=$KAFKA_HOME_CACHE/formatted-$2
	if [[ ! -d $kept ]]; then
		if ! kafka_class kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA \
			-c "$node/server.properties" >"$node/format.log" 2>&1; then
			tail -n 5 "$node/format.log" >&2
			kafka_die "formatting the storage of node $id failed"
			return 1
		fi
		rm -rf "$kept.tmp.$$"
		cp -r "$node/data" "$kept.tmp.$$"
		mv -T "$kept.tmp.$$" "$kept" 2>/dev/null || rm -rf "$kept.tmp.$$" # somebody else was first
		return 0
	fi
	cp -r "$kept" "$node/data"
}

# Settings of all nodes: DIR/nodes has "ID PORT CONTROLLER-PORT" a line.
kafka_configure() {
	local dir=$1 n=$2 i port cport voters='' bootstrap=''
	shift 2
	: >"$dir/nodes"
	for ((i = 1; i <= n; i++)); do
		port=$(kafka_free_port) && cport=$(kafka_free_port) || return 1
		[[ $port != "$cport" ]] || cport=$((cport + 1))
		printf '%s %s %s\n' "$i" "$port" "$cport" >>"$dir/nodes"
		voters+=${voters:+,}$i@127.0.0.1:$cport
		bootstrap+=${bootstrap:+,}127.0.0.1:$port
	done
	while read -r i port cport; do
		rm -rf "$dir/node-$i"
		mkdir -p "$dir/node-$i"
		kafka_write_properties "$dir/node-$i" "$i" "$port" "$cport" "$voters" "$((n < 3 ? n : 3))" "$@" \
			>"$dir/node-$i/server.properties"
		kafka_format "$dir/node-$i" "$i" || return 1
	done <"$dir/nodes"
	printf '%s\n' "$bootstrap" >"$dir/bootstrap"
}

# Start one node in the background, in a session of its own (Ctrl-C is not for it). It keeps none of our
# descriptors (bats waits for those). It writes its pid itself: setsid may or may not fork.
kafka_launch() {
	local dir=$1 id=$2 fd i
	rm -f "$dir/node-$id/pid"
	(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			((fd <= 2)) || eval "exec $fd>&-"
		done 2>/dev/null
		# shellcheck disable=SC2016 # the inner shell expands these
		exec setsid bash -c 'echo $$ >"$1/pid.new" && mv "$1/pid.new" "$1/pid" && shift && exec "$@"' - \
			"$dir/node-$id" java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
			-Dlog4j2.configurationFile="$KAFKA_HOME_CACHE/log4j2.properties" \
			-cp "$KAFKA_HOME_CACHE/libs/*" kafka.Kafka "$dir/node-$id/server.properties"
	) </dev/null >>"$dir/node-$id/log" 2>&1 &
	disown "$!" 2>/dev/null || true
	for ((i = 0; i < 200; i++)); do
		[[ ! -s $dir/node-$id/pid ]] || return 0
		sleep 0.02
	done
	kafka_die "node $id did not start"
}

# Ids of the nodes meant: the one named, or all.
kafka_nodes() {
	local dir=$1 only=${2:-} id rest
	[[ -f $dir/nodes ]] || {
		kafka_die "$dir: no Kafka was started here"
		return 1
	}
	while read -r id rest; do
		[[ -n $only && $only != "$id" ]] || printf '%s\n' "$id"
	done <"$dir/nodes"
}

kafka_alive() {
	local pid
	pid=$(cat "$1/node-$2/pid" 2>/dev/null) && [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null
}

# DIR/pid: the ids of all that run, one a line.
kafka_write_pids() {
	local dir=$1 id
	for id in $(kafka_nodes "$dir"); do
		if kafka_alive "$dir" "$id"; then cat "$dir/node-$id/pid"; fi
	done >"$dir/pid"
}

kafka_up_count() {
	local dir=$1 id up=0
	for id in $(kafka_nodes "$dir"); do
		if kafka_alive "$dir" "$id"; then up=$((up + 1)); fi
	done
	printf '%s\n' "$up"
}

# A node's own listener is open; the others' metadata may still list one that was killed.
kafka_listens() {
	local dir=$1 want=$2 id port rest
	while read -r id port rest; do
		[[ $id == "$want" ]] || continue
		(exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
		return
	done <"$dir/nodes"
}

# Wait until the running nodes answer, the group coordinator too. Fails as soon as one of those named has died.
kafka_await() {
	local dir=$1 only=${2:-} id n open
	local end=$((SECONDS + KAFKA_START_SECONDS))
	n=$(kafka_up_count "$dir")
	while ((SECONDS < end)); do
		open=1
		for id in $(kafka_nodes "$dir" "$only"); do
			if ! kafka_alive "$dir" "$id"; then
				grep -m 3 -E 'ERROR|FATAL|Exception' "$dir/node-$id/log" >&2 || true
				kafka_die "node $id ended at its start, see $dir/node-$id/log"
				return 1
			fi
			kafka_listens "$dir" "$id" || open=0
		done
		if ((!open)); then
			sleep 0.05
		elif kafka_admin "$(cat "$dir/bootstrap")" wait "$n" 2 2>/dev/null; then
			return 0
		fi
	done
	kafka_die "no answer within $KAFKA_START_SECONDS s, see $dir/node-*/log"
}

kafka_start() {
	local dir=$1 n=${2:-1} try id
	shift $(($# < 2 ? $# : 2))
	kafka_find_admin >/dev/null && kafka_install || return 1
	mkdir -p "$dir" && dir=$(cd "$dir" && pwd) || return 1
	for try in 1 2 3; do
		kafka_configure "$dir" "$n" "$@" || return 1
		for id in $(kafka_nodes "$dir"); do kafka_launch "$dir" "$id" || return 1; done
		kafka_write_pids "$dir"
		if kafka_await "$dir"; then return 0; fi
		kafka_kill "$dir"
		# Only a port that somebody else took in between is worth another try.
		grep -qs 'Address already in use' "$dir"/node-*/log || return 1
		printf 'kafka.sh: try %s met a port in use, taking others\n' "$try" >&2
	done
	return 1
}

kafka_signal() {
	local dir=$1 signal=$2 id
	for id in $(kafka_nodes "$dir" "${3:-}"); do
		if kafka_alive "$dir" "$id"; then kill -s "$signal" "$(cat "$dir/node-$id/pid")" || return 1; fi
	done
}

# Wait until the nodes named are gone, at most SECONDS.
kafka_await_end() {
	local dir=$1 seconds=$2 id
	local end=$((SECONDS + seconds))
	for id in $(kafka_nodes "$dir" "${3:-}"); do
		while kafka_alive "$dir" "$id"; do
			((SECONDS < end)) || return 1
			sleep 0.05
		done
	done
	kafka_write_pids "$dir"
}

kafka_kill() {
	kafka_signal "$1" KILL "${2:-}" && kafka_await_end "$1" 20 "${2:-}"
}

kafka_stop() {
	kafka_signal "$1" TERM "${2:-}" || return 1
	kafka_await_end "$1" 15 "${2:-}" || kafka_kill "$1" "${2:-}"
}

kafka_restart() {
	local dir=$1 only=${2:-} id
	kafka_stop "$dir" "$only" || return 1
	for id in $(kafka_nodes "$dir" "$only"); do kafka_launch "$dir" "$id" || return 1; done
	kafka_write_pids "$dir"
	kafka_await "$dir" "$only"
}
