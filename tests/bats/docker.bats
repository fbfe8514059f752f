#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine
# budget: 200 s, vm 300 s
# dockerd, as it comes, drives caisson by the name that daemon.json gives it.
load lib/common.bash

setup_file() {
	export MACHINE_SHELL=/tmp/t/bin/sh
	"$BATS_TEST_DIRNAME/../../build/machine/run" --timeout 180 --sh '
		. /tmp/t/target.sh
		mkdir -p /tmp/docker && cd /tmp/docker
		cat >daemon.json <<E
{
	"data-root": "/tmp/docker/data", "exec-root": "/run/docker-test", "pidfile": "/run/docker-test.pid",
	"hosts": ["unix:///run/docker-test.sock"], "storage-driver": "overlay2", "init-path": "/usr/bin/catatonit",
	"runtimes": {"caisson": {"path": "/tmp/t/caisson"}, "caisson-vm": {"path": "/tmp/t/caisson-vm"}}
}
E
		systemd-run -q --unit docker-test /usr/sbin/dockerd --config-file /tmp/docker/daemon.json
		tries=0
		until /usr/bin/docker -H unix:///run/docker-test.sock version; do
			tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1; sleep 0.1
		done
		tar -C /tmp/t/rootfs -c . | /usr/bin/docker -H unix:///run/docker-test.sock import - busybox:latest' >/dev/null 2>&1 || {
		echo 'dockerd did not come up' >&3
		return 1
	}
}

teardown_file() {
	"$BATS_TEST_DIRNAME/../../build/machine/run" --timeout 60 --sh '
		systemctl stop docker-test; pkill -KILL -f containerd-shim-runc-v2; umount -R /run/docker-test/netns/default /tmp/docker/data; ip link del docker0; rm -rf /tmp/docker /run/docker-test*' >/dev/null 2>&1 || true
}

test_setup() {
	limit=150 runtime=caisson
	[[ $ISOLATION != vm ]] || runtime=caisson-vm
	# In each script: docker, and how a container of the runtime under test is run.
	docker='cd /tmp; d() { /usr/bin/docker -H unix:///run/docker-test.sock "$@"; }; start() { d run --runtime '$runtime' "$@"; };'
}

test_teardown() {
	run_in_target 'd() { /usr/bin/docker -H unix:///run/docker-test.sock "$@"; }
		c=$(d ps -aq); [ -z "$c" ] || d rm -f $c >/dev/null 2>&1; $CAISSON --root /run/docker-test/runtime-runc/moby list -q' || true
	[[ -z $output ]] || fail "caisson still lists: $output"
}

@test "docker run: output, input, exit status, --rm" {
	try target "$docker"'start --rm busybox sh -c "echo out; echo err >&2; exit 7"; echo $?; echo typed | start -i --rm busybox cat; d ps -aq'
	is "$output" $'out\n7\ntyped'
	is "$stderr" err
}

@test "docker run -it: a terminal and the exit status" {
	try target "$docker"'tool pty /usr/bin/docker -H unix:///run/docker-test.sock run --runtime '$runtime' -it --rm busybox sh -c "tty; sleep 1; stty size; exit 3"'
	is "$status" 3
	like "$output" '/dev/pts/0'
	like "$output" '33 101'
}

@test "docker run -d, exec, logs, top, stats, pause, update, stop, start, rm" {
	target "$docker"'start -d --name box busybox sh -c "trap exit TERM; echo started; while :; do sleep 0.1; done" >/dev/null
		d exec box echo inside; d exec -e A=b -w /var -u 1000:1000 box sh -c "echo \$A \$(pwd) \$(id -u)"; d exec box sh -c "exit 5"; echo "exec $?"
		d logs box; d top box | tail -n 1; d stats --no-stream --format "{{.Name}} {{.MemUsage}}" box
		d pause box >/dev/null; d inspect --format "{{.State.Status}}" box; d unpause box >/dev/null
		d update --memory 64m --memory-swap 64m --pids-limit 50 box >/dev/null; d exec box cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
		d stop -t 5 box >/dev/null; d inspect --format "{{.State.Status}} {{.State.ExitCode}}" box; d start box >/dev/null; d inspect --format "{{.State.Status}}" box'
	like "$output" $'inside\nb /var 1000\nexec 5\nstarted'
	like "$output" 'box [0-9.]+[KM]iB / '
	vm_differs 'the host sees the monitor' || like "$output" 'sh -c trap exit TERM'
	like "$output" $'paused\n67108864\n50\nexited 0\nrunning'
}

@test "docker run: limits, mounts, user, capabilities, ulimit, sysctl, device, init, read-only" {
	target "$docker"'mkdir -p /tmp/docker/x && echo kept >/tmp/docker/x/file
		start --rm -v /tmp/docker/x:/x:ro --tmpfs /y:size=1m,mode=700 --read-only --memory 32m --cpus 0.5 --pids-limit 20 --cap-drop ALL --cap-add NET_ADMIN \
			--ulimit nofile=100:200 --hostname h --user 1000 --init --sysctl net.ipv4.ip_forward=1 --device /dev/null:/dev/zwei -w /tmp -e A=1 busybox sh -c "
			hostname; id -u; cat /x/file; touch /z /x/new; grep CapBnd /proc/self/status; ulimit -n; ulimit -Hn; pwd; echo \$A
			cat /proc/sys/net/ipv4/ip_forward; echo x >/dev/zwei && echo zwei; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max" 2>/dev/null'
	is "$output" $'h\n1000\nkept\nCapBnd:\t0000000000001000\n100\n200\n/tmp\n1\n1\nzwei\n33554432\n50000 100000\n20'
}

@test "docker run -p: the bridge network and a published port" {
	target "$docker"'start -d --name web -p 8080:80 busybox sh -c "mkdir -p /www; echo page >/www/index.html; exec busybox httpd -f -p 80 -h /www" >/dev/null
		eventually wget -q -O - http://127.0.0.1:8080/; d exec web ip -4 addr show eth0 | grep -c "inet 172"; d exec web sh -c "wget -q -O - http://\$(hostname -i)/"'
	is "$output" $'page\n1\npage'
}

@test "docker run: a program that is not there, one that cannot be executed, out of memory" {
	target "$docker"'start --rm busybox /nonexistent 2>/dev/null; echo $?; start --rm busybox nonexistent 2>/dev/null; echo $?; start --rm busybox /etc 2>/dev/null; echo $?
		start --rm --memory 16m --memory-swap 16m busybox tail /dev/zero 2>/dev/null; echo $?'
	is "$output" $'127\n127\n126\n137'
}

@test "docker run: a health check" {
	target "$docker"'start -d --name hc --health-cmd "echo fine" --health-interval 1s busybox sleep 1000 >/dev/null
		healthy() { [ "$(d inspect --format "{{.State.Health.Status}}" hc)" = healthy ]; }; eventually healthy && echo healthy'
	is "$output" healthy
}

@test "docker run --privileged, and without profiles" {
	target "$docker"'start --privileged --rm busybox sh -c "mount -t tmpfs none /mnt && echo mounted"
		start --rm --security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt apparmor=unconfined busybox grep -E "NoNewPrivs|Seccomp:" /proc/self/status'
	is "$output" $'mounted\nNoNewPrivs:\t1\nSeccomp:\t0'
}

@test "docker's default profiles: seccomp, and AppArmor's" {
	target "$docker"'start --rm busybox sh -c "grep Seccomp: /proc/self/status; cat /proc/self/attr/current 2>/dev/null; unshare -m true 2>/dev/null || echo refused"'
	like "$output" $'Seccomp:\t2'
	like "$output" 'refused'
	vm_differs "the guest's kernel has no AppArmor" || like "$output" 'docker-default \(enforce\)'
}

@test "docker build, with a RUN under the runtime" {
	target "$docker"'mkdir -p /tmp/docker/b && cd /tmp/docker/b && printf "FROM busybox\nRUN echo built >/built\nCMD cat /built\n" >Dockerfile
		d build -q -t made . >/dev/null && start --rm made'
	is "$output" built
}
