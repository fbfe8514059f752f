#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine
# budget: 40 s, vm 80 s
# An ordinary user runs containers without root: create, run, exec, delete.
load lib/common.bash

test_setup() {
	config '.linux.namespaces |= map(select(.type != "network")) | .linux.namespaces += [{type: "user"}] | del(.linux.resources)
		| .process.rlimits = [] | .mounts |= map(select(.destination != "/sys" and .destination != "/sys/fs/cgroup"))
		| .mounts |= map(if .destination == "/dev/pts" then .options |= map(select(. != "gid=5")) else . end)'
	if vm_differs 'the network of the host is refused'; then config '.linux.namespaces += [{type: "network"}]'; fi
	# shellcheck disable=SC2016 # for the target
	as_user='id tester >/dev/null 2>&1 || useradd -m tester; u=$(id -u tester); mkdir -p /tmp/xdg; chown tester /tmp/xdg; chmod 755 $bundle; chown -R tester $bundle
		user() { XDG_RUNTIME_DIR=/tmp/xdg setpriv --reuid tester --regid tester --clear-groups -- "$@"; }
		[ ! -e /dev/kvm ] || chmod 666 /dev/kvm # in the test machine
		rootless() { user $CAISSON --root /tmp/xdg/caisson $flags "$@"; }
		cd $bundle;'
}

test_teardown() {
	run_in_target "$as_user"'for c in $(rootless list -q); do rootless delete --force $c; done; ls -A /tmp/xdg/caisson 2>/dev/null | grep -v "^[@.]"; rm -rf /tmp/xdg; true' || true
	[[ -z $output ]] || fail "left: $output"
}

own_id_only() {
	target "$as_user"'echo $u'
	# shellcheck disable=SC2016 # of jq
	config '.linux.uidMappings = [{containerID: 0, hostID: ($u | tonumber), size: 1}] | .linux.gidMappings = [{containerID: 0, hostID: ($u | tonumber), size: 1}]' --arg u "$output"
}

subordinate_ids() {
	target "$as_user"'echo $u; grep ^tester: /etc/subuid | cut -d: -f2'
	# shellcheck disable=SC2016 # of jq
	config '.linux.uidMappings = [{containerID: 0, hostID: ($u | tonumber), size: 1}, {containerID: 1, hostID: ($s | tonumber), size: 65536}]
		| .linux.gidMappings = .linux.uidMappings' --arg u "${output%%$'\n'*}" --arg s "${output##*$'\n'}"
}

@test "rootless: run with the user's own id as root" {
	own_id_only
	program sh -c 'id -u; cat /proc/self/uid_map | wc -l; hostname; echo >/dev/null && echo null; exit 3'
	try target "$as_user"'rootless run $id'
	is "$status" 3
	is "$output" $'0\n1\ncaisson\nnull'
}

@test "rootless: subordinate ids through newuidmap and newgidmap" {
	subordinate_ids
	config '.process.user = {uid: 1000, gid: 1000}'
	program sh -c 'id -u; wc -l </proc/self/uid_map; grep ^CapEff /proc/self/status'
	target "$as_user"'rootless run $id'
	if vm_differs 'the host translates ids, the guest has all of them'; then output=${output/$'\n1'/$'\n2'}; fi
	is "$output" $'1000\n2\nCapEff:\t0000000000000000'
}

@test "rootless: run.oci.keep_original_groups keeps the caller's groups, as podman's keep-groups asks" {
	namespaces_only 'a guest knows nothing of the host'"'"'s groups'
	subordinate_ids
	program sh -c 'grep ^Groups /proc/self/status | wc -w'
	as_user+='user() { XDG_RUNTIME_DIR=/tmp/xdg setpriv --reuid tester --regid tester --groups tester,video,audio -- "$@"; };'
	target "$as_user"'rootless run $id'
	is "$output" 1
	config '.annotations["run.oci.keep_original_groups"] = "1"'
	target "$as_user"'rootless run $id'
	is "$output" 4
	program sleep 1000
	target "$as_user"'rootless run -d $id && rootless exec $id sh -c "grep ^Groups /proc/self/status | wc -w"'
	is "$output" 4
}

@test "run.oci.keep_original_groups is nothing to a root whose groups are the host's" {
	config '.annotations["run.oci.keep_original_groups"] = "1" | .linux.namespaces |= map(select(.type != "user"))'
	program sh -c 'grep ^Groups /proc/self/status | wc -w'
	target 'cd $bundle && setpriv --groups video,audio $CAISSON --root $ROOT $flags run $id'
	is "$output" 1
}

@test "rootless: create, start, state, exec, list, kill, delete" {
	own_id_only
	program sleep 1000
	target "$as_user"'rootless create $id && rootless state $id | grep -c "\"created\",\?$"; rootless start $id; rootless exec $id sh -c "id -u; echo inside"; rootless exec -d $id sleep 1000; rootless list -q; rootless kill $id KILL; for i in $(seq 100); do rootless state $id | grep -q stopped && break; usleep 20000; done; rootless delete $id && echo deleted'
	is "$output" $'1\n0\ninside\n'"$id"$'\ndeleted'
}

@test "rootless: what stands for an exec in a virtual machine has namespaces of its own, and no rights" {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
	own_id_only
	program sleep 1000
	target "$as_user"'rootless run -d $id; rootless exec -d --pid-file p $id sleep 1000; p=$(cat p)
		for n in user mnt net ipc uts; do [ "$(readlink /proc/$p/ns/$n)" != "$(readlink /proc/self/ns/$n)" ] && echo $n; done | tr "\n" " "
		sed -n "s/^\(CapPrm\|CapEff\|NoNewPrivs\|Seccomp\):[[:space:]]*//p" /proc/$p/status | tr "\n" " "
		export XDG_RUNTIME_DIR=/tmp/xdg; tool pty /usr/bin/setpriv --reuid tester --regid tester --clear-groups $CAISSON --root /tmp/xdg/caisson $flags exec -t $id sh -c "tty; exit 9" 2>/dev/null; echo $?'
	is "$output" $'user mnt net ipc uts 0000000000000000 0000000000000000 1 2 /dev/pts/0\n9'
}

@test "rootless: the default root is XDG_RUNTIME_DIR/caisson, of the user only" {
	own_id_only
	program sleep 1000
	target "$as_user"'user $CAISSON $flags run -d $id && stat -c "%U %a" /tmp/xdg/caisson/$id; rootless delete --force $id'
	is "$output" 'tester 700'
}

@test "rootless: a container of root is out of reach" {
	config '.linux.namespaces |= map(select(.type != "user"))'
	program sleep 1000
	caisson run --detach "$id"
	try target "$as_user"'user $CAISSON --root $ROOT kill $id KILL'
	((status != 0)) || fail 'killed'
	target 'status_of $id'
	is "$output" running
}

@test "rootless: a mapping that the user does not own is refused" {
	config '.linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}] | .linux.gidMappings = [{containerID: 0, hostID: 0, size: 1}]'
	program true
	try target "$as_user"'rootless run $id'
	refused 'map'
}

@test "rootless: binds, tmpfs, read-only root, masked paths" {
	own_id_only
	mount_at /mnt bind "$bundle/dir" rbind,ro
	mount_at /tmp tmpfs tmpfs size=1m
	program sh -c 'cat /mnt/file; echo x 2>/dev/null >/mnt/x || echo ro; echo x >/tmp/x && echo tmpfs; cat /proc/kcore | wc -c'
	target "$as_user"'mkdir dir; echo content >dir/file; chown -R tester dir; rootless run $id'
	is "$output" $'content\nro\ntmpfs\n0'
}

@test "rootless: a terminal" {
	own_id_only
	config '.process.terminal = true'
	program sh -c 'tty; exit 5'
	try target "$as_user"'export XDG_RUNTIME_DIR=/tmp/xdg; tool pty /usr/bin/setpriv --reuid tester --regid tester --clear-groups $CAISSON --root /tmp/xdg/caisson $flags run $id'
	is "$status" 5
	like "$output" '/dev/pts/0'
}

@test "rootless: spec --rootless runs as it is" {
	network=''
	if vm_differs 'the network of the host is refused'; then network=' | .linux.namespaces += [{type: "network"}]'; fi
	target "$as_user"'mkdir s && cp -a /tmp/t/rootfs s/ && chown -R tester s && cd s && user $CAISSON spec --rootless && /usr/bin/jq ".process.terminal = false | .process.args = [\"echo\", \"ran\"]$1" config.json >c && mv c config.json && rootless run $id' "$network"
	is "$output" ran
}
