/* SPDX-License-Identifier: Apache-2.0 */
/* What containers in namespaces need of a host. What can be tried is tried. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "cmd/state_json.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define TEXT_MAX 65536

/* Returns true where `text` has `word` between spaces, tabs or line ends. */
static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)) != NULL; at += length) {
		if ((at == text || strchr(" \t\n", at[-1]) != NULL) &&
			strchr(" \t\n", at[length]) != NULL)
			return true;
	}
	return false;
}

/* ---- control groups ------------------------------------------------------------------------- */

static bool is_unified(void)
{
	struct statfs fs;

	return statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* The caller's own control group, a path below the hierarchy's root, into `ret`. */
static bool own_cgroup(char *ret, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (read_file(AT_FDCWD, "/proc/self/cgroup", TEXT_MAX, &text, NULL, NULL) < 0)
		return false;
	const char *line = strstr(text, "0::/");
	if (line == NULL)
		return false;
	int length = (int)strcspn(line + 3, "\n");
	return snprintf(ret, size, CGROUP_ROOT "%.*s", length, line + 3) < (int)size;
}

static void look_at_controllers(struct doctor_report *report, const char *group, bool rootless)
{
	static const char *const wanted[] = { "cpuset", "cpu", "io", "memory", "pids" };
	_cleanup_free_ char *text = NULL;
	char path[4096 + 32], missing[64] = "";

	snprintf(path, sizeof(path), "%s/cgroup.controllers", group);
	if (read_file(AT_FDCWD, path, TEXT_MAX, &text, NULL, NULL) < 0) {
		doctor_add(report, "controllers", DOCTOR_OPTIONAL, NULL, "cannot read %s", path);
		return;
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		if (has_word(text, wanted[i]))
			continue;
		strcat(missing, " ");
		strcat(missing, wanted[i]);
	}
	text[strcspn(text, "\n")] = '\0';
	if (missing[0] == '\0')
		doctor_add(report, "controllers", DOCTOR_OK, NULL, "%s", text);
	else
		doctor_add(report, "controllers", DOCTOR_OPTIONAL,
			rootless
				? "as root: mkdir -p /etc/systemd/system/user@.service.d && printf "
				  "'[Service]\\nDelegate=cpu cpuset io memory pids\\n' >"
				  "/etc/systemd/system/user@.service.d/delegate.conf && systemctl "
				  "daemon-reload, then log in anew"
				: "leave them to the unified hierarchy: boot with "
				  "'systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all'",
			"limits of these fail:%s", missing);
}

static void look_at_cgroups(struct doctor_report *report, bool rootless)
{
	char group[4096];

	if (!is_unified()) {
		doctor_add(report, "control groups", DOCTOR_MISSING,
			"boot with 'systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all' on the "
			"kernel's command line; until then 'caisson --cgroup-manager disabled' "
			"runs "
			"containers without limits",
			CGROUP_ROOT " is not the unified hierarchy (cgroup v2)");
		return;
	}
	if (!own_cgroup(group, sizeof(group)))
		snprintf(group, sizeof(group), CGROUP_ROOT);
	if (!rootless)
		snprintf(group, sizeof(group), CGROUP_ROOT);
	if (access(group, W_OK) == 0)
		doctor_add(report, "control groups", DOCTOR_OK, NULL, "unified, %s is writable",
			group);
	else
		doctor_add(report, "control groups", DOCTOR_OPTIONAL,
			"run it in a delegated group: 'systemd-run --user --scope -p Delegate=yes "
			"COMMAND', or use --cgroup-manager systemd or disabled",
			"unified, but %s cannot be written", group);
	look_at_controllers(report, group, rootless);
}

/* ---- namespaces ----------------------------------------------------------------------------- */

/* What unshare(2) says in a child: 0 or an errno. */
static int try_unshare(int flags)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(unshare(flags) < 0 ? errno : 0);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

static void look_at_user_namespaces(struct doctor_report *report, bool rootless)
{
	int failure = try_unshare(CLONE_NEWUSER);
	const char *mend = "as root: sysctl -w user.max_user_namespaces=15000";

	if (failure == 0) {
		doctor_add(report, "user namespaces", DOCTOR_OK, NULL, "can be made");
		return;
	}
	if (access("/proc/sys/kernel/unprivileged_userns_clone", F_OK) == 0 && failure == EPERM)
		mend = "as root: sysctl -w kernel.unprivileged_userns_clone=1";
	else if (access("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", F_OK) == 0 &&
		failure != ENOSPC)
		mend = "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
	doctor_add(report, "user namespaces", rootless ? DOCTOR_MISSING : DOCTOR_OPTIONAL, mend,
		"cannot be made: %s", strerror(failure));
}

static void look_at_namespaces(struct doctor_report *report, bool rootless)
{
	static const struct {
		const char *name;
		int flag;
		bool needed;
	} kinds[] = {
		{ "mount", CLONE_NEWNS, true },
		{ "pid", CLONE_NEWPID, true },
		{ "network", CLONE_NEWNET, true },
		{ "ipc", CLONE_NEWIPC, true },
		{ "uts", CLONE_NEWUTS, true },
		{ "cgroup", CLONE_NEWCGROUP, false },
		{ "time", CLONE_NEWTIME, false },
	};
	char missing[128] = "";
	bool needed = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (try_unshare(kinds[i].flag | (rootless ? CLONE_NEWUSER : 0)) == 0)
			continue;
		strcat(missing, missing[0] != '\0' ? ", " : "");
		strcat(missing, kinds[i].name);
		needed |= kinds[i].needed;
	}
	if (missing[0] == '\0')
		doctor_add(report, "namespaces", DOCTOR_OK, NULL,
			"mount, pid, network, ipc, uts, cgroup, time");
	else
		doctor_add(report, "namespaces", needed ? DOCTOR_MISSING : DOCTOR_OPTIONAL,
			"a kernel with CONFIG_NAMESPACES and all below it, and a process that may "
			"make them (root, or user namespaces)",
			"cannot be made: %s", missing);
}

/* ---- ids of ordinary users ------------------------------------------------------------------ */

/* Privileged by its owner's bit or by a file capability. */
static bool find_helper(const char *name, char *path, size_t size)
{
	static const char *const directories[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin",
		"/usr/local/bin" };

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		snprintf(path, size, "%s/%s", directories[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static bool has_range(const char *file, const char *user, uid_t uid)
{
	_cleanup_free_ char *text = NULL;
	char names[2][80];

	if (read_file(AT_FDCWD, file, TEXT_MAX * 16, &text, NULL, NULL) < 0)
		return false;
	snprintf(names[0], sizeof(names[0]), "%s:", user);
	snprintf(names[1], sizeof(names[1]), "%u:", uid);
	for (const char *line = text; *line != '\0';
		line += strcspn(line, "\n"), line += *line == '\n') {
		for (size_t i = 0; i < 2; i++) {
			if (strncmp(line, names[i], strlen(names[i])) == 0)
				return true;
		}
	}
	return false;
}

static void look_at_ids(struct doctor_report *report, bool rootless)
{
	const char *user = user_name(getuid());
	char path[64];

	if (!find_helper("newuidmap", path, sizeof(path)) ||
		!find_helper("newgidmap", path, sizeof(path))) {
		doctor_add(report, "ids for users", DOCTOR_OPTIONAL,
			"apt-get install uidmap (or the package shadow-utils)",
			"newuidmap and newgidmap are not installed: a container of an ordinary "
			"user "
			"has one id only");
		return;
	}
	if (!rootless) {
		doctor_add(report, "ids for users", DOCTOR_OK, NULL,
			"newuidmap and newgidmap are there, for ordinary users");
		return;
	}
	if (has_range("/etc/subuid", user, getuid()) && has_range("/etc/subgid", user, getuid()))
		doctor_add(report, "ids for users", DOCTOR_OK, NULL,
			"%s has ranges in /etc/subuid and /etc/subgid", user);
	else
		doctor_add(report, "ids for users", DOCTOR_OPTIONAL,
			"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "
			"USER",
			"%s has no range in /etc/subuid and /etc/subgid: its containers have one "
			"id "
			"only",
			user);
}

/* ---- the kernel ----------------------------------------------------------------------------- */

/* Wrong arguments tell a system call that is there (EFAULT, EBADF …) from one that is not. */
static void look_at_calls(struct doctor_report *report)
{
	static const struct {
		long number;
		const char *name;
	} calls[] = {
		{ SYS_openat2, "openat2 (5.6)" },
		{ SYS_clone3, "clone3 (5.3)" },
		{ SYS_pidfd_open, "pidfd_open (5.3)" },
		{ SYS_close_range, "close_range (5.9)" },
		{ SYS_open_tree, "open_tree (5.2)" },
		{ SYS_mount_setattr, "mount_setattr (5.12)" },
	};
	char missing[256] = "";

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (syscall(calls[i].number, -1, -1, -1, -1, -1) >= 0 || errno != ENOSYS)
			continue;
		strcat(missing, missing[0] != '\0' ? ", " : "");
		strcat(missing, calls[i].name);
	}
	if (missing[0] == '\0')
		doctor_add(report, "system calls", DOCTOR_OK, NULL, "all that are needed");
	else
		doctor_add(report, "system calls", DOCTOR_MISSING,
			"a kernel of version 5.12 or later",
			"the kernel (or a filter around this process) lacks %s", missing);
}

static void look_at_seccomp(struct doctor_report *report)
{
	const uint32_t needed = SECCOMP_RET_ERRNO, listener = SECCOMP_RET_USER_NOTIF;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &needed) < 0)
		doctor_add(report, "seccomp", DOCTOR_MISSING, "a kernel with CONFIG_SECCOMP_FILTER",
			"filters are not there: %s", strerror(errno));
	else if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &listener) < 0)
		doctor_add(report, "seccomp", DOCTOR_OPTIONAL, "a kernel of version 5.0 or later",
			"filters work, listeners (SCMP_ACT_NOTIFY) do not");
	else
		doctor_add(report, "seccomp", DOCTOR_OK, NULL, "filters and listeners");
}

static void look_at_file_systems(struct doctor_report *report)
{
	_cleanup_free_ char *text = NULL;

	if (read_file(AT_FDCWD, "/proc/filesystems", TEXT_MAX, &text, NULL, NULL) < 0)
		return;
	bool overlay = has_word(text, "overlay"), fuse = has_word(text, "fuse");
	if (overlay)
		doctor_add(report, "overlay", DOCTOR_OK, NULL, "the kernel has it%s",
			fuse ? ", and fuse" : "");
	else
		doctor_add(report, "overlay", DOCTOR_OPTIONAL, "as root: modprobe overlay",
			"not loaded%s: image layers of podman and containerd need it",
			fuse ? " (fuse is there, for fuse-overlayfs)" : ", nor is fuse");
}

void doctor_look_at_namespaces(struct doctor_report *report)
{
	bool rootless = geteuid() != 0;

	look_at_cgroups(report, rootless);
	look_at_namespaces(report, rootless);
	look_at_user_namespaces(report, rootless);
	look_at_ids(report, rootless);
	look_at_calls(report);
	look_at_seccomp(report);
	look_at_file_systems(report);
}
