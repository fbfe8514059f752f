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

#include "config/settings.h"
#include "runtime/vm/kernel/distribution.h"

struct error;

#define VM_DISTRIBUTION_OVERHEAD (UINT64_C(32) << 20)

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

/*
 * The settings with what they leave to the kernel: the timeout; and a distribution's kernel has
 * VM_DISTRIBUTION_OVERHEAD bytes more above its container's memory.
 */
struct settings_vm vm_kernel_settings(const struct settings_vm *settings, bool distribution);

/* The same for the container of the state directory `dir`, whose guest runs. */
struct settings_vm vm_kernel_settings_of(const struct settings_vm *settings, int dir);
