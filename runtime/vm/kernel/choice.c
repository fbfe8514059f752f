/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/kernel/choice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/kernel/cache.h"
#include "runtime/vm/vm.h"

#ifndef CAISSON_DATADIR
#define CAISSON_DATADIR "/usr/lib/caisson"
#endif

#define KERNEL CAISSON_DATADIR "/vmlinux"
#define AGENT CAISSON_DATADIR "/agent.cpio"
#define SYSTEM "" /* the root below which a distribution's kernels are */

/* A distribution's kernel, in an emulated machine too, takes ten times the time of ours. */
#define TIMEOUT 10
#define DISTRIBUTION_TIMEOUT 60

const char *vm_kernel_path(const struct settings_vm *settings)
{
	return settings->kernel != NULL ? settings->kernel : KERNEL;
}

struct settings_vm vm_kernel_settings(const struct settings_vm *settings, bool distribution)
{
	struct settings_vm used = *settings;

	if (used.timeout == 0)
		used.timeout = distribution ? DISTRIBUTION_TIMEOUT : TIMEOUT;
	if (distribution)
		used.overhead += VM_DISTRIBUTION_OVERHEAD;
	return used;
}

struct settings_vm vm_kernel_settings_of(const struct settings_vm *settings, int dir)
{
	return vm_kernel_settings(settings, faccessat(dir, VM_DISTRIBUTION, F_OK, 0) == 0);
}

static int open_distribution(struct vm_kernel_place *place, struct error *err)
{
	struct distribution_kernel kernel;
	struct error problem = ERROR_INIT;
	struct utsname host;

	uname(&host);
	int fd = distribution_open(SYSTEM, host.release, &kernel, &problem);
	if (fd == -ENOENT)
		return error_say(err, ENOENT,
			"there is no kernel for guests: neither " KERNEL
			" (make guest-kernel, make install), nor a distribution's (%s), nor one "
			"that the settings name (vm.kernel)",
			problem.message);
	if (fd < 0)
		return error_say(err, problem.errnum, "%s", problem.message);
	place->distribution = true;
	memcpy(place->kernel, kernel.path, sizeof(kernel.path));
	memcpy(place->version, kernel.version, sizeof(kernel.version));
	return fd;
}

static int open_kernel(
	const struct settings_vm *settings, struct vm_kernel_place *place, struct error *err)
{
	snprintf(place->kernel, sizeof(place->kernel), "%s", vm_kernel_path(settings));
	int fd = open(place->kernel, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && settings->kernel == NULL)
		return open_distribution(place, err);
	if (fd < 0)
		return error_say(err, errno,
			"cannot open the guest kernel %s: %s; build it with 'make guest-kernel', "
			"or "
			"name another in the settings (vm.kernel)",
			place->kernel, strerror(errno));
	place->named = settings->kernel != NULL;
	if (place->named && settings->initrd == NULL)
		place->distribution = distribution_is(SYSTEM, fd, place->version);
	return fd;
}

static void name_agent(const struct settings_vm *settings, struct vm_kernel_place *place)
{
	snprintf(place->agent, sizeof(place->agent), "%s",
		settings->initrd != NULL ? settings->initrd : AGENT);
}

static int open_agent(
	const struct settings_vm *settings, struct vm_kernel_place *place, struct error *err)
{
	name_agent(settings, place);
	int fd = open(place->agent, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_say(err, errno,
			"cannot open the guest's agent %s: %s; install it with 'make install'",
			place->agent, strerror(errno));
	return fd;
}

int vm_kernel_open(const struct settings_vm *settings, struct vm_kernel *ret, struct error *err)
{
	struct vm_kernel_place place;
	char directory[PATH_MAX];

	place.distribution = false;
	_cleanup_close_ int kernel = open_kernel(settings, &place, err);
	if (kernel < 0)
		return kernel;
	_cleanup_close_ int initrd = open_agent(settings, &place, err);
	if (initrd < 0)
		return initrd;
	if (place.distribution) {
		_cleanup_close_ int agent = take_fd(&initrd);

		cache_directory(directory);
		initrd = cache_open_initramfs(directory, SYSTEM, place.version, agent, err);
		if (initrd < 0)
			return error_prefix(err, "boot guests with %s", place.kernel);
	}
	*ret = (struct vm_kernel){
		.kernel = take_fd(&kernel),
		.initrd = take_fd(&initrd),
		.distribution = place.distribution,
	};
	return 0;
}

int vm_kernel_find(
	const struct settings_vm *settings, struct vm_kernel_place *ret, struct error *err)
{
	*ret = (struct vm_kernel_place){ 0 };
	name_agent(settings, ret);
	_cleanup_close_ int kernel = open_kernel(settings, ret, err);
	return kernel < 0 ? kernel : 0;
}
