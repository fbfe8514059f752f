/* SPDX-License-Identifier: Apache-2.0 */
/* The device filter's program meets the kernel (devices.h, bpf(2)). */
#include "runtime/cgroup/devices.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"

/* By its name an update tells the program of ours from systemd's, or a nested runtime's. */
#define PROGRAM_NAME "caisson_devices"

/* The kernel attaches at most this many to one cgroup (BPF_CGROUP_MAX_PROGS). */
#define PROGRAMS_MOST 64

/* Another update that replaces the program meanwhile makes ours try again, but not for ever. */
#define TRIES_MOST 20

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/*
 * No setrlimit(RLIMIT_MEMLOCK) here: since Linux 5.11 the memory of programs is counted by the
 * memory cgroup, and raising the limit needs a capability that a container host may lack.
 */
static int load(const struct bpf_insn *insns, size_t count)
{
	static const char license[] = "Apache-2.0";
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uint64_t)(uintptr_t)license;
	memcpy(attr.prog_name, PROGRAM_NAME, sizeof(PROGRAM_NAME));

	int fd = bpf(BPF_PROG_LOAD, &attr);

	return fd < 0 ? -errno : fd;
}

static int attach(int cgroup, int program, int replaced)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_bpf_fd = (uint32_t)program;
	/* MULTI: a container in the container can only add to the filter (no override). */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replaced >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replaced;
	}
	return bpf(BPF_PROG_ATTACH, &attr) < 0 ? -errno : 0;
}

static int detach(int cgroup, int program)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_bpf_fd = (uint32_t)program;
	return bpf(BPF_PROG_DETACH, &attr) < 0 ? -errno : 0;
}

/* True when the program `fd` is one that load() made. */
static bool is_ours(int fd)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uint64_t)(uintptr_t)&info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && strcmp(info.name, PROGRAM_NAME) == 0;
}

/*
 * Finds the program of ours on the cgroup. Returns its fd, -ENOENT when there is none, or another
 * negative errno.
 */
static int find_attached(int cgroup)
{
	uint32_t ids[PROGRAMS_MOST] = { 0 };
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS_MOST;
	if (bpf(BPF_PROG_QUERY, &attr) < 0)
		return -errno;
	for (uint32_t i = 0; i < attr.query.prog_cnt && i < PROGRAMS_MOST; i++) {
		union bpf_attr by_id;
		int fd;

		memset(&by_id, 0, sizeof(by_id));
		by_id.prog_id = ids[i];
		fd = bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		if (is_ours(fd))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static int replace_attached(int cgroup, int program)
{
	for (int tries = 0;; tries++) {
		_cleanup_close_ int old = find_attached(cgroup);
		int status;

		if (old < 0 && old != -ENOENT)
			return old;
		/* Rules that allow everything have no program. */
		if (program < 0)
			return old < 0 ? 0 : detach(cgroup, old);
		status = attach(cgroup, program, old);
		if (status != -ENOENT || tries == TRIES_MOST)
			return status;
	}
}

static int fail(int errnum, const char *what, bool may_skip, struct error *err)
{
	if ((errnum == EPERM || errnum == EACCES) && may_skip) {
		log_debug("linux.resources.devices: the rules are not enforced: %s: %s", what,
			strerror(errnum));
		return 0;
	}
	if (errnum == EINVAL || errnum == ENOSYS)
		return error_set(err, errnum,
			"linux.resources.devices: cannot %s; the kernel needs CONFIG_CGROUP_BPF "
			"and "
			"CONFIG_BPF_SYSCALL",
			what);
	if (errnum == EPERM || errnum == EACCES)
		return error_set(err, errnum,
			"linux.resources.devices: cannot %s; this needs CAP_BPF and CAP_NET_ADMIN, "
			"or "
			"CAP_SYS_ADMIN, on the host",
			what);
	return error_set(err, errnum, "linux.resources.devices: cannot %s", what);
}

int cgroup_devices_set(int fd, const struct oci_resources *resources, bool replace, bool may_skip,
	struct error *err)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	_cleanup_close_ int program = -EBADF;
	size_t count;
	int status = cgroup_devices_program(resources, &insns, &count, err);

	if (status < 0)
		return status;
	if (count == 0 && !replace)
		return 0;
	if (count > 0) {
		program = load(insns, count);
		if (program < 0)
			return fail(-program, "load the device filter", may_skip, err);
	}
	status = replace ? replace_attached(fd, program) : attach(fd, program, -EBADF);
	return status < 0 ? fail(-status, "attach the device filter", may_skip, err) : 0;
}
