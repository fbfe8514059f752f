#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine,vm
# budget: 90 s
# A pod of the kubelet's whose handler is caisson-vm: its sandbox is a virtual machine with the pod's
# network, its containers are refused until one machine can have several. Needs ISOLATION=vm.
load lib/common.bash
load lib/cri.bash

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'pods of namespaces are in limits-callers.bats'
	limit=240
}

@test "a pod of containerd's CRI plugin: the sandbox answers on the pod's network; its container is refused in one line that names the pod" {
	cri_prepare
	try target 'CAISSON=$T/caisson-vm;'"$cri_up"' sandbox="{\"1\": {\"1\": \"pod\", \"2\": \"uid\", \"3\": \"default\"}, \"8\": {\"1\": \"/kubepods.slice/kubepods-podx.slice\"}}"
		pod=$(cri RunPodSandbox "{\"1\": $sandbox}" | sed -n "s/^1 //p"); echo "pod $pod"
		$CAISSON --root /run/containerd/runc/k8s.io state $pod | grep "\"isolation\""; ping -c 1 -W 10 10.9.8.2 >/dev/null && echo answers
		c=$(cri CreateContainer "{\"1\": \"$pod\", \"3\": $sandbox, \"2\": {\"1\": {\"1\": \"one\"}, \"2\": {\"1\": \"localhost/pause:latest\"}}}" | sed -n "s/^1 //p")
		cri StartContainer "{\"1\": \"$c\"}"; echo "start $?"
		cri RemoveContainer "{\"1\": \"$c\"}"; cri StopPodSandbox "{\"1\": \"$pod\"}"; cri RemovePodSandbox "{\"1\": \"$pod\"}"
		$CAISSON --root /run/containerd/runc/k8s.io list -q; ip link show cri0 2>/dev/null; systemctl list-units --all --no-legend "cri-containerd-*";'"$cri_down"
	like "$output" '^pod [0-9a-f]{64}'
	local pod=${output%%$'\n'*}
	is "$output" "$pod"$'\n  "isolation": "vm",\nanswers\nstart 1'
	like "$stderr" "the container is one of the ${pod:0:68}.*: several containers in one virtual machine are not supported yet"
	is "$(wc -l <<<"$stderr")" 1
}
