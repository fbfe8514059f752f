# SPDX-License-Identifier: Apache-2.0
#
# make guest-kernel   build/guest/vmlinux and bzImage, from Debian's kernel source (cached)

GUEST_KERNEL := $(addprefix $(BUILD)/guest/,vmlinux bzImage System.map)

guest-kernel: $(GUEST_KERNEL)

$(GUEST_KERNEL) &: guest/kernel.config guest/build-kernel
	guest/build-kernel -z -o $(BUILD)/guest/vmlinux

.PHONY: guest-kernel
