#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine
# budget: 240 s
# podman drives caisson through whole lives: as root and as an ordinary user, in the test machine.
load lib/common.bash

setup_file() {
	export MACHINE_SHELL=/tmp/t/bin/sh
	# What podman executes again and again is kept in memory; the image is Debian's busybox.
	"$BATS_TEST_DIRNAME/../../build/machine/run" --timeout 180 --sh '
		. /tmp/t/target.sh
		cd /tmp
		touch -c /usr/bin/podman /usr/bin/conmon /usr/bin/fuse-overlayfs /usr/lib/podman/* /usr/bin/catatonit
		for f in $(ldd /usr/bin/podman /usr/bin/conmon | sed -n "s/.*=> \([^ ]*\) .*/\1/p" | sort -u); do touch -c $(readlink -f $f); done
		tar -C /tmp/t/rootfs -c . | podman import - busybox:latest' >/dev/null 2>&1 || {
		echo 'podman import failed' >&3
		return 1
	}
}

test_setup() {
	limit=150
	# In each script: podman with the runtime under test.
	[[ $ISOLATION != vm ]] || engine='CAISSON=$T/caisson-vm;'
	podman=${engine-}'cd /tmp; p() { podman --runtime $CAISSON "$@"; }; p_run() { p run --network none "$@"; };'
}

test_teardown() {
	run_in_target 'podman --runtime $CAISSON pod rm -af >/dev/null 2>&1; podman --runtime $CAISSON rm -af -t 0 >/dev/null 2>&1; $CAISSON list -q; eventually no_orphans' || true
	[[ -z $output ]] || fail "caisson still lists: $output"
}

@test "podman run: output, input, exit status, --rm" {
	try target "$podman"'p_run --rm busybox sh -c "echo out; exit 7"; echo $?; echo typed | p_run -i --rm busybox cat'
	is "$output" $'out\n7\ntyped'
}

@test "podman run -it: a terminal, its size, the exit status" {
	try target "$podman"'PTY_INPUT="echo in\$((40 + 2)); stty size; exit 3
" tool pty podman --runtime $CAISSON run --network none -it --rm busybox sh'
	is "$status" 3
	like "$output" in42
	like "$output" '33 101'
	like "$stderr" 'modes: same'
}

@test "podman run -d, exec, exec -it, logs, inspect, stop, start, rm" {
	target "$podman"'p_run -d --name box busybox sh -c "trap exit TERM; echo started; while :; do sleep 0.1; done" >/dev/null
		p exec box echo inside; p exec -e A=b -w /var -u 1000:1000 box sh -c "echo \$A \$(pwd) \$(id -u)"; p exec box sh -c "exit 5"; echo "exec $?"
		tool pty podman --runtime $CAISSON exec -it box tty 2>/dev/null
		p logs box; p inspect --format "{{.State.Status}} {{.OCIRuntime}}" box; p stop -t 5 box; p inspect --format "{{.State.Status}} {{.State.ExitCode}}" box; p start box; p inspect --format "{{.State.Status}}" box; p rm -f -t 0 box'
	like "$output" 'inside'
	like "$output" 'b /var 1000'
	like "$output" 'exec 5'
	like "$output" '/dev/pts/0'
	like "$output" 'started'
	like "$output" 'running [^ ]*caisson'
	like "$output" 'exited 0'
}

@test "podman kill, wait, ps: the signal and the status arrive" {
	target "$podman"'p_run -d --name box busybox sleep 1000 >/dev/null; p kill --signal KILL box; p wait box; p ps -a --format "{{.Names}} {{.Status}}"'
	like "$output" $'^box\n137\nbox Exited \\(137\\)'
}

@test "podman pause and unpause" {
	target "$podman"'p_run -d --name box busybox sleep 1000 >/dev/null; p pause box; p inspect --format "{{.State.Status}}" box; p unpause box; p inspect --format "{{.State.Status}}" box'
	is "$output" $'box\npaused\nbox\nrunning'
}

@test "podman create, init, start, top, stats, update" {
	target "$podman"'p create --network none --name box busybox sleep 1000 >/dev/null; p init box; p inspect --format "{{.State.Status}}" box; p start box; p top box comm; p stats --no-stream --format "{{.Name}} {{.PIDs}}" box; p exec box true && echo execs'
	like "$output" 'initialized'
	if ! vm_differs 'what the host sees is the monitor and its threads'; then
		like "$output" 'sleep'
		like "$output" 'box 1'
	fi
	like "$output" 'execs'
}

@test "podman run --rootfs" {
	target "$podman"'cp -a /tmp/t/rootfs $bundle/ && p_run --rm --rootfs $bundle/rootfs sh -c "echo from rootfs >/made; cat /made"; cat $bundle/rootfs/made'
	is "$output" $'from rootfs\nfrom rootfs'
}

@test "podman run: a volume, a bind, a tmpfs, --read-only" {
	target "$podman"'mkdir $bundle/dir; echo outside >$bundle/dir/file; p volume create vol >/dev/null
		p_run --rm -v vol:/vol -v $bundle/dir:/dir:ro --tmpfs /scratch:size=1m --read-only busybox sh -c "echo kept >/vol/file; cat /dir/file; echo x 2>/dev/null >/dir/x || echo ro bind; echo x 2>/dev/null >/x || echo ro root; echo x >/scratch/x && echo scratch"
		p_run --rm -v vol:/vol busybox cat /vol/file; p volume rm vol >/dev/null'
	is "$output" $'outside\nro bind\nro root\nscratch\nkept'
}

@test "podman run --memory, --cpus, --pids-limit, --user, --cap-drop, --security-opt, --ulimit, --hostname" {
	target "$podman"'p_run --rm --memory 64m --cpus 0.5 --pids-limit 50 --user 1000:1001 --cap-drop all --security-opt no-new-privileges --ulimit nofile=99:99 --hostname named busybox sh -c "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max; id -u; id -g; grep \"^CapBnd\|^NoNewPrivs\|^Seccomp:\" /proc/self/status; ulimit -n; hostname"'
	is "$output" $'67108864\n50000 100000\n50\n1000\n1001\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n99\nnamed'
}

@test "podman run: the default seccomp profile, masked paths and privileged" {
	target "$podman"'p_run --rm busybox sh -c "grep ^Seccomp: /proc/self/status; tool syscall 136 0 0; cat /proc/kcore | wc -c; echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo ro"; p_run --rm --privileged busybox sh -c "mount -t tmpfs tmpfs /mnt && echo mounted; ls /dev/kmsg"'
	is "$output" $'Seccomp:\t2\n-1 EPERM\n0\nro\nmounted\n/dev/kmsg'
}

@test "podman run with --cgroup-manager cgroupfs, and with --cgroups=disabled" {
	target "$podman"'podman --runtime $CAISSON --cgroup-manager cgroupfs run --network none --rm busybox echo one
		printf "[engine]\nruntime_supports_nocgroup = [\"caisson\"]\n[engine.runtimes]\ncaisson = [\"$CAISSON\"]\n" >$bundle/conf; CONTAINERS_CONF=$bundle/conf podman --runtime caisson run --network none --rm --cgroups=disabled busybox echo two'
	is "$output" $'one\ntwo'
}

@test "podman run: a bridge network of its own, a published port" {
	target "$podman"'p run -d --name web -p 18080:80 busybox httpd -f -p 80 -h /etc >/dev/null; eventually /tmp/t/bin/wget -q -O $bundle/got http://127.0.0.1:18080/passwd; head -n 1 $bundle/got; p exec web ip addr show eth0 | grep -c "inet "'
	is "$output" $'root:x:0:0:root:/root:/bin/sh\n1'
}

@test "podman build FROM scratch, and run what was built" {
	target "$podman"'mkdir -p $bundle/ctx && cp -a /tmp/t/rootfs $bundle/ctx/ && printf "FROM scratch\nCOPY rootfs /\nENV X=built\nRUN echo \$X >/built\nCMD [\"cat\", \"/built\"]\n" >$bundle/ctx/Containerfile
		p build --network none -q -t built $bundle/ctx >/dev/null && p_run --rm built; p rmi built >/dev/null'
	is "$output" built
}

@test "podman pod: two containers share the network, ipc and uts namespaces of the pod" {
	namespaces_only 'several containers in one virtual machine are not there yet'
	target "$podman"'p pod create --name pod --network none --infra-image busybox --infra-command "/bin/sleep 1000" >/dev/null 2>&1 || p pod create --name pod --network none >/dev/null
		p run -d --pod pod --name one busybox sleep 1000 >/dev/null; p run -d --pod pod --name two busybox sleep 1000 >/dev/null
		for n in net ipc uts; do a=$(p exec one readlink /proc/self/ns/$n); b=$(p exec two readlink /proc/self/ns/$n); [ "$a" = "$b" ] && echo $n; done; p pod ps --format "{{.Status}}"; p pod stop -t 0 pod >/dev/null; p pod rm -f pod >/dev/null'
	is "$output" $'net\nipc\nuts\nRunning'
}

@test "podman pod in virtual machines: refused in one line that names the pod, until several containers share one" {
	[[ $ISOLATION == vm ]] || skip 'pods of namespaces work: is about virtual machines'
	try target "$podman"'p pod create --name pod --network none --infra-image busybox --infra-command "/bin/sleep 1000" >/dev/null 2>&1 || p pod create --name pod --network none >/dev/null
		p run --rm --pod pod busybox true; s=$?; p pod rm -f pod >/dev/null 2>&1; exit $s'
	refused 'the container is one of the pod [0-9a-f]{64}: several containers in one virtual machine are not supported yet: run the pod in namespaces'
	is "$(grep -c pod <<<"$stderr")" 1
}

@test "podman healthcheck" {
	target "$podman"'p_run -d --name box --health-cmd "test -e /healthy" --health-interval disable --health-retries 1 busybox sh -c "touch /healthy; sleep 1000" >/dev/null; eventually p exec box test -e /healthy; p healthcheck run box && echo healthy; p exec box rm /healthy; p healthcheck run box >/dev/null || echo unhealthy'
	like "$output" 'healthy'
	like "$output" 'unhealthy'
}

@test "podman run: a program that does not exist is 127, one that cannot be executed 126, and both are named" {
	target "$podman"'p_run --rm busybox no-such-program 2>$bundle/err; echo $?; cat $bundle/err; p_run --rm busybox /etc 2>$bundle/err; echo $?; cat $bundle/err'
	like "$output" $'^127\n'
	like "$output" 'no-such-program'
	like "$output" $'\n126\n'
}

@test "podman run --init, --userns, --sdnotify, --preserve-fds" {
	namespaces_only 'ids are the host'"'"'s to translate, and a descriptor cannot be passed into a guest'
	target "$podman"'p_run --rm --init busybox sh -c "echo init"; p_run --rm --uidmap 0:100000:1000 --gidmap 0:100000:1000 busybox sh -c "id -u; tr -s \" \" </proc/self/uid_map"; echo content >$bundle/f; exec 3<$bundle/f; p_run --rm --preserve-fds 1 busybox sh -c "cat <&3"'
	is "$output" $'init\n0\n 0 100000 1000\ncontent'
}

@test "podman run --init and --uidmap in a virtual machine: ids are translated on the host, where the files are" {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines'
	target "$podman"'p_run --rm --init busybox echo init; mkdir -m 777 $bundle/dir; p_run --rm --uidmap 0:100000:1000 --gidmap 0:100000:1000 -v $bundle/dir:/dir busybox sh -c "id -u; echo >/dir/file"; stat -c %u $bundle/dir/file'
	is "$output" $'init\n0\n100000'
}

@test "podman as an ordinary user, in a session of its own and without one" {
	limit=240
	# A user of virtual machines is in the group of /dev/kvm; the guest maps no ids.
	local groups=--clear-groups runtime=/tmp/t/caisson maps=2
	[[ $ISOLATION != vm ]] || {
		groups='--groups 4711' runtime=/tmp/t/caisson-vm maps=1
		target 'chgrp 4711 /dev/kvm && chmod 660 /dev/kvm'
	}
	target 'id tester >/dev/null 2>&1 || useradd -m tester; u=$(id -u tester); systemctl start user@$u.service; mkdir -p /tmp/rootless && chown tester /tmp/rootless
		cat >/tmp/rootless.sh <<E
cd /tmp
export HOME=/home/tester
P="podman --root /tmp/rootless/root --runroot /tmp/rootless/run --runtime '"$runtime"'"
tar -C /tmp/t/rootfs -c . | \$P import - busybox:latest >/dev/null 2>&1
\$P --cgroup-manager cgroupfs run --rm --network none busybox:latest sh -c "echo plain; id -u"
export XDG_RUNTIME_DIR=/run/user/$u DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$u/bus
\$P run -d --name box --network none --memory 50m busybox:latest sleep 1000 >/dev/null
\$P exec box sh -c "id -u; cat /proc/self/uid_map | wc -l; cat /sys/fs/cgroup/memory.max"
\$P stop -t 0 box >/dev/null; \$P inspect --format "{{.State.ExitCode}}" box; \$P rm -f box >/dev/null
E
		setpriv --reuid tester --regid tester '"$groups"' sh /tmp/rootless.sh; rm -rf /tmp/rootless.sh; systemctl stop user@$u.service; pkill -KILL -u tester; rm -rf /tmp/rootless; [ ! -e /dev/kvm ] || { chgrp 0 /dev/kvm; chmod 600 /dev/kvm; }'
	is "$output" $'plain\n0\n0\n'"$maps"$'\n52428800\n137'
}
