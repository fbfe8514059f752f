/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/virtio/net.h"

static int open_queue(const char *name, bool several, struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	_cleanup_close_ int fd = -EBADF;

	if (strlen(name) == 0 || strlen(name) >= sizeof(request.ifr_name))
		return error_say(err, EINVAL, "\"%s\" is no name of a network interface", name);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "open /dev/net/tun for the interface %s", name);
	if (several)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	strcpy(request.ifr_name, name);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		int why = errno;

		if (if_nametoindex(name) == 0)
			return error_say(err, ENODEV,
				"there is no interface %s: 'ip tuntap add %s mode tap%s' makes it",
				name, name, several ? " multi_queue" : "");
		return error_set(err, why, "open the interface %s as a tap device with %s", name,
			several ? "several queues" : "one queue");
	}
	return take_fd(&fd);
}

int tap_open(const char *name, unsigned int count, int *ret_fds, struct error *err)
{
	for (unsigned int i = 0; i < count; i++) {
		int fd = open_queue(name, count > 1, err);

		if (fd < 0) {
			while (i-- > 0)
				ret_fds[i] = close_fd(ret_fds[i]);
			return fd;
		}
		ret_fds[i] = fd;
	}
	return 0;
}
