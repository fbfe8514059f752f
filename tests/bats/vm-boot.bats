#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine,vm
# budget: 380 s
#
# The monitor boots a guest kernel by itself. Needs build/guest/vmlinux ('make guest-kernel') and real
# KVM, which the test machine has.

# shellcheck disable=SC2016 # scripts are expanded in the target

load lib/common

setup_file() {
	local top
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	[[ -e $top/build/guest/vmlinux ]] || return 0
	make -s -C "$top" vm-test-tools
	# The test machine's own kernel is Debian's.
	local debian
	debian=$(cd "$top/build" && compgen -G "${MACHINE_KERNEL:-machine/kernel}/boot/vmlinuz-*" | head -n 1)
	tar -C "$top/build" --transform 's,.*vmlinuz-.*,guest/vmlinuz,' \
		-c guest/vmlinux guest/bzImage vm/guest.cpio vm/grow vm/memory vm/snapshot vm/hostile vm/tools.ext4 bench/stream "$debian" |
		"$top/tests/machine/run" --stdin --timeout 60 --sh 'mkdir -p /tmp/t/vm && tar -C /tmp/t/vm -x -m'
}

test_setup() {
	[[ -e $BATS_TEST_DIRNAME/../../build/guest/vmlinux ]] || skip "no guest kernel: 'make guest-kernel'"
}

# Boots the test guest; $output is what it says.
boot() {
	try target 'cd /tmp/t/vm && exec "$CAISSON" vm boot -k guest/vmlinux -i vm/guest.cpio "$@"' "$@"
}

@test 'the probe says that KVM is real' {
	target '"$CAISSON" vm probe'
	like "$output" 'KVM runs guests'
}

@test 'a vmlinux boots to its first program and ends with status 0' {
	boot
	succeeded
	like "$output" 'processors 1 of 1, memory 23[0-9] MiB'
}

@test 'a bzImage boots too' {
	try target 'cd /tmp/t/vm && "$CAISSON" vm boot -k guest/bzImage -i vm/guest.cpio'
	succeeded
	like "$output" 'processors 1 of 1'
}

@test 'small pages hold less memory' {
	boot --small-pages --stats
	succeeded
	small=$(sed -n 's/^touched 4 KiB pages: //p' <<<"$stderr")
	boot --stats
	large=$(sed -n 's/^touched 4 KiB pages: //p' <<<"$stderr")
	((small < large)) || fail "small pages: $small, large pages: $large"
}

@test 'the monitor itself holds at most 5 MiB' {
	boot --stats
	size=$(sed -n 's/^monitor memory: \([0-9]*\) KiB/\1/p' <<<"$stderr")
	((size > 0 && size <= 5120)) || fail "$size KiB"
}

@test 'two and four processors run, each on its own, and hear of each other' {
	for cpus in 2 4; do
		boot -c "$cpus" -a do=spin
		succeeded
		like "$output" "processors $cpus of $cpus"
		like "$output" "busy $cpus"
		like "$output" "a token went round $cpus processors"
	done
}

@test 'two and four processors build a program on a shared directory, in parallel' {
	target 'mkdir -p /tmp/t/vm/dir/project && cd /tmp/t/vm/dir/project && for n in $(seq 24); do
			echo "unsigned part$n(unsigned n) {"; for line in $(seq 300); do echo "n = n * $line + $n;"; done
			echo "return n; }"
		done | awk "/part/ { f = \"part\" ++i \".c\" } { print >f }" && {
			echo "static long call(long n, long a, long b, long c) { long r; __asm__ volatile(\"syscall\""
			echo ": \"=a\"(r) : \"a\"(n), \"D\"(a), \"S\"(b), \"d\"(c) : \"rcx\", \"r11\", \"memory\"); return r; }"
			for n in $(seq 24); do echo "unsigned part$n(unsigned);"; done
			echo "void _start(void) { unsigned n = 1; char text[9];"
			for n in $(seq 24); do echo "n = part$n(n);"; done
			echo "for (int i = 7; i >= 0; i--) { text[i] = 97 + n % 16; n /= 16; }"
			echo "text[8] = 10; call(1, 1, (long)text, 9); call(60, 0, 0, 0); }"
		} >main.c && printf "program: \$(patsubst %%.c,%%.o,\$(wildcard *.c))\n\t\$(CC) -nostdlib -static -o \$@ \$^\n" >Makefile &&
		tcc -nostdlib -static -o /tmp/t/vm/by-host *.c && /tmp/t/vm/by-host'
	expected=$output
	for cpus in 2 4; do
		target 'rm -f /tmp/t/vm/dir/project/program /tmp/t/vm/dir/project/*.o'
		boot -c "$cpus" -m 512 -d vm/tools.ext4,ro --share dir,share,auto \
			-a 'noxsave do=tools io.kind=build io.folder=root/project'
		succeeded
		like "$output" "$expected"
		like "$output" "used $cpus"
		target '/tmp/t/vm/dir/project/program'
		is "$output" "$expected"
	done
}

@test 'memory from 64 MiB to beyond the hole below 4 GiB' {
	for size in 64 3072 3074 6144; do
		boot -m "$size"
		succeeded
		[[ $output =~ memory\ ([0-9]+)\ MiB ]] || fail "$size MiB: $output"
		((BASH_REMATCH[1] > size * 7 / 10 && BASH_REMATCH[1] <= size)) || fail "$size MiB: $output"
	done
}

@test 'a disk is read and written' {
	target 'cd /tmp/t/vm && printf "from the host\n" >disk && truncate -s 1M disk'
	boot -d disk -a do=disk
	succeeded
	like "$output" 'disk from the host'
	target 'cd /tmp/t/vm && dd if=disk bs=512 skip=1 count=1 2>/dev/null'
	like "$output" 'written by the guest'
}

@test 'a read-only disk stays as it is' {
	target 'cd /tmp/t/vm && printf "from the host\n" >disk && truncate -s 1M disk && md5sum disk'
	before=$output
	boot -d disk,ro -a do=disk
	succeeded
	like "$output" 'disk from the host'
	like "$output" 'cannot be written'
	target 'cd /tmp/t/vm && md5sum disk'
	is "$output" "$before"
}

@test 'each thread of a running monitor has a filter, and no capability but those over files where files are shared' {
	for share in '' '--share dir'; do
		# shellcheck disable=SC2016,SC2086
		try target 'cd /tmp/t/vm && mkdir -p dir && truncate -s 1M disk && { "$CAISSON" vm boot -k guest/vmlinux -i vm/guest.cpio -d disk --rng --balloon $1 -a do=orders >/dev/null 2>&1 & } && pid=$! &&
			for i in $(seq 100); do grep -q "^Seccomp:.*2" /proc/$pid/status && break; sleep 0.1; done; sleep 1
			cat /proc/$pid/task/*/status; kill $pid' "$share"
		threads=$(grep -c '^Name:' <<<"$output")
		((threads >= 3)) || fail "$output"
		is "$(grep -c '^Seccomp:.*2$' <<<"$output")" "$threads"
		is "$(grep -c '^NoNewPrivs:.*1$' <<<"$output")" "$threads"
		# chown, dac_override, dac_read_search, fowner, fsetid, setgid, setuid, mknod, setfcap
		is "$(sed -n 's/^Cap\(Prm\|Eff\):[[:space:]]*//p' <<<"$output" | sort -u)" \
			"0000000000000000${share:+$'\n'00000000880000df}"
	done
}

@test 'a shared directory is read and written' {
	target 'mkdir -p /tmp/t/vm/dir && echo "from the host" >/tmp/t/vm/dir/from-host'
	boot --share dir,share -a do=share
	succeeded
	like "$output" 'share from the host'
	target 'cat /tmp/t/vm/dir/from-guest'
	is "$output" 'from the guest'
}

@test 'a tap carries the network' {
	target 'ip link del vmtap 2>/dev/null; ip tuntap add vmtap mode tap && ip address add 10.9.0.1/24 dev vmtap && ip link set vmtap up'
	try target 'cd /tmp/t/vm && { timeout 30 socat -u TCP-LISTEN:7777 OPEN:heard,creat,trunc & } && sleep 1 && "$CAISSON" vm boot -k guest/vmlinux \
		-i vm/guest.cpio --tap vmtap -a do=net && sleep 1 && cat heard; ip link del vmtap'
	succeeded
	like "$output" 'over the tap'
}

@test 'a tap whose packets the kernel moves (vhost-net)' {
	target 'ip link del vmtap 2>/dev/null; modprobe vhost_net && ip tuntap add vmtap mode tap && ip address add 10.9.0.1/24 dev vmtap && ip link set vmtap up'
	try target 'cd /tmp/t/vm && { timeout 30 socat -u TCP-LISTEN:7777 OPEN:heard,creat,trunc & } && rm -f mover && {
			for i in $(seq 300); do pgrep -x "vhost-[0-9]*" >mover && break; sleep 0.02; done & } && sleep 1 &&
		"$CAISSON" vm boot -k guest/vmlinux -i vm/guest.cpio --tap vmtap,vhost -a do=net && sleep 1 && cat heard &&
		test -s mover && echo moved by the kernel; rmmod vhost_net'
	succeeded
	like "$output" 'over the tap'
	like "$output" 'moved by the kernel'
	[[ $stderr != *without* ]] || fail 'not by the kernel'
	try target 'cd /tmp/t/vm && "$CAISSON" vm boot -k guest/vmlinux -i vm/guest.cpio --tap vmtap,vhost; s=$?
		ip link del vmtap; exit $s'
	refused 'open /dev/vhost-net'
}

@test 'the guest dials the host over vsock' {
	target 'cd /tmp/t/vm && { timeout 30 socat -u UNIX-LISTEN:vsock_7777 OPEN:heard,creat,trunc & } &&
		sleep 1 && "$CAISSON" vm boot -k guest/vmlinux -i vm/guest.cpio --vsock vsock -a do=vsock &&
		sleep 1 && cat heard; rm -f vsock'
	like "$output" 'over vsock'
}

@test 'a gibibyte goes over vsock each way, and nothing is lost' {
	limit=200
	target 'cd /tmp/t/vm && { timeout 200 bench/stream listen unix:$PWD/vsock_1 receive 1024 & } && {
			timeout 200 bench/stream listen unix:$PWD/vsock_2 send 1024 & } && sleep 1 &&
		"$CAISSON" vm boot -k guest/vmlinux -i vm/guest.cpio -d vm/tools.ext4,ro --vsock vsock -a \
			"noxsave do=tools io.kind=stream io.jobs=send,vsock:2:1,1024+receive,vsock:2:2,1024" && wait; rm -f vsock*'
	is "$(grep -c "^$((1024 << 20)) [0-9]*" <<<"$output")" 4
}

@test 'a processor, a disk and memory come while the guest runs' {
	target 'cd /tmp/t/vm && vm/grow guest/vmlinux vm/guest.cpio'
	like "$output" 'processors now 2'
	like "$output" 'disk that came later'
	like "$output" 'memory grew'
}

@test 'a saved machine goes on in another one, with two processors, timers and every kind of device' {
	limit=200
	target 'cd /tmp/t/vm && mkdir -p dir && echo "from the host" >dir/from-host && printf "from the host\n" >disk && truncate -s 1M disk &&
		vm/snapshot guest/vmlinux vm/guest.cpio disk dir'
	like "$output" 'it went on itself'
	is "$(grep -c 'it went on in another machine' <<<"$output")" 2
	like "$output" 'all as it must be'
}

@test 'memory that a guest frees, gives to a balloon or unplugs comes back to the host' {
	limit=200
	target 'cd /tmp/t/vm && vm/memory guest/vmlinux vm/guest.cpio'
	like "$output" 'free pages: .* in use, back to'
	like "$output" 'balloon: let go of'
	like "$output" 'virtio-mem: 256 MiB came, 192 MiB went'
	like "$output" 'all as it must be'
}

@test 'a panic is an error with its line' {
	boot -a do=panic
	refused 'kernel panic.*attempted to kill init'
}

@test "Debian's kernel finds processors and device slots by ACPI" {
	try target 'cd /tmp/t/vm && exec "$CAISSON" vm boot -k guest/vmlinuz -i vm/guest.cpio -c 2 --acpi \
		--serial --spare-slots 3 -a "cryptomgr.notests do=list"'
	succeeded
	like "$output" 'processors 2 of 2'
	for slot in 0 1 2; do like "$output" "device LNRO0005:0$slot"; done
}

@test 'what a machine cannot have is refused in one line' {
	boot -c 0
	refused '--cpus 0: 1 to'
	boot -c 2 --cpus-max 1
	refused '--cpus-max 1: 2 '
	boot --spare-slots 19
	refused '--spare-slots 19: '
	boot -m 0
	refused '--memory 0: '
	target 'truncate -s 1M /tmp/t/vm/disk'
	# shellcheck disable=SC2046 # one option for each
	boot $(printf -- '-d disk %.0s' {1..18})
	refused '18 device slots are taken'
	boot -t vmabsent
	refused 'no interface vmabsent: .ip tuntap add'
	boot -t lo
	refused 'open the interface lo as a tap device'
}

@test 'a damaged kernel file is refused in one line' {
	target 'cd /tmp/t/vm && head -c 100000 guest/vmlinux >cut && printf "not a kernel" >text'
	try target 'cd /tmp/t/vm && "$CAISSON" vm boot -k cut'
	refused 'kernel file: .*beyond its end'
	try target 'cd /tmp/t/vm && "$CAISSON" vm boot -k text'
	refused 'neither elf'
	try target 'cd /tmp/t/vm && "$CAISSON" vm boot -k absent'
	refused '--kernel: open absent: no such file'
	try target 'cd /tmp/t/vm && "$CAISSON" vm boot -k guest/vmlinux -i absent'
	refused '--initrd: open absent: no such file'
	boot -m 16
	refused 'give the guest more'
}

@test 'a hostile guest, every device of which gets rings and requests of random values, does no harm' {
	limit=240
	target 'ip link del vmtap 2>/dev/null; ip tuntap add vmtap mode tap multi_queue && ip link set vmtap up'
	for seed in 1 "$RANDOM"; do
		echo "seed $seed"
		try target 'cd /tmp/t/vm && mkdir -p held && mount -t tmpfs -o size=4m none held && truncate -s 1M hit spared && rm -f vsock*
			"$CAISSON" vm boot -k vm/hostile -m 288 -d hit -d spared --share held --tap vmtap,2 --vsock vsock --rng --balloon \
				--serial --stats -a "seed=$1 rounds=1000"; s=$?; umount held; rm -f vsock; exit $s' "$seed"
		succeeded
		[[ $output =~ rounds\ 1000,\ started\ ([0-9]+),.*good\ ([0-9]+),\ failed\ 0 ]] || fail "$output"
		((BASH_REMATCH[1] > 50 && BASH_REMATCH[2] > 20)) || fail "$output"
		size=$(sed -n 's/^monitor memory: \([0-9]*\) KiB/\1/p' <<<"$stderr")
		((size <= 5120)) || fail "$size KiB"
		# What a guest does wrong does not fill the log.
		(($(grep -c 'broke the rules' <<<"$stderr") <= 4 * 7)) || fail "$stderr"
	done
	target 'ip link del vmtap'
}
