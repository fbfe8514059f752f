/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/net_devices.h"

#define ENTROPY_MAX 512

static const struct {
	const char *type, *target, *data;
	unsigned long flags;
	mode_t mode;
} mounts[] = {
	{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "devtmpfs", "/dev", "mode=0755", MS_NOSUID, 0755 },
	{ "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV, 0755 },
	{ "cgroup2", "/sys/fs/cgroup", "nsdelegate", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0755 },
};

/* proc(5): no limit of PID 1's own is inherited by a container that asked for none. */
static void raise_limits(void)
{
	const struct rlimit files = { 1048576, 1048576 };
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_NPROC, &none);
	setrlimit(RLIMIT_MEMLOCK, &none);
	setrlimit(RLIMIT_SIGPENDING, &none);
}

int system_set_up(struct error *err)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		mkdir(mounts[i].target, mounts[i].mode);
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			    mounts[i].data) < 0 &&
			errno != EBUSY)
			return error_set(
				err, errno, "mount %s at %s", mounts[i].type, mounts[i].target);
	}
	mkdir("/tmp", 01777);
	raise_limits();
	/* The containers have the guest's own network namespace. */
	if (net_loopback_up(err) < 0)
		return -err->errnum;
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	return 0;
}

int system_mount_exports(struct error *err)
{
	static bool mounted;

	if (mounted)
		return 0;
	mkdir(AGENT_EXPORTS, 0755);
	if (mount(AGENT_EXPORTS_TAG, AGENT_EXPORTS, "virtiofs", MS_NOATIME, NULL) < 0)
		return error_set(err, errno, "mount the host's exports in the guest");
	mounted = true;
	return 0;
}

int system_listen(uint32_t port, struct error *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		/* Beyond it connections are refused: many come while a process is made. */
		listen(fd, SOMAXCONN) < 0)
		return error_set(err, errno, "listen on vsock port %u", port);
	return take_fd(&fd);
}

int system_accept(int listener, uint32_t *ret_port)
{
	for (;;) {
		struct sockaddr_vm peer = { 0 };
		socklen_t length = sizeof(peer);
		int fd = accept4(
			listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return -errno;
		if (peer.svm_cid == VMADDR_CID_HOST) {
			if (ret_port != NULL)
				*ret_port = peer.svm_port;
			return fd;
		}
		close(fd);
	}
}

void system_sync(void)
{
	sync();
}

static void stir(const void *entropy, size_t length)
{
	struct rand_pool_info *pool;
	_cleanup_close_ int random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	_cleanup_free_ void *bytes = calloc(1, sizeof(*pool) + length);

	if (random < 0 || bytes == NULL)
		return;
	pool = bytes;
	pool->entropy_count = (int)length * 8;
	pool->buf_size = (int)length;
	memcpy(pool->buf, entropy, length);
	ioctl(random, RNDADDENTROPY, pool);
	ioctl(random, RNDRESEEDCRNG);
}

int system_set_clock(
	int64_t seconds, int64_t nanoseconds, const void *entropy, size_t length, struct error *err)
{
	const struct timespec now = { .tv_sec = seconds, .tv_nsec = (long)nanoseconds };

	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return error_set(err, errno, "set the guest's clock");
	if (length > 0)
		stir(entropy, length < ENTROPY_MAX ? length : ENTROPY_MAX);
	return 0;
}

static void log_to_console(enum log_level level, const char *message, void *data)
{
	(void)level, (void)data;
	dprintf(STDERR_FILENO, "caisson-agent: %s\n", message);
}

void system_log_to_console(void)
{
	log_set_sink(log_to_console, NULL, LOG_LEVEL_INFO);
}

_Noreturn void system_power_off(void)
{
	sync();
	/* Without ACPI the way off is a reset (the monitor takes it for the end). */
	reboot(RB_AUTOBOOT);
	_exit(0);
}
