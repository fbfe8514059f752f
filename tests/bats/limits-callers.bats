#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine
# budget: 200 s
# Limits that callers ask for: podman as an ordinary user with both cgroup managers, podman in a
# container of podman's, the kubelet's interface of containerd with SystemdCgroup = true.
load lib/common.bash
load lib/cri.bash

test_setup() {
	namespaces_only 'the limits of a virtual machine are tested in vm.bats'
	limit=240
}

# An ordinary user with a systemd of their own, which hands all controllers down.
# shellcheck disable=SC2016 # for the target
user_session='id tester >/dev/null 2>&1 || useradd -m tester; u=$(id -u tester)
	mkdir -p /run/systemd/system/user@.service.d; printf "[Service]\nDelegate=cpu cpuset io memory pids\n" >/run/systemd/system/user@.service.d/delegate.conf
	systemctl daemon-reload; systemctl restart user@$u.service; mkdir -p /tmp/rootless; cp -a $T/rootfs /tmp/rootless/; chown -R tester: /tmp/rootless
	as_user() { setpriv --reuid tester --regid tester --init-groups env HOME=/home/tester XDG_RUNTIME_DIR=/run/user/$u DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$u/bus "$@"; }
	end_session() { systemctl stop user@$u.service; rm -rf /tmp/rootless /run/systemd/system/user@.service.d; systemctl daemon-reload; };'

# podman's life as an ordinary user, inside the user's own session.
rootless_podman() {
	try target "$user_session"' truncate -s 1M $bundle/disk && loop=$(/sbin/losetup -f --show $bundle/disk); chmod 666 $loop
		cat >/tmp/rootless/script <<-E
			cd /tmp/rootless
			p() { podman --root /tmp/rootless/root --runroot /tmp/rootless/run --runtime /tmp/t/caisson --cgroup-manager $1 "\$@" 2>>/tmp/rootless/err; }
			c=\$(p run -d --network none --memory 64m --cpus 0.5 --pids-limit 30 --device /dev/fuse:/dev/inside --device-read-bps $loop:1mb --rootfs /tmp/rootless/rootfs sleep 1000)
			dir=/sys/fs/cgroup\$(sed -n s/^0:://p /proc/\$(p inspect -f "{{.State.Pid}}" \$c)/cgroup); cd \$dir && cat memory.max cpu.max pids.max && grep -c rbps=1048576 io.max
			p exec \$c sh -c "[ -c /dev/inside ] && echo device"
			p stats --no-stream --format "{{.MemUsage}} {{.PIDs}}" \$c
			p update --memory 32m --cpus 0.25 \$c >/dev/null; cat memory.max cpu.max; cd /
			p rm -f -t 0 \$c >/dev/null; [ -d \$dir ] || echo gone
			echo "\$dir" | sed "s/[0-9a-f]\{64\}/ID/"; grep -v level=warning /tmp/rootless/err >&2; true
		E
		as_user systemd-run -q --user --pipe --wait sh /tmp/rootless/script; end_session; /sbin/losetup -d $loop' "$1"
}

@test "podman as an ordinary user, --cgroup-manager systemd: run with limits, exec, stats, update, rm" {
	rootless_podman systemd
	like "$output" $'^67108864\n50000 100000\n30\n1\ndevice\n[0-9.]+kB / 67.11MB 1\n33554432\n25000 100000\ngone\n'
	like "$output" 'user@[0-9]+.service/user.slice/libpod-ID.scope'
}

@test "podman as an ordinary user, --cgroup-manager cgroupfs: run with limits, exec, stats, update, rm" {
	rootless_podman cgroupfs
	like "$output" $'^67108864\n50000 100000\n30\n1\ndevice\n[0-9.]+kB / 67.11MB 1\n33554432\n25000 100000\ngone\n'
}

# A cgroup with processes hands no controllers down: podman leaves the container's where it is PID 1.
@test "podman in a container of podman's: the inner container has limits of its own, or is told why not" {
	nested() {
		try target 'cd /tmp; podman --runtime $CAISSON run --rm --privileged --network none --memory 256m -v $T:$T --tmpfs /tmp:notmpcopyup --tmpfs /run:notmpcopyup --tmpfs /var/lib/containers:notmpcopyup --rootfs /:O sh -c "
			$1 podman --runtime $CAISSON --cgroup-manager cgroupfs run --rm --network none --memory 32m --pids-limit 9 --rootfs $T/rootfs cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; exit \$?" 2>$bundle/err; s=$?; grep -v level=warning $bundle/err >&2; exit $s' "$1"
	}
	nested exec
	succeeded
	is "$output" $'33554432\n9'
	nested ''
	refused 'needs? the memory controller, but / has processes of its own'
}

@test "containerd's CRI plugin with SystemdCgroup = true: a pod, a container with limits, exec, update, stats, the end" {
	cri_prepare
	try target "$cri_up"' sandbox="{\"1\": {\"1\": \"pod\", \"2\": \"uid\", \"3\": \"default\"}, \"8\": {\"1\": \"/kubepods.slice/kubepods-podx.slice\", \"2\": {\"1\": {\"1\": 2}}}}"
		pod=$(cri RunPodSandbox "{\"1\": $sandbox}" | sed -n "s/^1 //p")
		c=$(cri CreateContainer "{\"1\": \"$pod\", \"3\": $sandbox, \"2\": {\"1\": {\"1\": \"one\"}, \"2\": {\"1\": \"localhost/pause:latest\"}, \"15\": {\"1\": {\"1\": 100000, \"2\": 20000, \"3\": 512, \"4\": 67108864}}}}" | sed -n "s/^1 //p")
		cri StartContainer "{\"1\": \"$c\"}"; cgroup=/sys/fs/cgroup/kubepods.slice/kubepods-podx.slice/cri-containerd-$c.scope
		cat $cgroup/memory.max $cgroup/cpu.max; systemctl show -P MemoryMax cri-containerd-$c.scope
		cri ExecSync "{\"1\": \"$c\", \"2\": [\"sh\", \"-c\", \"echo inside; exit 3\"], \"3\": 60}"
		cri UpdateContainerResources "{\"1\": \"$c\", \"2\": {\"4\": 33554432}}"; systemctl daemon-reload; cat $cgroup/memory.max
		cri ContainerStats "{\"1\": \"$c\"}" | wc -l
		cri StopContainer "{\"1\": \"$c\", \"2\": 1}"; cri RemoveContainer "{\"1\": \"$c\"}"; cri StopPodSandbox "{\"1\": \"$pod\"}"; cri RemovePodSandbox "{\"1\": \"$pod\"}"
		[ -d $cgroup ] || echo gone; systemctl list-units --all --no-legend "cri-containerd-*" | wc -l; systemctl --failed --no-legend | grep -c cri-;'"$cri_down"
	like "$output" $'^67108864\n20000 100000\n67108864\n1 inside\n3 3\n33554432\n[1-9][0-9]*\ngone\n0\n0$'
}
