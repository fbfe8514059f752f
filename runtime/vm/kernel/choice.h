/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernel and which initramfs a guest boots with, in this order: what the settings name, the
 * kernel that is installed with the program, the distribution's own with an initramfs made of its
 * modules.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/vm/kernel/distribution.h"

struct error;
struct settings_vm;

struct vm_kernel {
	int kernel, initrd; /* read-only */
	bool distribution;  /* it wants ACPI tables, and takes longer */
};

/*
 * Opens both. For a distribution's kernel the initramfs is made where it is not kept yet, which
 * takes a second. `settings` names files that may be used (vm_asked_files()). Errors are one line
 * that says what is missing and what mends it. A vm.kernel and a vm.initrd beside it are taken as
 * they are; alone, vm.initrd takes the place of the agent's archive.
 */
int vm_kernel_open(const struct settings_vm *settings, struct vm_kernel *ret, struct error *err);

struct vm_kernel_place {
	char kernel[PATH_MAX], agent[PATH_MAX]; /* agent: the archive with it */
	bool named;				/* the kernel, by the settings */
	bool distribution;
	char version[KERNEL_VERSION_MAX]; /* a distribution's kernel's */
};

/*
 * The same for who only looks: where each is. Fails where no kernel can be opened; the agent's
 * place is named all the same, and whether it is there is for the caller to see.
 */
int vm_kernel_find(
	const struct settings_vm *settings, struct vm_kernel_place *ret, struct error *err);

/* The path of the guest's kernel by the settings, or where it is installed. */
const char *vm_kernel_path(const struct settings_vm *settings);

/* ms that a guest may take to boot, and to answer: the settings', or what its kernel needs. */
int vm_kernel_timeout(const struct settings_vm *settings, bool distribution);
