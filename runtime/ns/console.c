/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/socket.h"
#include "runtime/ns/path.h"

/* Linux's admin-guide/devices.txt. */
#define PTMX_MAJOR 5
#define PTMX_MINOR 2
#define PTS_FIRST_MAJOR 136
#define PTS_LAST_MAJOR 143

/* What runc sends; containerd and conmon read a name and ignore it. */
#define MASTER_NAME "/dev/ptmx"

static bool on_devpts(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC;
}

static int open_multiplexer(int root, int procfs, struct error *err)
{
	struct stat st;
	char link[32];

	/* /dev/ptmx is a link to this, or should be: the devpts itself is what counts. */
	_cleanup_close_ int node = path_open(root, "/dev/pts/ptmx", O_PATH | O_NOFOLLOW, err);
	if (node < 0)
		return error_prefix(err,
			"process.terminal: the container needs a devpts mounted "
			"at /dev/pts");
	if (fstat(node, &st) < 0)
		return error_set(err, errno, "process.terminal: look at /dev/pts/ptmx");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR) ||
		!on_devpts(node))
		return error_say(err, ENXIO,
			"process.terminal: /dev/pts/ptmx of the container is not the multiplexer "
			"of a devpts: mount a devpts at /dev/pts");

	snprintf(link, sizeof(link), "self/fd/%d", node);
	int master = openat(procfs, link, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return error_set(err, errno, "process.terminal: open a pseudoterminal%s",
			errno == ENOSPC ? " (the devpts is full: see kernel.pty.max)"
				: errno == EACCES
				? " (mount the container's devpts with ptmxmode=0666)"
				: "");
	return master;
}

static int open_peer(int master, struct error *err)
{
	unsigned int number;
	struct stat st;
	int unlock = 0;

	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return error_set(err, errno, "process.terminal: unlock the pseudoterminal");
	_cleanup_close_ int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (peer < 0)
		return error_set(err, errno, "process.terminal: open the pseudoterminal's peer");
	if (fstat(peer, &st) < 0)
		return error_set(err, errno, "process.terminal: look at the terminal");
	unsigned int per_major = 1U << 20;
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < PTS_FIRST_MAJOR ||
		major(st.st_rdev) > PTS_LAST_MAJOR ||
		(major(st.st_rdev) - PTS_FIRST_MAJOR) * per_major + minor(st.st_rdev) != number ||
		!on_devpts(peer))
		return error_say(err, ENXIO,
			"process.terminal: the pseudoterminal's peer is not terminal %u of a "
			"devpts",
			number);
	return take_fd(&peer);
}

/* The size of what the process has at its standard descriptors, where that is a terminal. */
static void inherit_size(int peer)
{
	struct winsize size;

	for (int fd = 0; fd < 3; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
			ioctl(peer, TIOCSWINSZ, &size);
			return;
		}
	}
}

int console_open(int root, int procfs, const struct oci_process *process, int *ret_master,
	int *ret_terminal, struct error *err)
{
	_cleanup_close_ int master = open_multiplexer(root, procfs, err);
	if (master < 0)
		return master;
	_cleanup_close_ int peer = open_peer(master, err);
	if (peer < 0)
		return peer;
	if (process->console_size.set) {
		struct winsize size = { .ws_row = process->console_size.height,
			.ws_col = process->console_size.width };

		if (ioctl(peer, TIOCSWINSZ, &size) < 0)
			return error_set(err, errno, "process.consoleSize: set %ux%u",
				process->console_size.width, process->console_size.height);
	} else {
		/* Now, for the program may look before its caller has begun to relay. */
		inherit_size(peer);
	}
	*ret_master = take_fd(&master);
	*ret_terminal = take_fd(&peer);
	return 0;
}

int console_keep_newlines(int terminal, struct error *err)
{
	struct termios modes;

	if (tcgetattr(terminal, &modes) < 0)
		return error_set(err, errno, "process.terminal: read its mode");
	modes.c_oflag &= ~(tcflag_t)ONLCR;
	if (tcsetattr(terminal, TCSANOW, &modes) < 0)
		return error_set(err, errno, "process.terminal: set its mode");
	return 0;
}

int console_send(int socket, int master, struct error *err)
{
	if (socket_send_fds(socket, MASTER_NAME, strlen(MASTER_NAME), &master, 1, err) < 0)
		return error_prefix(err, "hand the terminal to the console socket");
	return 0;
}

int console_take(int terminal, struct error *err)
{
	if (ioctl(terminal, TIOCSCTTY, 0) < 0)
		return error_set(err, errno, "process.terminal: make it the controlling terminal");
	for (int fd = 0; fd < 3; fd++) {
		/* dup2() onto itself would leave close-on-exec set. */
		if (fd == terminal ? fcntl(fd, F_SETFD, 0) < 0 : dup2(terminal, fd) < 0)
			return error_set(
				err, errno, "process.terminal: make it file descriptor %d", fd);
	}
	if (terminal > 2)
		close(terminal);
	return 0;
}
