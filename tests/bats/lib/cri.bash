# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The kubelet's interface of containerd, in the target: `cri_prepare` on the host, then a script that
# begins with $cri_up, has the function `cri METHOD MESSAGE` (tests/tools/cri) and ends with $cri_down.
# The runtime is $CAISSON.

cri_prepare() {
	"$top/tests/machine/run" --stdin --sh 'mkdir -p /tmp/cri/bin /tmp/cri/net && cat >/tmp/cri/cri' <"$top/tests/tools/cri"
	# A network plugin (CNI): the loopback, and one pod's end of a wire.
	"$top/tests/machine/run" --stdin --sh 'cd /tmp/cri && cat >bin/wire && cp bin/wire bin/loopback && chmod 755 bin/* &&
		echo "{\"cniVersion\": \"0.4.0\", \"name\": \"wire\", \"type\": \"wire\"}" >net/10-wire.conf' <<-'E'
		#!/tmp/t/bin/sh
		inside() { /usr/bin/nsenter --net="$CNI_NETNS" /sbin/ip "$@"; }
		answer() {
			echo "{\"cniVersion\": \"0.4.0\", \"interfaces\": [{\"name\": \"$CNI_IFNAME\", \"sandbox\": \"$CNI_NETNS\"}],
				\"ips\": [{\"version\": \"4\", \"address\": \"$1\", \"interface\": 0}]}"
		}
		case $CNI_COMMAND:${0##*/} in
		VERSION:*) echo '{"cniVersion": "0.4.0", "supportedVersions": ["0.3.1", "0.4.0"]}' ;;
		ADD:loopback) inside link set lo up && answer 127.0.0.1/8 ;;
		ADD:wire)
			/sbin/ip link add cri0 type veth peer name cri1 && /sbin/ip addr add 10.9.8.1/24 dev cri0 &&
				/sbin/ip link set cri0 up && /sbin/ip link set cri1 netns "${CNI_NETNS##*/}" &&
				inside link set cri1 name "$CNI_IFNAME" && inside addr add 10.9.8.2/24 dev "$CNI_IFNAME" &&
				inside link set "$CNI_IFNAME" up && answer 10.9.8.2/24
			;;
		DEL:wire) /sbin/ip link del cri0 2>/dev/null ;;
		esac
		true
	E
}

# containerd with its CRI plugin, SystemdCgroup = true, and an image that serves as pause, too. The
# pods' network is the plugin below.
# shellcheck disable=SC2016 # for the target
cri_up='cd /tmp/cri && cat >config.toml <<-E
		version = 2
		root = "/var/lib/containerd/cri"
		state = "/run/containerd/cri"
		disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
		[grpc]
		address = "/run/cri.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "localhost/pause:latest"
		[plugins."io.containerd.grpc.v1.cri".cni]
		bin_dir = "/tmp/cri/bin"
		conf_dir = "/tmp/cri/net"
		[plugins."io.containerd.grpc.v1.cri".containerd]
		default_runtime_name = "caisson"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.caisson]
		runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.caisson.options]
		BinaryName = "$CAISSON"
		SystemdCgroup = true
	E
	mkdir image; tar -C $T/rootfs -cf image/layer.tar .; layer=$(sha256sum image/layer.tar | cut -d" " -f1)
	printf "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sleep\",\"100000\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}" $layer >image/config.json
	printf "[{\"Config\":\"config.json\",\"RepoTags\":[\"localhost/pause:latest\"],\"Layers\":[\"layer.tar\"]}]" >image/manifest.json
	tar -C image -cf image.tar manifest.json config.json layer.tar
	systemd-run -q --unit cri-test -E PATH=$PATH /usr/bin/containerd --config /tmp/cri/config.toml; eventually test -S /run/cri.sock
	/usr/bin/ctr -a /run/cri.sock -n k8s.io image import image.tar >/dev/null
	cri() { /usr/bin/python3 /tmp/cri/cri /run/cri.sock "$@"; };'
# shellcheck disable=SC2016 # for the target
cri_down=' systemctl stop cri-test; sed -n "s|.* \(/run/containerd/cri[^ ]*\) .*|\1|p" /proc/self/mountinfo | sort -r | while read -r m; do umount -l $m; done; rm -rf /tmp/cri /var/lib/containerd/cri /run/containerd/cri;'
