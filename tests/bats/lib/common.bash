# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every bats file starts from. The tests run on the host and drive a target through the command
# channel of $MACHINE: the test machine, or private namespaces of this host. What runs in the target
# is one shell script at a time (a program started there costs many times more than here); what is
# known from its output is checked here.
#
# A test has a container's `id`, a `bundle` (a directory of the target) and a configuration, which
# starts as default.json and is changed by jq filters:
#
#	config FILTER [JQ ARGUMENT...]  changes the configuration
#	program ARG...                  sets what the container runs
#	own_rootfs                      gives the container a writable root of its own ($rootfs)
#	caisson ARG...                  runs the runtime in the bundle; must succeed
#	target SCRIPT [ARG...]          runs a shell script in the target; must succeed
#	try caisson|target ...          the same, but any status will do
#	container SCRIPT                runs a container with this shell script to its end, any status
#
# and after each of the last four has `status`, `output` (stdout) and `stderr`. In a script the same
# `caisson`, $id, $bundle, $rootfs exist, and what target.sh defines.
#
# ISOLATION=vm runs the same tests with the containers in virtual machines; `vm_differs REASON` and
# `namespaces_only REASON` name the tests that cannot be the same.

bats_require_minimum_version 1.5.0

: "${MACHINE:?names no running machine: use make check or tests/bats/run}"
lib=${BASH_SOURCE[0]%/*}
top=$(cd "$lib/../../.." && pwd)
: "${TARGET:=machine}" "${ISOLATION:=namespace}"
export MACHINE_SHELL=/tmp/t/bin/sh

setup() {
	id=t-${BATS_TEST_FILENAME##*/}
	id=${id%.bats}-${BATS_TEST_NUMBER}x # the x: no id is part of another
	bundle=/tmp/t/bundles/$id
	rootfs=/tmp/t/rootfs
	limit=60 # seconds for one script
	flags=''
	[[ $ISOLATION == namespace ]] || flags="--isolation $ISOLATION --settings /tmp/t/settings.json"
	cp "$lib/default.json" "$BATS_TEST_TMPDIR/config.json"
	changed=yes
	if declare -F test_setup >/dev/null; then test_setup; fi
}

# Nothing may be left of a container that was deleted: processes, mounts, cgroups, directories.
teardown() {
	[[ -n ${id-} ]] || return 0
	if declare -F test_teardown >/dev/null; then test_teardown; fi
	run_in_target target_clean_up
	if ((status)) || [[ -n $output ]]; then
		echo "left behind: $output$stderr"
		return 1
	fi
}

# The script's own arguments follow; its standard input is the configuration when that has changed.
run_in_target() {
	local script=$1 prefix
	shift
	printf -v prefix 'id=%q bundle=%q rootfs=%q flags=%q; . /tmp/t/target.sh\n' \
		"$id" "$bundle" "$rootfs" "$flags"
	status=0
	if [[ -n $changed ]]; then
		prefix+=$'mkdir -p "$bundle"; cat >"$bundle/config.json"; exec </dev/null\n'
		"$top/build/machine/run" --timeout "$limit" --stdin --sh "$prefix$script" -- "$@" \
			>"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" \
			<"$BATS_TEST_TMPDIR/config.json" || status=$?
		changed=
	else
		"$top/build/machine/run" --timeout "$limit" --sh "$prefix$script" -- "$@" \
			>"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" </dev/null || status=$?
	fi
	output=$(tr -d '\000\r' <"$BATS_TEST_TMPDIR/stdout")
	stderr=$(tr -d '\000' <"$BATS_TEST_TMPDIR/stderr")
	((status != 124 && status != 125)) || fail "the script did not end: $script"
}

fail() {
	echo "$*"
	echo "status: ${status-}"
	echo "output: ${output-}"
	echo "stderr: ${stderr-}"
	return 1
}

try() {
	case $1 in
	caisson) shift && run_in_target 'cd "$bundle" && caisson "$@"' "$@" ;;
	target) shift && run_in_target "$@" ;;
	*) fail "try $1?" ;;
	esac
}

caisson() {
	try caisson "$@"
	((status == 0)) || fail "caisson $*: exit status $status"
}

target() {
	try target "$@"
	((status == 0)) || fail "exit status $status"
}

config() {
	local filter=$1
	shift
	jq "$@" "$filter" <"$BATS_TEST_TMPDIR/config.json" >"$BATS_TEST_TMPDIR/new.json" ||
		fail "bad filter: $filter"
	mv "$BATS_TEST_TMPDIR/new.json" "$BATS_TEST_TMPDIR/config.json"
	changed=yes
}

# jq takes no positional arguments that begin with a dash.
json_list() {
	printf '%s\001' "$@" | jq -Rsc 'split("\u0001")[:-1]'
}

program() {
	# shellcheck disable=SC2016 # of jq
	config '.process.args = $list' --argjson list "$(json_list "$@")"
}

own_rootfs() {
	rootfs=$bundle/rootfs
	config '.root = {path: "rootfs", readonly: false}'
	target 'cp -a /tmp/t/rootfs "$bundle/"'
}

container() {
	program sh -c "$1"
	try caisson run "$id"
}

# A container that lives until it is killed.
sleeping() {
	program sleep 1000
	caisson run --detach "$id"
}

# Adds one mount: destination, type, source, options separated by commas.
mount_at() {
	# shellcheck disable=SC2016 # of jq
	config '.mounts += [{destination: $d, type: $t, source: $s, options: ($o | split(","))}]' \
		--arg d "$1" --arg t "$2" --arg s "$3" --arg o "${4-}"
}

all_capabilities() {
	# shellcheck disable=SC2016 # of jq
	config '(["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_SETGID",
		"CAP_SETUID","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_NET_RAW","CAP_SYS_CHROOT",
		"CAP_MKNOD","CAP_AUDIT_WRITE","CAP_SETFCAP","CAP_SYS_ADMIN","CAP_SYS_PTRACE",
		"CAP_NET_ADMIN","CAP_DAC_READ_SEARCH"]) as $all
		| .process.capabilities = {bounding: $all, effective: $all, permitted: $all}'
}

user_namespace() {
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
}

without_namespace() {
	# shellcheck disable=SC2016 # of jq
	config '.linux.namespaces |= map(select(.type != $n))' --arg n "$1"
}

# ---- checks: each says what it found

is() {
	[[ $1 == "$2" ]] || fail "expected '$2', found '$1'"
}

like() {
	[[ $1 =~ $2 ]] || fail "expected something like '$2', found '$1'"
}

unlike() {
	[[ ! $1 =~ $2 ]] || fail "expected nothing like '$2', found '$1'"
}

succeeded() {
	((status == 0)) || fail "exit status $status"
}

# A refusal: non-zero, and one line on stderr that says why.
refused() {
	((status != 0)) || fail 'expected a refusal'
	[[ -n $stderr ]] || fail 'a refusal without a word'
	[[ -z ${1-} ]] || like "${stderr,,}" "${1,,}"
}

# The output as JSON satisfies a jq condition.
json() {
	jq -e "$@" <<<"$output" >/dev/null || fail "not so: $1"
}

# ---- tests that are not the same everywhere: each with its reason

# True for a virtual machine, where what follows is not the same.
vm_differs() {
	[[ $ISOLATION == vm ]]
}

# How often something is repeated: less often where a guest boots each time.
times() {
	if [[ $ISOLATION == vm ]]; then echo "$2"; else echo "$1"; fi
}

namespaces_only() {
	[[ $ISOLATION == namespace ]] || skip "namespaces only: $1"
}
