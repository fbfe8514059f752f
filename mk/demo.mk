# SPDX-License-Identifier: Apache-2.0

# sudo make demo      installs what is missing, builds, runs a container in namespaces and, where KVM
#                     runs guests, in a virtual machine (whose kernel is built first: 5 to 10 minutes,
#                     once); tells what happened.
# sudo make demo-vm   the same in the test machine, which has KVM wherever it is booted
demo: demo-deps
	@$(MAKE) -s all
	@mk/demo $(abspath $(BUILD)/caisson)

demo-vm: demo-vm-deps
	@test -e $(BUILD)/guest/vmlinux || \
		echo "# building the guest's kernel from Debian's source: 5 to 10 minutes, once"
	@$(MAKE) -s all machine-tools guest-kernel
	@mk/demo-vm $(abspath $(BUILD))

.PHONY: demo demo-vm
