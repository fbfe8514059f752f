/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/modules.h"
#include "lib/cleanup.h"
#include "lib/error.h"

#define DEVICES "/sys/bus/platform/devices"
#define BIND "/sys/bus/platform/drivers/virtio-mmio/bind"
#define AUTO_ONLINE "/sys/devices/system/memory/auto_online_blocks"

static int write_to(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool exists(const char *device, const char *what)
{
	char path[96];

	snprintf(path, sizeof(path), DEVICES "/%s%s", device, what);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A slot is what the command line says, or the ACPI tables (runtime/vm/x86/acpi.h). */
int device_bind(unsigned int slot, struct error *err)
{
	char device[32];

	snprintf(device, sizeof(device), "virtio-mmio.%u", slot);
	if (!exists(device, ""))
		snprintf(device, sizeof(device), "LNRO0005:%02x", slot);
	if (exists(device, "/driver"))
		return 0;
	int status = write_to(BIND, device);
	if (status < 0)
		return error_set(
			err, -status, "bind the driver of the guest's device slot %u", slot);
	return modules_load_drivers(err);
}

/*
 * For the kernel's own use too: what describes each new block of memory lies in the blocks before
 * it, which a small guest that grows by much needs.
 */
int memory_use_what_comes(struct error *err)
{
	int status = write_to(AUTO_ONLINE, "online");

	return status < 0 ? error_set(err, -status, "the guest's kernel cannot be given memory: %s",
				    AUTO_ONLINE)
			  : 0;
}

uint64_t memory_available(void)
{
	char text[512] = "", *line;
	_cleanup_close_ int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	uint64_t kilobytes;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	line = strstr(text, "MemAvailable:");
	return line != NULL && sscanf(line, "MemAvailable: %" SCNu64 " kB", &kilobytes) == 1
		? kilobytes << 10
		: 0;
}

int cpus_bring_up(unsigned int cpus, struct error *err)
{
	for (unsigned int i = 1; i < cpus; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", i);
		int status = write_to(path, "1");
		if (status < 0)
			return error_set(err, -status, "bring up the guest's processor %u", i);
	}
	return 0;
}
