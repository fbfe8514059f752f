/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/net_configure.h"
#include "runtime/vm/net_description.h"

#define CARD_WAIT_MS 5000
#define BIND "/sys/bus/platform/drivers/virtio-mmio/bind"

/* The slot was empty when the driver looked at boot. What it was given meanwhile is found now. */
static int bind_slot(unsigned int slot, struct error *err)
{
	char link[96], device[32];
	int length = snprintf(device, sizeof(device), "virtio-mmio.%u", slot);

	snprintf(link, sizeof(link), "/sys/bus/platform/devices/%s/driver", device);
	if (faccessat(AT_FDCWD, link, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	_cleanup_close_ int fd = open(BIND, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, device, (size_t)length) < 0)
		return error_set(err, errno, "bind the driver of the guest's device slot %u", slot);
	return 0;
}

int network_apply(
	const char *description, const unsigned int *slots, size_t n_slots, struct error *err)
{
	_cleanup_(net_description_free) struct net_description wanted = { 0 };
	int status = net_description_read(description, strlen(description), &wanted, err);

	for (size_t i = 0; i < n_slots && status == 0; i++)
		status = bind_slot(slots[i], err);
	if (status == 0)
		status = net_wait_for_interfaces(&wanted, CARD_WAIT_MS, err);
	return status < 0 ? status : net_configure(&wanted, err);
}
