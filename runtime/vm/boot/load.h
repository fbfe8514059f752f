/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a kernel and its initrd into a new guest's memory.
 */
#pragma once

#include <stdint.h>

#include "runtime/vm/boot/image.h"

struct error;
struct memory;

struct boot_loaded {
	uint64_t entry; /* of the 64-bit boot protocol */
	uint64_t initrd, initrd_size;
	struct setup_header header;
	bool has_header;
};

/*
 * Loads the kernel of `kernel_fd` and, unless `initrd_fd` is negative, the initrd. With small pages
 * what can be mapped from the files is not copied: the files must stay as they are while the guest
 * runs. With large ones it is copied: each small page of a file would cost one or two exits (4,500
 * of them while this kernel boots, for it patches half of its own text). The fds are not needed
 * afterwards.
 */
int boot_load(struct memory *memory, int kernel_fd, int initrd_fd, struct boot_loaded *ret,
	struct error *err);
