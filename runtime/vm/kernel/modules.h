/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which modules of a distribution's kernel a guest gets: the drivers of its devices, the file
 * systems of images, and what containers ask a kernel for (network interfaces, packet filters).
 * modprobe(8) says where they are, and what each needs (modules.dep is documented as no other
 * program's).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

#define KERNEL_VERSION_MAX 65 /* utsname's release */
#define KERNEL_MODULE_NAME_MAX 56

struct kernel_module {
	char name[KERNEL_MODULE_NAME_MAX]; /* with '_' for '-' */
	char *path;			   /* relative to the version's directory */
	bool needed;			   /* no guest starts without it */
};

/* In the order in which they could be loaded, each once. */
struct kernel_modules {
	struct kernel_module *items;
	size_t count;
	char missing[256]; /* names of those that the kernel has not, and that are no necessity */
};

/*
 * Asks modprobe for those of kernel `version` below the directory `root` ("" is the system's own).
 * `ret` is given back by kernel_modules_free(). Errors are one line that says what mends it:
 * -ENOENT where modprobe is not installed; -ENODEV where the kernel lacks a needed one, with its
 * name and option.
 */
int kernel_modules_find(
	const char *root, const char *version, struct kernel_modules *ret, struct error *err);

/*
 * Reads what modprobe printed (`text` is changed): lines "insmod PATH [PARAMETER...]" with PATH
 * below lib/modules/VERSION or usr/lib/modules/VERSION of `root`, and "builtin NAME". All else is
 * -EPROTO. Sets `needed` and `missing`, as above.
 */
int kernel_modules_parse(char *text, const char *root, const char *version,
	struct kernel_modules *ret, struct error *err);

void kernel_modules_free(struct kernel_modules *modules);

/* Opens the directory of `version`'s modules. */
int kernel_modules_open(const char *root, const char *version, struct error *err);
