/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread takes on the ids of the user that a request comes from, for as long as it makes an
 * inode, so that owner, group, setgid inheritance and quota are the kernel's own doing. The system
 * calls are made raw: glibc's change all threads of the process.
 *
 * What the user may do has been decided in the guest, by its kernel; so the right to pass
 * directories is kept, and every other privilege is put down meanwhile, CAP_FSETID above all
 * (CVE-2022-0358: a setgid bit in a directory of a group that the user is not in).
 */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY(c) (UINT64_C(1) << (c))
#define CAPABILITIES_OF_USERS (CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH))

/* Protocol 7.38's extension of creating requests, which older headers do not have. */
#define EXTENSION_GROUPS 32
#define GROUPS_MAX 32
struct extension_header {
	uint32_t size, type;
};

static bool get_capabilities(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, data) == 0;
}

/* Makes `effective`, as far as it is permitted, the effective set of this thread. */
static bool set_effective(uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (!get_capabilities(data))
		return false;
	data[0].effective = (uint32_t)effective & data[0].permitted;
	data[1].effective = (uint32_t)(effective >> 32) & data[1].permitted;
	return syscall(SYS_capset, &header, data) == 0;
}

int fuse_credentials_init(struct fuse_thread *thread)
{
	struct __user_cap_data_struct data[2];

	thread->base_uid = geteuid();
	thread->base_gid = getegid();
	thread->can_set_groups = syscall(SYS_setgroups, 0, NULL) == 0;
	if (!get_capabilities(data))
		return -errno;
	thread->capabilities = data[0].effective | (uint64_t)data[1].effective << 32;
	thread->set_id_kept = true;
	return 0;
}

void fuse_credentials_set_kill(struct fuse_thread *thread, bool kill)
{
	uint64_t bit = CAPABILITY(CAP_FSETID);

	if (thread->set_id_kept != kill || !(thread->capabilities & bit))
		return;
	if (set_effective(kill ? thread->capabilities & ~bit : thread->capabilities))
		thread->set_id_kept = !kill;
}

/* The supplementary groups that the request brings: those that matter, says 7.38. */
static unsigned int take_groups(const struct fuse_request *request, gid_t groups[GROUPS_MAX])
{
	size_t length = fuse_extensions_length(&request->header);
	size_t at = request->length - (length <= request->length ? length : request->length);
	struct extension_header header;
	uint32_t count;

	while (length > 0 && request->length - at >= sizeof(header) + sizeof(count)) {
		memcpy(&header, request->arguments + at, sizeof(header));
		if (header.size < sizeof(header) + sizeof(count) ||
			header.size > request->length - at)
			break;
		memcpy(&count, request->arguments + at + sizeof(header), sizeof(count));
		if (header.type == EXTENSION_GROUPS && count <= GROUPS_MAX &&
			count * sizeof(uint32_t) <= header.size - sizeof(header) - sizeof(count)) {
			memcpy(groups, request->arguments + at + sizeof(header) + sizeof(count),
				count * sizeof(gid_t));
			return count;
		}
		at += header.size;
	}
	return 0;
}

/* setfsuid(2) and setfsgid(2) do not say whether they worked; asking for -1 tells the id. */
static bool set_id(long call, uint32_t id)
{
	syscall(call, id);
	return (uint32_t)syscall(call, -1) == id;
}

int fuse_credentials_assume(struct fuse_request *request)
{
	struct fuse_thread *thread = request->thread;
	uid_t uid = request->header.uid;
	gid_t gid = request->header.gid;
	gid_t groups[GROUPS_MAX];
	unsigned int count = take_groups(request, groups);

	/* Root's own privileges apply to what root makes. */
	fuse_credentials_set_kill(thread, false);
	if (thread->can_set_groups && count > 0)
		syscall(SYS_setgroups, count, groups);
	if ((gid == thread->base_gid || set_id(SYS_setfsgid, gid)) &&
		(uid == thread->base_uid || set_id(SYS_setfsuid, uid)) &&
		(uid == thread->base_uid ||
			set_effective(thread->capabilities & CAPABILITIES_OF_USERS)))
		return 0;
	fuse_credentials_restore(request);
	return -EPERM;
}

void fuse_credentials_restore(struct fuse_request *request)
{
	struct fuse_thread *thread = request->thread;

	if (request->header.uid != thread->base_uid) {
		syscall(SYS_setfsuid, thread->base_uid);
		set_effective(thread->capabilities);
	}
	if (request->header.gid != thread->base_gid)
		syscall(SYS_setfsgid, thread->base_gid);
	if (thread->can_set_groups && fuse_extensions_length(&request->header) > 0)
		syscall(SYS_setgroups, 0, NULL);
}
