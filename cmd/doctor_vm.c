/* SPDX-License-Identifier: Apache-2.0 */
/* What containers in virtual machines need of a host. What can be tried is tried. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "runtime/vm/accel/accel.h"
#include "runtime/vm/boot/image.h"
#include "runtime/vm/kernel/cache.h"
#include "runtime/vm/kernel/choice.h"
#include "runtime/vm/kernel/modules.h"
#include "runtime/vm/network/network.h"
#include "runtime/vm/virtio/vhost_net.h"

/* ---- KVM ------------------------------------------------------------------------------------ */

static void look_at_kvm(struct doctor_report *report)
{
	struct error err = ERROR_INIT;
	_cleanup_close_ int device = accel_open_device(&err);

	if (device < 0) {
		doctor_add(report, "/dev/kvm", DOCTOR_MISSING,
			err.errnum == EACCES || err.errnum == EPERM
				? "as root: usermod -aG kvm USER, then log in anew"
				: "turn virtualization on in the firmware (or nested "
				  "virtualization in "
				  "the hypervisor around this host), then 'modprobe kvm-intel' or "
				  "'modprobe kvm-amd'",
			"%s", err.message);
		return;
	}
	doctor_add(report, "/dev/kvm", DOCTOR_OK, NULL, "can be opened");
	int works = accel_probe(device, &err);
	if (works > 0)
		doctor_add(report, "processors", DOCTOR_OK, NULL, "guests run on them");
	else
		doctor_add(report, "processors", DOCTOR_MISSING,
			works == 0 ? "turn nested virtualization on in the hypervisor around this "
				     "host, "
				     "or use a host with hardware virtualization"
				   : "a kernel whose KVM has what the line above names",
			"%s", err.message);
}

/* ---- files ---------------------------------------------------------------------------------- */

static int check_kernel(int fd, struct error *err)
{
	struct kernel_image image;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return error_say(err, ENOEXEC, "no regular file, or an empty one");
	void *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return error_set(err, errno, "read it");
	int status = kernel_image_parse(file, (size_t)st.st_size, &image, err);
	munmap(file, (size_t)st.st_size);
	return status;
}

/* The "newc" form, plain or compressed: the guest's kernel unpacks it. */
static int check_initramfs(int fd, struct error *err)
{
	char magic[6] = "";

	if (read(fd, magic, sizeof(magic)) != sizeof(magic))
		return error_say(err, ENOEXEC, "shorter than an initramfs");
	if (memcmp(magic, "070701", 6) != 0 && memcmp(magic, "\x1f\x8b", 2) != 0 &&
		memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0 &&
		memcmp(magic, "\x02\x21\x4c\x18", 4) != 0)
		return error_say(err, ENOEXEC, "no initramfs (cpio, form newc)");
	return 0;
}

#define MEND_KERNEL                                                                             \
	"in caisson's source: make guest-kernel && sudo make install; or name a kernel in the " \
	"settings (" SETTINGS_PATH ", vm.kernel)"

static void look_at_file(struct doctor_report *report, const char *name, const char *path,
	int (*check)(int fd, struct error *err), const char *mend, const char *whose)
{
	struct error err = ERROR_INIT;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		doctor_add(report, name, DOCTOR_MISSING, mend, "%s: %s", path, strerror(errno));
	else if (check(fd, &err) < 0)
		doctor_add(report, name, DOCTOR_MISSING, mend, "%s: %s", path, err.message);
	else
		doctor_add(report, name, DOCTOR_OK, NULL, "%s%s", path, whose);
}

/* What is put behind the agent for a distribution's kernel, and where that is kept. */
static void look_at_modules(struct doctor_report *report, const struct vm_kernel_place *place)
{
	_cleanup_(kernel_modules_free) struct kernel_modules modules = { 0 };
	char directory[PATH_MAX], path[PATH_MAX];
	struct error err = ERROR_INIT;

	if (kernel_modules_find("", place->version, &modules, &err) < 0) {
		doctor_add(report, "kernel modules", DOCTOR_MISSING,
			err.errnum == ENOENT ? "as root: apt-get install kmod" : MEND_KERNEL, "%s",
			err.message);
		return;
	}
	doctor_add(report, "kernel modules",
		modules.missing[0] == '\0' ? DOCTOR_OK : DOCTOR_OPTIONAL,
		"a kernel that has them: " MEND_KERNEL, "%zu of kernel %s%s%s", modules.count,
		place->version, modules.missing[0] != '\0' ? "; it has no " : "", modules.missing);
	_cleanup_close_ int agent = open(place->agent, O_RDONLY | O_CLOEXEC);
	if (agent < 0)
		return;
	cache_directory(directory);
	bool there = cache_has_initramfs(directory, "", place->version, agent, path);
	doctor_add(report, "initramfs", DOCTOR_OK, NULL, "%s%s", path,
		there ? "" : ", made by the first container");
}

static void look_at_files(struct doctor_report *report, const struct settings_vm *settings)
{
	struct vm_kernel_place place;
	struct error err = ERROR_INIT;
	char whose[KERNEL_VERSION_MAX + 64] = ", installed";
	int status = vm_kernel_find(settings, &place, &err);

	if (place.distribution)
		snprintf(whose, sizeof(whose), ", the distribution's %s%s", place.version,
			place.named ? ", named by the settings" : "");
	else if (place.named)
		snprintf(whose, sizeof(whose), ", named by the settings");
	if (status < 0)
		doctor_add(report, "guest kernel", DOCTOR_MISSING, MEND_KERNEL, "%s", err.message);
	else
		look_at_file(
			report, "guest kernel", place.kernel, check_kernel, MEND_KERNEL, whose);
	look_at_file(report, "guest agent", place.agent, check_initramfs,
		"in caisson's source: make && sudo make install", "");
	if (place.distribution)
		look_at_modules(report, &place);
}

/* ---- network -------------------------------------------------------------------------------- */

/* An interface that stands for a container's: a tap too, for there is no need of another driver. */
static int make_interface(struct error *err)
{
	struct ifreq request = { .ifr_name = "probe", .ifr_flags = IFF_TAP | IFF_NO_PI };
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open /dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_set(err, errno, "make a tap interface");
	return take_fd(&fd);
}

/* In a namespace of its own: the same as for a container. */
static int try_network(struct error *err)
{
	struct vm_network network = VM_NETWORK_INIT;
	const int flags = CLONE_NEWNET | (geteuid() != 0 ? CLONE_NEWUSER : 0);

	if (unshare(flags) < 0)
		return error_set(err, errno, "make a network namespace");
	_cleanup_close_ int interface = make_interface(err);
	if (interface < 0)
		return interface;
	_cleanup_close_ int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return vm_network_scan(netns, "doctor", false, 1, &network, err);
}

static void look_at_network(struct doctor_report *report)
{
	struct error err = ERROR_INIT;
	int channel[2], status;

	if (pipe2(channel, O_CLOEXEC) < 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		status = try_network(&err);
		ssize_t written = write(channel[1], &err, sizeof(err));
		_exit(status < 0 || written != sizeof(err));
	}
	close(channel[1]);
	ssize_t got = child < 0 ? -1 : read(channel[0], &err, sizeof(err));
	close(channel[0]);
	if (child < 0 || got != sizeof(err) || waitpid(child, &status, 0) != child)
		return;
	if (status == 0) {
		doctor_add(report, "network cards", DOCTOR_OK, NULL, "taps and tc redirection");
		return;
	}
	doctor_add(report, "network cards", DOCTOR_MISSING,
		strstr(err.message, "/dev/net/tun") == NULL
			? "as root: modprobe -a sch_ingress cls_u32 act_mirred"
			: err.errnum == EACCES ? "as root: chmod 0666 /dev/net/tun, as udev does"
					       : "as root: modprobe tun",
		"%s: only containers without a network start", err.message);
}

/* What `start` does for each card of a container's. */
static void look_at_vhost(struct doctor_report *report)
{
	struct error err = ERROR_INIT;
	int status = vhost_net_probe(&err);

	if (status == 0)
		doctor_add(report, "vhost-net", DOCTOR_OK, NULL,
			"used: the host's kernel moves the packets");
	else
		doctor_add(report, "vhost-net", DOCTOR_OPTIONAL,
			status == -ENOENT || status == -ENODEV || status == -ENXIO
				? "as root: modprobe vhost_net (in a kernel that has it)"
				: status == -EACCES || status == -EPERM
				? "as root: it is root's, or give the user a right to "
				  "/dev/vhost-net"
				: "a kernel whose vhost-net knows virtio 1",
			"not used, the monitor moves the packets itself: %s", err.message);
}

void doctor_look_at_vm(struct doctor_report *report, const struct settings_vm *settings)
{
	look_at_kvm(report);
	look_at_files(report, settings);
	look_at_network(report);
	look_at_vhost(report);
}
