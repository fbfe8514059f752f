#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 200 s
# Where no kernel for guests is installed or named, the distribution's boots them, with an initramfs
# that is made of its modules on first use. Debian's is the test machine's own. Needs ISOLATION=vm.
# bats file_tags=machine,vm

# shellcheck disable=SC2016 # scripts are expanded in the target

load lib/common.bash

cache=/var/cache/caisson

# The kernel's file where Debian puts it; its modules are there. What is installed is hidden.
setup_file() {
	[[ ${ISOLATION-} == vm ]] || return 0
	local top debian image
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	debian=$(cd "$top/build" && compgen -G "${MACHINE_KERNEL:-machine/kernel}/boot/vmlinuz-*" | head -n 1)
	(cd "$top/build" && cat "$debian") | "$top/tests/machine/run" --stdin --timeout 60 --sh '
		mkdir -p /boot /tmp/t/d /tmp/t/images && /bin/mount -t tmpfs none /boot && cat >/boot/vmlinuz-$(uname -r) &&
		{ [ ! -d /usr/local/lib/caisson ] || /bin/mount -t tmpfs none /usr/local/lib/caisson; } &&
		echo "{\"vm\": {\"initrd\": \"/tmp/t/d/agent.cpio\", \"kernel_parameters\": [\"noxsave\"]}}" \
			>/tmp/t/d/settings.json && cp /tmp/t/guest/agent.cpio /tmp/t/d/'
	image=$BATS_FILE_TMPDIR/image
	mkdir -p "$image"/{bin,proc,dev,sys,tmp,etc,run}
	cp "$(command -v busybox)" "$image/bin/busybox"
	ln -s busybox "$image/bin/sh"
	mksquashfs "$image" "$image.squashfs" -quiet -no-progress -comp zstd >/dev/null
	"$top/tests/machine/run" --stdin --timeout 60 --sh 'cat >/tmp/t/d/squashfs' <"$image.squashfs"
}

teardown_file() {
	[[ ${ISOLATION-} == vm ]] || return 0
	"$BATS_TEST_DIRNAME/../machine/run" --timeout 60 --sh 'umount /boot; rm -rf /var/cache/caisson /tmp/t/d
		! grep -q " /usr/local/lib/caisson tmpfs " /proc/mounts || umount /usr/local/lib/caisson'
}

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
	flags='--isolation vm --settings /tmp/t/d/settings.json'
	limit=150
}

one_line() {
	[[ -n $stderr && $(wc -l <<<"$stderr") == 1 ]] || fail 'not one line'
}

details() {
	jq -r --arg name "$1" '.vm.checks[] | select(.name == $name) | "\(.status): \(.detail)"' <<<"$output"
}

# Makes the initramfs where there is none, and boots nothing: what follows the choice is refused.
make_only() {
	try target 'cd $bundle && exec 3</dev/null &&
		caisson --settings /tmp/t/d/settings.json --isolation auto run --preserve-fds 1 $id'
	[[ $stderr == *preserve-fds* ]] || fail 'something else was refused'
}

# In a mount namespace of its own $1 runs with a few of the kernel's modules, which are changed by $2.
with_modules='few() {
	cat >$bundle/run && unshare -m sh -c "
		. /tmp/t/target.sh; v=\$(uname -r) from=\$T/d/from; mkdir -p \$from &&
		mount --bind /lib/modules/\$v \$from && mount -t tmpfs none /lib/modules/\$v && cd /lib/modules/\$v &&
		mkdir -p kernel/drivers kernel/net kernel/fs/fuse && cp -r \$from/kernel/drivers/virtio kernel/drivers &&
		cp \$from/kernel/drivers/char/virtio_console.ko \$from/kernel/net/vmw_vsock/*vsock*.ko kernel/net/ &&
		cp \$from/kernel/fs/fuse/*.ko kernel/fs/fuse/ && cp \$from/modules.builtin* \$from/modules.order . &&
		$1 && /sbin/depmod \$v && umount \$from && cd $bundle &&
		id=$id bundle=$bundle flags=\"$flags\" && . $bundle/run"
}
'

@test "doctor: the kernel, its modules, and the initramfs that is still to be made; what is missing" {
	target 'rm -rf '$cache'; caisson doctor --format json; uname -r >&2'
	local version=$stderr
	json '.vm.works'
	is "$(details 'guest kernel')" "ok: /boot/vmlinuz-$version, the distribution's $version"
	like "$(details 'kernel modules')" "^ok: [0-9]+ of kernel $version\$"
	like "$(details initramfs)" "^ok: $cache/initramfs-$version-[0-9a-f]{16}.cpio, made by the first container"
	try target 'unshare -m sh -c "mount --bind /dev/null /sbin/modprobe && $CAISSON $flags doctor --format json"'
	like "$(details 'kernel modules')" '^missing: .*modprobe .* is not installed \(package kmod\)'
	json '.vm.works | not'
	try target 'unshare -m sh -c "mount -t tmpfs none /boot && $CAISSON $flags doctor --format json"'
	like "$(details 'guest kernel')" '^missing: there is no kernel for guests: neither .*/vmlinux .* nor a distribution'
}

@test "the first container makes the initramfs, the second one uses it" {
	container 'uname -r; exit 7'
	is "$status" 7
	target 'uname -r; ls -A '$cache'; stat -c "%i %a %U" '$cache/*'; stat -c "%a %U" '$cache
	local made=$output
	like "$made" $'\ninitramfs-[^\n]*.cpio\n[0-9]+ 600 root\n700 root$'
	target 'caisson doctor --format json'
	unlike "$(details initramfs)" 'made by'
	container 'exit 3'
	is "$status" 3
	is "$stderr" ''
	target 'uname -r; ls -A '$cache'; stat -c "%i %a %U" '$cache/*'; stat -c "%a %U" '$cache
	is "$output" "$made"
}

@test "bind mount, exec, limits; memory that comes later; modules that the kernel asks for" {
	mount_at /data bind "$bundle" bind,rw
	mount_at /host bind / bind,ro
	all_capabilities
	config '.linux.resources.memory = {limit: 67108864}'
	program sh -c 'echo from the guest >/data/heard; exec sleep 1000'
	target 'cd $bundle && caisson run -d $id && eventually test -s heard && cat heard &&
		caisson exec $id cat /sys/fs/cgroup/memory.max && cat $(cgroup_of $(pid_of $id))/memory.max'
	is "$output" $'from the guest\n67108864\n'$((67108864 + (96 << 20)))
	target 'caisson exec $id sh -c "ip link add d0 type dummy && ip link add b0 type bridge && ip link show b0" &&
		caisson exec $id sh -c "ls /sys/module" | grep -xE "bridge|dummy|erofs"; caisson exec $id sh -c "ip link show"'
	like "$output" 'b0:'
	like "$output" 'bridge'
	unlike "$output" 'erofs'
	unlike "$output" 'dummy0' # the command line says so, as to a kernel that has it built in
	# Packet filters: nft, and iptables over it, with the machine's own programs.
	target 'caisson exec $id sh -c "chroot /host /usr/sbin/nft -f - && chroot /host /usr/sbin/iptables -A INPUT -p tcp --dport 80 -m conntrack \
			--ctstate NEW -j REJECT && chroot /host /usr/sbin/nft list ruleset" <<-"EOT"
		table ip t { chain c { type nat hook postrouting priority 100; oifname "b0" masquerade; }; }
	EOT'
	like "$output" 'oifname "b0" masquerade'
	like "$output" 'tcp dport 80 .*(ct state new|xt match).* reject'
	caisson update --memory 268435456 "$id"
	caisson exec "$id" sh -c 'cat /sys/fs/cgroup/memory.max; grep MemTotal /proc/meminfo'
	like "$output" $'^268435456\nMemTotal: +3[0-9]{5} kB'
	target 'cat $(cgroup_of $(pid_of $id))/memory.max'
	is "$output" $((268435456 + (96 << 20)))
	target 'caisson kill $id KILL && eventually has_status $id stopped'
}

@test "a network card, and a root from an image" {
	config '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/\($id)" else . end)
		| .process.capabilities |= map_values(. + ["CAP_NET_RAW"])' --arg id "$id"
	config '.root = {path: "/tmp/t/d/squashfs"}'
	program sh -c 'busybox ping -c 1 -W 5 10.1.2.1 && echo x >/y && busybox cat /y'
	target 'ip netns add $id && ip link add near type veth peer name eth0 netns $id &&
		ip addr add 10.1.2.1/24 dev near && ip link set near up && ip -n $id addr add 10.1.2.3/24 dev eth0 &&
		ip -n $id link set eth0 up && caisson run --bundle $bundle $id; s=$?; ip link del near; ip netns del $id; exit $s'
	like "$output" '1 packets received'
	like "$output" $'\nx$'
}

@test "another agent makes another initramfs; the one before goes, and those of kernels that are gone" {
	make_only
	target 'ls '$cache
	local before=$output
	target "touch /tmp/t/d/agent.cpio && touch $cache/initramfs-5.10.0-9-gone-0123456789abcdef.cpio"
	make_only
	target 'ls '$cache
	[[ $output != "$before" && $(wc -l <<<"$output") == 1 ]] || fail "before: $before"
}

@test "modules that the distribution keeps packed are unpacked" {
	local sum='' how
	for how in true '/usr/bin/xz -q kernel/drivers/virtio/*.ko kernel/net/*.ko' '/usr/bin/zstd -q --rm kernel/fs/fuse/*.ko'; do
		try target "rm -rf $cache; $with_modules"'few "'"$how"'" <<-"EOT"
			find /lib/modules/$(uname -r)/kernel -name "*.ko.*" | sed "s/.*ko[.]//" | sort -u
			exec 3</dev/null
			caisson --isolation auto run --preserve-fds 1 $id
			cksum <$(echo '$cache'/*)
		EOT'
		like "$stderr" 'preserve-fds'
		case $how in
		true) like "$output" '^[0-9]+ [0-9]+$' && sum=$output ;;
		*/xz*) is "$output" $'xz\n'"$sum" ;;
		*/zstd*) is "$output" $'zst\n'"$sum" ;;
		esac
	done
}

@test "what is not as it was left is not used: cut off, a link, somebody else's to write, no directory of ours" {
	make_only
	target 'cd '$cache' && stat -c %s *'
	local size=$output what
	for what in 'truncate -s 1000 $f' 'echo >>$f' 'rm $f && ln -s /tmp/t/d/agent.cpio $f' 'chmod 666 $f' \
		'chown 1000 $f' 'rm $f && mkfifo $f'; do
		target 'cd '$cache' && f=$(echo *) && '"$what"
		make_only
		like "$stderr" 'it is made anew'
		target 'cd '$cache' && stat -c "%F %s %a %u" *'
		is "$output" "regular file $size 600 0"
	done
	target 'chmod 777 '$cache
	make_only
	like "$stderr" 'cannot be kept in /var/cache/caisson.* others may write there'
	target 'rm -rf '$cache' && ln -s /nowhere '$cache
	make_only
	like "$stderr" 'cannot be kept in'
	target 'rm '$cache
}

@test "where the initramfs cannot be kept a guest starts all the same" {
	target 'rm -rf '$cache' && echo >'$cache
	container 'echo started'
	is "$output" started
	like "$stderr" "cannot be kept in $cache, and is made anew for each start"
	one_line
	target 'rm '$cache
}

@test "a module that no guest can do without is missing: one line, and doctor's" {
	try target "$with_modules"'few "rm kernel/net/virtio_console.ko" <<-"EOT"
		caisson run $id; caisson doctor --format json
	EOT'
	like "$stderr" 'has no module virtio_console \(CONFIG_VIRTIO_CONSOLE\): .* name another kernel'
	one_line
	like "$(details 'kernel modules')" '^missing: .*virtio_console'
}

@test "a module that the guest's kernel does not take, a panic before the console is there: the guest says it" {
	target "$with_modules"'few "sed -i s/vermagic=6/vermagic=5/ kernel/net/virtio_console.ko" <<-"EOT"
		! caisson run $id && rm -rf /var/cache/caisson
	EOT'
	like "$stderr" 'the guest ended: .*cannot load the kernel module virtio_console: '
	try target 'cd $bundle && sed s/noxsave/"noxsave\", \"rdinit=\/nowhere"/ $T/d/settings.json >panics.json &&
		caisson --settings $bundle/panics.json run $id'
	refused 'the guest ended: kernel panic.*'
	one_line
}

@test "a kernel that is named is treated so too; with an initramfs of its own it is as it is named" {
	target 'cd $bundle && v=$(uname -r) && sed "s,{\"init,{\"kernel\": \"/boot/vmlinuz-$v\"\, \"init," $T/d/settings.json \
			>as-named.json && caisson --settings $bundle/as-named.json doctor --format json'
	like "$(details 'guest kernel')" 'vmlinuz-.*, named by the settings$'
	target 'cd $bundle && mount -t tmpfs none /usr/local/lib && mkdir /usr/local/lib/caisson &&
		cp $T/d/agent.cpio /usr/local/lib/caisson/ &&
		echo "{\"vm\": {\"kernel\": \"/boot/vmlinuz-$(uname -r)\"}}" >named.json &&
		caisson --settings $bundle/named.json doctor --format json; umount /usr/local/lib'
	like "$(details 'guest kernel')" "the distribution's .*, named by the settings"
	like "$(details 'kernel modules')" '^ok'
}

@test "an ordinary user: an initramfs of his own; a kernel that root alone may read is one line" {
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}]
		| .linux.gidMappings = [{containerID: 0, hostID: 1000, size: 1}]
		| .mounts |= map(select(.destination != "/sys/fs/cgroup"))
		| (.mounts[] | select(.destination == "/dev/pts") | .options) = ["nosuid", "noexec"]'
	program uname -r
	local user='user() { HOME=$bundle setpriv --reuid 1000 --regid 1000 --clear-groups "$CAISSON" --root $bundle/state \
			$flags --cgroup-manager disabled "$@"; }
		mode=$(stat -c %a /dev/kvm); chmod 666 /dev/kvm; cd $bundle; '
	target 'mkdir -p $bundle/state && chown -R 1000:1000 $bundle && chmod 711 $T $T/bundles $T/d;'"$user"'
		user run $id; s=$?; chmod $mode /dev/kvm; ls .cache/caisson; uname -r; exit $s'
	[[ $output =~ ^(.*)$'\n'initramfs-.*cpio$'\n'(.*)$ && ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]] ||
		fail 'not that kernel, or no initramfs'
	try target 'chmod 600 /boot/vmlinuz-*;'"$user"'user run $id; s=$?; chmod 644 /boot/vmlinuz-*; chmod $mode /dev/kvm; exit $s'
	refused "the distribution's kernel /boot/vmlinuz-.* can be read by root alone: as root, chmod 0644"
	one_line
}
