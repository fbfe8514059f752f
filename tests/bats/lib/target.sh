# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What scripts in the target start from (busybox sh). $id, $bundle, $rootfs, $flags are set.

export PATH=/tmp/t/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
T=/tmp/t
ROOT=$T/root
CAISSON=$T/caisson
export ASAN_OPTIONS=detect_leaks=1:log_path=$T/sanitizer UBSAN_OPTIONS=log_path=$T/sanitizer

# busybox sh prefers its own applets, which know less.
ip() { /sbin/ip "$@"; }
mount() { /bin/mount "$@"; }
umount() { /bin/umount "$@"; }
unshare() { /usr/bin/unshare "$@"; }
nsenter() { /usr/bin/nsenter "$@"; }
ps() { /bin/ps "$@"; }
setpriv() { /usr/bin/setpriv "$@"; }

caisson() {
	# shellcheck disable=SC2086,SC2154 # a list, and from the prefix of the script
	"$CAISSON" --root "$ROOT" $flags "$@"
}

# Runs a command until it succeeds, for 10 seconds.
eventually() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || return 1
		sleep 0.05
	done
}

status_of() {
	caisson state "$1" | sed -n 's/.*"status" *: *"\([a-z]*\)".*/\1/p'
}

pid_of() {
	caisson state "$1" | sed -n 's/.*"pid" *: *\([0-9]*\).*/\1/p'
}

has_status() {
	[ "$(status_of "$1")" = "$2" ]
}

cgroup_of() {
	sed -n 's|^0::|/sys/fs/cgroup|p' "/proc/$1/cgroup"
}

# Processes that the earlier commands left to the agent, this shell excepted.
orphans() {
	for pid in $(cat "/proc/$PPID/task/$PPID/children"); do
		[ "$pid" = $$ ] || echo "$pid"
	done
}

no_orphans() {
	[ -z "$(orphans)" ]
}

# The runtime's own caches begin with a character that no container's id begins with.
made_containers() {
	ls -A "$ROOT" 2>/dev/null | grep -v '^[@.]'
}

# Deletes what a test made, and prints what is left then.
target_clean_up() {
	for dir in $(made_containers); do caisson delete --force "$dir" >/dev/null 2>&1; done
	if ! eventually_soon no_orphans; then
		for pid in $(orphans); do
			echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
			kill -KILL "$pid" 2>/dev/null
		done
	fi
	cd / || return
	grep -F "$T/" /proc/self/mountinfo | while read -r _ _ _ _ where _; do
		echo "mount $where"
		umount -l "$where"
	done
	# shellcheck disable=SC2154 # from the prefix of the script
	find /sys/fs/cgroup -depth -type d -name "*$id*" | while read -r dir; do
		echo "cgroup $dir"
		rmdir "$dir"
	done
	for dir in $(made_containers); do
		echo "state $dir: $(ls -A "$ROOT/$dir")"
		rm -rf "${ROOT:?}/$dir"
	done
	for file in "$T"/sanitizer.*; do
		# What the leak check says when the process that it looks at is killed meanwhile.
		[ ! -e "$file" ] || grep -qv 'Unable to get registers from thread' "$file" || rm -f "$file"
		[ ! -e "$file" ] || {
			head -c 4000 "$file"
			rm -f "$file"
		}
	done
	rm -rf --one-file-system "$bundle" 2>/dev/null || rm -rf "$bundle"
}

eventually_soon() {
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		"$@" && return 0
		sleep 0.05
	done
	return 1
}
