/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/net_devices.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"

int net_loopback_up(struct error *err)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_set(err, errno, "bring the loopback interface up");
	return 0;
}

int net_devices_move(const struct oci_linux *linux, int netns, struct error *err)
{
	(void)netns;
	return linux->n_net_devices == 0
		? 0
		: error_say(err, ENOTSUP, "linux.netDevices: not supported by this build");
}
