#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 120 s, vm 200 s
# Unlucky moments: killed at any point, no space, failing hooks, races. State stays readable, and
# delete --force leaves nothing.
load lib/common.bash

@test "create killed with SIGKILL at many points in time: state is readable, delete --force clears all" {
	limit=280
	points=$(times 200 25)
	program sleep 1000
	# Delays from nothing to a little more than a creation takes, in equal steps.
	target 'cd $bundle
		/bin/bash -c "
			cd $bundle
			export EPOCHREALTIME
			begin=\${EPOCHREALTIME/./}; $CAISSON --root $ROOT $flags create $id >/dev/null; took=\$((\${EPOCHREALTIME/./} - begin))
			$CAISSON --root $ROOT $flags delete --force $id
			for ((i = 0; i < $1; i++)); do
				$CAISSON --root $ROOT $flags create $id >/dev/null 2>&1 & p=\$!
				delay=\$((took * 5 * i / $1 / 4)); until=\$((\${EPOCHREALTIME/./} + delay))
				while ((\${EPOCHREALTIME/./} < until)); do :; done
				kill -KILL \$p; wait \$p 2>/dev/null
				$CAISSON --root $ROOT $flags state $id >state 2>err || grep -q \"does not exist\" err || { echo \"\$i: state: \$(cat err)\"; }
				$CAISSON --root $ROOT $flags list >/dev/null || echo \"\$i: list\"
				$CAISSON --root $ROOT $flags delete --force $id || echo \"\$i: delete\"
				[[ ! -d $ROOT/$id ]] || echo \"\$i: directory\"
			done
		" 2>$bundle/stderr || { cat $bundle/stderr; exit 1; }
		eventually no_orphans || for p in $(orphans); do echo "left: $(tr "\0" " " </proc/$p/cmdline)"; done
		find /sys/fs/cgroup -name "*$id*"; grep "$bundle" /proc/self/mountinfo; true' "$points"
	is "$output" ''
}

@test "run killed with SIGKILL at many points in time" {
	limit=200
	program sleep 1000
	target 'cd $bundle
		for i in $(seq $1); do
			caisson run $id >/dev/null 2>&1 & p=$!
			usleep $((i * $2)); kill -KILL $p 2>/dev/null; pkill -KILL -f "^$CAISSON --root $ROOT.* run $id" 2>/dev/null; wait $p 2>/dev/null
			caisson state $id >state 2>err || grep -q "does not exist" err || echo "$i: state: $(cat err)"
			caisson delete --force $id || echo "$i: delete"
		done; eventually no_orphans || echo left; find /sys/fs/cgroup -name "*$id*"; true' "$(times 50 15)" "$(times 1500 150000)"
	is "$output" ''
}

@test "delete killed at many points in time: another one finishes" {
	program sleep 1000
	target 'cd $bundle
		for i in $(seq $1); do
			caisson run -d $id || echo "$i: run"
			caisson delete --force $id >/dev/null 2>&1 & p=$!; usleep $((i * $2)); pkill -KILL -f "^$CAISSON --root $ROOT.* delete --force $id"; wait $p 2>/dev/null
			caisson list >/dev/null || echo "$i: list"; caisson delete --force $id || echo "$i: delete"
		done; find /sys/fs/cgroup -name "*$id*"; true' "$(times 30 8)" "$(times 500 15000)"
	is "$output" ''
}

@test "a failing hook at each place leaves nothing" {
	for k in prestart createRuntime createContainer startContainer poststart; do
		shell=/tmp/t/bin/false
		[[ $k != startContainer ]] || shell=/bin/false
		# shellcheck disable=SC2016 # of jq
		config 'del(.hooks) | .hooks[$k] = [{path: $p, args: ["false"]}]' --arg k "$k" --arg p "$shell"
		try caisson run "$id"
		((status != 0)) || fail "$k"
		target 'ls -A $ROOT | grep -v "^[@.]"; find /sys/fs/cgroup -name "*$id*"; true'
		is "$output" ''
	done
}

@test "a full disk under --root: create says so, and nothing is left of it" {
	program sleep 1000
	target 'mkdir -p $bundle/full && mount -t tmpfs -o size=64k tmpfs $bundle/full && mkdir $bundle/full/root && { head -c 200000 /dev/zero >$bundle/full/fill; } 2>/dev/null
		cd $bundle; "$CAISSON" --root $bundle/full/root $flags create $id 2>err; echo "status $?"; cat err; "$CAISSON" --root $bundle/full/root list -q; "$CAISSON" --root $bundle/full/root delete --force $id 2>/dev/null; ls -A $bundle/full/root | grep -v "^[@.]"; umount $bundle/full; find /sys/fs/cgroup -name "*$id*"; true'
	like "$output" 'status [1-9]'
	like "$output" 'space'
	is "$(wc -l <<<"$output")" 2
}

@test "a full disk while a container runs: it can be killed and deleted" {
	program sleep 1000
	target 'mkdir -p $bundle/full && mount -t tmpfs -o size=128k tmpfs $bundle/full && cd $bundle && c() { "$CAISSON" --root $bundle/full/root $flags "$@"; } && c run -d $id && { head -c 400000 /dev/zero >$bundle/full/fill; } 2>/dev/null
		c state $id | grep -c running; c exec $id echo inside; c kill $id KILL; c delete --force $id && echo deleted; umount $bundle/full'
	is "$output" $'1\ninside\ndeleted'
}

@test "racing creates of one id: one wins, the others are refused, the winner lives" {
	program sleep 1000
	target 'cd $bundle; for round in 1 2 3; do
			for i in 1 2 3 4 5 6; do { caisson create $id 2>>err && echo won; } & done >wins; wait
			[ "$(grep -c won wins)" = 1 ] || echo "winners: $(cat wins)"; status_of $id; caisson start $id && status_of $id; caisson delete --force $id
		done'
	is "$(sort <<<"$output" | uniq -c | tr -s ' \n' ' ' | sed 's/^ //')" '3 created 3 running '
}

@test "racing starts of one container: one wins, the program runs once" {
	mount_at /tmp bind "$bundle" bind,rw
	program sh -c 'echo ran >>/tmp/ran; sleep 1000'
	target 'cd $bundle; caisson create $id; for i in 1 2 3 4 5 6; do { caisson start $id 2>/dev/null && echo won; } & done >wins; wait; eventually test -s ran; sleep 0.2; grep -c won wins; grep -c ran ran; status_of $id'
	is "$output" $'1\n1\nrunning'
}

@test "racing deletes of one container: none hangs, nothing is left" {
	program sleep 1000
	target 'cd $bundle; for round in 1 2 3; do caisson run -d $id; for i in 1 2 3 4 5; do caisson delete --force $id 2>>err & done; wait; caisson state $id 2>/dev/null; done; find /sys/fs/cgroup -name "*$id*"; true'
	is "$output" ''
}

@test "create and delete racing: nothing is left in the end" {
	program sleep 1000
	target 'cd $bundle; for round in $(seq 20); do caisson create $id >/dev/null 2>&1 & usleep $((round * 700)); caisson delete --force $id 2>/dev/null; wait; caisson delete --force $id; done; caisson list -q; find /sys/fs/cgroup -name "*$id*"; true'
	is "$output" ''
}

@test "state, kill and delete --force do not wait for a slow create" {
	config '.hooks.createRuntime = [{path: "/tmp/t/bin/sleep", args: ["sleep", "1000"]}]'
	program sleep 1000
	target 'cd $bundle; caisson create $id 2>/dev/null & eventually pgrep -f "^sleep 1000" >/dev/null; begin=$(date +%s); caisson state $id >/dev/null 2>&1; caisson list >/dev/null; caisson delete --force $id; wait; end=$(date +%s); [ $((end - begin)) -lt 10 ] && echo quick; caisson list -q'
	is "$output" quick
}

@test "a truncated or foreign state file: list goes on, delete --force clears it" {
	program sleep 1000
	target 'cd $bundle; caisson run -d $id; p=$(pid_of $id); for f in $ROOT/$id/state.json $ROOT/$id/status; do [ ! -e $f ] || echo "{\"id\": " >$f; done; caisson list >/dev/null || echo "list failed"; caisson delete --force $id; kill -KILL $p 2>/dev/null; [ ! -d $ROOT/$id ] && echo cleared; sleep 0.3; find /sys/fs/cgroup -depth -type d -name "*$id*" -exec rmdir {} + 2>/dev/null; true'
	is "${output##*$'\n'}" cleared
	unlike "$output" 'list failed'
}

@test "pid reuse: a container whose process is gone is stopped, whoever has its pid now" {
	program sleep 1000
	target 'cd $bundle; caisson run -d $id; kill -KILL $(pid_of $id); eventually has_status $id stopped && caisson delete $id && echo deleted'
	is "$output" deleted
}

@test "lives in a row leave no process, mount, cgroup or file" {
	limit=200
	program true
	target 'cd $bundle; m=$(wc -l </proc/self/mountinfo); n=$(ls -A $ROOT | wc -l); for i in $(seq $1); do caisson run $id || echo $i; done; [ $m = $(wc -l </proc/self/mountinfo) ] || echo mounts; [ "$(ls -A $ROOT | grep -vc "^[@.]")" = 0 ] || echo files; find /sys/fs/cgroup -name "*$id*"; true' "$(times 100 10)"
	is "$output" ''
}

@test "many containers at once" {
	program sleep 1000
	count=$(times 20 8)
	target 'cd $bundle; for i in $(seq $1); do caisson run -d $id-$i & done; wait; caisson list -q | grep -c "$id-"; for i in $(seq $1); do caisson delete --force $id-$i & done; wait; caisson list -q | grep -c "$id-"; true' "$count"
	is "$output" "$count"$'\n0'
}
