/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/kernel/initramfs.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "agent/modules.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/boot/cpio.h"
#include "runtime/vm/kernel/module_file.h"
#include "runtime/vm/kernel/modules.h"

#define DIRECTORY (&MODULES_DIRECTORY[1]) /* names in an archive have no leading slash */

static int copy_agent(int to, int agent, uint64_t *ret_size, struct error *err)
{
	struct stat st;
	off_t at = 0;

	if (fstat(agent, &st) < 0)
		return error_set(err, errno, "read the guest's agent");
	while (at < st.st_size) {
		ssize_t n = sendfile(to, agent, &at, (size_t)(st.st_size - at));

		if (n <= 0)
			return error_set(err, n < 0 ? errno : EIO,
				"copy the guest's agent into an initramfs");
	}
	*ret_size = (uint64_t)at;
	return 0;
}

static int add_module(struct cpio *cpio, int directory, const struct kernel_module *module,
	FILE *list, struct error *err)
{
	_cleanup_(module_file_free) struct module_file file = { 0 };
	char name[KERNEL_MODULE_NAME_MAX + 32];
	int status = module_file_read(directory, module->path, &file, err);

	if (status < 0)
		return status;
	fprintf(list, "%s %s %s %s\n", module->name, module->needed ? "needed" : "optional",
		file.depends[0] != '\0' ? file.depends : "-", file.aliases);
	snprintf(name, sizeof(name), "%s/%s.ko", DIRECTORY, module->name);
	return cpio_add_file(cpio, name, 0400, file.bytes, file.size, err);
}

static int add_modules(struct cpio *cpio, const char *root, const char *version,
	const struct kernel_modules *modules, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	_cleanup_close_ int directory = kernel_modules_open(root, version, err);

	if (directory < 0)
		return directory;
	FILE *list = open_memstream(&text, &length);
	if (list == NULL)
		return error_set(err, errno, "list the modules of kernel %s", version);
	int status = cpio_add_directory(cpio, DIRECTORY, 0700, err);
	for (size_t i = 0; status == 0 && i < modules->count; i++)
		status = add_module(cpio, directory, &modules->items[i], list, err);
	if (fclose(list) != 0 && status == 0)
		status = error_set(err, ENOMEM, "list the modules of kernel %s", version);
	if (status < 0)
		return status;
	char name[64];
	snprintf(name, sizeof(name), "%s/%s", DIRECTORY, MODULES_LIST);
	return cpio_add_file(cpio, name, 0400, text, length, err);
}

int initramfs_write(int fd, const char *root, const char *version, int agent, struct error *err)
{
	_cleanup_(kernel_modules_free) struct kernel_modules modules = { 0 };
	struct cpio cpio;
	uint64_t size = 0;
	int status = kernel_modules_find(root, version, &modules, err);

	if (status == 0)
		status = copy_agent(fd, agent, &size, err);
	if (status == 0)
		status = cpio_begin(&cpio, fd, size, err);
	if (status == 0)
		status = add_modules(&cpio, root, version, &modules, err);
	return status < 0 ? status : cpio_end(&cpio, err);
}
