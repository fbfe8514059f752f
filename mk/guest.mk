# SPDX-License-Identifier: Apache-2.0
#
# make guest-kernel   build/guest/vmlinux and bzImage, from Debian's kernel source (cached)

guest-kernel:
	guest/build-kernel -z -o $(BUILD)/guest/vmlinux

.PHONY: guest-kernel
