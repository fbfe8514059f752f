/* SPDX-License-Identifier: Apache-2.0 */
/* What a process can find out about itself only by system calls. */
#include <dirent.h>
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/tools/tool.h"

struct attributes {
	unsigned int size, policy;
	unsigned long long flags;
	int nice;
	unsigned int priority;
	unsigned long long runtime, deadline, period;
};

static void print_scheduling(void)
{
	struct attributes a = { 0 };
	int priority = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	cpu_set_t cpus;

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) == 0) {
		printf("policy: %u\nflags: %llu\nnice: %d\npriority: %u\n", a.policy, a.flags,
			a.nice, a.priority);
		printf("runtime: %llu\ndeadline: %llu\nperiod: %llu\n", a.runtime, a.deadline,
			a.period);
	}
	printf("ioprio: %d %d\n", (int)IOPRIO_PRIO_CLASS(priority),
		(int)IOPRIO_PRIO_DATA(priority));
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) {
		printf("cpus:");
		for (int i = 0; i < 64; i++) {
			if (CPU_ISSET(i, &cpus))
				printf(" %d", i);
		}
		putchar('\n');
	}
}

/* The directory's own descriptor is left out. */
static void print_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	printf("fds:");
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			printf(" %s", entry->d_name);
	}
	putchar('\n');
	if (dir != NULL)
		closedir(dir);
}

int tool_probe(int argc, char **argv)
{
	unsigned long nodes = 0;
	int mode = -1, death_signal = -1, subreaper = -1;
	mode_t mask = umask(0);

	(void)argc;
	(void)argv;
	print_scheduling();
	print_descriptors();
	printf("umask: %04o\n", mask);
	printf("personality: %#x\n", (unsigned int)personality(0xffffffff));
	printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE));
	printf("no_new_privs: %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	prctl(PR_GET_PDEATHSIG, &death_signal);
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	printf("pdeathsig: %d\nsubreaper: %d\n", death_signal, subreaper);
	if (syscall(SYS_get_mempolicy, &mode, &nodes, 64, NULL, 0) == 0)
		printf("mempolicy: %d %lu\n", mode, nodes);
	printf("session: %d\n", getsid(0) == getpid());
	printf("ppid: %d\n", getppid());
	return 0;
}

int tool_keyring(int argc, char **argv)
{
	char description[256];
	long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);

	(void)argc;
	(void)argv;
	if (id < 0) {
		printf("none: %s\n", strerror(errno));
		return 1;
	}
	if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, id, description, sizeof(description)) < 0)
		snprintf(description, sizeof(description), "?");
	printf("%ld %s\n", id, description);
	return 0;
}
